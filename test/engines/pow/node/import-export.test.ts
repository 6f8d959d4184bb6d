import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { openDataDir } from '../../../../peer/storage/data-dir.ts';
import { importRecord, type ImportResult } from '../../../../peer/engines/pow/node/import.ts';
import { Chain, STAGE_BATCH } from '../../../../peer/engines/pow/protocol/chain.ts';
import { MemoryStore } from '../../../../peer/storage/memory.ts';
import type { Store } from '../../../../peer/core/store.ts';
import { blockToJson, type Block } from '../../../../shared/block.ts';
import { UserError } from '../../../../shared/errors.ts';
import { buildChain, flipBit, forkChain } from '../../../support/chains.ts';
import { runPeer } from '../../../commands/run.ts';

const DIFFICULTY = 0;
/** Longer than what is kept in memory of a chain that comes in. */
const LENGTH = STAGE_BATCH + 100;
/** A height that is met when some of such a chain is stored. */
const LATE = STAGE_BATCH + 50;
const LONG = buildChain(LENGTH, { difficulty: DIFFICULTY });
const SHORT = LONG.slice(0, 20);

const record = (blocks: readonly Block[]): string =>
  blocks.map((block) => `${blockToJson(block)}\n`).join('');

function take(store: Store, blocks: readonly Block[]): Promise<ImportResult> {
  return importRecord(Readable.from([record(blocks)]), store, DIFFICULTY);
}

/** The whole chain of a store, as it is found there. */
function chainOf(store: Store): Block[] {
  const chain = new Chain(store, DIFFICULTY);
  return Array.from({ length: chain.height }, (_, height) => {
    const block = chain.block(height);
    if (block === undefined) throw new Error(`block ${height} is missing`);
    return block;
  });
}

/** How many blocks lie in a store, whether or not they belong to the chain. */
function storedBlocks(store: MemoryStore): number {
  return [...store.entries()].filter(([key]) => key.startsWith('b/')).length;
}

