import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { MAX_OPERATION_LENGTH, MAX_PAGE_LENGTH } from '../../peer/core/application.ts';
import {
  KEY_VALUE_RULES,
  KeyValueStore,
  keyValue,
  MAX_KEY_LENGTH,
  MAX_KEYS,
  MAX_TOTAL_LENGTH,
  MAX_VALUE_LENGTH,
  PAGES,
  type KeyValueLimits,
} from '../../peer/applications/key-value.ts';

function ask(store: KeyValueStore, ...operation: readonly unknown[]): unknown {
  return JSON.parse(store.execute(JSON.stringify(operation)));
}

function usedPages(store: KeyValueStore): [number, string][] {
  const pages = Array.from({ length: PAGES }, (_, index): [number, string] => [index, store.page(index)]);
  return pages.filter(([, text]) => text !== '');
}

/** The one page that is used. */
function onlyPage(store: KeyValueStore): [number, string] {
  const [page, ...others] = usedPages(store);
  if (page === undefined || others.length > 0) throw new Error('there is not one page');
  return page;
}

/** Keys that all lie on the page of the first one, found by trying. */
function keysOfOnePage(count: number): string[] {
  const store = new KeyValueStore();
  const keys: string[] = [];
  let page: number | undefined;
  for (let number = 0; keys.length < count; number++) {
    ask(store, 'put', `key ${number}`, '');
    const [changed] = store.takeChanged();
    page ??= changed;
    if (changed === page) keys.push(`key ${number}`);
  }
  return keys;
}

