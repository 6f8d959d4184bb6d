/** What `peer export` makes of the file that it is given. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { exportChain } from '../../../../peer/engines/pow/node/export.ts';
import { Chain } from '../../../../peer/engines/pow/protocol/chain.ts';
import { openDataDir } from '../../../../peer/storage/data-dir.ts';
import type { StoreWrite } from '../../../../peer/core/store.ts';
import { blockToJson } from '../../../../shared/block.ts';
import { buildChain } from '../../../support/chains.ts';

const CHAIN = buildChain(20, { difficulty: 0 });
const RECORD = CHAIN.map((block) => `${blockToJson(block)}\n`).join('');
const PEER = fileURLToPath(new URL('../../../../peer/index.js', import.meta.url));

let folder: string;
let dataDir: string;
let file: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'export-'));
  dataDir = join(folder, 'data');
  file = join(folder, 'blocks.txt');
  const data = await openDataDir(dataDir);
  const chain = new Chain(data.store, 0);
  for (const block of CHAIN) data.store.write(chain.append(block));
  await data.close();
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

async function change(...writes: StoreWrite[]): Promise<void> {
  const data = await openDataDir(dataDir);
  data.store.write(writes);
  await data.close();
}

describe('a file that is there', () => {
  beforeEach(() => {
    writeFileSync(file, 'precious');
  });

  it('is not written over, unless that is asked for', async () => {
    await expect(exportChain(file, { dataDir, from: 0 })).rejects.toThrow(
      `can't write ${file}: it is there already; --force writes over it`,
    );
    expect(readFileSync(file, 'utf8')).toBe('precious');
    await exportChain(file, { dataDir, from: 0, force: true });
    expect(readFileSync(file, 'utf8')).toBe(RECORD);
  });

  it.skipIf(process.platform === 'win32')('is not reached by a link, whatever is asked for', async () => {
    const link = join(folder, 'link');
    symlinkSync(file, link);
    for (const force of [true, false]) {
      await expect(exportChain(link, { dataDir, from: 0, force })).rejects.toThrow(/it is a link/);
    }
    expect(readFileSync(file, 'utf8')).toBe('precious');
  });

  it('is what it was when the chain turns out to be damaged', async () => {
    await change({ type: 'delete', key: 'b/0000/00000f' });
    await expect(exportChain(file, { dataDir, from: 0, force: true })).rejects.toThrow(
      'the store is damaged: block 15 is missing',
    );
    expect(readFileSync(file, 'utf8')).toBe('precious');
    expect(readdirSync(folder).sort()).toStrictEqual(['blocks.txt', 'data']);
  });

  it.skipIf(process.platform === 'win32')('is what it was when the disk is full', async () => {
    const script = 'ulimit -f 1; exec "$0" "$1" export "$2" --data-dir "$3" --force';
    const said = await new Promise<string>((resolve) => {
      execFile('sh', ['-c', script, process.execPath, PEER, file, dataDir], (_, __, stderr) => {
        resolve(stderr);
      });
    });
    expect(said).toMatch(/^peer: can't write .*blocks\.txt: EFBIG[^\n]*\n$/);
    expect(readFileSync(file, 'utf8')).toBe('precious');
    expect(readdirSync(folder).sort()).toStrictEqual(['blocks.txt', 'data']);
  });
});

it('with a difficulty, only a chain that has it is written', async () => {
  await exportChain(file, { dataDir, from: 5, difficulty: 0 });
  expect(readFileSync(file, 'utf8')).toBe(RECORD.split('\n').slice(5).join('\n'));
  const other = join(folder, 'other.txt');
  await expect(exportChain(other, { dataDir, from: 5, difficulty: 32 })).rejects.toThrow(
    /^block 5 is not valid at difficulty 32: A hash ends in .*\(misses-difficulty\)$/,
  );
  expect(readdirSync(folder).sort()).toStrictEqual(['blocks.txt', 'data']);
});
