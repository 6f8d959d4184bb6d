/** The command line of the fuzzer. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { blockToJson } from '../../shared/block.ts';
import { runScript } from '../commands/run.ts';
import { buildChain } from '../support/chains.ts';
import { ROOT } from '../support/processes.ts';
import { BUILT_IN } from './corpus.ts';

/** The compiled program: Node 20 runs no TypeScript. */
const FUZZ = 'dist/test/fuzz/main.js';
if (!existsSync(join(ROOT, FUZZ))) throw new Error('the tests are not compiled: run "npm run build" first');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gossip-fuzz-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

it.each(['garbage', ':', '-1'])('says that "%s" is no path of a counterexample', async (path) => {
  expect(await runScript(FUZZ, ['--target', 'block', `--path=${path}`])).toEqual({
    stdout: '',
    stderr: `fuzz: option '--path <path>' argument '${path}' is invalid. It is no path of a counterexample: those are numbers with colons between them, for example 12:0:3.\n`,
    code: 1,
  });
});

it('says that a path leads nowhere', async () => {
  const { stderr, code } = await runScript(FUZZ, ['--target', 'block', '--path', '0:99999']);
  expect(stderr).toBe('fuzz: --path 0:99999 leads to no input of block with seed 1\n');
  expect(code).toBe(1);
});

it('refuses a corpus of which it can take nothing', async () => {
  const text = join(folder, 'text.md');
  writeFileSync(text, '# A title\n\nNo block at all.\n');
  const nowhere = join(folder, 'nowhere');
  for (const [corpus, message] of [
    [text, `there is no block in ${text}; a record has one block a line, as JSON`],
    [folder, `can't read ${folder}: it is a folder (EISDIR)`],
    [nowhere, `can't read ${nowhere}: there is no such file or folder (ENOENT)`],
  ] as const) {
    const run = await runScript(FUZZ, ['--corpus', corpus]);
    expect(run).toEqual({ stdout: '', stderr: `fuzz: ${message}\n`, code: 1 });
  }
});

it('takes the blocks of a record, and passes over what is none', async () => {
  const record = join(folder, 'record.txt');
  const blocks = buildChain(3, { difficulty: 1, minedBy: 'record' });
  writeFileSync(record, `# remark\n${blocks.map(blockToJson).join('\n')}\noops\n`);
  const { stdout, code } = await runScript(FUZZ, ['--runs', '1', '--target', 'block', '--corpus', record]);
  expect(stdout).toMatch(new RegExp(`^${BUILT_IN.blocks.length + 3} blocks in the corpus, seed 1\n`));
  expect(code).toBe(0);
});
