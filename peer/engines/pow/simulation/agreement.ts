/** How long nodes go apart: every time that their chains have different tips, until they all have the same again. */
import type { SimulatedNode, World } from '../../../simulator/subject.ts';
import type { PowTypes } from '../protocol/types.ts';

/**
 * How often it is looked at who is down while nodes are apart, in milliseconds: no notice comes, and one that stood
 * alone and crashed leaves the others agreed.
 */
const LOOK_INTERVAL = 1_000;

/** The tips of the honest nodes that are up, and the times in which they were not all the same. */
export class Agreement {
  /** How long each of those times was that are over, in milliseconds. */
  readonly spans: number[] = [];
  private readonly world: World<PowTypes>;
  /** By node; undefined for one that does not count. */
  private readonly tips: (string | undefined)[] = [];
  /** How many nodes have each tip. */
  private readonly holders = new Map<string, number>();
  /** Since when they are apart; undefined while they are not. */
  private since: number | undefined;
  /** Whether a look at who is down is to come. */
  private looking = false;
  private readonly chainOf: (index: number) => readonly string[];
  /** The most branches at the same time since it was asked last; Infinity, so that none are counted, until it is. */
  private most = Infinity;

  /** @param chainOf the hashes of a node's chain; it ends in what the node was last reported to hold */
  constructor(world: World<PowTypes>, chainOf: (index: number) => readonly string[] = () => []) {
    this.world = world;
    this.chainOf = chainOf;
  }

  /** The most branches that nodes stood on at the same time since this was asked last; at first, of now. */
  mostBranches(): number {
    const now = this.branches();
    const most = this.most === Infinity ? now : this.most;
    this.most = now;
    return most;
  }

  /** An honest node has started, or stored something: its chain ends in that tip, undefined if it has none. */
  hold({ index }: SimulatedNode, tip = ''): void {
    if (this.tips[index] === tip) return;
    // Who went down before this happened is not to be compared with.
    this.leaveOut();
    this.set(index, tip);
    this.reckon();
    // There are no more branches than tips, so most of the time there is nothing to count.
    if (this.holders.size > this.most) this.most = Math.max(this.most, this.branches());
  }

  /** Nodes may have gone down: those that have are left out. */
  leaveOut(): void {
    for (const node of this.world.nodes) if (!node.up) this.set(node.index, undefined);
    this.reckon();
  }

  private set(index: number, tip: string | undefined): void {
    const { tips, holders } = this;
    const before = tips[index];
    if (before !== undefined) {
      const left = (holders.get(before) ?? 0) - 1;
      if (left > 0) holders.set(before, left);
      else holders.delete(before);
    }
    if (tip !== undefined) holders.set(tip, (holders.get(tip) ?? 0) + 1);
    tips[index] = tip;
  }

  private reckon(): void {
    const now = this.world.now();
    if (this.holders.size > 1) {
      this.since ??= now;
      this.lookOn();
    } else if (this.since !== undefined) {
      this.spans.push(Math.round((now - this.since) * 1000) / 1000);
      this.since = undefined;
    }
  }

  /**
   * How many branches nodes that are up stand on: a tip that is in the chain of another node is not one of its own, or
   * every block would look like a fork while it is on its way.
   */
  private branches(): number {
    const chains = new Map<string, readonly string[]>();
    for (const { index, up } of this.world.nodes) {
      const tip = this.tips[index];
      if (up && tip !== undefined && !chains.has(tip)) chains.set(tip, this.chainOf(index));
    }
    if (chains.size <= 1) return chains.size;
    let count = 0;
    for (const [tip, { length }] of chains) {
      let within = tip === '';
      for (const other of chains.values()) within ||= other.length > length && other[length - 1] === tip;
      if (!within) count++;
    }
    return count;
  }

  /** Looks who is down, again and again, while nodes are apart. */
  private lookOn(): void {
    if (this.looking) return;
    this.looking = true;
    this.world.after(LOOK_INTERVAL, () => {
      this.looking = false;
      if (this.since !== undefined) this.leaveOut();
    });
  }
}
