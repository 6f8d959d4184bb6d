import { describe, expect, it } from 'vitest';

import { Random } from '../../peer/core/random.ts';

const entropy = (first: number): Uint8Array => Uint8Array.from({ length: 16 }, (_, index) => first + index);

describe('Random', () => {
  it('is the generator that Blackman and Vigna published', () => {
    // From the state 1, 2, 3, 4 the first outputs are 11520, 0, 5927040, 70819200.
    const state = new DataView(new ArrayBuffer(16));
    for (const index of [0, 1, 2, 3]) state.setUint32(4 * index, index + 1);
    const random = new Random(new Uint8Array(state.buffer));
    expect(Array.from({ length: 4 }, () => random.next())).toEqual([11520, 0, 5927040, 70819200]);
  });

  it('gives the same numbers for the same entropy, others for other', () => {
    const numbers = (first: number): number[] => {
      const random = new Random(entropy(first));
      return Array.from({ length: 5 }, () => random.next());
    };
    expect(numbers(1)).toEqual(numbers(1));
    expect(numbers(1)).not.toEqual(numbers(2));
  });

  it('moves even from all zeros', () => {
    const random = new Random(new Uint8Array(16));
    expect(new Set(Array.from({ length: 20 }, () => random.next())).size).toBeGreaterThan(15);
  });

  it('reads the entropy where it lies in its buffer', () => {
    const buffer = new Uint8Array(32).fill(9);
    buffer.set(entropy(1), 8);
    expect(new Random(buffer.subarray(8, 24)).next()).toBe(new Random(entropy(1)).next());
  });

  it('stays below the limit and reaches every number', () => {
    const random = new Random(entropy(1));
    const numbers = Array.from({ length: 1_000 }, () => random.below(7));
    expect(new Set(numbers)).toEqual(new Set([0, 1, 2, 3, 4, 5, 6]));
  });

  it('samples different items, no more than there are, and leaves the list alone', () => {
    const random = new Random(entropy(1));
    const items = Object.freeze([1, 2, 3, 4, 5]);
    for (let round = 0; round < 100; round++) {
      const some = random.sample(items, 3);
      expect(new Set(some).size).toBe(3);
      expect(items).toEqual(expect.arrayContaining(some));
    }
    expect(random.sample(items, 9).sort()).toEqual([1, 2, 3, 4, 5]);
    expect(random.sample([], 3)).toEqual([]);
    expect(random.sample(items, 0)).toEqual([]);
  });

  it('samples everything equally often', () => {
    const random = new Random(entropy(1));
    const counts = [0, 0, 0, 0];
    for (let round = 0; round < 4_000; round++)
      for (const item of random.sample([0, 1, 2, 3], 2)) counts[item] = (counts[item] ?? 0) + 1;
    for (const count of counts) expect(Math.abs(count - 2_000)).toBeLessThan(150);
  });

  it('makes ids in the form of a UUID, all different', () => {
    const random = new Random(entropy(1));
    const ids = Array.from({ length: 500 }, () => random.uuid());
    for (const id of ids)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(ids).size).toBe(500);
  });
});
