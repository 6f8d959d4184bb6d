import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { isMineableNonce, MAX_MINED_NONCE_LENGTH } from '../../../shared/block.ts';
import { innerWords, NONCE_SPACE, nonceCharacters, planLayout } from '../../../miner/kernel/layout.ts';
import type { Layout } from '../../../miner/kernel/layout.ts';
import { smallSpace } from './suite.ts';

const headLength = fc.integer({ min: 0, max: 2000 });
const prefixLength = fc.integer({ min: 0, max: MAX_MINED_NONCE_LENGTH });
const layouts = fc.record({ headLength, prefixLength }).map(({ headLength, prefixLength }) => ({
  fixed: headLength + prefixLength,
  prefixLength,
  layout: planLayout(headLength, prefixLength),
}));

/** All counters of a layout's outer characters. */
function* counters(layout: Layout): Generator<number[]> {
  const { length } = layout.space.alphabet;
  for (let n = 0; n < length ** layout.outer.length; n++)
    yield layout.outer.map((_, i) => Math.floor(n / length ** (layout.outer.length - 1 - i)) % length);
}

describe('the plan', () => {
  test('gives each character one task, in places that the kernel can work with', () => {
    fc.assert(
      fc.property(layouts, ({ fixed, prefixLength, layout }) => {
        const { length, finalBlock, outer, outerBefore, midstate, inner, word, shift } = layout;
        expect(prefixLength + length).toBeLessThanOrEqual(MAX_MINED_NONCE_LENGTH);
        const places = [...outer, ...inner, ...(midstate === undefined ? [] : [midstate])];
        expect(places.toSorted((x, y) => x - y)).toEqual(Array.from({ length }, (_, i) => i));
        // Padding: a byte 0x80 and 8 bytes of length end in the final block.
        expect(finalBlock % 64).toBe(0);
        expect(fixed + length + 9).toBeGreaterThan(finalBlock);
        expect(fixed + length + 9).toBeLessThanOrEqual(finalBlock + 64);
        const before = (place: number): boolean => fixed + place < finalBlock;
        expect(outer.map(before)).toEqual(outer.map((_, i) => i < outerBefore));
        const lastBefore = Math.min(finalBlock, fixed + length) - 1;
        if (midstate !== undefined) expect(fixed + midstate).toBe(lastBefore);
        expect(word).toBeLessThanOrEqual(13);
        inner.forEach((place, i) => {
          const byte = fixed + place - finalBlock;
          expect(Math.floor(byte / 4)).toBe(word);
          expect(8 * (3 - (byte % 4))).toBe(shift + 8 * (inner.length - 1 - i));
        });
      }),
    );
  });

  test('straddles the boundary wherever a nonce can have two characters behind it', () => {
    for (let r = 0; r < 64; r++) {
      const { midstates, words, word, length } = planLayout(640 + r, 0);
      expect([r, midstates]).toEqual([r, r >= 28 ? 66 : 1]);
      expect(words).toBeGreaterThanOrEqual(64 ** 2);
      // As late a word as the nonce can reach, with at least two characters in it.
      const end = r >= 28 ? r + MAX_MINED_NONCE_LENGTH - 64 : Math.min(r + MAX_MINED_NONCE_LENGTH, 55);
      expect([r, word]).toEqual([r, Math.floor((end - 2) / 4)]);
      expect(length).toBeGreaterThan(8);
    }
  });

  test('takes midstates from heads that are alike in the final block, where that is cheaper', () => {
    // 24 orders of messages that differ in the first 64 bytes only, and others that differ up to the nonce.
    const plan = (r: number, alike: number): Layout =>
      planLayout(640 + r, 6, NONCE_SPACE, [0, ...new Array<number>(alike - 1).fill(64), 640 + r, 640 + r]);
    for (let r = 0; r < 64; r++) {
      const one = plan(r, 1);
      const many = plan(r, 24);
      expect(many.cost).toBeLessThanOrEqual(one.cost);
      // Up to 46, three characters fit before the end of the block; from 58 on, the prefix reaches the next one.
      const straddles = many.midstate !== undefined;
      expect([r, straddles]).toEqual([r, one.midstates > 1 && r >= 47 && r < 58]);
      expect([r, many.heads.length]).toEqual([r, straddles ? 1 : 24]);
      expect(many.midstates).toBe(straddles ? 66 : 24);
    }
    for (const [alike, taken] of [
      [1, 1],
      [2, 1],
      [3, 3],
      [5, 3],
      [6, 6],
      [66, 66],
      [100, 66],
    ] as const)
      // prettier-ignore
      expect(plan(10, alike).heads).toEqual(Array.from({ length: taken }, (_, i) => i));
  });

  test('takes no head that is different in the final block', () => {
    for (let r = 0; r < 28; r++) {
      expect(planLayout(640 + r, 0, NONCE_SPACE, [0, 640, 640]).heads).toEqual([0, 1, 2]);
      expect(planLayout(640 + r, 0, NONCE_SPACE, [0, 640, 641]).heads).toEqual([0]);
    }
  });

  test('knows the cheaper of two layouts', () => {
    const cost = (r: number): number => planLayout(640 + r, 0).cost;
    expect(cost(63)).toBeLessThan(cost(40));
    expect(cost(40)).toBeLessThan(cost(29));
    expect(cost(29)).toBeLessThan(cost(28));
    expect(cost(28)).toBeLessThan(cost(27));
    expect(cost(27)).toBeLessThan(cost(0));
  });

  test('refuses a prefix that is too long', () => {
    expect(planLayout(100, MAX_MINED_NONCE_LENGTH).nonces).toBe(1);
    expect(() => planLayout(100, MAX_MINED_NONCE_LENGTH + 1)).toThrow(RangeError);
  });
});

