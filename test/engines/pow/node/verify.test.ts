import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { verifyRecord, type Verdict } from '../../../../peer/engines/pow/node/verify.ts';
import { blockToJson, type Block } from '../../../../shared/block.ts';
import { buildChain, flipBit, gooseChain, longMessage, wrongPrevious } from '../../../support/chains.ts';
import { GENESES } from '../../../vectors/geneses.ts';
import { runHere, runPeer } from '../../../commands/run.ts';

const DIFFICULTY = 2;
const CHAIN = buildChain(8, { difficulty: DIFFICULTY });

const record = (blocks: readonly Block[]): string =>
  blocks.map((block) => `${blockToJson(block)}\n`).join('');

function verify(content: string, difficulty = DIFFICULTY): Promise<Verdict> {
  return verifyRecord(Readable.from([content]), difficulty);
}

describe('verifying a record', () => {
  it('finds a valid chain valid', async () => {
    expect(await verify(record(CHAIN))).toStrictEqual({ tip: CHAIN[7], flaw: undefined });
    expect(await verify(`# remark\n\n${record(CHAIN)}`)).toStrictEqual({ tip: CHAIN[7], flaw: undefined });
  });

  it.each(GENESES)('finds the genesis of $network valid', async ({ block, difficulty }) => {
    expect(await verify(record([block]), difficulty)).toStrictEqual({ tip: block, flaw: undefined });
  });

  it('finds nothing in an empty one', async () => {
    expect(await verify('')).toStrictEqual({ tip: null, flaw: undefined });
    expect(await verify('# remark\n')).toStrictEqual({ tip: null, flaw: undefined });
  });

  it.each([
    ['a changed block', flipBit(CHAIN, 4), 5, 4, 'wrong-hash'],
    ['a block of another chain', wrongPrevious(CHAIN, 4, DIFFICULTY), 5, 4, 'wrong-hash'],
    ['a long message', longMessage(CHAIN, 4, DIFFICULTY), 5, 4, 'message-too-long'],
    ['a block without zeros', gooseChain(CHAIN.slice(0, 4), 1, DIFFICULTY), 5, 4, 'misses-difficulty'],
    ['a block left out', CHAIN.filter(({ height }) => height !== 4), 5, 5, 'wrong-height'],
    ['a block twice', [...CHAIN.slice(0, 4), ...CHAIN.slice(3)], 5, 3, 'wrong-height'],
    ['no genesis', CHAIN.slice(1), 1, 1, 'wrong-height'],
  ])('finds %s', async (_, blocks, line, height, fault) => {
    const tip = CHAIN[line - 2] ?? null;
    expect(await verify(record(blocks))).toStrictEqual({ tip, flaw: { line, height, fault } });
  });

  it('finds a line that is no block', async () => {
    const content = `${record(CHAIN.slice(0, 2))}\n{}\n${record(CHAIN.slice(2))}`;
    expect(await verify(content)).toStrictEqual({
      tip: CHAIN[1],
      flaw: { line: 4, height: undefined, fault: 'bad-height' },
    });
  });
});

describe('peer verify', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'verify-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  function file(content: string): string {
    const path = join(folder, 'blocks.txt');
    writeFileSync(path, content);
    return path;
  }

  const tip = CHAIN[7]?.hash ?? '';

  it('says so when a file is valid', async () => {
    expect(await runPeer(['verify', file(record(CHAIN)), '--difficulty', '2'])).toStrictEqual({
      stdout: `valid: 8 blocks at difficulty 2; tip at height 7: ${tip}\n`,
      stderr: '',
      code: 0,
    });
  });

  it('reads standard input', async () => {
    const run = await runPeer(['verify', '-', '--difficulty', '2'], record(CHAIN));
    expect(run).toMatchObject({ stdout: expect.stringMatching(/^valid: 8 blocks/) as string, code: 0 });
  });

  it('demands eight zeros by default', async () => {
    const run = await runHere(['verify', file(record(GENESES.slice(0, 1).map(({ block }) => block)))]);
    expect(run).toMatchObject({
      stdout: expect.stringMatching(/^valid: 1 block at difficulty 8;/) as string,
      code: 0,
    });
    const easy = await runHere(['verify', file(record(CHAIN))]);
    expect(easy).toMatchObject({ stdout: expect.stringContaining('misses-difficulty') as string, code: 1 });
  });

  it('says which line breaks which rule', async () => {
    expect(await runPeer(['verify', file(record(flipBit(CHAIN, 4))), '--difficulty', '2'])).toStrictEqual({
      stdout:
        'not valid: line 5, height 4: The hash is the SHA-256 of the block on top of the one before it. (wrong-hash) ' +
        'Before that, heights 0 to 3 are valid.\n',
      stderr: '',
      code: 1,
    });
  });

  it('does not call an empty file valid', async () => {
    expect(await runHere(['verify', file('')])).toStrictEqual({
      stdout: 'not valid: there is no block in it\n',
      stderr: '',
      code: 1,
    });
  });

  it('says in one line that a file is missing', async () => {
    const run = await runHere(['verify', join(folder, 'nowhere.txt')]);
    expect(run).toStrictEqual({
      stdout: '',
      stderr: expect.stringMatching(
        /^peer: can't read .*nowhere.txt: there is no such file or folder \(ENOENT\)\n$/,
      ) as string,
      code: 1,
    });
  });
});
