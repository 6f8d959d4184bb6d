import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL, fileURLToPath } from 'node:url';

import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { addCommonOptions, addOption } from '../../shared/options.ts';
import { runProgramHere, type Run } from '../commands/run.ts';
import { requireBuild } from '../support/built.ts';

const OPTIONS = new URL('../../dist/shared/options.js', import.meta.url).href;
const ERRORS = new URL('../../dist/shared/errors.js', import.meta.url).href;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
requireBuild();

/** What the program does. */
type Action = (options: object) => void;

/** A program with a flag, an option and subcommands. */
function demo(act: Action): Command {
  const program = addCommonOptions(new Command('demo').enablePositionalOptions(), 'peer').action(act);
  addOption(program, 'peer', { flags: '--word <word>', description: '', default: 'none' });
  addOption(program, 'peer', { flags: '--flag', description: '' });
  addOption(program, 'peer', { flags: '--host [host]', description: '', default: 'here' });
  addOption(program, 'peer', { flags: '--several <word>', description: '', repeatable: true });
  const sub = new Command('sub').action(act);
  addOption(sub, 'peer', { flags: '--word <word>', description: '' });
  program.addCommand(sub);
  const inner = new Command('inner').action(act);
  addCommonOptions(inner, 'peer');
  addOption(inner, 'peer', { flags: '-w, --word <word>', description: '' });
  addOption(inner, 'peer', { flags: '--flag', description: '' });
  const group = new Command('group');
  addOption(group, 'peer', { flags: '--word <word>', description: '' });
  return program.addCommand(group.addCommand(inner));
}

/** A program that is a process; `ACTION` says what it does. */
const PROGRAM = `
import { Command } from ${JSON.stringify(pathToFileURL(join(ROOT, 'node_modules/commander/esm.mjs')).href)};
import { UserError } from ${JSON.stringify(ERRORS)};
import { addCommonOptions, runProgram } from ${JSON.stringify(OPTIONS)};

const actions = {
  show: (options) => console.log(JSON.stringify(options)),
  user: () => { throw new UserError('the disk is full; free some space'); },
  fault: () => { throw new TypeError('x is not a function'); },
  late: () => setTimeout(() => { throw new RangeError('too late'); }, 1),
  rejected: () => { void Promise.reject(new UserError('nobody waits for this')); },
  flood: async () => {
    for (let line = 0; line < 20000; line++) console.log('a line that fills the pipe of a reader who has gone');
    await new Promise((resolve) => setTimeout(resolve, 1));
    console.error('went on to the end');
  },
};
const act = (options) => actions[process.env.ACTION](options);
const program = addCommonOptions(new Command('demo'), 'peer').action(act);
await runProgram(program, process.argv.slice(2));
`;