describe('the nonces', () => {
  test('are all different, and all there are of their length, in small spaces', () => {
    fc.assert(
      fc.property(headLength, fc.integer({ min: 0, max: 7 }), (headLength, limit) => {
        const space = smallSpace(limit, 'abc', 'xy');
        const layout = planLayout(headLength, 0, space);
        const nonces = new Set<string>();
        for (const counter of counters(layout))
          for (let midstate = 0; midstate < layout.midstates; midstate++)
            for (let word = 0; word < layout.words; word++)
              nonces.add(nonceCharacters(layout, counter, midstate, word));
        expect(nonces.size).toBe(layout.nonces);
        const { alphabet, midstateAlphabet } = space;
        for (const nonce of nonces) {
          expect(nonce.length).toBe(layout.length);
          for (let place = 0; place < nonce.length; place++)
            expect(place === layout.midstate ? midstateAlphabet : alphabet).toContain(nonce.charAt(place));
        }
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  test('are fit for every known implementation', () => {
    fc.assert(
      fc.property(layouts, fc.nat(), fc.nat(), fc.infiniteStream(fc.nat(63)), (one, m, w, digits) => {
        const { layout } = one;
        if (layout.length === 0) return;
        const counter = layout.outer.map(() => Number(digits.next().value));
        const nonce = nonceCharacters(layout, counter, m % layout.midstates, w % layout.words);
        expect(isMineableNonce(nonce)).toBe(true);
        expect(JSON.stringify(nonce)).toBe(`"${nonce}"`);
        expect(encodeURIComponent(nonce)).toBe(nonce);
      }),
    );
  });

  test('have their inner characters where the table of words has them', () => {
    fc.assert(
      fc.property(layouts, fc.nat(), ({ fixed, layout }, n) => {
        const index = n % layout.words;
        const nonce = nonceCharacters(layout, [], 0, index);
        const bytes = new Uint8Array(64);
        for (const place of layout.inner) bytes[fixed + place - layout.finalBlock] = nonce.charCodeAt(place);
        expect(innerWords(layout)[index]).toBe(new DataView(bytes.buffer).getUint32(4 * layout.word));
      }),
      { numRuns: 15, seed: 1 },
    );
  });

  test('come from alphabets without repetition', () => {
    for (const alphabet of [NONCE_SPACE.alphabet, NONCE_SPACE.midstateAlphabet])
      expect(new Set(alphabet).size).toBe(alphabet.length);
  });
});
