/**
 * Everything random in a simulation: one stream of numbers for each purpose, all from the seed, so that a change of
 * what one of them is used for leaves the others as they are. Only +, -, *, / and comparisons are used, because
 * `Math.log` and its like may differ between versions of the JavaScript engine, and a seed must replay on all of them.
 */
import { createHash } from 'node:crypto';

import { Random } from '../core/random.ts';

/** ln 2 and ln 3/4, to the last bit. */
const LN2 = 0.6931471805599453;
const LN_MIDDLE = -0.2876820724517809;
/** 2 to the power of 0, 1 … 32. */
const POWERS_OF_2 = Float64Array.from({ length: 33 }, (_, exponent) => Number(1n << BigInt(exponent)));

/**
 * The natural logarithm of (`numerator` + 1) / 2^32, to about 1e-12, the same on every machine.
 *
 * @param numerator a whole number from 0 to 2^32 - 1
 */
function logarithm(numerator: number): number {
  const doublings = Math.clz32(numerator);
  const mantissa = ((numerator + 1) / 0x1_0000_0000) * (POWERS_OF_2[doublings] ?? 1);
  // It is from 1/2 to 1. ln m/c = 2 artanh((m - c) / (m + c)), whose series converges fast for m close to c.
  const z = (mantissa - 0.75) / (mantissa + 0.75);
  const z2 = z * z;
  const z4 = z2 * z2;
  // Grouped so that the processor can reckon the groups side by side.
  const high = 1 / 9 + z2 * (1 / 11) + z4 * (1 / 13 + z2 * (1 / 15));
  const series = 1 + z2 * (1 / 3) + z4 * (1 / 5 + z2 * (1 / 7)) + z4 * z4 * high;
  return 2 * z * series + LN_MIDDLE - doublings * LN2;
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
    return -mean * logarithm(this.next());
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
