/**
 * Difficulties that are too rare to be met by searching. A scanner compares the last word of the hash, 8 digits, with a
 * mask: so it is tested that the mask is right for every difficulty, and that each kernel looks at every digit that the
 * mask names, and at no other, in every layout. What real nonces of 8 and 9 zeros become is in suite.ts.
 */
import { hash } from 'node:crypto';

import { describe, expect, test } from 'vitest';

import { NONCE_SPACE, type Layout } from '../../../miner/kernel/layout.ts';
import { loadNativeScans, nativeScanner } from '../../../miner/kernel/native.ts';
import { referenceKernel } from '../../../miner/kernel/reference.ts';
import { HITS, MEMORY_WORDS, PARAMETER, ScanSearch, type Scanner } from '../../../miner/kernel/scan.ts';
import { hasSimd, wasmScanner } from '../../../miner/kernel/wasm.ts';
import { messageOf } from '../../../shared/errors.ts';
import { headOf, MINED, noncesOf } from './suite.ts';

/** Hex digits in the hash's last word. */
const DIGITS = [0, 1, 2, 3, 4, 5, 6, 7];
/** The last digits of every difficulty, then each digit alone, which is met often enough to be seen. */
const MASKS = [
  ...DIGITS.map((digit) => 2 ** (4 * digit + 4) - 1),
  ...DIGITS.map((digit) => 15 * 16 ** digit),
];
/** Each digit is zero in 60 of so many; one scan does them all. */
const NONCES = 1000;

const scanners = new Map<string, Scanner>([['wasm without SIMD', wasmScanner(false)]]);
if (hasSimd()) scanners.set('wasm with SIMD', wasmScanner(true));
try {
  for (const [name, scan] of loadNativeScans()) scanners.set(`native ${name}`, nativeScanner(scan));
} catch (error) {
  console.log(`the digits that the native kernel looks at are not tested: ${messageOf(error)}`);
}

/** The last word of a nonce's hash, by node:crypto. */
function lastWord(head: Uint8Array, nonce: string): number {
  return hash('sha256', Buffer.concat([head, Buffer.from(nonce)]), 'buffer').readUInt32BE(28);
}

/** The hits of the last scan, as text, without what fills up the last step of words or group of midstates. */
function hitsOf(scanner: Scanner, { words, midstates }: Layout): string[] {
  const count = scanner.memory[PARAMETER.hits] ?? 0;
  const hits: string[] = [];
  for (let at = HITS; at < HITS + 2 * count; at += 2) {
    const [word = 0, midstate = 0] = scanner.memory.subarray(at, at + 2);
    if (word < words && midstate < midstates) hits.push(`${word} ${midstate}`);
  }
  return hits;
}

describe.each([...scanners])('%s', (_, scanner) => {
  test('finds what has zeros at all digits of the mask, for heads of every length', () => {
    for (let remainder = 0; remainder < 64; remainder++) {
      const head = headOf(64 + remainder);
      // At difficulty 0 the scan tells every nonce, in the order in which the search does.
      const search = new ScanSearch(scanner, { head, noncePrefix: '', difficulty: 0 });
      const { found } = search.run(NONCES);
      const all = hitsOf(scanner, search.layout);
      expect(all.length).toBe(found.length);
      const lastWords = found.map(({ nonce }) => lastWord(head, nonce));
      const next = scanner.memory[PARAMETER.next] ?? 0;
      expect(next).toBeLessThan(search.layout.words);
      for (const mask of MASKS) {
        scanner.memory[PARAMETER.mask] = mask;
        scanner.scan(0, next);
        expect(hitsOf(scanner, search.layout).toSorted()).toEqual(
          all.filter((_, i) => ((lastWords[i] ?? 0) & mask) === 0).toSorted(),
        );
      }
    }
  });
});

test('the mask names as many digits as the difficulty, and all that there are from 8 on', () => {
  const memory = new Uint32Array(MEMORY_WORDS);
  const scanner: Scanner = {
    name: 'none',
    memory,
    scan: (_, to) => {
      memory[PARAMETER.next] = to;
    },
  };
  const masks = [1, 2, 3, 4, 5, 6, 7, 8, 9, 64].map((difficulty) => {
    new ScanSearch(scanner, { head: headOf(93), noncePrefix: '', difficulty }).run(1);
    return memory[PARAMETER.mask]?.toString(16);
  });
  const eight = 'ffffffff';
  expect(masks).toEqual([...DIGITS.map((digit) => eight.slice(0, digit + 1)), eight, eight]);
});

test('the reference kernel finds nonces of 8 zeros, and not at 9', () => {
  // Behind a prefix it counts up to the greatest length, so it never comes by a shorter nonce.
  for (const { headLength, nonce, zeros } of MINED.filter(
    ({ nonce }) => nonce.length === NONCE_SPACE.limit,
  )) {
    const head = Buffer.alloc(headLength, 'gossip ');
    const noncePrefix = nonce.slice(0, -2);
    const found = [zeros, zeros + 1].map((difficulty) =>
      noncesOf(referenceKernel.search({ head, noncePrefix, difficulty }).run(64 * 64)),
    );
    expect(found).toEqual([[nonce], []]);
  }
});
