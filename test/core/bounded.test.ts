import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { RateLimit, RecentMap, RecentSet } from '../../peer/core/bounded.ts';

describe('RecentSet', () => {
  it('says whether a key is new', () => {
    const set = new RecentSet(2);
    expect([set.add('a'), set.add('a'), set.has('a'), set.has('b')]).toEqual([true, false, true, false]);
  });

  it('forgets what was added first', () => {
    const set = new RecentSet(4);
    for (const key of ['a', 'b', 'c', 'd']) set.add(key);
    expect(['a', 'b', 'c', 'd'].map((key) => set.has(key))).toEqual([false, false, true, true]);
    expect(set.add('a')).toBe(true);
  });

  it('remembers for longer what is added again', () => {
    const set = new RecentSet(4);
    const news = ['a', 'b', 'c', 'a', 'd', 'a'].map((key) => set.add(key));
    expect(news).toEqual([true, true, true, false, true, false]);
  });

  it('holds half of its limit at least, and never more, whatever is added', () => {
    const added = fc.array(fc.integer({ min: 0, max: 20 }).map(String), { maxLength: 60 });
    fc.assert(
      fc.property(fc.constantFrom(2, 5, 8), added, (limit, keys) => {
        const set = new RecentSet(limit);
        keys.forEach((key, index) => {
          set.add(key);
          expect(set.size).toBeLessThanOrEqual(limit);
          const lately = [...new Set(keys.slice(0, index + 1).reverse())].slice(0, Math.floor(limit / 2));
          expect(lately.filter((one) => !set.has(one))).toEqual([]);
        });
      }),
    );
  });

  it('forgets a key when its lifetime is over, with those that were added about the same time', () => {
    const set = new RecentSet(100, 1_000);
    const news = [
      [1_000, 'a'],
      [1_999, 'b'],
      [2_000, 'c'],
      [2_999, 'a'],
      [3_000, 'd'],
      [3_000, 'b'],
      [3_000, 'a'],
    ] as const;
    // At 2,000 and 3,000 a generation gives way; what was added again in between is younger.
    expect(news.map(([now, key]) => set.add(key, now))).toEqual([true, true, true, false, true, true, false]);
    expect(set.size).toBe(5);
  });
});

describe('RecentMap', () => {
  it('forgets what was set longest ago', () => {
    const map = new RecentMap<number>(2);
    map.set('a', 1);
    map.set('b', 2);
    map.set('a', 3);
    map.set('c', 4);
    expect([map.get('a'), map.get('b'), map.get('c'), map.size]).toEqual([3, undefined, 4, 2]);
    expect(map.values()).toEqual([3, 4]);
  });

  it('keeps for longer what is touched', () => {
    const map = new RecentMap<number>(2);
    map.set('a', 1);
    map.set('b', 2);
    expect([map.touch('a'), map.touch('x')]).toEqual([1, undefined]);
    map.set('c', 3);
    expect(map.values()).toEqual([1, 3]);
  });

  it('deletes', () => {
    const map = new RecentMap<number>(2);
    map.set('a', 1);
    map.delete('a');
    expect([map.get('a'), map.size]).toEqual([undefined, 0]);
  });
});

describe('RecentMap against a plain list', () => {
  it('keeps the same keys in the same order, whatever is set and deleted', () => {
    const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const step = fc.record({ key, remove: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const map = new RecentMap<string>(3);
        let expected: string[] = [];
        for (const { key, remove } of steps) {
          expected = expected.filter((other) => other !== key);
          if (remove) map.delete(key);
          else map.set(key, key);
          if (!remove) expected = [...expected, key].slice(-3);
          expect(map.values()).toEqual(expected);
          expect(map.size).toBe(expected.length);
        }
      }),
    );
  });
});

describe('RateLimit', () => {
  const takes = (limit: RateLimit, key: string, now: number, times: number): number =>
    Array.from({ length: times }, () => limit.take(key, now)).filter(Boolean).length;

  it('gives a burst, then so many a second', () => {
    const limit = new RateLimit({ perSecond: 2, burst: 5, maxKeys: 10 });
    expect(takes(limit, 'a', 0, 10)).toBe(5);
    expect(takes(limit, 'a', 1_000, 10)).toBe(2);
    expect(takes(limit, 'a', 1_250, 10)).toBe(0);
    expect(takes(limit, 'a', 1_500, 10)).toBe(1);
  });

  it('saves up no more than a burst', () => {
    const limit = new RateLimit({ perSecond: 2, burst: 5, maxKeys: 10 });
    expect(takes(limit, 'a', 1e9, 10)).toBe(5);
    expect(takes(limit, 'a', 2e9, 10)).toBe(5);
  });

  it('keeps keys apart', () => {
    const limit = new RateLimit({ perSecond: 1, burst: 1, maxKeys: 10 });
    expect([limit.take('a', 0), limit.take('b', 0), limit.take('a', 0)]).toEqual([true, true, false]);
  });

  it('forgets the key that was idle longest, not one that is still used', () => {
    const limit = new RateLimit({ perSecond: 1, burst: 1, maxKeys: 2 });
    limit.take('busy', 0);
    limit.take('idle', 0);
    expect(limit.take('busy', 0)).toBe(false);
    limit.take('new', 0);
    expect(limit.take('busy', 0)).toBe(false);
    expect(limit.take('idle', 0)).toBe(true);
  });
});