describe('importing a record', () => {
  it('fills an empty store', async () => {
    const store = new MemoryStore();
    expect(await take(store, LONG)).toStrictEqual({ added: LENGTH, replaced: 0 });
    expect(chainOf(store)).toStrictEqual(LONG);
  });

  it('passes over the blocks that are there', async () => {
    const store = new MemoryStore();
    await take(store, SHORT);
    expect(await take(store, LONG)).toStrictEqual({ added: LENGTH - 20, replaced: 0 });
    expect(chainOf(store)).toStrictEqual(LONG);
    expect(await take(store, LONG)).toStrictEqual({ added: 0, replaced: 0 });
    expect(await take(store, SHORT)).toStrictEqual({ added: 0, replaced: 0 });
    expect(chainOf(store)).toStrictEqual(LONG);
  });

  it('may go on from a block that is there', async () => {
    const store = new MemoryStore();
    await take(store, SHORT);
    expect(await take(store, LONG.slice(20, 30))).toStrictEqual({ added: 10, replaced: 0 });
    expect(await take(store, LONG.slice(25, 40))).toStrictEqual({ added: 10, replaced: 0 });
    expect(chainOf(store)).toStrictEqual(LONG.slice(0, 40));
  });

  it.each([0, 15, LENGTH - 200])('replaces the chain from height %d on by a longer one', async (fork) => {
    const store = new MemoryStore();
    await take(store, LONG.slice(0, LENGTH - 1));
    const other = forkChain(LONG, fork, LENGTH, { difficulty: DIFFICULTY, minedBy: 'other' });
    expect(await take(store, other)).toStrictEqual({ added: LENGTH - fork, replaced: LENGTH - 1 - fork });
    expect(chainOf(store)).toStrictEqual(other);
    // Nothing of the old chain is left lying about.
    expect(storedBlocks(store)).toBe(LENGTH);
  });

  it.each([
    [
      'shorter',
      20,
      LENGTH - 1,
      /^nothing was imported: its chain has \d+ blocks, ours \d+, and only a longer one/,
    ],
    [
      'just as long',
      20,
      LENGTH,
      /^nothing was imported: its chain has \d+ blocks, ours \d+, and only a longer one/,
    ],
  ])('keeps the chain when another is %s', async (_, fork, length, message) => {
    const store = new MemoryStore();
    await take(store, LONG);
    const other = forkChain(LONG, fork, length, { difficulty: DIFFICULTY, minedBy: 'other' });
    await expect(take(store, other)).rejects.toThrow(UserError);
    await expect(take(store, other)).rejects.toThrow(message);
    expect(chainOf(store)).toStrictEqual(LONG);
    expect(storedBlocks(store)).toBe(LENGTH);
  });

  it.each([
    ['a bad block', flipBit(LONG, LATE), `line ${LATE + 1}, height ${LATE}: The hash is the SHA-256`],
    [
      'a bad block among those that are there',
      flipBit(LONG, 10),
      'line 11, height 10: The hash is the SHA-256',
    ],
    [
      'a block left out',
      LONG.filter(({ height }) => height !== LATE),
      `line ${LATE + 1}, height ${LATE + 1}: A block stands one`,
    ],
    [
      'a block left out early',
      LONG.filter(({ height }) => height !== 7),
      'line 8, height 8: A block stands one',
    ],
    [
      'a beginning that does not fit',
      LONG.slice(21),
      'it begins at height 21, and the chain here has 20 blocks',
    ],
    ['nothing', [], 'there is no block in it'],
  ])('keeps the chain when there is %s in the file', async (_, blocks, message) => {
    const store = new MemoryStore();
    await take(store, SHORT);
    await expect(take(store, blocks)).rejects.toThrow(`nothing was imported: ${message}`);
    expect(chainOf(store)).toStrictEqual(SHORT);
    expect(storedBlocks(store)).toBe(20);
    expect(await take(store, LONG)).toStrictEqual({ added: LENGTH - 20, replaced: 0 });
  });

  it('keeps the chain when a line is no block', async () => {
    const store = new MemoryStore();
    const input = Readable.from([`${record(LONG.slice(0, LATE))}oops\n${record(LONG.slice(LATE))}`]);
    await expect(importRecord(input, store, DIFFICULTY)).rejects.toThrow(
      `line ${LATE + 1}: A line of a record is one block`,
    );
    expect(chainOf(store)).toStrictEqual([]);
    expect(storedBlocks(store)).toBe(0);
  });

  it('leaves the old chain or the new one, at whatever write the process dies', async () => {
    const other = forkChain(LONG, 5, LENGTH, { difficulty: DIFFICULTY, minedBy: 'other' });
    const before = LONG.slice(0, LENGTH - 1);
    const outcomes = { old: 0, new: 0 };
    let died = true;
    for (let allowed = 0; died; allowed++) {
      const store = new MemoryStore();
      await take(store, before);
      let writes = 0;
      const mortal: Store = {
        get: (key) => store.get(key),
        getBytes: (key) => store.getBytes(key),
        keys: (range) => store.keys(range),
        write: (batch) => {
          if (writes++ >= allowed) throw new Error('the process died');
          store.write(batch);
        },
        close: () => store.close(),
      };
      died = await take(mortal, other).then(
        () => false,
        () => true,
      );
      const found = chainOf(store);
      const isNew = found.length === LENGTH;
      expect(found).toStrictEqual(isNew ? other : before);
      outcomes[isNew ? 'new' : 'old']++;
      // What it left behind is cleared away by the next import, whatever that is about.
      if (isNew) continue;
      await take(store, other);
      expect(storedBlocks(store)).toBe(LENGTH);
    }
    expect(outcomes.old).toBeGreaterThan(1);
    expect(outcomes.new).toBeGreaterThan(1);
  });
});

