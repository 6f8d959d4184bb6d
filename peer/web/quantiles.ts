/** Times of what happened last, as quantiles. */
import { z } from 'zod';

import { Newest } from './newest.ts';

const milliseconds = z.number().min(0).describe('milliseconds');

export const quantilesSchema = z.strictObject({ p50: milliseconds, p90: milliseconds, p99: milliseconds });
export type QuantilesJson = z.infer<typeof quantilesSchema>;

/**
 * The least value that so large a part of all is no greater than, with two digits after the point.
 *
 * @param part from 0 to 1
 * @returns null if there are none
 */
export function quantile(values: readonly number[], part: number): number | null {
  const sorted = values.toSorted((one, other) => one - other);
  const value = sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)];
  return value === undefined ? null : Math.max(0, Math.round(value * 100) / 100);
}

/** The last so many sets of times. */
export class Quantiles<Times extends { readonly [Name in keyof Times]: number }> {
  readonly #times: Newest<Times>;

  constructor(limit: number) {
    this.#times = new Newest(limit);
  }

  get count(): number {
    return this.#times.items.length;
  }

  add(times: Times): void {
    this.#times.add(times);
  }

  /** @param name of the time in each set */
  of(name: keyof Times): QuantilesJson {
    const values = this.#times.items.map((times) => times[name]);
    const part = (share: number): number => quantile(values, share) ?? 0;
    return { p50: part(0.5), p90: part(0.9), p99: part(0.99) };
  }
}
