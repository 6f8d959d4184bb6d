import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';

import { openLmdbStore } from '../../peer/storage/lmdb.ts';
import { MemoryStore } from '../../peer/storage/memory.ts';
import type { Store, StoreWrite } from '../../peer/core/store.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A place for a store, and how to open what is stored there, again and again. */
interface Place {
  open(): Store;
}

const kinds: { kind: string; place: () => Place }[] = [
  {
    kind: 'lmdb',
    place: () => {
      const folder = mkdtempSync(join(tmpdir(), 'store-'));
      cleanups.push(() => {
        rmSync(folder, { recursive: true });
      });
      return { open: () => openLmdbStore(folder) };
    },
  },
  {
    kind: 'memory',
    place: () => {
      let last: MemoryStore | undefined;
      return { open: () => (last = new MemoryStore(last?.entries())) };
    },
  },
];

const put = (key: string, value: string): StoreWrite => ({ type: 'put', key, value });
const drop = (key: string): StoreWrite => ({ type: 'delete', key });

describe.each(kinds)('a store ($kind)', ({ place }) => {
  function open(where = place()): Store {
    const store = where.open();
    cleanups.push(() => store.close());
    return store;
  }

  it('is empty at first', () => {
    expect(open().get('key')).toBeUndefined();
  });

  it('gives back what was put', () => {
    const store = open();
    store.write([put('a', 'one'), put('b', 'two')]);
    expect(store.get('a')).toBe('one');
    expect(store.get('b')).toBe('two');
    store.write([put('a', 'three')]);
    expect(store.get('a')).toBe('three');
    expect(store.get('b')).toBe('two');
  });

  it('forgets what was deleted, and lets nothing be deleted as well', () => {
    const store = open();
    store.write([put('a', 'one'), put('b', 'two')]);
    store.write([drop('a'), drop('c')]);
    expect(store.get('a')).toBeUndefined();
    expect(store.get('b')).toBe('two');
  });

  it('carries out writes in their order', () => {
    const store = open();
    store.write([put('a', '1'), drop('a'), put('a', '2'), put('b', '1'), put('b', '2'), drop('b')]);
    expect(store.get('a')).toBe('2');
    expect(store.get('b')).toBeUndefined();
  });

  it('does nothing for no writes', () => {
    const store = open();
    store.write([]);
    store.write([put('a', '1')]);
    store.write([]);
    expect(store.get('a')).toBe('1');
  });

  it.each([
    ['empty text', ''],
    ['zeros', '\0a\0'],
    ['Latin-1', 'prot\u00e9g\u00e9 \u00ff'],
    ['other planes', '\u4e16\u{1f980}'],
    ['line ends', 'a\r\nb\u2028c'],
    ['a megabyte', 'x\u00e9'.repeat(2 ** 19)],
  ])('keeps values of any kind: %s', (_, value) => {
    const where = place();
    const store = open(where);
    store.write([put('key', value)]);
    expect(store.get('key')).toBe(value);
  });

  it.each([
    ['none', []],
    ['zeros', [0, 0, 0]],
    ['all there are', Array.from({ length: 256 }, (_, byte) => byte)],
    ['a megabyte', Array.from({ length: 2 ** 20 }, (_, at) => (at * 7) & 0xff)],
  ])('keeps bytes: %s', (_, values) => {
    const where = place();
    const store = open(where);
    const bytes = Uint8Array.from(values);
    store.write([{ type: 'put', key: 'key', value: bytes }, put('text', 'a')]);
    // What was written is written, whatever becomes of the bytes.
    bytes.fill(1);
    expect([...(store.getBytes('key') ?? [])]).toEqual(values);
    store.getBytes('key')?.fill(2);
    expect([...(store.getBytes('key') ?? [])]).toEqual(values);
    expect(store.getBytes('none')).toBeUndefined();
    store.write([drop('key')]);
    expect(store.getBytes('key')).toBeUndefined();
  });

  it('names the keys of a range, in order, up or down, as many as are wanted', () => {
    const key = fc.string({ unit: fc.constantFrom('a', 'b', 'B', '/', '~'), maxLength: 3 });
    fc.assert(
      fc.property(
        fc.array(key),
        fc.array(key),
        key,
        key,
        fc.nat({ max: 5 }),
        fc.boolean(),
        (made, gone, from, to, limit, reverse) => {
          const store = open();
          store.write(made.map((one) => put(`k${one}`, one)));
          store.keys({ from: 'k', to: 'l', limit: 1 });
          store.write(gone.map((one) => drop(`k${one}`)));
          const left = [...new Set(made)]
            .filter((one) => !gone.includes(one))
            .map((one) => `k${one}`)
            .sort();
          const inside = left.filter((one) => one >= `k${from}` && one < `k${to}`);
          const expected = (reverse ? inside.reverse() : inside).slice(0, limit);
          expect(store.keys({ from: `k${from}`, to: `k${to}`, limit, reverse })).toEqual(expected);
        },
      ),
      { numRuns: 60, seed: 1 },
    );
  });

  it('keeps keys of any 64 ASCII characters apart', () => {
    const store = open();
    const keys = [
      'a',
      'A',
      'a/',
      'a/b',
      ' ',
      '~',
      '0',
      '00',
      '\u0001',
      '\u007f',
      'k'.repeat(63),
      'k'.repeat(64),
      `${'k'.repeat(63)}l`,
    ];
    store.write(keys.map((key) => put(key, `value of ${key}`)));
    expect(keys.map((key) => store.get(key))).toStrictEqual(keys.map((key) => `value of ${key}`));
    expect(store.get('aa')).toBeUndefined();
    expect(store.get('k'.repeat(62))).toBeUndefined();
  });

  it('keeps many values', () => {
    const store = open();
    const key = (number: number): string => `b/0000/${number.toString(36).padStart(6, '0')}`;
    for (let start = 0; start < 20_000; start += 256) {
      store.write(Array.from({ length: 256 }, (_, index) => put(key(start + index), `${start + index}`)));
    }
    for (let number = 0; number < 20_000; number += 7) expect(store.get(key(number))).toBe(`${number}`);
    expect(store.get(key(30_000))).toBeUndefined();
  });

  it('keeps everything when it is closed and opened again', async () => {
    const where = place();
    for (let round = 0; round < 3; round++) {
      const store = where.open();
      for (let earlier = 0; earlier < round; earlier++) expect(store.get(`round ${earlier}`)).toBe('over');
      store.write([put(`round ${round}`, 'over')]);
      await store.close();
    }
    expect(open(where).get('round 2')).toBe('over');
  });

  it('shows its own writes at once, also after a pause', async () => {
    const store = open();
    for (let count = 0; count < 20; count++) {
      expect(store.get('count')).toBe(count === 0 ? undefined : `${count}`);
      store.write([put('count', `${count + 1}`)]);
      expect(store.get('count')).toBe(`${count + 1}`);
      if (count % 2 === 0) await new Promise(setImmediate);
    }
  });

  it('can be closed twice, and not used then', async () => {
    const store = open();
    store.write([put('a', '1')]);
    await Promise.all([store.close(), store.close()]);
    await store.close();
    expect(() => store.get('a')).toThrow('the store is closed');
    expect(() => {
      store.write([put('a', '2')]);
    }).toThrow('the store is closed');
  });

  it('behaves as a map, whatever is done to it', () => {
    const key = fc.constantFrom('a', 'b', 'c/1', 'c/2', 'd');
    const write = fc.oneof(
      fc.record({ type: fc.constant('put' as const), key, value: fc.string({ unit: 'binary' }) }),
      fc.record({ type: fc.constant('delete' as const), key }),
    );
    const store = open();
    fc.assert(
      fc.property(fc.array(fc.array(write), { maxLength: 5 }), (batches) => {
        const model = new Map<string, string>();
        store.write(['a', 'b', 'c/1', 'c/2', 'd'].map(drop));
        for (const writes of batches) {
          store.write(writes);
          for (const one of writes) {
            if (one.type === 'put') model.set(one.key, one.value);
            else model.delete(one.key);
          }
          for (const known of ['a', 'b', 'c/1', 'c/2', 'd']) expect(store.get(known)).toBe(model.get(known));
        }
      }),
      { numRuns: 50, seed: 1 },
    );
  });
});
