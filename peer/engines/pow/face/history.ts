/** What is remembered of the past of a peer while it is shown: nothing of it matters to the network. */
import { isoTime } from '../../../../shared/time.ts';
import { RecentMap } from '../../../core/bounded.ts';
import { MAX_ARRIVALS, MAX_CLAIMANTS, MAX_REMEMBERED } from '../../../web/limits.ts';
import { Newest } from '../../../web/newest.ts';
import type { PowNotice } from '../protocol/interface.ts';
import { ChainIndex } from './chain-index.ts';
import type { FalseChainJson, ReorganisationJson, SyncJson } from './schemas.ts';
import type { PowSubject } from './subject.ts';

type Adopted = Extract<PowNotice, { kind: 'chain-adopted' }>;

/** How a block came to us, and when, in milliseconds since 1970. */
interface Arrival {
  readonly at: number;
  readonly source: 'mined' | 'announced';
}

export class History {
  readonly index: ChainIndex;
  /** The download that is under way. */
  sync: SyncJson | null = null;
  readonly reorganisations = new Newest<ReorganisationJson>(MAX_REMEMBERED);
  readonly falseChains = new Newest<FalseChainJson>(MAX_REMEMBERED);
  readonly #now: () => number;
  readonly #arrivals = new RecentMap<Arrival>(MAX_ARRIVALS);

  /** @param now wall clock in milliseconds */
  constructor(peer: Pick<PowSubject, 'block'>, now: () => number) {
    this.#now = now;
    this.index = new ChainIndex(peer);
    this.index.follow();
  }

  onNotice(notice: PowNotice): void {
    switch (notice.kind) {
      case 'block':
        this.#arrivals.set(notice.block.hash, { at: this.#now(), source: notice.source });
        this.index.follow();
        break;
      case 'chain-adopted':
        if (notice.depth > 0) this.reorganisations.add(this.reorganisation(notice));
        this.index.follow(notice.height - notice.added);
        break;
      case 'false-chain': {
        const { target, claimedBy, fault } = notice;
        const at = isoTime(this.#now());
        this.falseChains.add({ at, target, claimedBy: claimedBy.slice(0, MAX_CLAIMANTS), fault });
        break;
      }
      case 'sync-started': {
        const { target, forkPoint, peers } = notice;
        const startedAt = isoTime(this.#now());
        this.sync = { target, forkPoint, verified: forkPoint + 1, total: target.height, peers, startedAt };
        break;
      }
      case 'sync-progress':
        if (this.sync !== null) this.sync = { ...this.sync, verified: notice.verified, total: notice.total };
        break;
      case 'consensus-finished':
        this.sync = null;
        break;
    }
  }

  /** What a chain that became ours did to it. */
  reorganisation({ height, hash, added, depth, returnedWords }: Adopted): ReorganisationJson {
    const forkPoint = height - added - 1;
    return { at: isoTime(this.#now()), forkPoint, depth, added, height, hash, returnedWords };
  }

  /** How and when a block came to us, if it came by itself and not long ago. */
  arrival(hash: string): Arrival | undefined {
    return this.#arrivals.get(hash);
  }
}
