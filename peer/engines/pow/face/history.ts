/** What the page shows of the past, kept while the node runs: nothing of it matters to the network. */
import { addressKey } from '../../../../shared/address.ts';
import { RecentMap } from '../../../core/bounded.ts';
import type { PowNotice } from '../protocol/interface.ts';
import type { MinerView } from '../node/mining/server.ts';
import { MAX_ARRIVALS, MAX_CLAIMANTS, MAX_REMEMBERED, RATE_STEP, RATE_VALUES } from '../../../web/limits.ts';
import { Newest } from '../../../web/newest.ts';
import { isoTime } from '../../../../shared/time.ts';
import { ChainIndex } from './chain-index.ts';
import type { ForksJson, RateHistoryJson, ReorganisationJson, SyncJson } from './schemas.ts';
import type { WebSubject } from './subject.ts';

/** A hash rate and where it comes from. */
export interface MinerRate {
  readonly hashesPerSecond: number | null;
  readonly rateSource: 'reported' | 'estimated' | null;
}

/** How a block came to us, and when, in milliseconds since 1970. */
export interface Arrival {
  readonly at: number;
  readonly source: 'mined' | 'announced';
}

/** The rates of an hour, at steps of ten seconds. */
class RateRing {
  readonly #values: (number | null)[] = [];

  add(rate: number | null): void {
    this.#values.push(rate === null ? null : Math.round(rate));
    if (this.#values.length > RATE_VALUES) this.#values.shift();
  }

  json(endsAt: string): RateHistoryJson {
    return { stepSeconds: 10, endsAt, values: [...this.#values] };
  }
}

export class History {
  readonly index: ChainIndex;
  /** The download that is under way. */
  sync: SyncJson | null = null;
  readonly #reorganisations = new Newest<ReorganisationJson>(MAX_REMEMBERED);
  readonly #falseChains = new Newest<ForksJson['falseChains'][number]>(MAX_REMEMBERED);
  readonly #subject: WebSubject;
  readonly #now: () => number;
  readonly #arrivals = new RecentMap<Arrival>(MAX_ARRIVALS);
  readonly #total = new RateRing();
  /** By address; only of miners that are connected. */
  #rates = new Map<string, RateRing>();
  #ratesAt: number;
  readonly #timer: NodeJS.Timeout;

  /** @param now wall clock in milliseconds */
  constructor(subject: WebSubject, now: () => number) {
    this.#subject = subject;
    this.#now = now;
    this.#ratesAt = now();
    this.index = new ChainIndex(subject);
    this.index.follow();
    this.#timer = setInterval(() => {
      this.sample();
    }, RATE_STEP).unref();
  }

  /** Newest first. */
  get reorganisations(): ReorganisationJson[] {
    return this.#reorganisations.items;
  }

  /** Newest first. */
  get falseChains(): ForksJson['falseChains'] {
    return this.#falseChains.items;
  }

  close(): void {
    clearInterval(this.#timer);
    this.index.close();
  }

  onNotice(notice: PowNotice): void {
    switch (notice.kind) {
      case 'block':
        this.#arrivals.set(notice.block.hash, { at: this.#now(), source: notice.source });
        this.index.follow();
        break;
      case 'chain-adopted':
        if (notice.depth > 0) this.#reorganisations.add(this.reorganisation(notice));
        this.index.follow(notice.height - notice.added);
        break;
      case 'false-chain':
        this.#falseChains.add({
          at: isoTime(this.#now()),
          target: notice.target,
          claimedBy: notice.claimedBy.slice(0, MAX_CLAIMANTS),
          fault: notice.fault,
        });
        break;
      case 'sync-started':
        this.sync = {
          target: notice.target,
          forkPoint: notice.forkPoint,
          verified: notice.forkPoint + 1,
          total: notice.target.height,
          peers: notice.peers,
          startedAt: isoTime(this.#now()),
        };
        break;
      case 'sync-progress':
        if (this.sync !== null) this.sync = { ...this.sync, verified: notice.verified, total: notice.total };
        break;
      case 'consensus-finished':
        this.sync = null;
        break;
    }
  }

  /** What a notice says, as it is told. */
  reorganisation(notice: Extract<PowNotice, { kind: 'chain-adopted' }>): ReorganisationJson {
    const { height, hash, added, depth, returnedWords } = notice;
    return {
      at: isoTime(this.#now()),
      forkPoint: height - added - 1,
      depth,
      added,
      height,
      hash,
      returnedWords,
    };
  }

  /** How and when a block came to us, if it came by itself and not long ago. */
  arrival(hash: string): Arrival | undefined {
    return this.#arrivals.get(hash);
  }

  /**
   * The hash rate of a miner. One that does not tell is guessed by its blocks: each is worth 16 to the power of the
   * difficulty.
   */
  rateOf(miner: MinerView, difficulty: number): MinerRate {
    if (miner.hashesPerSecond !== null)
      return { hashesPerSecond: miner.hashesPerSecond, rateSource: 'reported' };
    const seconds = (this.#now() - miner.connectedAt) / 1000;
    if (miner.accepted === 0 || seconds <= 0) return { hashesPerSecond: null, rateSource: null };
    return { hashesPerSecond: (miner.accepted * 16 ** difficulty) / seconds, rateSource: 'estimated' };
  }

  /** The hash rate of all miners; null if none is known. */
  totalRate(): number | null {
    const { difficulty } = this.#subject;
    let total: number | null = null;
    for (const miner of this.#subject.miners()) {
      const { hashesPerSecond } = this.rateOf(miner, difficulty);
      if (hashesPerSecond !== null) total = (total ?? 0) + hashesPerSecond;
    }
    return total;
  }

  /** The rates so far: of the miner at an address, or of all together. */
  rates(of?: MinerView): RateHistoryJson {
    const ring = of === undefined ? this.#total : this.#rates.get(addressKey(of.address));
    return (ring ?? new RateRing()).json(isoTime(this.#ratesAt));
  }

  /** Takes down the rates of now; called by itself every ten seconds. */
  sample(): void {
    this.#ratesAt = this.#now();
    this.#total.add(this.totalRate());
    const rates = new Map<string, RateRing>();
    for (const miner of this.#subject.miners()) {
      const key = addressKey(miner.address);
      const ring = this.#rates.get(key) ?? new RateRing();
      ring.add(this.rateOf(miner, this.#subject.difficulty).hashesPerSecond);
      rates.set(key, ring);
    }
    this.#rates = rates;
  }
}