let folder: string;
let script: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gossip-program-'));
  script = join(folder, 'demo.mjs');
  writeFileSync(script, PROGRAM);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function run(action: string, args: string[] = []): Promise<Run> {
  const child = spawn(process.execPath, [script, ...args], {
    env: { PATH: process.env['PATH'], ACTION: action },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}

/** Runs the program with all options within this process: it shows them. */
function runDemo(args: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<Run> {
  const program = demo((options) => {
    console.log(JSON.stringify(options));
  });
  return runProgramHere(() => ({ program, names: [] }), args, variables);
}

async function shown(
  args: readonly string[],
  variables?: Readonly<Record<string, string>>,
): Promise<unknown> {
  const { stdout, stderr } = await runDemo(args, variables);
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

describe('a program', () => {
  test('is given its command line, and shows what it has to say', async () => {
    const { stdout, stderr, code } = await run('show', ['--log-level', 'warn']);
    expect([JSON.parse(stdout), stderr, code]).toEqual([{ logLevel: 'warn', logFormat: 'text' }, '', 0]);
  });
});

describe('errors', () => {
  test("the user's are one line", async () => {
    expect(await run('user')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'demo: the disk is full; free some space\n',
    });
  });

  test("the program's own say so", async () => {
    const { code, stderr } = await run('fault');
    expect(code).toBe(1);
    expect(stderr).toBe(
      'demo: x is not a function\nThis is a fault of the program; --verbose shows where it happened.\n',
    );
  });

  test('with --verbose there is a stack', async () => {
    const { code, stderr } = await run('fault', ['--verbose']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^demo: TypeError: x is not a function\n {4}at /);
  });

  test('what nobody caught ends the program, too', async () => {
    const { code, stderr } = await run('late');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^demo: too late\n/);
    expect(await run('rejected')).toEqual({ code: 1, stdout: '', stderr: 'demo: nobody waits for this\n' });
  });

  test('a reader who goes away does not', async () => {
    const child = spawn(process.execPath, [script], {
      env: { PATH: process.env['PATH'], ACTION: 'flood' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.once('data', () => child.stdout.destroy());
    const [stderr, [code]] = await Promise.all([
      text(child.stderr),
      once(child, 'exit') as Promise<[number | null]>,
    ]);
    expect(stderr).toBe('went on to the end\n');
    expect(code).toBe(0);
  });
});

describe('an option without its value', () => {
  test.each([
    [['--word', '--flag'], '--word', '<word>'],
    [['--flag', '--word'], '--word', '<word>'],
    [['--word', ''], '--word', '<word>'],
    [['--word='], '--word', '<word>'],
    [['--word', '-f'], '--word', '<word>'],
    [['--several', '--several', 'x'], '--several', '<word>'],
    [['--log_level', '--config', 'x'], '--log-level', '<level>'],
    [['group', 'inner', '-w', '--flag'], '--word', '<word>'],
  ])('is refused in a sentence that names it: %j', async (args, name, value) => {
    const { code, stderr } = await runDemo(args);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `demo: ${name} is given without its value: write ${name} ${value} (or ${name}=… if the value begins with a dash)\n`,
    });
  });

  test('means the default where it may be missing', async () => {
    for (const args of [[], ['--host'], ['--host', '--word', 'x'], ['--host', ''], ['--host=']]) {
      expect(await shown(args)).toMatchObject({ host: 'here' });
    }
    expect(await shown(['--host', 'there'])).toMatchObject({ host: 'there' });
    expect(await shown(['--host'], { GOSSIP_PEER_HOST: 'there' })).toMatchObject({ host: 'here' });
  });

  test('is none if its value begins with a dash', async () => {
    expect(await shown(['--word=--flag', '--several=-x'])).toMatchObject({ word: '--flag', several: ['-x'] });
    expect(await shown(['--word', '-1', '--several', '-'])).toMatchObject({ word: '-1', several: ['-'] });
  });
});

describe('the environment', () => {
  test('an empty variable is none', async () => {
    expect(await shown([], { GOSSIP_PEER_WORD: '', GOSSIP_PEER_FLAG: '' })).toEqual({
      word: 'none',
      host: 'here',
      several: [],
      logLevel: 'info',
      logFormat: 'text',
    });
  });

  test.each([
    ['true', true],
    ['1', true],
    ['FALSE', false],
    ['0', false],
  ])('a flag that is %s', async (value, flag) => {
    expect(await shown([], { GOSSIP_PEER_FLAG: value })).toMatchObject({ flag });
  });

  test('the command line goes before it, for flags as well', async () => {
    expect(
      await shown(['--flag', '--word=a_b'], { GOSSIP_PEER_FLAG: 'false', GOSSIP_PEER_WORD: 'x' }),
    ).toMatchObject({
      flag: true,
      word: 'a_b',
    });
  });
});

describe('subcommands', () => {
  test('have options of their own', async () => {
    expect(await shown(['sub', '--word', 'x'])).toEqual({ word: 'x' });
    expect(await shown(['--verbose', 'sub'])).toEqual({});
  });

  test('may be within others, with options, variables and a file of their own', async () => {
    expect(await shown(['group', 'inner', '-w', 'x'], { GOSSIP_PEER_FLAG: 'true' })).toMatchObject({
      ...{ word: 'x', flag: true },
    });
    expect(await shown(['group', 'inner'], { GOSSIP_PEER_WORD: '', GOSSIP_PEER_FLAG: '0' })).toMatchObject({
      flag: false,
    });
    const config = join(folder, 'inner.json');
    writeFileSync(config, '{"word": "from a file", "log_level": "warn"}');
    expect(await shown(['group', 'inner', '--config', config])).toMatchObject({
      ...{ word: 'from a file', logLevel: 'warn' },
    });
    for (const [args, message] of [
      [['group', '--word', 'x', 'inner'], '--word stands before "inner"; options go after the command'],
      [['--word', 'x', 'group', 'inner'], '--word stands before "group"; options go after the command'],
      [['group', 'inner', 'more'], "too many arguments for 'inner'. Expected 0 arguments but got 1."],
      [['group', 'other'], "unknown command 'other'"],
    ] as const) {
      const { code, stderr } = await runDemo(args);
      expect({ code, stderr }).toEqual({ code: 1, stderr: `demo: ${message}\n` });
    }
    expect((await runDemo(['group', 'inner', '--help'])).stdout).toContain('-w, --word <word>');
  });

  test('an option before the name would be lost, so it is refused', async () => {
    const { code, stderr } = await runDemo(['--word', 'x', 'sub']);
    expect(code).toBe(1);
    expect(stderr).toBe('demo: --word stands before "sub"; options go after the command\n');
  });

  test('an empty variable is none at any level', async () => {
    expect(await shown(['group', 'inner'], { GOSSIP_PEER_WORD: '' })).not.toHaveProperty('word');
  });
});
