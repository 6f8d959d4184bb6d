import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { pbftSubject } from '../../peer/engines/pbft/simulation/subject.ts';
import { powSubject } from '../../peer/engines/pow/simulation/subject.ts';
import { draw, settingsOf, type Drawn, type Plan } from '../../peer/simulator/settings.ts';

const QUIET: Plan = { faults: 'none', ranges: {}, byzantineKinds: [] };
const MIXED: Plan = { ...QUIET, faults: 'mixed' };
const SPECS = settingsOf(powSubject);
const SEEDS = Array.from({ length: 300 }, (_, seed) => seed);

function drawOf(seed: number, plan: Plan): Drawn {
  return draw(seed, plan, powSubject);
}

/** Everything drawn but one setting. */
function without(name: string, { values, ...rest }: Drawn): object {
  return { ...rest, values: Object.entries(values).filter(([other]) => other !== name) };
}

describe('the settings of a seed', () => {
  it('are the same whenever they are drawn', () => {
    for (const seed of SEEDS) expect(drawOf(seed, MIXED)).toEqual(drawOf(seed, MIXED));
  });

  it('are the initial ones where nothing is asked for', () => {
    const { values, shape, byzantine } = drawOf(1, QUIET);
    expect(values).toEqual(
      Object.fromEntries(Object.entries(SPECS).map(([name, { initial }]) => [name, initial])),
    );
    expect([shape, byzantine]).toEqual(['exponential', []]);
  });

  it('lie in the range that was asked for, and reach both of its ends', () => {
    const plan = { ...QUIET, ranges: { nodes: { least: 4, most: 6 }, loss: { least: 10, most: 20 } } };
    const drawn = SEEDS.map((seed) => drawOf(seed, plan).values);
    expect(new Set(drawn.map(({ nodes }) => nodes))).toEqual(new Set([4, 5, 6]));
    const losses = drawn.map(({ loss }) => loss ?? NaN);
    expect(Math.min(...losses)).toBeGreaterThanOrEqual(10);
    expect(Math.max(...losses)).toBeLessThanOrEqual(20);
    expect(new Set(losses).size).toBeGreaterThan(200);
  });

  it.each([powSubject, pbftSubject])(
    'lie in the ranges of the menu where faults are mixed; each kind of fault is left out now and then: $name',
    (subject) => {
      const all = SEEDS.map((seed) => draw(seed, MIXED, subject).values);
      for (const [name, { mixed, fault, initial, share = 0.6 }] of Object.entries(settingsOf(subject))) {
        const values = all.map((one) => one[name] ?? NaN);
        const range = mixed ?? { least: initial, most: initial };
        const drawn = fault === true ? values.filter((value) => value !== 0) : values;
        expect(
          drawn.every((value) => value >= range.least && value <= range.most),
          name,
        ).toBe(true);
        if (fault !== true) continue;
        expect(Math.abs(drawn.length / SEEDS.length - share), name).toBeLessThan(0.1);
      }
    },
  );

  it('do not depend on what is asked of the others', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        // How many nodes may be Byzantine depends on how many there are.
        fc.constantFrom(...Object.keys(SPECS).filter((name) => name !== 'nodes')),
        (seed, name) => {
          const { least, most } = SPECS[name]?.bounds ?? { least: 0, most: 0 };
          const plan = { ...MIXED, ranges: { [name]: { least, most } } };
          expect(without(name, drawOf(seed, plan))).toEqual(without(name, drawOf(seed, MIXED)));
        },
      ),
    );
  });

  it('leave at least one node honest, and two thirds of them where nobody asked for more', () => {
    for (const seed of SEEDS) {
      const { values, byzantine } = drawOf(seed, MIXED);
      expect(byzantine.length).toBeLessThanOrEqual(((values['nodes'] ?? 0) - 1) / 3);
      const many = { ...MIXED, byzantine: { least: 50, most: 60 } };
      expect(drawOf(seed, many).byzantine.length).toBe((values['nodes'] ?? 0) - 1);
    }
  });

  it('have foreign nodes only where they were asked for, and leave one node that is not', () => {
    for (const seed of SEEDS) expect('foreign' in drawOf(seed, MIXED)).toBe(false);
    const many = { ...MIXED, foreign: { least: 50, most: 60 } };
    const kinds = new Set<string>();
    for (const seed of SEEDS) {
      const { values, byzantine, foreign = [] } = drawOf(seed, many);
      expect(byzantine.length + foreign.length).toBe((values['nodes'] ?? 0) - 1);
      expect(without('', { ...drawOf(seed, many), foreign: [] })).toEqual(
        without('', { ...drawOf(seed, MIXED), foreign: [] }),
      );
      for (const kind of foreign) kinds.add(kind);
    }
    expect(kinds).toEqual(new Set(Object.keys(powSubject.foreign ?? {})));
    const asked = { ...QUIET, foreign: ['deaf', 'quiet', 'deaf'] };
    expect(drawOf(1, asked).foreign).toEqual(['deaf', 'quiet', 'deaf']);
  });

  it('have the kinds of Byzantine nodes that were asked for, in that order', () => {
    const plan = { ...QUIET, byzantineKinds: ['goose', 'eclipse', 'goose'] };
    expect(drawOf(1, plan).byzantine).toEqual(['goose', 'eclipse', 'goose']);
  });
});
