import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { lmdbFault, readLmdbMeta } from '../../peer/storage/lmdb-check.ts';
import { openLmdbStore } from '../../peer/storage/lmdb.ts';
import { DAMAGES, PAGE_SIZE } from '../support/damage.ts';
import { seededRandom } from '../support/random.ts';

let parent: string;
let folder: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'check-'));
  folder = join(parent, 'data');
});
afterEach(() => {
  rmSync(parent, { recursive: true });
});

describe('a look through the file', () => {
  function faultOf(path: string): string | undefined {
    const file = openSync(path, 'r');
    try {
      const meta = readLmdbMeta(file);
      return meta === undefined ? 'no meta page' : lmdbFault(file, meta);
    } finally {
      closeSync(file);
    }
  }

  it('finds nothing wrong with a store in any stage of its life', async () => {
    const path = join(folder, 'data.mdb');
    let store = openLmdbStore(folder);
    expect(faultOf(path)).toBeUndefined();
    const random = seededRandom(5);
    for (let round = 0; round < 120; round++) {
      const key = (): string => `b/${Math.floor(random() * 3000)}`;
      const writes = Array.from({ length: 1 + Math.floor(random() * 200) }, () =>
        random() < 0.4
          ? ({ type: 'delete', key: key() } as const)
          : ({
              type: 'put',
              key: key(),
              value: 'v'.repeat(random() < 0.02 ? 20_000 * random() : 500),
            } as const),
      );
      store.write(writes);
      if (round % 10 === 0) {
        await store.close();
        expect(faultOf(path)).toBeUndefined();
        store = openLmdbStore(folder);
      }
      expect(faultOf(path)).toBeUndefined();
    }
    store.write(Array.from({ length: 3000 }, (_, number) => ({ type: 'delete', key: `b/${number}` })));
    expect(faultOf(path)).toBeUndefined();
    await store.close();
  });

  it('finds every bit that flips in the heads of pages', async () => {
    const store = openLmdbStore(folder);
    for (let from = 0; from < 400; from += 40)
      store.write(
        Array.from({ length: 40 }, (_, index) => ({
          type: 'put',
          key: `key ${from + index}`,
          value: 'v'.repeat(300),
        })),
      );
    await store.close();
    const path = join(folder, 'data.mdb');
    const whole = readFileSync(path);
    const copy = join(parent, 'copy');
    const used = new Set<number>();
    // The number, the time, the kind and the bounds of a page. Pages that are free are of no account.
    for (let page = 2; page < whole.length / PAGE_SIZE; page++) {
      for (const at of [0, 3, 7, 11, 15, 18, 20, 21, 23]) {
        const bytes = Buffer.from(whole);
        bytes.writeUInt8(bytes.readUInt8(page * PAGE_SIZE + at) ^ 0x80, page * PAGE_SIZE + at);
        writeFileSync(copy, bytes);
        if (faultOf(copy) !== undefined) used.add(page);
        else expect(used, `byte ${at} of page ${page}`).not.toContain(page);
      }
    }
    expect(used.size).toBeGreaterThan(10);
  });

  it('finds a list of free pages that names a page in use, or one that there is not', async () => {
    const store = openLmdbStore(folder);
    for (let round = 0; round < 3; round++)
      store.write([{ type: 'put', key: 'key', value: `value ${round}` }]);
    await store.close();
    const whole = readFileSync(join(folder, 'data.mdb'));
    // Offsets of "mdb.c": the later meta page, the roots of both trees, and the data of a leaf's first node.
    const meta = whole.readBigUInt64LE(152) > whole.readBigUInt64LE(PAGE_SIZE + 152) ? 0 : PAGE_SIZE;
    const [free, main] = [88, 136].map((root) => Number(whole.readBigUInt64LE(meta + root))) as [
      number,
      number,
    ];
    const leaf = free * PAGE_SIZE;
    const list = leaf + 24 + whole.readUInt16LE(leaf + 24) + 16;
    expect(whole.readBigUInt64LE(list)).toBe(1n);
    const copy = join(parent, 'copy');
    const faultWith = (page: bigint): string | undefined => {
      const bytes = Buffer.from(whole);
      bytes.writeBigInt64LE(page, list + 8);
      writeFileSync(copy, bytes);
      return faultOf(copy);
    };
    expect(faultWith(whole.readBigInt64LE(list + 8))).toBeUndefined();
    for (const used of [main, free]) expect(faultWith(BigInt(used))).toBe(`page ${used} is used twice`);
    const end = whole.readBigUInt64LE(meta + 144) + 1n;
    for (const none of [1n, end, 1n << 40n]) {
      expect(faultWith(none)).toBe(`it speaks of page ${none}, which there is not`);
    }
  });

  describe('says what is wrong', () => {
    /** Offsets of "mdb.c" and "midl.c": of a meta page, of a page, and of a node. */
    const [MAIN, FREE] = [96, 48];
    const HEAD = 24;

    /** A store with a branch, leaves, a value on pages of its own, and free pages. */
    class Original {
      readonly whole: Buffer;
      /** Where the later meta page begins, and the first pages of both trees. */
      readonly meta: number;
      readonly root: number;
      readonly free: number;

      constructor() {
        this.whole = readFileSync(join(folder, 'data.mdb'));
        const { whole } = this;
        this.meta = whole.readBigUInt64LE(152) > whole.readBigUInt64LE(PAGE_SIZE + 152) ? 0 : PAGE_SIZE;
        this.root = Number(whole.readBigUInt64LE(this.meta + MAIN + 40)) * PAGE_SIZE;
        this.free = Number(whole.readBigUInt64LE(this.meta + FREE + 40)) * PAGE_SIZE;
      }

      /** Where a node of a page begins. */
      node(page: number, index: number): number {
        return page + HEAD + this.whole.readUInt16LE(page + HEAD + 2 * index);
      }

      nodes(page: number): number {
        return this.whole.readUInt16LE(page + 20) / 2;
      }

      /** Where a page below a branch begins. */
      child(page: number, index: number): number {
        return this.whole.readUInt32LE(this.node(page, index)) * PAGE_SIZE;
      }

      /** The first node with a value on pages of its own. */
      big(): { readonly leaf: number; readonly node: number; readonly data: number; readonly page: number } {
        for (let index = 0; index < this.nodes(this.root); index++) {
          const leaf = this.child(this.root, index);
          for (let at = 0; at < this.nodes(leaf); at++) {
            const node = this.node(leaf, at);
            if (this.whole.readUInt16LE(node + 4) !== 1) continue;
            const data = node + 8 + this.whole.readUInt16LE(node + 6);
            return { leaf, node, data, page: Number(this.whole.readBigUInt64LE(data)) * PAGE_SIZE };
          }
        }
        throw new Error('no value is on pages of its own');
      }
    }

    const u16 =
      (at: (original: Original) => number, value: number) =>
      (bytes: Buffer, original: Original): void => {
        bytes.writeUInt16LE(value, at(original));
      };
    const u64 =
      (at: (original: Original) => number, value: bigint) =>
      (bytes: Buffer, original: Original): void => {
        bytes.writeBigUInt64LE(value, at(original));
      };
    const leaf = (original: Original): number => original.child(original.root, 0);
    const NONE = 0xffff_ffff_ffff_ffffn;
    const LATER = 1n << 30n;

    const cases: [
      what: string,
      change: (bytes: Buffer, original: Original) => unknown,
      fault: RegExp | undefined,
    ][] = [
      ['nothing', () => undefined, undefined],
      ['no meta page', u16(({ meta }) => meta + 18, 0), /^its first page is none$/],
      ['another kind of tree', u16(({ meta }) => meta + MAIN + 4, 4), /^a tree is of another kind$/],
      ['another kind of free pages', u16(({ meta }) => meta + FREE + 4, 0), /^a tree is of another kind$/],
      ['no root', u64(({ meta }) => meta + MAIN + 40, NONE), /^a tree has no root$/],
      ['no levels', u16(({ meta }) => meta + MAIN + 6, 0), /^a tree has an impossible depth$/],
      ['33 levels', u16(({ meta }) => meta + MAIN + 6, 33), /^a tree has an impossible depth$/],
      [
        '32 levels',
        u16(({ meta }) => meta + MAIN + 6, 32),
        /^page \d+ is of another kind than it should be$/,
      ],
      ['a level too few', u16(({ meta }) => meta + MAIN + 6, 1), /^page \d+ is of another kind than/],
      ['half an index', u16(({ root }) => root + 20, 3), /^page \d+ has no room for what it holds$/],
      ['no index', u16(({ root }) => root + 20, 0), /^page \d+ has no room for what it holds$/],
      [
        'an index over the nodes',
        u16(({ root }) => root + 22, 2),
        /^page \d+ has no room for what it holds$/,
      ],
      [
        'nodes beyond the page',
        u16(({ root }) => root + 22, PAGE_SIZE - HEAD + 2),
        /^page \d+ has no room for what it holds$/,
      ],
      [
        'nodes at the end',
        u16(({ root }) => root + 22, PAGE_SIZE - HEAD),
        /^page \d+ has a node outside of it$/,
      ],
      [
        'a node in the index',
        u16((original) => leaf(original) + HEAD, 2),
        /^page \d+ has a node outside of it$/,
      ],
      [
        'a node that begins too late',
        u16((original) => leaf(original) + HEAD, PAGE_SIZE - HEAD - 6),
        /^page \d+ has a node outside of it$/,
      ],
      [
        'a key that is too long',
        u16((original) => original.node(leaf(original), 0) + 6, PAGE_SIZE),
        /^page \d+ has a key that goes on outside of it$/,
      ],
      [
        'a key of free pages that is too short',
        u16((original) => original.node(original.free, 0) + 6, 7),
        /^page \d+ has a key that is no number$/,
      ],
      [
        "two nodes in each other's place",
        (bytes, original) => {
          const index = leaf(original) + HEAD;
          bytes.writeUInt16LE(original.whole.readUInt16LE(index), index + 2);
          bytes.writeUInt16LE(original.whole.readUInt16LE(index + 2), index);
        },
        /^page \d+ has its keys out of order$/,
      ],
      [
        'a node twice',
        (bytes, original) => {
          const index = leaf(original) + HEAD;
          bytes.writeUInt16LE(original.whole.readUInt16LE(index), index + 2);
        },
        /^page \d+ has its keys out of order$/,
      ],
      [
        'a page that should end before',
        (bytes, original) => {
          bytes.write('key 0', original.node(original.root, 1) + 8);
        },
        /^page \d+ has keys that belong to another$/,
      ],
      [
        'a page that should begin later',
        (bytes, original) => {
          bytes.write('zzzzz', original.node(original.root, original.nodes(original.root) - 1) + 8);
        },
        /^page \d+ has (?:its keys out of order|keys that belong to another)$/,
      ],
      [
        'a value that is too long',
        u16((original) => original.node(leaf(original), 0), PAGE_SIZE),
        /^page \d+ has data that go on outside of it$/,
      ],
      [
        'a value of 64 KiB more',
        u16((original) => original.node(leaf(original), 0) + 2, 1),
        /^page \d+ has data that go on outside of it$/,
      ],
      [
        'an unknown kind of value',
        u16((original) => original.node(leaf(original), 0) + 4, 2),
        /^page \d+ has a node of an unknown kind$/,
      ],
      ['too few pages', u64((original) => original.big().data + 16, 1n), /^page \d+ has data without room$/],
      [
        'more pages',
        u64((original) => original.big().data + 16, 3n),
        /^page \d+ (?:is used twice|does not hold)/,
      ],
      [
        'a value to come',
        u64((original) => original.big().data + 8, LATER),
        /^page \d+ has data from a time to come$/,
      ],
      [
        'a value on other pages',
        u64((original) => original.big().data, 1n),
        /^it speaks of page 1, which there is not$/,
      ],
      [
        'pages that count otherwise',
        (bytes, original) => {
          bytes.writeUInt32LE(1, original.big().page + 20);
        },
        /^page \d+ does not hold the data that it should$/,
      ],
      [
        'pages of another kind',
        u16((original) => original.big().page + 18, 2),
        /^page \d+ does not hold the data that it should$/,
      ],
      ['another number', u64(({ root }) => root, 1n), /^page \d+ says that it is another$/],
      ['a page to come', u64(({ root }) => root + 8, LATER), /^page \d+ is from a time to come$/],
      [
        'the end missing',
        (bytes, { whole, meta }) =>
          bytes.subarray(0, (Number(whole.readBigUInt64LE(meta + 144)) + 1) * PAGE_SIZE - 1),
        /^its end is missing$/,
      ],
      [
        'nothing missing that is used',
        (bytes, { whole, meta }) =>
          bytes.subarray(0, (Number(whole.readBigUInt64LE(meta + 144)) + 1) * PAGE_SIZE),
        undefined,
      ],
      [
        'free pages without an end',
        (bytes, original) => {
          const list = original.node(original.free, 0) + 16;
          bytes.writeBigUInt64LE(1000n, list);
        },
        /^a list of free pages is cut off$/,
      ],
      [
        'free pages in a row without the first of them',
        (bytes, original) => {
          const list = original.node(original.free, 0) + 16;
          bytes.writeBigInt64LE(-1n, list + 8 * Number(original.whole.readBigUInt64LE(list)));
        },
        /^a list of free pages is cut off$/,
      ],
    ];

    let known: Original | undefined;
    async function makeOriginal(): Promise<Original> {
      const store = openLmdbStore(folder);
      store.write(
        Array.from({ length: 30 }, (_, index) => ({
          type: 'put',
          key: `key ${String(index).padStart(2, '0')}`,
          value: 'v'.repeat(index === 17 ? 5000 : 300),
        })),
      );
      store.write([{ type: 'put', key: 'key 05', value: 'another one' }]);
      await store.close();
      return new Original();
    }

    it.each(cases)('of %s', async (_, change, fault) => {
      const original = (known ??= await makeOriginal());
      const bytes = Buffer.from(original.whole);
      const copy = join(parent, 'copy');
      const changed = change(bytes, original);
      writeFileSync(copy, Buffer.isBuffer(changed) ? changed : bytes);
      const found = faultOf(copy);
      if (fault === undefined) expect(found).toBeUndefined();
      else expect(found).toMatch(fault);
    });
  });

  it('ends with a sentence, whatever the file is', async () => {
    const store = openLmdbStore(folder);
    store.write(
      Array.from({ length: 200 }, (_, number) => ({ type: 'put', key: `key ${number}`, value: 'value' })),
    );
    await store.close();
    const whole = readFileSync(join(folder, 'data.mdb'));
    const copy = join(parent, 'copy');
    const random = seededRandom(6);
    for (let round = 0; round < 60; round++)
      for (const damage of Object.values(DAMAGES)) {
        writeFileSync(copy, damage(whole, random).bytes);
        expect(typeof faultOf(copy)).toMatch(/^(string|undefined)$/);
      }
  });
});
