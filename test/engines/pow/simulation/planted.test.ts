/** A checker that can't fail says nothing: engines with faults planted in them, each of which must be found: proof of work. */
import { describe, expect, it } from 'vitest';

import type { Gauge } from '../../../../peer/core/engine.ts';
import type { PowStatus } from '../../../../peer/engines/pow/protocol/interface.ts';
import { powSubject } from '../../../../peer/engines/pow/simulation/subject.ts';
import type { PowTypes } from '../../../../peer/engines/pow/protocol/types.ts';
import { CHECKERS } from '../../../../peer/engines/pow/simulation/watch.ts';
import { NOTHING_THROWS, type Violation } from '../../../../peer/simulator/report.ts';
import type { Simulation } from '../../../../peer/simulator/simulation.ts';
import type { Engine } from '../../../../peer/core/engine.ts';
import type { Subject } from '../../../../peer/simulator/subject.ts';
import * as plant from '../../../simulator/plant.ts';

type Fault = plant.Fault<PowTypes>;

const RANGES = { nodes: 4, hours: 0.1, 'block-interval': 10, words: 120, 'consensus-interval': 60 };

function faulty(fault: Fault, measure?: (report: Gauge) => void): Subject<PowTypes> {
  return plant.faulty(powSubject, fault, measure);
}

function simulation(subject: Subject<PowTypes>, ranges: Record<string, number> = {}): Simulation<PowTypes> {
  return plant.simulation(subject, { ...RANGES, ...ranges });
}

function violations(subject: Subject<PowTypes>, ranges: Record<string, number> = {}): readonly Violation[] {
  return simulation(subject, ranges).finish().violations;
}

/** The one checker that a fault must set off. */
function found(fault: Fault, ranges: Record<string, number> = {}): string | undefined {
  const [first, ...more] = violations(faulty(fault), ranges);
  expect(more).toEqual([]);
  return first?.checker;
}

const asIs: Fault = (effects) => effects;

/** Has every miner search on blocks that say this. */
function saying(word: string): Fault {
  return (effects) =>
    effects.map((effect) => {
      if (effect.type !== 'notify' || effect.notice.kind !== 'work' || effect.notice.template === null)
        return effect;
      return {
        ...effect,
        notice: { ...effect.notice, template: { ...effect.notice.template, messages: [word] } },
      };
    });
}

/** Has something else written than the engine says. */
function writing(change: (key: string, value: string) => string): Fault {
  return (effects) =>
    effects.map((effect) => {
      if (effect.type !== 'store') return effect;
      const writes = effect.writes.map((write) =>
        write.type === 'put' ? { ...write, value: change(write.key, String(write.value)) } : write,
      );
      return { ...effect, writes };
    });
}

/** Engines that count one vote for each chain of their height, and none for those with a higher hash than theirs. */
const ignoringTheMajority = plant.wrapped(powSubject, (engine) => ({
  step(event) {
    if (event.type !== 'message' || event.message.type !== 'STATS_REPLY') return engine.step(event);
    const { message } = event;
    const own = (engine as Engine<PowTypes> & { status(): PowStatus }).status();
    const loses = message.height === own.height && (message.hash ?? '') >= (own.hash ?? '');
    return engine.step(loses ? { ...event, message: { ...message, height: 0, hash: null } } : event);
  },
  measure: (report) => {
    engine.measure(report);
  },
}));