describe('the key-value store', () => {
  it('gets what was put, until it is deleted', () => {
    const store = new KeyValueStore();
    expect([
      ask(store, 'get', 'a'),
      ask(store, 'put', 'a', '1'),
      ask(store, 'get', 'a'),
      ask(store, 'put', 'a', '2'),
      ask(store, 'get', 'a'),
      ask(store, 'delete', 'a'),
      ask(store, 'get', 'a'),
      ask(store, 'delete', 'a'),
    ]).toEqual([
      { value: null },
      { stored: true },
      { value: '1' },
      { stored: true },
      { value: '2' },
      { deleted: true },
      { value: null },
      { deleted: false },
    ]);
  });

  it('swaps only what is expected', () => {
    const store = new KeyValueStore();
    expect([
      ask(store, 'cas', 'a', '0', '1'),
      ask(store, 'cas', 'a', null, '1'),
      ask(store, 'cas', 'a', null, '2'),
      ask(store, 'cas', 'a', '1', '2'),
      ask(store, 'get', 'a'),
    ]).toEqual([
      { swapped: false, value: null },
      { swapped: true },
      { swapped: false, value: '1' },
      { swapped: true },
      { value: '2' },
    ]);
  });

  it.each(['', '__proto__', 'constructor', 'hasOwnProperty', '0', '-1', '\u0000', '"', '😀', 'ä', 'a\u0308'])(
    'takes %j as a key and as a value like any other',
    (text) => {
      const store = new KeyValueStore();
      expect(ask(store, 'get', text)).toEqual({ value: null });
      ask(store, 'put', text, text);
      const restored = new KeyValueStore();
      restored.restore(...onlyPage(store));
      expect(ask(restored, 'get', text)).toEqual({ value: text });
    },
  );

  it.each([
    ['an object', '{"get":"a"}', 'no-operation'],
    ['a verb that it does not know', '["toString","a"]', 'no-operation'],
    ['a value too few', '["put","a"]', 'no-operation'],
    ['a value too many', '["get","a","b"]', 'no-operation'],
    ['a key that is a number', '["get",1]', 'bad-key'],
    ['a key that is not well-formed', '["put","\\ud800","1"]', 'bad-key'],
    ['a key that is too long', JSON.stringify(['get', 'k'.repeat(MAX_KEY_LENGTH + 1)]), 'bad-key'],
    ['a value that is null', '["put","a",null]', 'bad-value'],
    ['a value that is not well-formed', '["put","a","\\udc00"]', 'bad-value'],
    ['a value that is too long', JSON.stringify(['put', 'a', 'v'.repeat(MAX_VALUE_LENGTH + 1)]), 'bad-value'],
    ['a value that is too long in JSON', JSON.stringify(['put', 'a', '\u0001'.repeat(1334)]), 'bad-value'],
    ['no value to swap in', '["cas","a",null,null]', 'bad-value'],
  ])('refuses %s', (_, operation, error) => {
    const store = new KeyValueStore();
    expect(JSON.parse(store.execute(operation))).toEqual({ error });
    expect(usedPages(store)).toEqual([]);
  });

  it('takes the longest key and values in one operation', () => {
    const store = new KeyValueStore();
    const [key, expected, value] = ['"'.repeat(128), 'v'.repeat(8000), '\u0001'.repeat(1333)];
    ask(store, 'put', key, expected);
    const operation = JSON.stringify(['cas', key, expected, value]);
    expect(operation.length).toBeGreaterThan(MAX_OPERATION_LENGTH - 200);
    expect(JSON.parse(store.execute(operation))).toEqual({ swapped: true });
    expect(ask(store, 'get', key)).toEqual({ value });
  });

  it('takes no more keys than there may be, but goes on with those that it has', () => {
    const store = new KeyValueStore({ keys: 2, totalLength: 1000 });
    ask(store, 'put', 'a', '1');
    ask(store, 'put', 'b', '1');
    expect(ask(store, 'put', 'c', '1')).toEqual({ error: 'full' });
    expect(ask(store, 'cas', 'c', null, '1')).toEqual({ error: 'full' });
    expect(ask(store, 'put', 'a', '22')).toEqual({ stored: true });
    ask(store, 'delete', 'b');
    expect(ask(store, 'put', 'c', '1')).toEqual({ stored: true });
  });

  it('takes no more text than there may be in all, also after it was restored', () => {
    const store = new KeyValueStore({ keys: 100, totalLength: 55 });
    ask(store, 'put', 'a', '1'.repeat(20));
    const restored = new KeyValueStore({ keys: 100, totalLength: 55 });
    restored.restore(...onlyPage(store));
    for (const one of [store, restored]) {
      expect(ask(one, 'put', 'b', '1'.repeat(30))).toEqual({ error: 'full' });
      expect(ask(one, 'put', 'a', '1'.repeat(48))).toEqual({ error: 'full' });
      expect(ask(one, 'put', 'a', '1')).toEqual({ stored: true });
      expect(ask(one, 'put', 'b', '1'.repeat(30))).toEqual({ stored: true });
    }
  });

  it.each<[string, number, readonly (readonly [key: string, value: string])[]]>([
    ['the first entry of a page', 9, [['a', '1']]],
    [
      'an entry on another page',
      18,
      [
        ['a', '1'],
        ['b', '1'],
      ],
    ],
    [
      'a longer value',
      29,
      [
        ['a', '1'],
        ['a', '1'.repeat(20)],
      ],
    ],
    [
      'a value that is longer by one',
      11,
      [
        ['a', '1'],
        ['a', '22'],
      ],
    ],
  ])('counts what it has to the last character: %s', (_, totalLength, entries) => {
    for (const [limit, answer] of [
      [totalLength, { stored: true }],
      [totalLength - 1, { error: 'full' }],
    ] as const) {
      const store = new KeyValueStore({ keys: 100, totalLength: limit });
      expect(entries.map((entry) => ask(store, 'put', ...entry)).at(-1)).toEqual(answer);
    }
  });

  it('takes a value in the place of one that is as long or longer, however full it is', () => {
    const store = new KeyValueStore({ keys: 1, totalLength: 9 });
    expect(ask(store, 'put', 'a', '1')).toEqual({ stored: true });
    expect(ask(store, 'put', 'a', '2')).toEqual({ stored: true });
    expect(ask(store, 'put', 'a', '33')).toEqual({ error: 'full' });
    expect(ask(store, 'put', 'a', '')).toEqual({ stored: true });
    expect(ask(store, 'get', 'a')).toEqual({ value: '' });
  });

  it('fills a page to one character less than fits into a message, at every member', () => {
    const keys = keysOfOnePage(40);
    const store = new KeyValueStore();
    const room = (): number => 262_143 - onlyPage(store)[1].length;
    let next = 0;
    const put = (length: number): unknown => ask(store, 'put', keys[next++], 'v'.repeat(length));
    put(8_000);
    while (room() > 8_100) expect(put(8_000)).toEqual({ stored: true });
    const key = keys[next] ?? '';
    // Its quotes and commas, too.
    const left = room() - key.length - 6;
    expect(ask(store, 'put', key, 'v'.repeat(left + 1))).toEqual({ error: 'full' });
    expect(ask(store, 'put', key, 'v'.repeat(left))).toEqual({ stored: true });
    expect(room()).toBe(0);
    expect(ask(store, 'put', key, 'v'.repeat(left + 1))).toEqual({ error: 'full' });
  });

  it('has the limits that all members have: one with others would answer otherwise', () => {
    expect([MAX_KEYS, MAX_TOTAL_LENGTH, new KeyValueStore().pageCount]).toEqual([
      1_000_000, 134_217_728, 4096,
    ]);
    const store = new KeyValueStore();
    expect([256, 257].map((length) => ask(store, 'get', 'k'.repeat(length)))).toEqual([
      { value: null },
      { error: 'bad-key' },
    ]);
    expect([8000, 8001].map((length) => ask(store, 'put', 'k', 'v'.repeat(length)))).toEqual([
      { stored: true },
      { error: 'bad-value' },
    ]);
  });

  it('fills no page beyond what fits into a message, whoever chooses the keys', () => {
    const store = new KeyValueStore();
    const answers = keysOfOnePage(40).map((key) => ask(store, 'put', key, 'v'.repeat(MAX_VALUE_LENGTH)));
    const stored = answers.filter((answer) => JSON.stringify(answer) === '{"stored":true}');
    expect(answers.slice(stored.length)).toEqual(new Array(40 - stored.length).fill({ error: 'full' }));
    const [, text] = onlyPage(store);
    expect(text.length).toBeLessThanOrEqual(MAX_PAGE_LENGTH);
    expect(text.length).toBeGreaterThan(MAX_PAGE_LENGTH - 2 * MAX_VALUE_LENGTH);
  });

  it('has the same pages in whatever order the same was put, and whatever was there before', () => {
    // Many of them on one page.
    const key = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...keysOfOnePage(6)));
    const entries = fc.dictionary(key, fc.string(), { maxKeys: 30 });
    const others = fc.array(key);
    fc.assert(
      fc.property(entries, others, (contents, gone) => {
        const [one, other] = [new KeyValueStore(), new KeyValueStore()];
        const pairs = Object.entries(contents);
        for (const [key, value] of pairs) ask(one, 'put', key, value);
        for (const key of gone) ask(other, 'put', key, 'gone');
        for (const [key, value] of pairs.toReversed()) ask(other, 'put', key, value);
        for (const key of gone) if (!Object.hasOwn(contents, key)) ask(other, 'delete', key);
        expect(usedPages(other)).toEqual(usedPages(one));
      }),
      { numRuns: 50, seed: 1 },
    );
  });

  it('spreads keys over its pages', () => {
    const store = new KeyValueStore();
    for (let number = 0; number < 8 * PAGES; number++) ask(store, 'put', `user-${number}`, '');
    const sizes = usedPages(store).map(([, text]) => (JSON.parse(text) as unknown[]).length / 2);
    // By chance alone about one page in three thousand would stay empty, and hardly one would have more than 25 keys.
    expect(sizes.length).toBeGreaterThan(0.99 * PAGES);
    expect(Math.max(...sizes)).toBeLessThan(32);
  });

  it('has each key where every other version of this program has it', () => {
    const pages = ['', 'a', 'hello', 'ä', '😀'].map((key) => {
      const store = new KeyValueStore();
      ask(store, 'put', key, '');
      return onlyPage(store)[0];
    });
    // Published values of FNV-1a, 811c9dc5, e40c292c and 4f9f2cab, their halves folded together.
    expect(pages).toEqual([0xcd9, 0xd20, 0x334, 3064, 3977]);
  });

  it('refuses a page that it would not have written', () => {
    const [first = '', second = ''] = keysOfOnePage(2).sort();
    const store = new KeyValueStore();
    ask(store, 'put', first, '1');
    ask(store, 'put', second, '2');
    const [index, text] = onlyPage(store);
    const wrong = [
      'x',
      '{}',
      '[]',
      '[1]',
      `["${first}"]`,
      `["${first}","1","${second}"]`,
      `["${first}",1]`,
      `["${first}","\\ud800"]`,
      `["${second}","2","${first}","1"]`,
      `["${first}","1","${first}","1"]`,
      `${text} `,
      JSON.stringify([first, 'v'.repeat(MAX_VALUE_LENGTH + 1)]),
    ];
    for (const attempt of wrong) {
      expect(() => {
        store.restore(index, attempt);
      }).toThrow('no page of a key-value store');
    }
    expect(() => {
      store.restore((index + 1) % PAGES, text);
    }).toThrow('no page of a key-value store');
    expect(onlyPage(store)).toEqual([index, text]);
  });
});

