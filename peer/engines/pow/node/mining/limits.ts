import { SUBMIT_INTERVAL_MS } from '../../../../../shared/mining-wire.ts';

/** Bounds of the mining server. Times are in milliseconds unless the name says otherwise. */
export interface MiningLimits {
  /** Most miners at a time, half of them such as have found no block so far: of these one gives way to a newcomer. */
  readonly miners: number;
  /** Most miners from one host, so that one host cannot take all places. */
  readonly minersPerHost: number;
  /** Sustained number of messages a second from one miner, and how many may come at once. */
  readonly messagesPerSecond: number;
  readonly messageBurst: number;
  /** Sustained number of bytes a second from one miner, and how many may come at once. */
  readonly bytesPerSecond: number;
  readonly byteBurst: number;
  /** How long a miner may take to introduce itself; one of the seed never does. */
  readonly hello: number;
  /** How long an object may stay unfinished. */
  readonly halfObject: number;
  /** Most bytes that wait for a miner to read them. */
  readonly writeBuffer: number;
  /** How long a miner may read nothing while something waits for it. */
  readonly writeStall: number;
  /** Invalid answers in a row (an accepted one starts anew) after which a miner is cut off. */
  readonly offences: number;
  /** How many of the templates that a miner was given are remembered for it. */
  readonly recentTemplates: number;
  /** How old a block's timestamp may be, in seconds. */
  readonly answerAgeSeconds: number;
  /** Shortest time between two jobs that differ only in their messages. A new tip never waits. */
  readonly wordsInterval: number;
  /** Most log lines at level info about miners coming and going in one tick; the rest are at debug. */
  readonly logLines: number;
}

export const DEFAULT_MINING_LIMITS: MiningLimits = {
  // A room full of machines that have found nothing so far; each costs a socket and a few kilobytes.
  miners: 512,
  minersPerHost: 64,
  // Two and a half times what our own miner keeps to, so that its clock may be uneven.
  messagesPerSecond: 2500 / SUBMIT_INTERVAL_MS,
  messageBurst: 500,
  // As many messages of 1 kB, more than a block's largest form.
  bytesPerSecond: 256 * 1024,
  byteBurst: 512 * 1024,
  // A round trip, and a few retransmissions.
  hello: 1_000,
  // An answer is one packet; ten seconds are several retransmissions of it.
  halfObject: 10_000,
  // A hundred jobs; the system's own buffers hold far more before these are needed.
  writeBuffer: 256 * 1024,
  writeStall: 60_000,
  // A mistake or two are a program being written; five in a row are one that will not get better.
  offences: 5,
  // With the shortest interval between words, more than three seconds: longer than any answer is under way.
  recentTemplates: 32,
  // A seed miner stamps its block when it begins and may need hours.
  answerAgeSeconds: 24 * 3600,
  // A flood of words must not keep the miners from mining.
  wordsInterval: 100,
  logLines: 20,
};

/** Allows `perSecond` units a second, and up to `burst` at once after a pause. */
export class Allowance {
  readonly #perSecond: number;
  readonly #burst: number;
  #left: number;
  #at: number;

  /** @param now monotonic time in milliseconds */
  constructor(perSecond: number, burst: number, now: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#left = burst;
    this.#at = now;
  }

  /** Takes `units`; false if there are not so many. */
  take(units: number, now: number): boolean {
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
    if (units > this.#left) return false;
    this.#left -= units;
    return true;
  }
}
