import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { open, type RootDatabase } from 'lmdb';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';

import { checksum } from '../../peer/storage/checksum.ts';
import { openLmdbStore } from '../../peer/storage/lmdb.ts';
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