describe('a planted fault is found', () => {
  it('finds none where none is planted', () => {
    expect(violations(faulty(asIs))).toEqual([]);
    expect(violations(faulty(asIs), { crashes: 100, down: 10, partitions: 30 })).toEqual([]);
  });

  it('when an engine throws', () => {
    const fault: Fault = (effects, event) => {
      if (event.type === 'message' && event.message.type === 'ANNOUNCE' && event.message.block.height === 5) {
        throw new Error('planted');
      }
      return effects;
    };
    expect(found(fault)).toBe('no step throws');
  });

  it('when something around the engine throws', () => {
    const oops = (): never => {
      throw new Error('oops');
    };
    const { codec } = powSubject;
    const broken: [Subject<PowTypes>, string, number | null][] = [
      [{ ...powSubject, codec: { ...codec, encode: oops } }, 'call', null],
      [{ ...powSubject, codec: { ...codec, decode: oops } }, 'delivery', expect.any(Number) as number],
      [plant.changed(powSubject, () => ({ onStore: oops })), 'call', null],
      [plant.changed(powSubject, () => ({ onMessage: oops })), 'delivery', expect.any(Number) as number],
      [plant.changed(powSubject, () => ({ figures: oops })), 'report', null],
      [plant.changed(powSubject, () => ({ describe: oops })), 'report', null],
    ];
    for (const [subject, place, node] of broken) {
      const report = simulation(subject, { codec: 1 }).finish();
      const [first] = report.violations;
      expect(first).toMatchObject({ checker: NOTHING_THROWS, kind: 'safety', node });
      // With the head of the stack.
      expect(first?.detail).toMatch(new RegExp(`^${place}: Error: oops +at .*oops`));
      expect(report.verdicts).toContainEqual({ checker: NOTHING_THROWS, kind: 'safety', result: 'violated' });
      expect(report.nodes).toHaveLength(RANGES.nodes);
    }
  });

  it('when a host tells a time before an earlier one', () => {
    const run = simulation(powSubject);
    const [node] = run.nodes;
    if (node !== undefined) node.latest = Infinity;
    expect(run.finish().violations[0]?.checker).toBe('engine time never goes back');
  });

  it.each([11, -1])('when a table outgrows its bound, or is counted wrongly: %i of 10', (size) => {
    const [first] = violations(
      faulty(asIs, (report) => {
        report('planted', size, 10);
      }),
    );
    expect(first).toMatchObject({
      checker: 'every table within its bound',
      detail: `planted: ${size} of 10`,
    });
  });

  it('when nothing but the moment goes on', () => {
    const fault: Fault = (effects) => [...effects, { type: 'timer', timer: 'planted', after: 0 }];
    expect(found(fault)).toBe('time goes on');
  });

  it('when a block is stored after it is told', () => {
    const fault: Fault = (effects) => [
      ...effects.filter(({ type }) => type !== 'store'),
      ...effects.filter(({ type }) => type === 'store'),
    ];
    expect(found(fault)).toBe(CHECKERS.reported);
  });

  it('when a user is told of a block before it is stored', () => {
    const fault: Fault = (effects) => {
      const reported = effects.filter(({ type }) => type === 'notify');
      return [...reported, ...effects.filter(({ type }) => type !== 'notify')];
    };
    expect(found(fault)).toBe(CHECKERS.reported);
  });

  it('when a block of the chain is deleted, below all that is looked at', () => {
    const block = 'b/0000/000002';
    const fault: Fault = (effects) =>
      effects.map((effect) =>
        effect.type === 'store' && effect.writes.some(({ key }) => key === 'b/0000/000006')
          ? { ...effect, writes: [...effect.writes, { type: 'delete', key: block }] }
          : effect,
      );
    expect(found(fault)).toBe(CHECKERS.kept);
  });

  it('when blocks that are in no chain are left where they are', () => {
    const fault: Fault = (effects) =>
      effects.map((effect) =>
        effect.type === 'store' && effect.writes.some(({ key }) => key === 'b/0000/000002')
          ? { ...effect, writes: [...effect.writes, { type: 'put', key: 'b/0009/000002', value: '{}' }] }
          : effect,
      );
    expect(found(fault)).toBe('blocks that are in no chain any more are deleted');
  });

  it('when a block is acknowledged that is not stored', () => {
    const fault: Fault = (effects, event) =>
      event.type === 'request' && event.request.kind === 'submit-block'
        ? effects.filter(({ type }) => type === 'reply')
        : effects;
    expect(found(fault)).toBe(CHECKERS.kept);
  });

  it('when a block is acknowledged before it is stored, with crashes and without', () => {
    const fault: Fault = (effects) => [
      ...effects.filter(({ type }) => type === 'reply'),
      ...effects.filter(({ type }) => type !== 'reply'),
    ];
    expect(found(fault)).toBe(CHECKERS.kept);
    expect(found(fault, { crashes: 2_000, down: 1 })).toBe(CHECKERS.kept);
  });

  it('when a stored block is changed', () => {
    const fault = writing((key, value) => (key.startsWith('b/') ? value.replace('"idle"', '"idly"') : value));
    expect(found(fault)).toBe(CHECKERS.valid);
    expect(found(fault, { stub: 1 })).toBe(CHECKERS.valid);
  });

  it('when a chain is replaced by a shorter one', () => {
    const fault = writing((key, value) =>
      key === 'chain' ? value.replace('"height":7', '"height":5') : value,
    );
    expect(found(fault)).toBe(CHECKERS.better);
  });

  it('when the lower hash wins against the majority', () => {
    const forks = {
      nodes: 7,
      hours: 0.3,
      'block-interval': 5,
      'consensus-interval': 20,
      latency: 500,
      loss: 20,
    };
    expect(violations(powSubject, forks)).toEqual([]);
    const [first, ...more] = violations(ignoringTheMajority, forks);
    expect(more).toEqual([]);
    expect([CHECKERS.better, CHECKERS.best]).toContain(first?.checker);
  });

  it.each(
    ['ANNOUNCE', 'GOSSIP'].flatMap((type) => [0, 1, 29, 59, 120].map((seconds) => [type, seconds] as const)),
  )('when one %s is passed on once more, %i s later', (type, seconds) => {
    let first: { effect: plant.EffectOf<PowTypes>; at: number } | undefined;
    let done = false;
    const fault: Fault = (effects, { now }, { index }) => {
      if (index !== 0 || done) return effects;
      if (first === undefined) {
        const effect = effects.find((one) => one.type === 'broadcast' && one.message.type === type);
        if (effect !== undefined) first = { effect, at: now };
      }
      if (first === undefined || now < first.at + 1_000 * seconds) return effects;
      done = true;
      return [...effects, first.effect];
    };
    // Nobody is asked for STATS in the meantime.
    const quiet = { 'consensus-interval': 3_600, 'gossip-interval': 600, 'peer-timeout': 3_600 };
    expect(found(fault, { nodes: 2, ...quiet })).toBe(CHECKERS.once);
  });

  it('when a block is sent again to a peer that was not asked whether it lacks it', () => {
    const fault: Fault = (effects) =>
      effects.flatMap((effect) =>
        effect.type === 'broadcast' && effect.message.type === 'ANNOUNCE'
          ? [effect, ...effect.to.map((to) => ({ ...effect, type: 'send', to }) as const)]
          : [effect],
      );
    expect(violations(faulty(fault))[0]?.checker).toBe(CHECKERS.once);
  });

  it('when a chain is proved false once more', () => {
    const claimedBy = [{ host: '10.0.0.4', port: 8784 }];
    const notice = { kind: 'false-chain', target: { height: 9, hash: 'x' }, claimedBy, fault: 'y' } as const;
    const fault: Fault = (effects, event) =>
      event.type === 'timer' ? [...effects, { type: 'notify', notice }] : effects;
    expect(found(fault)).toBe(CHECKERS.liars);
  });

  it('when a word is mined twice', () => {
    // A miner that puts the same word into each of its blocks.
    expect(found(saying('word 0'))).toBe(CHECKERS.words);
  });

  it('when nodes never agree', () => {
    const fault: Fault = (effects, _, { index }) =>
      index === 2 ? effects.filter(({ type }) => type !== 'send' && type !== 'broadcast') : effects;
    expect(found(fault)).toMatch(/same tip/);
  });

  it('when a word is never mined', () => {
    expect(found(saying('else'))).toMatch(/every word/);
  });
});
