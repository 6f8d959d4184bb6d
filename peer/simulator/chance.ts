/**
 * Everything random in a simulation: one stream of numbers for each purpose, all from the seed, so that a change of
 * what one of them is used for leaves the others as they are. Only +, -, *, / and comparisons are used, because
 * `Math.log` and its like may differ between versions of the JavaScript engine, and a seed must replay on all of them.
 */
import { createHash } from 'node:crypto';

import { Random } from '../engines/random.ts';

/** ln 2, to the last bit. */
const LN2 = 0.6931471805599453;

/**
 * The natural logarithm for numbers above 0 up to 1, to about 1e-12, the same on every machine.
 *
 * @param x above 0, at most 1
 */
function logarithm(x: number): number {
  let mantissa = x;
  let halvings = 0;
  while (mantissa < 0.75) {
    mantissa *= 2;
    halvings++;
  }
  // ln m = 2 artanh((m - 1) / (m + 1)), whose series converges fast this close to 1.
  const z = (mantissa - 1) / (mantissa + 1);
  const square = z * z;
  let term = z;
  let sum = z;
  for (let odd = 3; odd <= 15; odd += 2) {
    term *= square;
    sum += term / odd;
  }
  return 2 * sum - halvings * LN2;
}

/** A stream of random numbers. */
export class Chance extends Random {
  /** @param label what it is for: streams of other labels have nothing to do with it */
  constructor(seed: number, label: string) {
    super(createHash('sha256').update(`${seed}/${label}`).digest());
  }

  /** From 0 up to 1. */
  unit(): number {
    return this.next() / 0x1_0000_0000;
  }

  /** Whether something with this probability happens; what is certain or impossible draws nothing. */
  happens(probability: number): boolean {
    return probability > 0 && (probability >= 1 || this.next() < probability * 0x1_0000_0000);
  }

  /** From `least` up to `most`. */
  between(least: number, most: number): number {
    return least + this.unit() * (most - least);
  }

  /** A whole number from `least` to `most`, both possible. */
  integer(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** An exponentially distributed number: the time to the next of events that come independently of each other. */
  exponential(mean: number): number {
    return -mean * logarithm((this.next() + 1) / 0x1_0000_0000);
  }

  /** A number with a heavy tail (Pareto with exponent 2): most are about half the mean, a few are many times it. */
  heavyTailed(mean: number): number {
    const unit = (this.next() + 1) / 0x1_0000_0000;
    return mean / 2 / Math.sqrt(unit);
  }

  /** One of several items, at least one. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /** Bytes, as entropy for an engine. */
  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.next() >>> 24);
  }
}