describe('a key-value store that ran through and one that was restored once', () => {
  const keys = keysOfOnePage(36);
  const few = keys.slice(0, 8);

  /** Executes on both, restores one of them at some point, over something else, and compares all answers. */
  function expectAlike(limits: KeyValueLimits, operations: readonly string[], at: number): string[] {
    const through = new KeyValueStore(limits);
    let once = new KeyValueStore(limits);
    const pagesOf = (store: KeyValueStore): string[] =>
      Array.from({ length: PAGES }, (_, index) => store.page(index));
    const answers = operations.map((operation, step) => {
      const answer = through.execute(operation);
      expect(once.execute(operation)).toBe(answer);
      if (step === at) {
        const copy = new KeyValueStore(limits);
        // What was there before gives way, page by page.
        ask(copy, 'put', few[0], 'before');
        ask(copy, 'put', 'elsewhere', 'before');
        for (const [index, text] of pagesOf(once).entries())
          if (text !== copy.page(index)) copy.restore(index, text);
        once = copy;
      }
      return answer;
    });
    expect(pagesOf(once)).toEqual(pagesOf(through));
    return answers;
  }

  const operationsOn = (some: readonly string[], lengths: readonly number[]): fc.Arbitrary<string> => {
    const key = fc.constantFrom(...some);
    const value = fc.constantFrom(...lengths.map((length) => 'v'.repeat(length)), '"\u0001');
    return fc
      .oneof(
        { weight: 6, arbitrary: fc.tuple(fc.constant('put'), key, value) },
        { weight: 2, arbitrary: fc.tuple(fc.constant('delete'), key) },
        fc.tuple(fc.constant('cas'), key, fc.constant(null), value),
      )
      .map((parts) => JSON.stringify(parts));
  };

  it.each([
    ['the number of keys', { keys: 3, totalLength: MAX_TOTAL_LENGTH }],
    ['the length of all pages', { keys: MAX_KEYS, totalLength: 60 }],
  ])('answer alike at the limit of %s', (_, limits) => {
    let full = 0;
    const operation = operationsOn([...few.slice(0, 3), 'a', 'b', 'c'], [0, 1, 9]);
    fc.assert(
      fc.property(fc.array(operation, { minLength: 20, maxLength: 40 }), fc.nat(30), (operations, at) => {
        full += expectAlike(limits, operations, at).filter((answer) => answer.includes('full')).length;
      }),
      { numRuns: 30, seed: 1 },
    );
    expect(full).toBeGreaterThan(30);
  });

  it('answer alike at the limit of the length of a page', () => {
    const limits = { keys: MAX_KEYS, totalLength: MAX_TOTAL_LENGTH };
    const fill = keys.slice(8).map((key) => JSON.stringify(['put', key, 'v'.repeat(8000)]));
    let full = 0;
    const operation = operationsOn(few, [7_000, 7_990, 8_000]);
    fc.assert(
      fc.property(fc.array(operation, { minLength: 10, maxLength: 20 }), fc.nat(20), (operations, at) => {
        const answers = expectAlike(limits, [...fill, ...operations], fill.length + at);
        full += answers.filter((answer) => answer.includes('full')).length;
      }),
      { numRuns: 20, seed: 1 },
    );
    expect(full).toBeGreaterThan(10);
  });
});

