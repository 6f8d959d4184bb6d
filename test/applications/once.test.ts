import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { KeyValueStore } from '../../peer/applications/key-value.ts';
import { OnceOnly, isReused, languageOfOnce, onceOf, readOnce } from '../../peer/applications/once.ts';
import { MAX_PAGE_LENGTH } from '../../peer/core/application.ts';
import { OrderedLog, orderedLog } from '../../peer/applications/ordered-log.ts';

const CLIENTS = 4;
const PAGE_IDS = 512;
const append = (text: string): string => JSON.stringify(['append', text]);

class Rig {
  readonly once = new OnceOnly(new OrderedLog(), CLIENTS);

  do(id: string, text: string, client = 0): string {
    return this.once.execute(onceOf({ id, operation: append(text) }), { client, time: 1 });
  }

  get length(): number {
    const answer = this.once.execute('["length"]', { client: 0, time: 1 });
    return (JSON.parse(answer) as { length: number }).length;
  }
}

function pages(application: OnceOnly): string[] {
  return Array.from({ length: application.pageCount }, (_, index) => application.page(index));
}

/** One that was restored from the pages of another. */
function copyOf(application: OnceOnly, indexes?: readonly number[]): OnceOnly {
  const copy = new OnceOnly(new OrderedLog(), CLIENTS);
  for (const index of indexes ?? pages(application).keys()) copy.restore(index, application.page(index));
  return copy;
}

