/** What is remembered of those who claim chains, from one consensus to the next: what they served, and what they did not. */
import { addressKey, type Address } from '../../../../shared/address.ts';
import { RecentMap } from '../../../core/bounded.ts';
import type { Gauge } from '../../../core/engine.ts';
import type { ChainClaim } from './interface.ts';
import {
  FIRST_SYNC_TIME,
  MAX_BLAMED,
  MAX_FALSE_CHAINS,
  MAX_SLOW_SOURCES,
  MAX_SYNC_TIME,
  MAX_VAIN_CLAIMS,
  MAX_VAIN_SOURCES,
} from './limits.ts';
import { claimKey, type SyncTarget } from './sync.ts';

type Sources = Pick<SyncTarget, 'sources'>;

export class Credit {
  /** How often what each source claims has led to nothing since it last served a chain. */
  private readonly vain = new RecentMap<number>(MAX_VAIN_SOURCES);
  /** How long a sync from each source may take while others wait, where {@link FIRST_SYNC_TIME} was not enough. */
  private readonly syncTimes = new RecentMap<number>(MAX_SLOW_SOURCES);
  /** Who has claimed which chain falsely. */
  private readonly falseChains = new RecentMap<Set<string>>(MAX_FALSE_CHAINS);

  measure(report: Gauge): void {
    this.syncTimes.measure('slow sources', report);
    this.vain.measure('sources in vain', report);
    this.falseChains.measure('false chains', report);
    for (const blamed of this.falseChains.values())
      report('claimants of a false chain', blamed.size, MAX_BLAMED);
  }

  /** Whether somebody has claimed that chain falsely. */
  isLiar(claim: ChainClaim, address: Address): boolean {
    return this.falseChains.get(claimKey(claim))?.has(addressKey(address)) === true;
  }

  /** These have claimed that chain falsely. */
  blame(claim: ChainClaim, liars: readonly Address[]): void {
    const key = claimKey(claim);
    const blamed = this.falseChains.get(key) ?? new Set<string>();
    for (const address of liars) if (blamed.size < MAX_BLAMED) blamed.add(addressKey(address));
    this.noteVain(liars);
    this.falseChains.set(key, blamed);
  }

  /** What these claimed has led to nothing. */
  noteVain(sources: readonly Address[]): void {
    for (const source of sources) {
      const key = addressKey(source);
      this.vain.set(key, (this.vain.get(key) ?? 0) + 1);
    }
  }

  /** These have served a chain. */
  noteServed({ sources }: Sources): void {
    for (const source of sources) this.vain.delete(addressKey(source));
  }

  /** How often what the best source of a chain claimed led to nothing. */
  vainClaims({ sources }: Sources): number {
    return Math.min(...sources.map((source) => this.vain.get(addressKey(source)) ?? 0));
  }

  /** Whether a chain is worth waiting for. */
  isHopeful(target: Sources): boolean {
    return this.vainClaims(target) < MAX_VAIN_CLAIMS;
  }

  /** How much time its freshest source has used up in vain: a liar that joins in puts nobody back. */
  usedUp({ sources }: Sources): number {
    return Math.min(...sources.map((source) => this.syncTimes.get(addressKey(source)) ?? 0));
  }

  /** How long a sync with its most patiently treated source may take while others wait. */
  share({ sources }: Sources): number {
    return Math.max(...sources.map((source) => this.syncTimes.get(addressKey(source)) ?? FIRST_SYNC_TIME));
  }

  /** The time of a sync was not enough: the next from these sources comes after others, and may take longer. */
  giveMoreTime(target: Sources): void {
    const time = Math.min(MAX_SYNC_TIME, 2 * this.share(target));
    for (const source of target.sources) this.syncTimes.set(addressKey(source), time);
  }
}
