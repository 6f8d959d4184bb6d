/** What every scanner must do: the same tests for WebAssembly and native code. */
import { hash } from 'node:crypto';

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { preimageHead, trailingZeros } from '../../../shared/block.ts';
import type { Hit, SearchSlice } from '../../../miner/kernel/kernel.ts';
import type { NonceSpace } from '../../../miner/kernel/layout.ts';
import { HITS, PARAMETER, ScanSearch } from '../../../miner/kernel/scan.ts';
import type { Scanner } from '../../../miner/kernel/scan.ts';
import { selfTest } from '../../../miner/kernel/self-test.ts';
import { messageOrders } from '../../../miner/orders.ts';

/** Lengths of heads, one for each place in a block. */
const everyRemainder = Array.from({ length: 64 }, (_, r) => r);

/** `length` bytes that look random and depend on the length only. */
export function headOf(length: number): Uint8Array {
  const bytes: Buffer[] = [];
  for (let i = 0; i * 32 < length; i++) bytes.push(hash('sha256', `head ${length} ${i}`, 'buffer'));
  return Buffer.concat(bytes).subarray(0, length);
}

/** How many zeros the hash of head and nonce ends in, as the oracle has it. */
export function zerosOf(head: Uint8Array, nonce: string): number {
  return trailingZeros(hash('sha256', Buffer.concat([head, Buffer.from(nonce)]), 'hex'));
}

/** The nonces that one slice of a search found. */
export function noncesOf({ found }: SearchSlice): string[] {
  return found.map(({ nonce }) => nonce);
}

/** A hit in one text. */
function hitText({ head, nonce }: Hit): string {
  return `${head} ${nonce}`;
}

/** What is hashed for a hit. */
function textOf(heads: readonly Uint8Array[], { head, nonce }: Hit): Buffer {
  return Buffer.concat([heads[head] ?? new Uint8Array(), Buffer.from(nonce)]);
}

const letter = fc.constantFrom('a', 'b', 'c', 'Z');

/** The heads of a block with random messages, for each of their orders one. */
const randomHeads = fc
  .record({
    messages: fc.array(fc.string({ unit: letter, maxLength: 19 }), { minLength: 1, maxLength: 8 }),
    minedBy: fc.string({ unit: letter, maxLength: 64 }),
    previousHash: fc.constantFrom('', 'ab'.repeat(32)),
  })
  .map(({ messages, minedBy, previousHash }) =>
    messageOrders(messages).map((order) =>
      preimageHead({ messages: order, minedBy, timestamp: 1_700_000_000 }, previousHash),
    ),
  );

/** A space small enough to be searched to its end. */
export function smallSpace(limit: number, alphabet = 'ab', midstateAlphabet = 'xyz.~'): NonceSpace {
  return { limit, alphabet, midstateAlphabet };
}

/** All nonces that a search tries in some slices: difficulty 0 reports them. */
function triedNonces(
  scanner: Scanner,
  job: { readonly head: Uint8Array; readonly noncePrefix: string },
  slices: readonly number[],
): string[] {
  const search = new ScanSearch(scanner, { ...job, difficulty: 0 });
  return slices.flatMap((nonces) => noncesOf(search.run(nonces)));
}

