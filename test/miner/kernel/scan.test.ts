import { describe, expect, test } from 'vitest';

import { ScanSearch } from '../../../miner/kernel/scan.ts';
import type { Scanner } from '../../../miner/kernel/scan.ts';
import { hasSimd, wasmScanner } from '../../../miner/kernel/wasm.ts';
import { headOf, smallSpace, triedNonces, zerosOf } from './scanners.ts';

const scanners = new Map<string, Scanner>([['wasm without SIMD', wasmScanner(false)]]);
if (hasSimd()) scanners.set('wasm with SIMD', wasmScanner(true));

const everyRemainder = Array.from({ length: 64 }, (_, r) => r);

describe.each([...scanners])('%s', (_, scanner) => {
  test('tries every nonce of a small space exactly once, for heads of every length', () => {
    for (const r of everyRemainder) {
      for (const limit of [0, 1, 5, 9]) {
        const head = headOf(64 + r);
        const space = smallSpace(limit);
        const search = new ScanSearch(scanner, { head, noncePrefix: '', difficulty: 0 }, space);
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
      const head = headOf((r % 3) * 64 + r);
      const noncePrefix = 'worker-7'.slice(0, r % 9);
      const slices = [1, 700, 2500];
      const zeros = triedNonces(scanner, head, noncePrefix, slices).map(
        (nonce) => [nonce, zerosOf(head, nonce)] as const,
      );
      expect(new Set(zeros.map(([nonce]) => nonce)).size).toBe(zeros.length);
      for (const difficulty of [1, 2, 3, 4]) {
        const search = new ScanSearch(scanner, { head, noncePrefix, difficulty });
        const results = slices.map((nonces) => search.run(nonces));
        expect(results.reduce((sum, { tried }) => sum + tried, 0)).toBe(zeros.length);
        expect(results.flatMap(({ found }) => found).sort()).toEqual(
          zeros
            .filter(([, count]) => count >= difficulty)
            .map(([nonce]) => nonce)
            .sort(),
        );
      }
    }
  });
});