describe('an operation under an id', () => {
  test('is executed once and answered alike, by way of whichever replicas it comes', () => {
    const rig = new Rig();
    const first = rig.do('x', 'hello', 0);
    expect(first).toBe('{"index":1}');
    for (const client of [0, 1, 2, 3, 0]) expect(rig.do('x', 'hello', client)).toBe(first);
    expect(rig.length).toBe(1);
    expect(rig.once.answers('x')).toEqual([first]);
    expect(rig.once.recall({ id: 'x', operation: append('hello') })).toBe(first);
    expect(rig.once.recall({ id: 'x', operation: append('other') })).toBeUndefined();
  });

  test('is another one under another id, and under none', () => {
    const rig = new Rig();
    expect(rig.do('x', 'hello')).toBe('{"index":1}');
    expect(rig.do('y', 'hello')).toBe('{"index":2}');
    for (const index of [3, 4]) {
      expect(rig.once.execute(append('hello'), { client: 0, time: 1 })).toBe(`{"index":${index}}`);
    }
  });

  test('is not executed under the id of another one that came by way of the same replica', () => {
    const rig = new Rig();
    rig.do('x', 'hello', 2);
    expect(isReused(rig.do('x', 'other', 2))).toBe(true);
    expect(languageOfOnce(orderedLog.language).describe(rig.do('x', 'other', 2))).toMatch(
      /^The id stands for another operation/,
    );
    expect(rig.length).toBe(1);
  });

  test('is not kept from being executed by a replica that has taken the id for another operation', () => {
    const rig = new Rig();
    rig.do('x', 'forged', 3);
    expect(rig.do('x', 'hello', 0)).toBe('{"index":2}');
    expect(rig.do('x', 'hello', 1)).toBe('{"index":2}');
    expect(rig.once.answers('x')).toEqual(['{"index":2}', '{"index":1}']);
  });

  test('is remembered until three pages are full of later ones of its replica, which others can not fill', () => {
    const rig = new Rig();
    rig.do('first', 'hello', 0);
    for (let other = 0; other < 5 * PAGE_IDS; other++) rig.do(`other-${other}`, 'x', 1);
    for (let later = 1; later < 4 * PAGE_IDS; later++) rig.do(`later-${later}`, 'x', 0);
    const before = rig.length;
    expect(rig.do('first', 'hello', 0)).toBe('{"index":1}');
    expect(rig.length).toBe(before);
    // The page in which it stands is taken for the next ones.
    rig.do('last', 'x', 0);
    expect(rig.do('first', 'hello', 0)).toBe(`{"index":${before + 2}}`);
    expect(rig.do(`later-${PAGE_IDS}`, 'x', 0)).toMatch(/^\{"index":\d+\}$/);
    expect(rig.length).toBe(before + 2);
  });

  test('has a page that fits, with the longest answers as well', () => {
    const once = new OnceOnly(new KeyValueStore(), CLIENTS);
    const context = { client: 0, time: 1 };
    once.execute(JSON.stringify(['put', 'k', '"'.repeat(4_000)]), context);
    for (let id = 0; id < 60; id++) once.execute(onceOf({ id: `${id}`, operation: '["get","k"]' }), context);
    const own = Array.from({ length: once.pageCount }, (_, index) => once.page(index)).slice(-4 * CLIENTS);
    expect(own.filter((text) => text !== '').length).toBeGreaterThan(1);
    for (const text of own) expect(text.length).toBeLessThanOrEqual(MAX_PAGE_LENGTH / 2 + 30);
  });

  test('is answered alike by one that was restored, whatever was executed and in whatever order its pages come', () => {
    const call = fc.record({
      id: fc.integer({ min: 0, max: 3_000 }).map(String),
      text: fc.constantFrom('a', 'b'),
      client: fc.nat({ max: CLIENTS - 1 }),
    });
    fc.assert(
      fc.property(
        fc.nat({ max: 2_600 }),
        fc.array(call, { maxLength: 30 }),
        fc.array(call, { maxLength: 30 }),
        fc.boolean(),
        (filled, before, after, backwards) => {
          const rig = new Rig();
          for (let id = 0; id < filled; id++) rig.do(String(id), 'a', id % 2);
          for (const { id, text, client } of before) rig.do(id, text, client);
          const order = [...pages(rig.once).keys()];
          const copy = copyOf(rig.once, backwards ? order.reverse() : order);
          expect(pages(copy)).toEqual(pages(rig.once));
          for (const { id, text, client } of after) {
            const operation = onceOf({ id, operation: append(text) });
            const context = { client, time: 2 };
            expect(copy.execute(operation, context)).toBe(rig.once.execute(operation, context));
          }
          expect(pages(copy)).toEqual(pages(rig.once));
        },
      ),
      { numRuns: 6, seed: 1 },
    );
  });

  test('is forgotten with the page that another replica sends in the place of ours', () => {
    const [one, other] = [new Rig(), new Rig()];
    one.do('x', 'hello');
    one.do('z', 'hello', 1);
    other.do('y', 'hello');
    const place = one.once.pageCount - 4 * CLIENTS;
    one.once.restore(place, other.once.page(place));
    expect(['x', 'y', 'z'].map((id) => one.once.answers(id).length)).toEqual([0, 1, 1]);
    one.once.restore(place, '');
    expect(['x', 'y', 'z'].map((id) => one.once.answers(id).length)).toEqual([0, 0, 1]);
  });

  test.each([
    ['no JSON', '['],
    ['an object', '{}'],
    ['nothing in it', '[0,[]]'],
    ['the turn of another place', `[1,[["x","${'0'.repeat(64)}","{}"]]]`],
    ['a turn that is no number', `["0",[["x","${'0'.repeat(64)}","{}"]]]`],
    ['a turn that can not be counted on from', `[9007199254740992,[["x","${'0'.repeat(64)}","{}"]]]`],
    ['a turn below nothing', `[-4,[["x","${'0'.repeat(64)}","{}"]]]`],
    ['no id', `[0,[["a b","${'0'.repeat(64)}","{}"]]]`],
    ['an id twice', `[0,[["x","${'0'.repeat(64)}","{}"],["x","${'1'.repeat(64)}","{}"]]]`],
    ['no digest', '[0,[["x","0","{}"]]]'],
    ['an answer that is no text', `[0,[["x","${'0'.repeat(64)}",7]]]`],
    ['another spelling', `[0, [["x","${'0'.repeat(64)}","{}"]]]`],
    ['a field more', `[0,[["x","${'0'.repeat(64)}","{}",1]]]`],
    [
      'too many ids',
      `[0,[${Array.from({ length: PAGE_IDS + 1 }, (_, id) => `["${id}","${'0'.repeat(64)}","{}"]`).join()}]]`,
    ],
    ['too long answers', `[0,[["x","${'0'.repeat(64)}","${'a'.repeat(131_072)}"]]]`],
  ])('has no page with %s, and keeps the one that it has', (_, text) => {
    const rig = new Rig();
    rig.do('x', 'hello');
    const place = rig.once.pageCount - 4 * CLIENTS;
    const before = pages(rig.once);
    expect(() => {
      rig.once.restore(place, text);
    }).toThrow();
    expect(pages(rig.once)).toEqual(before);
    expect(rig.once.answers('x')).toHaveLength(1);
  });

  /** The text of a page with two answers, and so many UTF-16 code units in its entries. */
  function pageOf(length: number): string {
    const entryOf = (id: string, result: string): string => JSON.stringify([id, '0'.repeat(64), result]);
    const first = entryOf('a', 'r'.repeat(1_000));
    const rest = length - first.length - entryOf('b', '').length;
    return `[0,[${first},${entryOf('b', 'r'.repeat(rest))}]]`;
  }

  test('takes a page of the greatest length that members write, and none that is longer', () => {
    const rig = new Rig();
    const place = rig.once.pageCount - 4 * CLIENTS;
    rig.once.restore(place, pageOf(131_072));
    expect(rig.once.answers('b')).toHaveLength(1);
    expect(() => {
      rig.once.restore(place, pageOf(131_073));
    }).toThrow('no page of answers');
  });

  test('begins the next page just when it does not fit into the last one: all members must agree on it', () => {
    const rig = new Rig();
    const place = rig.once.pageCount - 4 * CLIENTS;
    // What it is answered is always as long.
    const entry = JSON.stringify(['c', '0'.repeat(64), '{"index":1}']).length;
    for (const [length, pagesUsed] of [
      [131_072 - entry, 1],
      [131_073 - entry, 2],
    ] as const) {
      const once = copyOf(rig.once);
      once.restore(place, pageOf(length));
      once.execute(onceOf({ id: 'c', operation: append('x') }), { client: 0, time: 1 });
      expect(
        pages(once)
          .slice(place)
          .filter((text) => text !== ''),
      ).toHaveLength(pagesUsed);
      expect(once.takeChanged().filter((index) => index >= place)).toEqual([place + pagesUsed - 1]);
    }
  });

  test('changes the page in which it comes to stand, in every turn, and none that is named for nothing', () => {
    const rig = new Rig();
    const first = rig.once.pageCount - 4 * CLIENTS;
    const changed = Array.from({ length: 6 * PAGE_IDS }, (_, id) => {
      rig.do(String(id), 'x', 1);
      return rig.once.takeChanged().filter((index) => index >= first);
    });
    const expected = changed.map((_, id) => [first + 4 + (Math.floor(id / PAGE_IDS) % 4)]);
    expect(changed).toEqual(expected);
  });

  test('is read as it was written', () => {
    const once = { id: 'a-Z_0.9~', operation: '["put","\\"","\n"]' };
    expect(readOnce(onceOf(once))).toEqual(once);
    for (const text of [
      ...['["once"]', '["once","a"]', '["once","a",[]]', '["once","a","b","c"]', '["once","a b","c"]'],
      ...['["one","a","b"]', ' ["once","a","b"]', '["once",7,"b"]'],
    ]) {
      expect(readOnce(text)).toBeUndefined();
    }
  });
});
