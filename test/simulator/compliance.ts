/** What every engine must pass before it is taken, over the simulator. */
import { expect, it } from 'vitest';

import type { SimulatedEngine } from '../../peer/simulator/offer.ts';
import { readPlan, type Wording } from '../../peer/simulator/plan.ts';
import { draw } from '../../peer/simulator/settings.ts';
import { expectHeld, run } from './harness.ts';

/** Adds the tests of an engine. */
export function complianceOf(engine: SimulatedEngine): void {
  it('replays a seed exactly, and no other seed is the same', () => {
    const [one, again, other] = [7, 7, 8].map((seed) =>
      run(engine, seed, { hours: 0.1 }, { faults: 'mixed' }),
    );
    expect(again).toEqual(one);
    expect(other?.digest).not.toBe(one?.digest);
  });

  it('agrees, and gets something done, where nothing goes wrong', () => {
    for (const nodes of [1, 2, 4, 7, 20]) {
      const report = run(engine, nodes, { nodes, hours: 0.1 });
      expectHeld(report);
      const progress = report.nodes.map((node) => node[report.progressName]);
      expect(new Set(progress).size).toBe(1);
      expect(Number(progress[0])).toBeGreaterThan(5);
    }
  });

  it('agrees after losses, duplicates, reordering and a narrow line', () => {
    const asked = { hours: 0.1, loss: 30, duplicate: 50, reorder: 50, bandwidth: 20, latency: 200 };
    for (const shape of ['exponential', 'heavy-tailed', 'uniform', 'fixed'] as const) {
      const report = run(engine, 1, asked, { shape });
      expectHeld(report);
      expect(report.network.dropped.loss).toBeGreaterThan(100);
      expect(report.network.duplicated).toBeGreaterThan(100);
      expect(report.network.reordered).toBeGreaterThan(100);
    }
  });

  it('agrees after partitions of every kind', () => {
    const report = run(engine, 3, { hours: 0.5, partitions: 40, 'partition-length': 120 });
    expectHeld(report);
    expect(report.faults.partitions).toBeGreaterThan(10);
    expect(report.network.dropped.partition).toBeGreaterThan(100);
    expect(report.network.heldBack).toBeGreaterThan(10);
  });

  it('keeps what it promised through crashes between any two effects', () => {
    const report = run(engine, 4, { hours: 0.5, crashes: 400, down: 5 });
    expectHeld(report);
    expect(report.faults.crashes).toBeGreaterThan(100);
    expect(report.faults.crashesMidStep).toBeGreaterThan(50);
  });

  it('lets nodes leave for good and new ones come, with nothing and at other addresses', () => {
    const report = run(engine, 5, { hours: 1, churn: 30 });
    expectHeld(report);
    expect(report.faults.replaced).toBeGreaterThan(10);
  });

  it('lives with wrong clocks and slow nodes', () => {
    const asked = { hours: 0.3, skew: 2_000, drift: 10_000, 'clock-jumps': 60, slow: 50, 'slow-by': 20 };
    expectHeld(run(engine, 6, asked));
  });

  it.each(Object.keys(engine.byzantine))('is not moved by two nodes of the kind "%s"', (kind) => {
    const asked = { nodes: 7, hours: 0.1, loss: 5, crashes: 40 };
    expectHeld(run(engine, 9, asked, { byzantineKinds: [kind, kind] }));
  });

  it('is not moved by Byzantine nodes of all kinds together, as many as it can bear', () => {
    const kinds = Object.keys(engine.byzantine);
    // Messages grow with the square of the nodes: a few kinds at a time cost less than all of them.
    const nodes = 10;
    const most = engine.mostByzantine(nodes);
    for (let first = 0; first < kinds.length; first += most) {
      const byzantineKinds = kinds.slice(first, first + most);
      expectHeld(run(engine, 10, { nodes, hours: 0.05 }, { byzantineKinds }));
    }
  });

  it('has never more Byzantine nodes than it can bear', () => {
    for (let seed = 0; seed < 100; seed++) {
      const { values, byzantine } = draw(seed, { faults: 'mixed', ranges: {}, byzantineKinds: [] }, engine);
      expect(byzantine.length).toBeLessThanOrEqual(engine.mostByzantine(values['nodes'] ?? 0));
    }
    const [kind] = Object.keys(engine.byzantine);
    const most = engine.mostByzantine(7);
    // An engine that can bear none has no kinds of them.
    const wording = (count: number): Wording => ({
      nodes: '7',
      byzantine: kind === undefined ? String(count) : Array(count).fill(kind).join(','),
    });
    const { byzantine, byzantineKinds } = readPlan(engine, wording(most));
    expect(byzantine?.most ?? byzantineKinds.length).toBe(most);
    expect(() => readPlan(engine, wording(most + 1))).toThrow(`${engine.name} can bear ${most} Byzantine`);
  });
}
