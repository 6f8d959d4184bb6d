import { describe, expect, it } from 'vitest';

import { Chance } from '../../peer/simulator/chance.ts';
import { healed, Network, type DropReason, type LinkSettings } from '../../peer/simulator/network.ts';

const PERFECT: LinkSettings = {
  latency: 10,
  shape: 'fixed',
  loss: 0,
  duplicate: 0,
  reorder: 0,
  bandwidth: 0,
};
const COUNT = 20_000;
/** Milliseconds and seconds in the network's microseconds. */
const MS = 1_000;
const SECOND = 1_000_000;

function network(settings: Partial<LinkSettings> = {}, sites = 3): Network {
  return new Network(sites, { ...PERFECT, ...settings }, new Chance(1, 'network'));
}

/** Sends many datagrams at once; when they arrive, and why they do not. */
function sendMany(subject: Network): { arrivals: number[][]; drops: (DropReason | undefined)[] } {
  const arrivals: number[][] = [];
  const drops: (DropReason | undefined)[] = [];
  for (let i = 0; i < COUNT; i++) {
    drops.push(subject.send(0, 1, 100, 0));
    arrivals.push([...subject.arrivals]);
  }
  return { arrivals, drops };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

describe('a simulated network', () => {
  it('delivers every datagram once, after its latency, if nothing is wrong with it', () => {
    const subject = network();
    expect(subject.send(0, 1, 100, 5 * SECOND)).toBeUndefined();
    expect(subject.arrivals).toEqual([5 * SECOND + 10 * MS]);
  });

  it('loses the share that it is told to', () => {
    const { arrivals, drops } = sendMany(network({ loss: 0.2 }));
    expect(drops.filter((reason) => reason === 'loss').length / COUNT).toBeCloseTo(0.2, 2);
    expect(arrivals.every((copies, place) => copies.length === (drops[place] === 'loss' ? 0 : 1))).toBe(true);
  });

  it('doubles the share that it is told to', () => {
    const subject = network({ duplicate: 0.3 });
    const doubled = sendMany(subject).arrivals.filter((copies) => copies.length === 2).length;
    expect(doubled / COUNT).toBeCloseTo(0.3, 2);
    expect(subject.faults.duplicated).toBe(doubled);
  });

  it('holds up the share that it is told to', () => {
    const subject = network({ reorder: 0.25 });
    const late = sendMany(subject).arrivals.filter(([at = 0]) => at > 10 * MS).length;
    expect(late / COUNT).toBeCloseTo(0.25, 2);
    expect(subject.faults.reordered).toBeGreaterThanOrEqual(late);
  });

  it.each(['uniform', 'exponential', 'heavy-tailed'] as const)(
    'has the mean latency it is told to: %s',
    (shape) => {
      const times = sendMany(network({ shape })).arrivals.map(([at = 0]) => at);
      expect(mean(times) / (10 * MS)).toBeGreaterThan(0.9);
      expect(mean(times) / (10 * MS)).toBeLessThan(1.1);
    },
  );

  it('is passed by nothing where a wall stands, until all walls have fallen', () => {
    const subject = network();
    const both = [
      [0, 1],
      [1, 0],
    ] as const;
    subject.wall(both, true);
    subject.wall([[0, 1]], true);
    expect([subject.send(0, 1, 1, 0), subject.send(1, 0, 1, 0)]).toEqual(['partition', 'partition']);
    expect(subject.arrivals).toEqual([]);
    expect(subject.send(0, 2, 1, 0)).toBeUndefined();
    subject.wall(both, false);
    expect([subject.send(0, 1, 1, 0), subject.send(1, 0, 1, 0)]).toEqual(['partition', undefined]);
    subject.wall([[0, 1]], false);
    expect(subject.send(0, 1, 1, 0)).toBeUndefined();
  });

  it('lets everything pass in the other direction where a wall is one-way', () => {
    const subject = network();
    subject.wall([[0, 1]], true);
    expect([subject.blocked(0, 1), subject.blocked(1, 0)]).toEqual([true, false]);
    expect([subject.send(0, 1, 1, 0), subject.send(1, 0, 1, 0)]).toEqual(['partition', undefined]);
  });

  it('sends one datagram after the other where the line is narrow, and drops what would wait for too long', () => {
    // 10 bytes a millisecond: 100 bytes take 10 ms, and the line holds 2 s of that.
    const subject = network({ bandwidth: 10 });
    const sent = Array.from({ length: 250 }, () => {
      const reason = subject.send(0, 1, 100, 0);
      return reason ?? subject.arrivals[0];
    });
    expect(sent.slice(0, 3)).toEqual([20 * MS, 30 * MS, 40 * MS]);
    expect(sent.filter((one) => one === 'bandwidth').length).toBe(250 - 201);
    expect(sent.at(-1)).toBe('bandwidth');
    // Others have lines of their own, and a line that has had time is free again.
    expect(subject.send(1, 0, 100, 0)).toBeUndefined();
    subject.send(0, 1, 100, 10 * SECOND);
    expect(subject.arrivals).toEqual([10 * SECOND + 20 * MS]);
  });

  it('holds back what is sent to a clogged site until it is open, so many datagrams at most', () => {
    const subject = network();
    subject.clog(1, SECOND);
    const reasons = Array.from({ length: 1_001 }, () => {
      const reason = subject.send(0, 1, 100, 0);
      for (const at of subject.arrivals) {
        expect(at).toBeGreaterThanOrEqual(SECOND);
        expect(at).toBeLessThan(SECOND + MS);
      }
      return reason;
    });
    expect(reasons.filter((reason) => reason !== undefined)).toEqual(['clogged']);
    expect(subject.faults.clogged).toBe(1_000);
    expect(subject.send(0, 2, 100, 0)).toBeUndefined();
    expect(subject.arrivals).toEqual([10 * MS]);
    subject.send(0, 1, 100, SECOND);
    expect(subject.arrivals).toEqual([SECOND + 10 * MS]);
  });

  it('that has healed delivers everything once, with the latency that it had', () => {
    const bad = { ...PERFECT, loss: 1, duplicate: 1, reorder: 1, bandwidth: 1 };
    expect(healed(bad)).toEqual(PERFECT);
  });
});
