/** What every scanner must do: the same tests for WebAssembly and native code. */
import { hash } from 'node:crypto';

import { describe, expect, test } from 'vitest';

import { trailingZeros } from '../../../shared/block.ts';
import type { NonceSpace } from '../../../miner/kernel/layout.ts';
import { HITS, PARAMETER, ScanSearch } from '../../../miner/kernel/scan.ts';
import type { Scanner } from '../../../miner/kernel/scan.ts';
import { selfTest } from '../../../miner/kernel/self-test.ts';

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
  return slices.flatMap((nonces) => search.run(nonces).found);
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
            found.push(...slice.found);
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
          expect(results.flatMap(({ found }) => found).toSorted()).toEqual(
            tried.filter((_, i) => (zeros[i] ?? 0) >= difficulty).toSorted(),
          );
        }
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
        const found = [zeros, zeros + 1].map(
          (difficulty) =>
            new ScanSearch(scanner, { head, noncePrefix: '', difficulty }, space).run(600_000).found,
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
