/** The hash rates of the attached miners, now and over the last hour. */
import { addressKey } from '../../../../shared/address.ts';
import { isoTime } from '../../../../shared/time.ts';
import { RATE_STEP, RATE_VALUES } from '../../../web/limits.ts';
import type { MinerView } from '../node/mining/server.ts';
import type { MinerJson, RateHistoryJson } from './schemas.ts';
import type { PowSubject } from './subject.ts';

type Rate = Pick<MinerJson, 'hashesPerSecond' | 'rateSource'>;
/** Oldest first; at even steps. */
type Values = (number | null)[];

export class Rates {
  readonly #peer: Pick<PowSubject, 'miners' | 'difficulty'>;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  readonly #total: Values = [];
  /** By address; only of miners that are connected. */
  #each = new Map<string, Values>();
  #sampledAt: number;

  /** @param now wall clock in milliseconds */
  constructor(peer: Pick<PowSubject, 'miners' | 'difficulty'>, now: () => number) {
    this.#peer = peer;
    this.#now = now;
    this.#sampledAt = now();
    this.#timer = setInterval(() => {
      this.#sample();
    }, RATE_STEP).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** A miner that does not report is guessed by its blocks: each is worth 16 to the power of the difficulty. */
  of(miner: MinerView): Rate {
    const { hashesPerSecond, accepted, connectedAt } = miner;
    if (hashesPerSecond !== null) return { hashesPerSecond, rateSource: 'reported' };
    const seconds = (this.#now() - connectedAt) / 1000;
    if (accepted === 0 || seconds <= 0) return { hashesPerSecond: null, rateSource: null };
    return {
      hashesPerSecond: (accepted * 16 ** this.#peer.difficulty) / seconds,
      rateSource: 'estimated',
    };
  }

  /** Of all miners; null if none is known. */
  total(): number | null {
    const known = this.#peer.miners().flatMap((miner) => this.of(miner).hashesPerSecond ?? []);
    return known.length === 0 ? null : known.reduce((sum, rate) => sum + rate, 0);
  }

  /** So far: of a miner, or of all together. */
  history(miner?: MinerView): RateHistoryJson {
    const values = miner === undefined ? this.#total : this.#each.get(addressKey(miner.address));
    return { stepSeconds: 10, endsAt: isoTime(this.#sampledAt), values: [...(values ?? [])] };
  }

  #sample(): void {
    this.#sampledAt = this.#now();
    take(this.#total, this.total());
    const each = new Map<string, Values>();
    for (const miner of this.#peer.miners()) {
      const key = addressKey(miner.address);
      each.set(key, take(this.#each.get(key) ?? [], this.of(miner).hashesPerSecond));
    }
    this.#each = each;
  }
}

function take(values: Values, rate: number | null): Values {
  values.push(rate === null ? null : Math.round(rate));
  if (values.length > RATE_VALUES) values.shift();
  return values;
}