describe('peer import and peer export', () => {
  let folder: string;
  let data: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'import-'));
    data = join(folder, 'data');
    file = join(folder, 'blocks.txt');
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  function importInto(content: string): ReturnType<typeof runPeer> {
    writeFileSync(file, content);
    return runPeer(['import', file, '--data-dir', data, '--difficulty', '0']);
  }

  it('give back what was taken', async () => {
    expect(await importInto(`# remark\n${record(LONG)}`)).toStrictEqual({
      stdout: `imported ${LENGTH} blocks, which replaced 0; the chain has ${LENGTH} blocks, tip ${LONG.at(-1)?.hash ?? ''}\n`,
      stderr: '',
      code: 0,
    });
    expect(await runPeer(['export', '--data-dir', data])).toStrictEqual({
      stdout: record(LONG),
      stderr: '',
      code: 0,
    });
    const out = join(folder, 'out.txt');
    expect(await runPeer(['export', out, '--data-dir', data, '--from', '300', '--to', '700'])).toStrictEqual({
      stdout: '',
      stderr: '',
      code: 0,
    });
    expect(readFileSync(out, 'utf8')).toBe(record(LONG.slice(300, 701)));
    const again = await importInto(record(SHORT));
    expect(again.stdout).toBe(
      `nothing to import: all of its blocks are here; the chain has ${LENGTH} blocks, tip ${LONG.at(-1)?.hash ?? ''}\n`,
    );
    expect(again.code).toBe(0);
  });

  it('refuse what is not longer, or not there, in one line', async () => {
    await importInto(record(SHORT));
    const fork = forkChain(SHORT, 3, 20, { difficulty: DIFFICULTY, minedBy: 'other' });
    expect(await importInto(record(fork))).toStrictEqual({
      stdout: '',
      stderr:
        'peer: nothing was imported: its chain has 20 blocks, ours 20, and only a longer one replaces it\n',
      code: 1,
    });
    for (const range of [
      ['--from', '20'],
      ['--to', '20'],
      ['--from', '7', '--to', '6'],
    ]) {
      expect(await runPeer(['export', '--data-dir', data, ...range])).toStrictEqual({
        stdout: '',
        stderr: 'peer: the chain has heights 0 to 19; --from and --to must be within, in that order\n',
        code: 1,
      });
    }
    const nowhere = join(folder, 'nowhere');
    const missing = await runPeer(['export', '--data-dir', nowhere]);
    expect(missing).toStrictEqual({ stdout: '', stderr: `peer: there is no store in ${nowhere}\n`, code: 1 });
    expect(existsSync(nowhere)).toBe(false);
  });

  it('export while a peer has the folder; import waits for nobody', async () => {
    await importInto(record(SHORT));
    const dataDir = await openDataDir(data);
    try {
      expect((await runPeer(['export', '--data-dir', data])).stdout).toBe(record(SHORT));
      expect(await importInto(record(LONG))).toStrictEqual({
        stdout: '',
        stderr: `peer: the data folder ${data} is in use by process ${process.pid}; stop that one, or choose another with --data-dir\n`,
        code: 1,
      });
      expect(chainOf(dataDir.store)).toStrictEqual(SHORT);
    } finally {
      await dataDir.close();
    }
    expect((await importInto(record(LONG))).code).toBe(0);
  });

  it.skipIf(process.platform === 'win32')('export does not mind who stops reading', async () => {
    await importInto(record(LONG));
    const peer = fileURLToPath(new URL('../../../../peer/index.js', import.meta.url));
    const shell = spawn('/bin/sh', [
      '-c',
      '"$0" "$1" export --data-dir "$2" | head -n 1',
      process.execPath,
      peer,
      data,
    ]);
    let stdout = '';
    let stderr = '';
    shell.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    shell.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    await once(shell, 'close');
    expect({ stdout, stderr }).toStrictEqual({ stdout: record(LONG.slice(0, 1)), stderr: '' });
  });
});
