import { describe, expect, it } from 'vitest';

import { powSubject } from '../../peer/engines/pow/simulation/subject.ts';
import type { RunReport } from '../../peer/simulator/report.ts';
import { draw, type Plan } from '../../peer/simulator/settings.ts';
import { Simulation } from '../../peer/simulator/simulation.ts';
import type { TraceLine } from '../../peer/simulator/trace.ts';

/** Runs a seed of proof of work with a timeline and a trace. */
function watched(seed: number, values: Record<string, number>): { report: RunReport; trace: TraceLine[] } {
  const ranges = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, { least: value, most: value }]),
  );
  const plan: Plan = { faults: 'none', ranges, byzantineKinds: [] };
  const trace: TraceLine[] = [];
  const hooks = { timeline: true, trace: (line: TraceLine) => trace.push(line) };
  return { report: new Simulation(powSubject, seed, draw(seed, plan, powSubject), hooks).finish(), trace };
}

describe('when faults end', () => {
  const latency = 50;
  const faults = { nodes: 5, hours: 0.15, partitions: 60, 'partition-length': 200, loss: 5, latency };
  const { report, trace } = watched(12, faults);
  const { healedAt = 0, faults: spans = [] } = report.timeline ?? {};

  it('no node stays clogged, and no wall stands', () => {
    expect(healedAt).toBe(540);
    const clogged = spans.filter(({ kind }) => kind === 'clogged');
    // Some would have lasted longer.
    expect(clogged.some(({ to }) => to === healedAt)).toBe(true);
    expect(spans.filter(({ to }) => to > healedAt)).toEqual([]);
    const untils = trace.filter(({ what }) => what === 'clogged').map(({ until }) => until);
    expect(untils).toHaveLength(clogged.length);
    expect(Math.max(...untils.map(Number))).toBe(healedAt);
  });

  it('what was held back arrives', () => {
    expect(report.network.heldBack).toBeGreaterThan(100);
    const arrivals = trace.flatMap((line) =>
      line.what === 'sent' && line.t < healedAt ? (line['arrives'] as number[]) : [],
    );
    // No datagram takes longer than so many mean latencies, unless somebody holds it back.
    expect(Math.max(...arrivals)).toBeLessThan(healedAt + (20 * latency) / 1000);
  });
});

it('more faults than can be drawn are counted', () => {
  const { report } = watched(1, {
    nodes: 2,
    hours: 1,
    'clock-jumps': 3_000,
    words: 0,
    'block-interval': 600,
  });
  expect(report.timeline?.faults).toHaveLength(2_000);
  expect(report.timeline?.furtherFaults).toBeGreaterThan(500);
});
