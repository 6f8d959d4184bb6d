/** The command line of the flood's benchmark; what it measures is looked at by people. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { runScript } from '../commands/run.ts';
import { ROOT } from '../support/processes.ts';

/** The compiled program: Node 20 runs no TypeScript. */
const BENCH = 'dist/test/bench/flood.bench.js';
if (!existsSync(join(ROOT, BENCH))) throw new Error('the tests are not compiled: run "npm run build" first');

it('explains itself', async () => {
  const { stdout, stderr, code } = await runScript(BENCH, ['--help']);
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
  expect(stdout).toMatch(/^Usage: flood\.bench \[options\]\n/);
  expect(stdout).toContain('datagrams of the flood a second (default: 50000)');
  expect(stdout).toContain('\nExample:\n  node dist/test/bench/flood.bench.js ');
});

it.each([
  [['--foo'], "unknown option '--foo'"],
  [
    ['--seconds'],
    '--seconds is given without its value: write --seconds <seconds> (or --seconds=… if the value begins with a dash)',
  ],
  [
    ['--seconds', '0'],
    "option '--seconds <seconds>' argument '0' is invalid. It must be a number of seconds above 0 and at most 3600.",
  ],
  [
    ['--sources', 'few'],
    "option '--sources <sources>' argument 'few' is invalid. It must be one of one, many.",
  ],
])('says in one line what is wrong with %j', async (args, message) => {
  expect(await runScript(BENCH, args)).toEqual({ stdout: '', stderr: `flood.bench: ${message}\n`, code: 1 });
});
