/** The whole program, on a small project with a fault that its tests notice and one that they do not. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { runScript } from '../commands/run.ts';
import { ROOT } from '../support/processes.ts';
import { reachOf } from './reach.ts';
import { rowOf, table, type Tried } from './report.ts';
import { Runner } from './trial.ts';

const MUTATE = 'dist/test/mutate/main.js';
const SOURCE = 'peer/limit.ts';
/** The boundary of `isHigh` is tested; that of `isLow` is not. */
const TEXT = `export function isHigh(value: number): boolean {
  return value > limit();
}
export function isLow(value: number): boolean {
  return value < limit();
}
function limit(): number {
  return 5;
}
`;

/** Its test is cut off. */
const ENDLESS = 'peer/endless.ts';

/** Two runs of the program, each with a compiler and a Vitest of its own, on a machine that is busy. */
const PATIENCE = 300_000;

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'gossip-mutate-'));
  const write = (path: string, text: string): void => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  write('package.json', '{"type":"module"}');
  write(
    'tsconfig.json',
    '{"compilerOptions":{"module":"nodenext","lib":["es2023"],"noEmit":true,"types":[]},"include":["peer"]}',
  );
  write(SOURCE, TEXT);
  write(
    'test/limit.test.ts',
    `import { expect, it } from 'vitest';
import { isHigh, isLow } from '../${SOURCE}';
it('is high from 6 on', () => {
  expect([isHigh(5), isHigh(6)]).toEqual([false, true]);
});
it('is low, somewhere', () => {
  expect([isLow(1), isLow(9)]).toEqual([true, false]);
});
`,
  );
  write('test/types.test.ts', `import type { isLow } from '../${SOURCE}';\n`);
  write(ENDLESS, 'export const is = true;\n');
  write(
    'test/endless.test.ts',
    `import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'vitest';
import { is } from '../${ENDLESS}';
it('does not end', () => {
  writeFileSync(join(tmpdir(), 'left behind'), '');
  for (;;) void is;
});
`,
  );
});
afterAll(() => {
  rmSync(root, { recursive: true });
});

it(
  'finds the survivor, kills the others, replays both, and says how many of ten are killed',
  async () => {
    const args = ['--root', root, '--file', SOURCE, '--workers', '1'];
    const { stdout, stderr, code } = await runScript(MUTATE, args);
    const mutants = JSON.parse(readFileSync(join(root, 'test/output/mutants.json'), 'utf8')) as {
      id: string;
      after: string;
      killer?: { test: string; name: string };
    }[];
    const survivors = mutants.filter(({ killer }) => killer === undefined);
    const [survivor] = survivors;
    expect(survivors.map(({ after }) => after)).toEqual(['return value <= limit();']);
    expect(
      mutants.filter(({ after }) => after === 'return value >= limit();').map(({ killer }) => killer),
    ).toContainEqual({ test: 'test/limit.test.ts', name: 'is high from 6 on' });
    expect(stdout).toContain(
      `${survivor?.id}  ${SOURCE}:5  boundary in isLow\n  - return value < limit();\n  + return value <= limit();`,
    );
    expect(stdout).toMatch(/limit\.ts +6 +6 +5 +0 +1 +83 %/);
    expect(stderr).toBe('mutate: fewer than 90 % are killed in limit.ts\n');
    expect(code).toBe(1);
    // The sources are as they were.
    expect(readFileSync(join(root, SOURCE), 'utf8')).toBe(TEXT);

    const again = await runScript(MUTATE, [...args, '--replay', survivor?.id ?? '']);
    expect([again.stderr, again.code]).toEqual(['mutate: it survives all of 1 test files\n', 1]);
  },
  PATIENCE,
);

it(
  'stops at Ctrl-C in the middle of a test, with the table so far, and leaves no process and no file behind',
  async () => {
    const folder = mkdtempSync(join(root, 'tmp-'));
    const child = spawn(process.execPath, [join(ROOT, MUTATE), '--root', root, '--file', ENDLESS], {
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = once(child, 'close');
    const output = Promise.all([text(child.stdout), text(child.stderr)]);
    const begun = (): boolean =>
      readdirSync(folder, { recursive: true }).some((name) => String(name).endsWith('left behind'));
    while (!begun() && child.exitCode === null) await pause(50);
    child.kill('SIGINT');
    expect(await ended).toEqual([130, null]);
    expect(await output).toEqual([expect.stringMatching(/endless\.ts +1 +0 +0 +0 +0 +–/), '']);
    expect(readdirSync(folder)).toEqual([]);
    expect(readFileSync(join(root, ENDLESS), 'utf8')).toBe('export const is = true;\n');
  },
  PATIENCE,
);

it('lists the mutants of a file, and tries none', async () => {
  const { stdout, code } = await runScript(MUTATE, ['--root', root, '--file', SOURCE, '--list']);
  expect(stdout.match(/^[0-9a-f]{10}  peer\/limit\.ts:\d+  \w+ in \w+$/gm)).toHaveLength(6);
  expect(code).toBe(0);
});

it.each([
  [['--area', 'nowhere'], /It must be one of pbft, pow, applications/],
  [['--file', 'nowhere.ts'], /^mutate: can't read nowhere\.ts: name it from the project's folder/],
  [['--root', '/nowhere'], /^mutate: there is no test in \/nowhere\n$/],
])('refuses %s', async (args, message) => {
  const { stderr, code } = await runScript(MUTATE, args);
  expect(stderr).toMatch(message);
  expect(code).toBe(1);
});

describe('a mutant', () => {
  it.each([
    ['that fails', 'return 7;', 'is high from 6 on', 60_000],
    ['that hangs', 'while (true);', 'timeout', 3_000],
    [
      'that ends the process',
      "process.kill(process.pid, 'SIGKILL');",
      expect.stringContaining('Worker forks emitted error') as string,
      60_000,
    ],
  ])('%s is no matter to the next one', async (_, statement, failure, limit) => {
    const runner = new Runner(root);
    const test = 'test/limit.test.ts';
    try {
      const text = TEXT.replace('return 5;', `${statement} return 5;`);
      expect(await runner.run({ test, mutant: { file: SOURCE, text } }, limit)).toMatchObject({ failure });
      expect(await runner.run({ test }, 60_000)).not.toHaveProperty('failure');
    } finally {
      runner.end();
    }
  });
});

it('is tried with the tests that load it when they run, the nearest first', () => {
  expect(reachOf(root)(SOURCE)).toEqual([{ test: 'test/limit.test.ts', distance: 1 }]);
  const own = reachOf(ROOT)('shared/stop-signals.ts');
  expect(own[0]).toEqual({ test: 'test/shared/stop-signals.test.ts', distance: 1 });
  // Programs that are started run what is compiled.
  expect(reachOf(ROOT)('shared/address.ts').map(({ test }) => test)).not.toContain(
    'test/e2e/network.test.ts',
  );
});

it('counts what was killed, by area and in all', () => {
  const tried = (name?: string): Tried => ({
    ...({ area: 'pow', mutant: {} } as Pick<Tried, 'area' | 'mutant'>),
    ...{ run: 1, reaching: 1 },
    ...(name !== undefined && { killer: { test: 'a.test.ts', name } }),
  });
  const rows = [rowOf('pow', 100, [tried('a test'), tried('timeout'), tried()]), rowOf('pbft', 9, [])];
  expect(table(rows)).toBe(
    [
      'area            possible     tried    killed      hung  survived      rate',
      'pow                  100         3         2         1         1      67 %',
      'pbft                   9         0         0         0         0         –',
      'all                  109         3         2         1         1      67 %',
    ].join('\n'),
  );
});