describe('the lines of the key-value store', () => {
  it.each([
    ['get a', ['get', 'a']],
    ['put a 1', ['put', 'a', '1']],
    ['  put   a   1 ', ['put', 'a', '1']],
    ['put "a key" "two \\"words\\""', ['put', 'a key', 'two "words"']],
    ['delete a', ['delete', 'a']],
    ['cas a 1 2', ['cas', 'a', '1', '2']],
    ['cas a absent 2', ['cas', 'a', null, '2']],
    ['cas a "absent" absent', ['cas', 'a', 'absent', 'absent']],
    ['put a say"no"', ['put', 'a', 'say"no"']],
  ])('are operations: %s', (line, operation) => {
    expect(JSON.parse(keyValue.language.parse(line))).toEqual(operation);
  });

  it.each([
    ['', 'what is to be done? As in: get <key>'],
    ['fetch a', 'what is to be done? As in: get <key>'],
    ['"get" a b', 'get takes a key, as in'],
    ['put a', 'put takes a key and a value'],
    ['cas a 1', 'cas takes a key and two values'],
    ['put a two words', 'quotes keep words together'],
    ['put a "two words', 'the quotes at "two do not end'],
    [`get ${'k'.repeat(257)}`, KEY_VALUE_RULES['bad-key']],
    [`put a ${'v'.repeat(8001)}`, KEY_VALUE_RULES['bad-value']],
  ])('say what is wrong: %s', (line, message) => {
    expect(() => keyValue.language.parse(line)).toThrow(message);
  });

  it.each([
    ['{"value":null}', 'absent'],
    ['{"value":"1"}', '"1"'],
    ['{"value":"\\u001b[2J\\u009b"}', '"\\u001b[2J\\u009b"'],
    ['{"stored":true}', 'stored'],
    ['{"deleted":true}', 'deleted'],
    ['{"deleted":false}', 'there was nothing to delete'],
    ['{"swapped":true}', 'swapped'],
    ['{"swapped":false,"value":"1"}', 'not swapped: it is "1"'],
    ['{"swapped":false,"value":null}', 'not swapped: it is absent'],
    ['{"error":"full"}', KEY_VALUE_RULES.full],
    ['{"error":"constructor"}', '{"error":"constructor"}'],
    ['other', 'other'],
  ])('answer %s in words', (result, words) => {
    expect(keyValue.language.describe(result)).toBe(words);
  });
});