/** Nonces of 8 and 9 zeros, for heads of so many bytes: word 0 and word 8 with many midstates, and a single one. */
export const MINED = [
  { headLength: 93, nonce: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABGkW4O', zeros: 8 },
  { headLength: 125, nonce: 'AApAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAF-G6k', zeros: 8 },
  { headLength: 75, nonce: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABw2mDN', zeros: 9 },
];

/** The tests, for one scanner. */
export function testScanner(name: string, scanner: Scanner): void {
  describe(name, () => {
    test('passes the self-test', () => {
      selfTest(scanner);
    });

    test('tries every nonce of a small space exactly once, for heads of every length', () => {
      for (const r of everyRemainder) {
        for (const limit of [0, 1, 5, 9]) {
          const job = { head: headOf(64 + r), noncePrefix: '', difficulty: 0 };
          const search = new ScanSearch(scanner, job, smallSpace(limit));
          const found: string[] = [];
          let tried = 0;
          for (let nonces = 1, exhausted = false; !exhausted; nonces = (nonces * 3) % 1001) {
            const slice = search.run(nonces);
            expect(slice.tried).toBeGreaterThan(0);
            tried += slice.tried;
            found.push(...noncesOf(slice));
            exhausted = slice.exhausted;
          }
          expect(tried).toBe(search.layout.nonces);
          expect(found.length).toBe(tried);
          expect(new Set(found).size).toBe(tried);
          expect(search.run(1)).toEqual({ tried: 0, found: [], exhausted: true });
        }
      }
    });

    test('finds what the oracle finds, no more and no less, for heads of every length', () => {
      for (const r of everyRemainder) {
        const job = { head: headOf((r % 3) * 64 + r), noncePrefix: 'worker-7'.slice(0, r % 9) };
        const slices = [1, 700, 2500];
        const tried = triedNonces(scanner, job, slices);
        expect(new Set(tried).size).toBe(tried.length);
        expect(tried.every((nonce) => nonce.startsWith(job.noncePrefix))).toBe(true);
        const zeros = tried.map((nonce) => zerosOf(job.head, nonce));
        for (const difficulty of [1, 2, 3, 4]) {
          const search = new ScanSearch(scanner, { ...job, difficulty });
          const results = slices.map((nonces) => search.run(nonces));
          expect(results.reduce((sum, result) => sum + result.tried, 0)).toBe(tried.length);
          expect(results.flatMap(noncesOf).toSorted()).toEqual(
            tried.filter((_, i) => (zeros[i] ?? 0) >= difficulty).toSorted(),
          );
        }
      }
    });

    test('tries every nonce with every head exactly once, and finds what the oracle finds, for random messages', () => {
      fc.assert(
        fc.property(randomHeads, fc.string({ unit: letter, maxLength: 8 }), (heads, noncePrefix) => {
          const [head = new Uint8Array(), ...otherHeads] = heads;
          const job = { head, otherHeads, noncePrefix };
          const slices = [1, 700, 900];
          const searchAll = new ScanSearch(scanner, { ...job, difficulty: 0 });
          const all = slices.map((nonces) => searchAll.run(nonces));
          const tried = all.flatMap(({ found }) => found);
          expect(all.reduce((sum, slice) => sum + slice.tried, 0)).toBe(tried.length);
          expect(new Set(tried.map(hitText)).size).toBe(tried.length);
          // Also as what is hashed: different heads never make the same text.
          const texts = tried.map((hit) => textOf(heads, hit));
          expect(new Set(texts.map((text) => text.toString('hex'))).size).toBe(tried.length);
          expect(tried.every(({ nonce }) => nonce.startsWith(noncePrefix))).toBe(true);
          const zeros = texts.map((text) => trailingZeros(hash('sha256', text, 'hex')));
          for (const difficulty of [1, 2]) {
            const search = new ScanSearch(scanner, { ...job, difficulty });
            expect(slices.flatMap((nonces) => search.run(nonces).found.map(hitText)).toSorted()).toEqual(
              tried
                .filter((_, i) => (zeros[i] ?? 0) >= difficulty)
                .map(hitText)
                .toSorted(),
            );
          }
        }),
        { numRuns: 60, seed: 1 },
      );
    });

    test('tries all heads with all nonces of a small space, wherever the final block begins', () => {
      for (const r of everyRemainder) {
        const head = headOf(128 + r);
        const otherHeads = [1, 2, 3, 4, 5, 6].map((i) => head.with(i, (head[i] ?? 0) ^ 1));
        const search = new ScanSearch(
          scanner,
          { head, otherHeads, noncePrefix: '', difficulty: 0 },
          smallSpace(5),
        );
        const { layout } = search;
        expect(layout.midstate === undefined ? layout.heads : [0, 1, 2, 3, 4, 5]).toEqual([0, 1, 2, 3, 4, 5]);
        const { found, tried, exhausted } = search.run(layout.nonces);
        expect([tried, exhausted]).toEqual([layout.nonces, true]);
        expect(new Set(found.map(hitText)).size).toBe(tried);
      }
    });

    test('sees hits in every lane and stream, at the edges of steps, groups and the table', () => {
      // Word 0 with many midstates, and word 13 with one: all lanes, and words or midstates as streams.
      for (const headLength of [64 + 29, 64 + 20]) {
        const job = { head: headOf(headLength), noncePrefix: '' };
        const search = new ScanSearch(scanner, { ...job, difficulty: 1 });
        const { words, midstates } = search.layout;
        search.run(1);
        const step = scanner.memory[PARAMETER.next] ?? 0;
        /** Hits of one scan after the other, as pairs of word and midstate. */
        const hits = function* (from: number, to: number): Generator<[number, number]> {
          for (let at = from; at < to; at = scanner.memory[PARAMETER.next] ?? to) {
            scanner.scan(at, to);
            const count = scanner.memory[PARAMETER.hits] ?? 0;
            for (let i = 0; i < count; i++)
              yield [scanner.memory[HITS + 2 * i] ?? 0, scanner.memory[HITS + 2 * i + 1] ?? 0];
          }
        };
        // One nonce in 16 is a hit: that a lane or a midstate has none in 400 is less likely than 10⁻¹¹.
        const steps = Math.ceil(400 / Math.min(midstates, step));
        const seen = [...hits(0, steps * step)];
        expect(new Set(seen.map(([word]) => word % step)).size).toBe(step);
        expect(new Set(seen.map(([, midstate]) => midstate).filter((index) => index < midstates)).size).toBe(
          midstates,
        );
        // Without a mask everything is a hit; what fills up the last step and the last group is there as well.
        scanner.memory[PARAMETER.mask] = 0;
        const lastStep = words - (words % step || step);
        const last = [...hits(lastStep, words)].filter(([word, index]) => word < words && index < midstates);
        expect(new Set(last.map(String)).size).toBe((words - lastStep) * midstates);
      }
    });

    test('finds nonces of 8 and of 9 zeros, and of no more than they have', () => {
      for (const { headLength, nonce, zeros } of MINED) {
        const head = Buffer.alloc(headLength, 'gossip ');
        expect(zerosOf(head, nonce)).toBe(zeros);
        // With few other letters than its own, the nonce is among the first.
        const letters = [...new Set(nonce + 'abcdefghijkl')].slice(0, 12).join('');
        const space = { limit: 38, alphabet: letters, midstateAlphabet: letters };
        const found = [zeros, zeros + 1].map((difficulty) =>
          noncesOf(new ScanSearch(scanner, { head, noncePrefix: '', difficulty }, space).run(600_000)),
        );
        expect(found).toEqual([[nonce], []]);
      }
    });

    test('serves several searches in turn', () => {
      const jobs = [29, 60, 11].map((length) => ({ head: headOf(length), noncePrefix: 'x', difficulty: 2 }));
      const slices = [500, 1, 3000, 200];
      const alone = jobs.map((job) => {
        const search = new ScanSearch(scanner, job);
        return slices.map((nonces) => search.run(nonces));
      });
      const searches = jobs.map((job) => new ScanSearch(scanner, job));
      const inTurn = slices.map((nonces) => searches.map((search) => search.run(nonces)));
      expect(jobs.map((_, i) => inTurn.map((results) => results[i]))).toEqual(alone);
    });

    test('shares no nonce between different prefixes', () => {
      const head = headOf(100);
      const searches = ['A', 'B', 'gA', 'gB', 'hAAA'].map((noncePrefix) =>
        triedNonces(scanner, { head, noncePrefix }, [2000]),
      );
      const all = searches.flat();
      expect(new Set(all).size).toBe(all.length);
    });
  });
}
