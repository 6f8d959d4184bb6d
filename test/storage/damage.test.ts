import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { open, type RootDatabase } from 'lmdb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';

import { checksum } from '../../peer/storage/checksum.ts';
import { lmdbFault, readLmdbMeta } from '../../peer/storage/lmdb-check.ts';
import { openLmdbStore } from '../../peer/storage/lmdb.ts';
import { DAMAGES, PAGE_SIZE } from '../support/damage.ts';
import { seededRandom } from '../support/random.ts';
import { requireBuild } from '../support/built.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/test/storage/damaged.js', import.meta.url));
requireBuild('dist/test/storage/damaged.js');
/** Copies that are damaged and tried out, each in one of the ways. */
const COPIES = 100;

let parent: string;
let folder: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'damage-'));
  folder = join(parent, 'data');
});
afterEach(() => {
  rmSync(parent, { recursive: true });
});

it('damage of any kind is refused, or does no harm: no crash, no block that was never stored', async () => {
  expect(existsSync(PROGRAM), 'the tests run compiled programs; run "npm run build" first').toBe(true);
  const child = spawn(process.execPath, [PROGRAM, parent, '3', String(COPIES)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let complaint = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  const end = await once(child, 'close');
  const lines = output.split('\n').filter((line) => line !== '');
  expect(end, `${lines.slice(-2).join('\n')}\n${complaint}`).toEqual([0, null]);
  const outcomes = lines.map((line) => JSON.parse(line) as { outcome?: string; message?: string });
  expect(outcomes.filter(({ outcome }) => outcome !== undefined)).toHaveLength(COPIES);
  for (const [index, { outcome, message }] of outcomes.entries()) {
    if (outcome === undefined) continue;
    expect(outcome, lines.slice(index - 1, index + 1).join('\n')).toMatch(/^(whole|shorter|refused)$/);
    if (outcome === 'refused') expect(message).toMatch(/^[^\n]*(damaged|missing|not a store)[^\n]*$/);
  }
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
    for (const none of [1n, 1n << 40n]) {
      expect(faultWith(none)).toBe(`it speaks of page ${none}, which there is not`);
    }
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

it('a value that changed on the disk is not given out', async () => {
  const store = openLmdbStore(folder);
  store.write([
    { type: 'put', key: 'good', value: 'the first value' },
    { type: 'put', key: 'bad', value: 'the other value' },
  ]);
  await store.close();
  const path = join(folder, 'data.mdb');
  const bytes = readFileSync(path);
  bytes.write('tha', bytes.lastIndexOf('the other value'));
  writeFileSync(path, bytes);
  const again = openLmdbStore(folder);
  expect(again.get('good')).toBe('the first value');
  expect(() => again.get('bad')).toThrow(/is damaged \(bad\); move it away/);
  await again.close();
});

const vectors = z
  .array(z.tuple([z.string(), z.string(), z.string()]))
  .parse(JSON.parse(readFileSync(new URL('../vectors/checksum.json', import.meta.url), 'utf8')));

it('checksums are those of their description', () => {
  for (const [key, value, expected] of vectors) {
    expect(checksum(key, value + expected, value.length)).toBe(expected);
  }
});

it('what others wrote by the description is read', async () => {
  const database = openByHand();
  for (const [key, value, sum] of vectors.slice(3)) await database.put(key, value + sum);
  await database.close();
  const store = openLmdbStore(folder);
  for (const [key, value] of vectors.slice(3, 5)) expect(store.get(key)).toBe(value);
  expect(store.get('key')).toBe(vectors.at(-1)?.[1]);
  await store.close();
});

it('two bits that flip in the bytes of a value, anywhere, make another checksum', () => {
  const key = 'b/300';
  const value = '{"height":300,"messages":["word 300"]}';
  const right = checksum(key, value, value.length);
  const bytes = Buffer.from(value);
  const flip = (bit: number): void => {
    bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
  };
  const missed: number[][] = [];
  for (let one = 0; one < 8 * bytes.length; one++) {
    flip(one);
    for (let other = 0; other < one; other++) {
      flip(other);
      const text = bytes.toString();
      if (checksum(key, text, text.length) === right) missed.push([one, other]);
      flip(other);
    }
    flip(one);
  }
  expect(missed).toEqual([]);
});

/** The database as LMDB's own library opens it. */
function openByHand(): RootDatabase<string, string> {
  return open<string, string>({
    path: folder,
    noSubdir: false,
    encoding: 'string',
    overlappingSync: false,
    maxDbs: 1,
  });
}

it('a value without its checksum is not given out', async () => {
  const database = openByHand();
  await database.put('short', 'x');
  await database.put('long', 'a value that somebody else wrote');
  await database.put('early', '{"height":52}');
  await database.close();
  const store = openLmdbStore(folder);
  for (const key of ['short', 'long']) expect(() => store.get(key)).toThrow(/is damaged/);
  // As the first versions wrote them, and a user is told so.
  expect(() => store.get('early')).toThrow(
    /is of an earlier version of this program, or .* \(early\); move it away/,
  );
  await store.close();
});
