/** What a run of the proof-of-work network measures: how long blocks take, and how long nodes are apart. */
import { describe, expect, it } from 'vitest';

import { Agreement } from '../../../../peer/engines/pow/simulation/agreement.ts';
import { powSubject } from '../../../../peer/engines/pow/simulation/subject.ts';
import type { PowTypes } from '../../../../peer/engines/pow/protocol/types.ts';
import type { Distribution, RunReport } from '../../../../peer/simulator/report.ts';
import type { SimulatedNode, World } from '../../../../peer/simulator/subject.ts';
import { SimulatedStore } from '../../../../peer/simulator/store.ts';
import * as plant from '../../../simulator/plant.ts';

const SECOND = 1_000;

function finished(settings: Record<string, number>): RunReport {
  return plant.simulation(powSubject, settings, [], { timeline: true }).finish();
}

function measured({ distributions }: RunReport, title: string): Distribution {
  const found = distributions.find((one) => one.title === title);
  if (found === undefined) throw new Error(`nothing is told of ${title}`);
  return found;
}

describe('a block to reach a node', () => {
  it('takes a newcomer no longer than others: what was there before it came does not count', () => {
    const settings = { nodes: 7, hours: 0.5 };
    const { p90 } = measured(finished(settings), 'a block to reach a node');
    const churned = finished({ ...settings, churn: 20 });
    expect(churned.faults.replaced).toBeGreaterThan(5);
    const { most, ...among } = measured(churned, 'a block to reach a node');
    expect(among.p90).toBeLessThan(2 * p90);
    expect(most).toBeLessThan(60 * SECOND);
  });
});

describe('all nodes to agree again', () => {
  /** A world in which time goes on only as told. */
  class StillWorld implements Pick<World<PowTypes>, 'nodes' | 'now' | 'after'> {
    readonly nodes = [0, 1, 2].map((index) => ({
      index,
      honest: true,
      kind: undefined,
      up: true,
      store: new SimulatedStore(),
    }));
    private time = 0;
    private readonly due: { at: number; run: () => void }[] = [];

    now(): number {
      return this.time;
    }

    after(delay: number, run: () => void): void {
      this.due.push({ at: this.time + delay, run });
    }

    /** Lets time pass up to that moment, in milliseconds. */
    go(to: number): void {
      for (const next of this.due.splice(0)) {
        if (next.at > to) {
          this.due.push(next);
          continue;
        }
        this.time = next.at;
        next.run();
      }
      this.time = to;
    }

    node(index: number): SimulatedNode & { up: boolean } {
      const node = this.nodes[index];
      if (node === undefined) throw new RangeError(`there is no node ${index}`);
      return node;
    }
  }

  describe('the most branches since it was asked', () => {
    /** Says what chain a node has: each letter is a block. */
    function forking(): {
      world: StillWorld;
      agreement: Agreement;
      hold: (node: number, chain: string) => void;
    } {
      const world = new StillWorld();
      const chains: string[][] = [];
      const agreement = new Agreement(world as unknown as World<PowTypes>, (index) => chains[index] ?? []);
      const hold = (index: number, chain: string): void => {
        const hashes = Array.from(chain, (_, place) => chain.slice(0, place + 1));
        chains[index] = hashes;
        agreement.hold(world.node(index), hashes.at(-1));
      };
      // As by a timeline, from the start: until then nothing is counted.
      agreement.mostBranches();
      return { world, agreement, hold };
    }

    it('are those of a fork that is over by then, and the next time only what is left of it', () => {
      const { agreement, hold } = forking();
      for (const node of [0, 1, 2]) hold(node, 'a');
      expect(agreement.mostBranches()).toBe(1);
      hold(0, 'ab');
      hold(1, 'ac');
      hold(2, 'ad');
      hold(2, 'acd');
      hold(0, 'acd');
      expect(agreement.mostBranches()).toBe(3);
      expect(agreement.mostBranches()).toBe(1);
    });

    it('do not count who lags behind, however far, nor who has nothing yet', () => {
      const { agreement, hold } = forking();
      hold(2, '');
      expect(agreement.mostBranches()).toBe(1);
      hold(0, 'abcdef');
      hold(1, 'ab');
      hold(0, 'abcdefg');
      expect(agreement.mostBranches()).toBe(1);
      hold(1, 'abx');
      expect(agreement.mostBranches()).toBe(2);
    });

    it('do not count who is down when it is asked', () => {
      const { world, agreement, hold } = forking();
      hold(0, 'ab');
      hold(1, 'ac');
      world.node(1).up = false;
      expect(agreement.mostBranches()).toBe(2);
      expect(agreement.mostBranches()).toBe(1);
      expect(agreement.spans).toEqual([]);
    });
  });

  /** Three nodes that have the same tip. */
  function agreed(): { world: StillWorld; agreement: Agreement } {
    const world = new StillWorld();
    const agreement = new Agreement(world as unknown as World<PowTypes>);
    for (const node of world.nodes) agreement.hold(node, 'a');
    return { world, agreement };
  }

  it('is from the first that has another tip to the last that has the same', () => {
    const { world, agreement } = agreed();
    for (const node of world.nodes) {
      world.go(world.now() + 10);
      agreement.hold(node, 'b');
    }
    world.go(world.now() + 100);
    agreement.hold(world.node(2), 'c');
    world.go(world.now() + 5);
    for (const node of world.nodes) agreement.hold(node, 'c');
    expect(agreement.spans).toEqual([20, 5]);
  });

  it('ends within a second after one that stood alone went down, which counts again once it is up', () => {
    const { world, agreement } = agreed();
    agreement.hold(world.node(1), 'b');
    world.go(500);
    world.node(1).up = false;
    world.go(1_000);
    expect(agreement.spans).toEqual([1_000]);
    world.go(5_000);
    expect(agreement.spans).toEqual([1_000]);
    world.node(1).up = true;
    agreement.hold(world.node(1), 'b');
    world.go(5_030);
    agreement.hold(world.node(1), 'a');
    expect(agreement.spans).toEqual([1_000, 30]);
  });

  it('does not begin where the only other tip was that of a node that had gone down', () => {
    const { world, agreement } = agreed();
    world.node(2).up = false;
    agreement.hold(world.node(0), 'b');
    world.go(10);
    agreement.hold(world.node(1), 'b');
    expect(agreement.spans).toEqual([10]);
  });

  it('takes about as long as a datagram where nothing goes wrong, once for each block', () => {
    const report = finished({ nodes: 7, hours: 0.5 });
    const { count, median, most } = measured(report, 'all nodes to agree again');
    const [height] = report.figures;
    expect(Math.abs(count - Number(height?.value))).toBeLessThan(10);
    expect(median).toBeGreaterThan(5);
    expect(most).toBeLessThan(SECOND);
  });

  it('takes about as long as a partition', () => {
    const report = finished({ nodes: 7, hours: 0.5, partitions: 4, 'partition-length': 400 });
    const lengths = report.timeline?.faults.map(({ from, to }) => (to - from) * SECOND) ?? [];
    const { most } = measured(report, 'all nodes to agree again');
    expect(lengths).not.toEqual([]);
    expect(Math.abs(most - Math.max(...lengths))).toBeLessThan(30 * SECOND);
    // What nobody notices of a partition is not measured either.
    expect(most).toBeGreaterThan(60 * SECOND);
  });
});
