/**
 * Who serves what he claims: every claimed chain is asked for its last block, all at once. Claims cost nothing, and to
 * find out by a sync that one is never served takes seconds; so the chains whose last block came go first.
 */
import type { Address } from '../../../../shared/address.ts';
import type { Block } from '../../../../shared/block.ts';
import type { BlockRequest } from './download.ts';
import { PROBE_COPIES, STATS_ROUNDS } from './limits.ts';
import { claimKey, isNumeric, type SyncTarget } from './sync.ts';

export class TipProbe {
  private readonly targets: readonly SyncTarget[];
  private readonly isHopeful: (target: SyncTarget) => boolean;
  private readonly served = new Set<string>();
  /** The targets by the height of the block that they were asked for. */
  private readonly byHeight = new Map<number, SyncTarget[]>();
  private rounds = 0;

  /**
   * @param targets best first
   * @param isHopeful whether a target is worth waiting for
   */
  constructor(targets: readonly SyncTarget[], isHopeful: (target: SyncTarget) => boolean) {
    this.targets = targets;
    this.isHopeful = isHopeful;
    for (const target of targets) {
      const others = this.byHeight.get(target.height - 1);
      if (others === undefined) this.byHeight.set(target.height - 1, [target]);
      else others.push(target);
    }
  }

  /** Whether nobody need be waited for: the best that is worth it has been served, or any where none is. */
  get settled(): boolean {
    const first = this.targets.find(this.isHopeful);
    return first === undefined ? this.served.size > 0 : this.has(first);
  }

  /** Whether all have had their time. */
  get exhausted(): boolean {
    return this.rounds > STATS_ROUNDS;
  }

  /** Whether the last round has begun. */
  get last(): boolean {
    return this.rounds >= STATS_ROUNDS;
  }

  /** Who was asked, and whose chain nobody has served so far. */
  silentSources(): Address[] {
    return this.silent.flatMap(({ sources }) => sources.slice(0, STATS_ROUNDS * PROBE_COPIES));
  }

  private get silent(): readonly SyncTarget[] {
    return this.targets.filter((target) => !this.has(target));
  }

  /** Whether somebody has served the last block of this chain, or another one in its place. */
  has(target: SyncTarget): boolean {
    return this.served.has(claimKey(target));
  }

  /** What to ask in the next round: of each chain that nobody has served so far a few of its sources, in turn. */
  next(): BlockRequest[] {
    const from = this.rounds++ * PROBE_COPIES;
    if (this.exhausted) return [];
    return this.silent.flatMap(({ sources, height }) =>
      Array.from(
        { length: Math.min(PROBE_COPIES, sources.length) },
        (_, index) => sources[(from + index) % sources.length],
      ).flatMap((to) => (to === undefined ? [] : [{ to, height: height - 1 }])),
    );
  }

  /**
   * A block has come in. Of several chains of one length it counts for that which ends in it, but else for whatever its
   * sender claims: some count heights from 0, and some have another tip by now.
   */
  onBlock({ height, hash }: Block, from: Address): void {
    const targets = this.byHeight.get(height) ?? [];
    const exact = targets.filter((target) => target.hash === hash);
    const of = (target: SyncTarget): boolean =>
      target.sources.some(({ host }) => host === from.host || !isNumeric(host));
    for (const target of exact.length > 0 ? exact : targets.filter(of)) this.served.add(claimKey(target));
  }
}
