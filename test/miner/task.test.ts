import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { nonceTag } from '../../miner/task.ts';

describe('the tag of a number', () => {
  it('is short, and of nonce characters', () => {
    expect(nonceTag(0)).toBe('A');
    expect(nonceTag(31)).toBe('f');
    expect(nonceTag(32)).toMatch(/^[\w-]{2}$/);
    expect(nonceTag(1023)).toHaveLength(2);
    expect(nonceTag(1024)).toHaveLength(3);
    expect(nonceTag(Number.MAX_SAFE_INTEGER)).toHaveLength(11);
  });

  it('is never the beginning of another’s, so that what is built of tags is told apart', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (one, other) => {
        fc.pre(one !== other);
        expect(nonceTag(other).startsWith(nonceTag(one))).toBe(false);
      }),
    );
    const tags = Array.from({ length: 2000 }, (_, number) => nonceTag(number));
    for (const one of tags) expect(tags.filter((other) => other.startsWith(one))).toHaveLength(1);
  });
});
