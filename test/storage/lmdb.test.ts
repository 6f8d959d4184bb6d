import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { openDataDir } from '../../peer/storage/data-dir.ts';
import { openLmdbSnapshot, openLmdbStore } from '../../peer/storage/lmdb.ts';
import type { Store } from '../../peer/core/store.ts';
import { UserError } from '../../shared/errors.ts';
import { seededRandom } from '../support/random.ts';
import { batch, readBatch } from './batches.ts';
import { requireBuild } from '../support/built.ts';

const WRITER = fileURLToPath(new URL('../../dist/test/storage/writer.js', import.meta.url));
requireBuild('dist/test/storage/writer.js');

let parent: string;
let folder: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'lmdb-'));
  folder = join(parent, 'data');
});
afterEach(() => {
  rmSync(parent, { recursive: true });
});

/** Runs the writer until `enough` says so of the batch that it last reported, or until it ends by itself. */
async function runWriter(
  enough: (reported: number) => boolean,
  shell = '',
): Promise<{ reported: number; signal: NodeJS.Signals | null; complaint: string }> {
  const child = spawn('/bin/sh', ['-c', `${shell} exec "$0" "$1" "$2"`, process.execPath, WRITER, folder], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let reported = 0;
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) reported = Number(line);
    if (reported > 0 && enough(reported)) child.kill('SIGKILL');
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  const [, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { reported, signal, complaint };
}

describe('what was written', () => {
  it('is there, in whole batches, after kill -9 at any moment, ten times in a row', async () => {
    expect(existsSync(WRITER), 'the tests run compiled programs; run "npm run build" first').toBe(true);
    const random = seededRandom(9);
    let last = 0;
    for (let round = 0; round < 10; round++) {
      const target = last + 1 + Math.floor(random() * 30);
      const { reported, signal, complaint } = await runWriter((number) => number >= target);
      expect(complaint).toBe('');
      expect(signal).toBe('SIGKILL');
      expect(reported).toBeGreaterThanOrEqual(target);
      const dataDir = await openDataDir(folder);
      const { store } = dataDir;
      const found = readBatch(store);
      await dataDir.close();
      // The kill may have come after a write and before the report of it.
      expect([reported, reported + 1]).toContain(found);
      last = found ?? 0;
    }
  });

  it.skipIf(process.platform === 'win32')(
    'stays when the disk is full, which is said in one sentence',
    async () => {
      const { reported, signal, complaint } = await runWriter(() => false, 'ulimit -f 4000;');
      expect(signal).toBeNull();
      // Said by us before LMDB notices: that would leave the memory of the process in disorder.
      expect(complaint).toMatch(/^can't write to the store in [^\n]*, is the disk full\?: EFBIG[^\n]+$/);
      expect(reported).toBeGreaterThan(0);
      const dataDir = await openDataDir(folder);
      const { store } = dataDir;
      expect(readBatch(store)).toBe(reported);
      // With room on the disk it goes on as if nothing had been.
      store.write(batch(reported + 1));
      expect(readBatch(store)).toBe(reported + 1);
      await dataDir.close();
    },
  );

  it('is all there or not at all when a write is refused', async () => {
    const store = openLmdbStore(folder);
    store.write([{ type: 'put', key: 'a', value: 'before' }]);
    expect(() => {
      store.write([
        { type: 'put', key: 'a', value: 'after' },
        { type: 'put', key: 'k'.repeat(5000), value: 'too long a key' },
        { type: 'put', key: 'b', value: 'after' },
      ]);
    }).toThrow(UserError);
    expect(store.get('a')).toBe('before');
    expect(store.get('b')).toBeUndefined();
    store.write([{ type: 'put', key: 'b', value: 'later' }]);
    expect(store.get('b')).toBe('later');
    await store.close();
  });
});

describe('the folder', () => {
  it('is created, with the folders above it', async () => {
    const store = openLmdbStore(join(folder, 'and', 'more'));
    expect(readdirSync(join(folder, 'and', 'more'))).toContain('data.mdb');
    await store.close();
  });

  it('may have a dot in its name', async () => {
    const store = openLmdbStore(join(parent, 'data.dir'));
    store.write(batch(1));
    await store.close();
    expect(statSync(join(parent, 'data.dir')).isDirectory()).toBe(true);
  });

  it('must not be a file, or below one', () => {
    writeFileSync(folder, 'a file');
    expect(() => openLmdbStore(folder)).toThrow(UserError);
    expect(() => openLmdbStore(join(folder, 'below'))).toThrow(UserError);
    expect(() => openLmdbStore(folder)).toThrow(/^can't open the store in [^\n]+$/);
  });

  it('must not hold a folder where the file belongs', () => {
    mkdirSync(join(folder, 'data.mdb'), { recursive: true });
    expect(() => openLmdbStore(folder)).toThrow(UserError);
  });
});

describe('a damaged file', () => {
  const BATCHES = 500;

  async function fill(batches: number): Promise<string> {
    const store = openLmdbStore(folder);
    for (let number = 1; number <= batches; number++) store.write(batch(number));
    await store.close();
    return join(folder, 'data.mdb');
  }

  it.each([
    ['something else', Buffer.from('hello, I am a text file\n'.repeat(1000))],
    ['something short', Buffer.from('hello')],
    ['zeros', Buffer.alloc(40_000)],
  ])('that is %s is refused', async (_, content) => {
    const file = await fill(1);
    writeFileSync(file, content);
    expect(() => openLmdbStore(folder)).toThrow(
      /is not a store of this program, or is damaged; move it away [^\n]+$/,
    );
    expect(() => openLmdbSnapshot(folder)).toThrow(UserError);
    expect(readFileSync(file)).toStrictEqual(content);
  });

  it('that was cut off is refused, and never the end of the process', async () => {
    const file = await fill(BATCHES);
    const whole = readFileSync(file);
    expect(whole.length).toBeGreaterThan(2 ** 21);
    for (let missing = 0; missing < whole.length; missing += 2 ** 18 - 1) {
      writeFileSync(file, whole);
      truncateSync(file, whole.length - missing);
      // How much is lost of what is at the very end depends on LMDB; here it is only that all of it is answered.
      const outcome = await read();
      if (missing === 0) expect(outcome).toBe('whole');
      else if (missing < 2 ** 20) expect(outcome).toMatch(/^(refused|incomplete|whole)$/);
      else expect(outcome).toBe('refused');
    }
  });

  /** What is there, as far as it can be opened and read. */
  async function read(): Promise<'refused' | 'incomplete' | 'whole'> {
    let store: Store | undefined;
    try {
      store = openLmdbStore(folder);
      return readBatch(store) === BATCHES ? 'whole' : 'incomplete';
    } catch (error) {
      return error instanceof UserError ? 'refused' : 'incomplete';
    } finally {
      await store?.close();
    }
  }

  it('that is empty, as after a crash while it was made, is a new store, which is said once', async () => {
    mkdirSync(folder);
    const file = join(folder, 'data.mdb');
    writeFileSync(file, '');
    // Where it is only read there is nothing to make of it.
    expect(() => openLmdbSnapshot(folder)).toThrow(`there is no store in ${folder}: its data.mdb is empty`);
    const warnings: string[] = [];
    const warn = (message: string): void => void warnings.push(message);
    const store = openLmdbStore(folder, { warn });
    expect(readBatch(store)).toBeUndefined();
    await store.close();
    await openLmdbStore(folder, { warn }).close();
    rmSync(file);
    await openLmdbStore(folder, { warn }).close();
    expect(warnings).toEqual([
      `${file} was empty, as a kill at the first start leaves it: a new store begins; if something was in it, let the peer download the chain again, or stop it and put a copy of the file back`,
    ]);
  });
});

describe('a snapshot', () => {
  it('shows the store as it was, while a peer writes to it', async () => {
    const store = openLmdbStore(folder);
    store.write(batch(1));
    const snapshot = openLmdbSnapshot(folder);
    for (let number = 2; number < 50; number++) {
      store.write(batch(number));
      if (number % 10 === 0) await new Promise(setImmediate);
      expect(readBatch(snapshot)).toBe(1);
    }
    await snapshot.close();
    await snapshot.close();
    expect(() => snapshot.get('a')).toThrow('the store is closed');
    expect(readBatch(store)).toBe(49);
    const second = openLmdbSnapshot(folder);
    expect(readBatch(second)).toBe(49);
    await second.close();
    store.write(batch(50));
    expect(readBatch(store)).toBe(50);
    await store.close();
  });

  it('shows the store while another process writes to it', async () => {
    const seen: number[] = [];
    const checks: Promise<void>[] = [];
    await runWriter((number) => {
      if (seen.length >= 5) return true;
      const snapshot = openLmdbSnapshot(folder);
      const found = readBatch(snapshot) ?? 0;
      expect(found).toBeGreaterThanOrEqual(number);
      seen.push(found);
      checks.push(snapshot.close());
      return false;
    });
    await Promise.all(checks);
    expect(seen).toHaveLength(5);
    expect(seen).toStrictEqual([...seen].sort((a, b) => a - b));
  });

  it('needs a store', () => {
    expect(() => openLmdbSnapshot(folder)).toThrow(`there is no store in ${folder}`);
    expect(existsSync(folder)).toBe(false);
  });

  it.skipIf(process.platform === 'win32')('says what may not be read, which may well be there', async () => {
    await openLmdbStore(folder).close();
    const file = join(folder, 'data.mdb');
    // No permission binds an administrator: for a moment he is nobody.
    const administrator = process.geteuid?.() === 0;
    for (const path of [file, folder]) {
      chmodSync(path, 0);
      if (administrator) process.seteuid?.(65_534);
      try {
        expect(() => openLmdbSnapshot(folder)).toThrow(
          /^can't open the store in .*: this user may not do that \(EACCES\)/,
        );
      } finally {
        if (administrator) process.seteuid?.(0);
        chmodSync(path, 0o755);
      }
    }
  });
});
