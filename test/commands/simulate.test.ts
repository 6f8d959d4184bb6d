/** `peer simulate` as a user runs it: a process. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import type { RunReport } from '../../peer/simulator/report.ts';
import type { TraceLine } from '../../peer/simulator/trace.ts';
import { eventually } from '../support/asker.ts';
import { Program } from '../support/processes.ts';
import { runHere, runPeer, type Run } from './run.ts';

/** A short run with everything in it. */
const SHORT = ['--faults', 'mixed', '--hours', '0.05', '--seed', '3'];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gossip-simulate-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const programs: Program[] = [];
afterEach(async () => {
  await Promise.all(programs.splice(0).map((program) => program.kill('SIGKILL')));
});

function simulate(...args: string[]): Promise<Run> {
  return runPeer(['simulate', ...args]);
}

/** The same within this process, which takes a tenth of the time; output to a file of the system needs one of its own. */
function simulateHere(...args: string[]): Promise<Run> {
  return runHere(['simulate', ...args]);
}

/** An answer takes as long as the nodes have to agree after healing: they can't. */
const HOPELESS = [
  ...['pow', '--nodes', '3', '--hours', '0.02', '--latency', '1000', '--latency-shape', 'fixed'],
  ...['--block-interval', '1', '--consensus-interval', '1'],
];

/** What follows `simulate` in the command that a text names last. */
function replayOf(text: string): string[] {
  const [, args = ''] = /node peer simulate (.*)$/.exec(text.trimEnd().split('\n').at(-1) ?? '') ?? [];
  return args.split(' ');
}

/** Runs it with a report as JSON. */
async function reportOf(...args: string[]): Promise<RunReport & { passed: boolean; command: string }> {
  const { stdout } = await simulateHere(...args, '--json');
  return JSON.parse(stdout) as RunReport & { passed: boolean; command: string };
}

describe('peer simulate', () => {
  it('runs a network, reports, and ends with 0 if everything held', async () => {
    const { stdout, stderr, code } = await simulate('--hours', '0.05', '--seed', '3');
    expect(stdout).toMatch(/^proof of work, the class network, seed 3: everything held\n/);
    expect(stdout).toContain('\nreplay node peer simulate pow --hours 0.05 --seed 3\n');
    // On a pipe: no progress, and no colours.
    expect(stderr).toBe('');
    expect(stdout).not.toContain('\u001b');
    expect(code).toBe(0);
  });

  it('ends with 2 if a checker was violated, and so does the command that it names', async () => {
    const [one, json] = await Promise.all([
      simulate(...HOPELESS, '--seed', '3'),
      simulateHere(...HOPELESS, '--seed', '3', '--json'),
    ]);
    expect([one.code, json.code]).toEqual([2, 2]);
    expect(one.stdout).toMatch(/^proof of work, the class network, seed 3: VIOLATED\n/);
    expect(JSON.parse(json.stdout)).toMatchObject({ passed: false });
    const again = await simulateHere(...replayOf(one.stdout));
    const digest = /^digest [0-9a-f]{16}$/m;
    expect([again.code, digest.exec(again.stdout)?.[0]]).toEqual([2, digest.exec(one.stdout)?.[0]]);
    expect(digest.exec(one.stdout)?.[0]).toContain((JSON.parse(json.stdout) as RunReport).digest);
  });

  it('names a command that can be run as it stands', async () => {
    const { stdout } = await simulateHere('--hours', '0.02', '--seed', '3', '--byzantine', ' goose, eclipse');
    expect(replayOf(stdout).join(' ')).toBe('pow --hours 0.02 --byzantine goose,eclipse --seed 3');
    expect((await simulateHere(...replayOf(stdout))).code).toBe(0);
  });

  it('gives the same JSON and the same trace for the same seed', async () => {
    const traces = [join(folder, 'one.jsonl'), join(folder, 'other.jsonl')];
    const [one, other] = await Promise.all(
      // In one process and in another.
      [simulate, simulateHere].map((run, at) => run('pow', ...SHORT, '--json', '--trace', traces[at] ?? '')),
    );
    expect(one?.stdout).toBe(other?.stdout);
    const [trace, again] = traces.map((file) => readFileSync(file, 'utf8'));
    expect(trace).toBe(again);
    const lines = (trace ?? '').trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(100);
    const nodes = new Set<string>();
    for (const line of lines) {
      const { t, node, what } = JSON.parse(line) as TraceLine;
      expect([typeof t, typeof what]).toEqual(['number', 'string']);
      nodes.add(node === null ? 'null' : typeof node);
    }
    // What happens to no node in particular is there as well.
    expect([...nodes].sort()).toEqual(['null', 'number']);
    // Whether somebody watches makes no difference.
    expect((await reportOf('pow', ...SHORT)).digest).toBe(
      (JSON.parse(one?.stdout ?? '') as RunReport).digest,
    );
  });

  it('draws a seed where none is given, and its command runs the same again', async () => {
    const first = await reportOf('--faults', 'mixed', '--hours', '0.02', '--loss', '0..30');
    expect(first.command).toBe(
      `node peer simulate pow --faults mixed --hours 0.02 --loss 0..30 --seed ${first.seed}`,
    );
    const { seed, digest } = await reportOf(...first.command.split(' ').slice(3));
    expect([seed, digest]).toEqual([first.seed, first.digest]);
  });

  it('writes the trace to standard output where it is asked to, and the report elsewhere', async () => {
    const { stdout, stderr } = await simulate('--hours', '0.02', '--seed', '3', '--trace', '-');
    expect(stdout).toMatch(/^\{"t":/);
    for (const line of stdout.trimEnd().split('\n')) JSON.parse(line);
    expect(stderr).toContain('seed 3: everything held\n');
  });

  it.each(['-', '/dev/stdout'])(
    'writes the page to standard output, as %s, and the report elsewhere',
    async (name) => {
      const { stdout, stderr } = await simulate('--hours', '0.02', '--seed', '3', '--html', name);
      expect(stdout).toMatch(/^<!doctype html>[^]*<\/html>\s*$/i);
      expect(stderr).toContain('seed 3: everything held\n');
    },
  );

  it('has partitions of the kinds that were asked for alone', async () => {
    const { faults } = await reportOf(
      ...['--hours', '0.5', '--partitions', '60', '--partition-kinds', 'swizzle,one-way', '--seed', '3'],
    );
    const { swizzle, 'one-way': oneWay, ...others } = faults.partitionsByKind;
    expect([swizzle, oneWay].every((count) => count > 3)).toBe(true);
    expect(others).toEqual({ symmetric: 0, 'isolate-one': 0 });
    expect(faults.partitions).toBe(swizzle + oneWay);
  });

  it('writes the report as a page', async () => {
    const file = join(folder, 'report.html');
    expect((await simulateHere('--hours', '0.02', '--seed', '3', '--html', file)).code).toBe(0);
    expect(readFileSync(file, 'utf8')).toMatch(/^<!doctype html>/i);
  });

  it('that does not get to its end leaves no page, and an earlier one as it was', async () => {
    const [fresh, earlier] = [join(folder, 'fresh.html'), join(folder, 'earlier.html')] as const;
    writeFileSync(earlier, 'an earlier report');
    for (const page of [fresh, earlier]) {
      expect((await simulateHere('--html', page, '--trace', '/no/such/folder/x')).code).toBe(1);
    }
    expect(existsSync(fresh)).toBe(false);
    expect(readFileSync(earlier, 'utf8')).toBe('an earlier report');
  });

  it.runIf(existsSync('/dev/full'))('says in one line that the disk is full for the page', async () => {
    const { stdout, stderr, code } = await simulate('--hours', '0.02', '--seed', '3', '--html', '/dev/full');
    expect(stderr).toMatch(/^peer: can't write \/dev\/full: the disk is full \(ENOSPC\)\n$/);
    expect(code).toBe(1);
    // What the run found is not lost with it.
    expect(stdout).toContain('seed 3: everything held\n');
  });

  it('explains itself: every setting, every kind of Byzantine node', async () => {
    const { stdout, code } = await runHere(['simulate', '--help']);
    expect(code).toBe(0);
    for (const part of [
      '--loss <n>',
      '(%, default 0, mixed 0..30)',
      '--block-interval <n>',
      'goose  ',
      '--foreign <nodes>',
      'doubling  ',
      'Examples:',
      'The exit code is 0 if everything held, 2 if a checker was',
    ]) {
      expect(stdout).toContain(part);
    }
  });

  it.each([
    [['nope'], 'there is no engine "nope" to simulate; there is: pow'],
    [
      ['--loss', '101'],
      '--loss 101: it must be a number from 0 to 100, or a range of such, for example 0..30',
    ],
    [['--byzantine', 'fox'], '--byzantine: there is no kind "fox"; there is: silent, goose,'],
    [['--seed', 'x'], "argument 'x' is invalid. It must be a whole number"],
    [['--seed', '1', '--seeds', '1..2'], "cannot be used with option '--seeds <a..b>'"],
    [['--seeds', '2..1'], '--seeds 2..1: it must be a range of whole numbers'],
    [['--seeds', '1..2', '--trace', 'x'], '--trace and --html are for a single run'],
    [['--keep-going'], '--keep-going and --workers are for a campaign'],
    [['--workers', '2'], '--keep-going and --workers are for a campaign'],
    [['--json', '--trace', '-'], '--trace - and --json can not both go to standard output'],
    [['--json', '--html', '-'], '--html - and --json can not both go to standard output'],
    [['--trace', '-', '--html', '/dev/stdout'], '--trace - and --html - can not both go to standard output'],
    [['--trace', './x', '--html', 'x'], '--trace and --html can not both be written to x'],
    [['--partition-kinds', 'swizzle,fox'], '--partition-kinds: there is no kind "fox"; there is: symmetric,'],
    [['pow', '--latency', '1001'], '--latency 1001: it must be a number from 0 to 1000'],
    // With three, none may fail.
    [['pbft', '--nodes', '3'], '--nodes 3: it must be a whole number from 4 to 64'],
    [['pow', '20'], 'too many arguments'],
    [['--trace', '/no/such/folder/x'], "can't write /no/such/folder/x"],
    [['--html', '/no/such/folder/x'], "can't write /no/such/folder/x"],
  ])('answers %j with one line and exit code 1', async (args, message) => {
    const { stdout, stderr, code } = await runHere(['simulate', ...args]);
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect([stdout, code]).toEqual(['', 1]);
  });

  it('does so as a process, too', async () => {
    expect(await simulate('--json', '--trace', '-')).toEqual({
      stdout: '',
      stderr: 'peer: --trace - and --json can not both go to standard output; give one a file\n',
      code: 1,
    });
  });

  it.each([
    ['SIGINT', 'Ctrl-C', 130],
    ['SIGTERM', 'SIGTERM', 143],
  ] as const)('ends at once with %s, and says where it was', async (signal, name, code) => {
    const program = new Program(['peer', 'simulate', '--hours', '8760', '--seed', '3', '--trace', '-']);
    programs.push(program);
    await eventually('it simulates', () => Promise.resolve(program.lines.length > 0));
    process.kill(program.pid, signal);
    expect((await program.ended).code).toBe(code);
    expect(program.lines.at(-1)).toMatch(/^peer: stopped by \S+; seed 3: .* simulated$/);
    expect(program.lines.at(-1)).toContain(name);
    const text = program.lines.join('\n');
    expect(text).toMatch(/seed 3: everything held so far\n {2}stopped before the end\n/);
    expect(text).toMatch(/\nMessages\n/);
  });
});

describe('a campaign', () => {
  const campaign = ['--faults', 'mixed', '--hours', '0.02', '--seeds', '1..12'];

  it('has the same digest with one worker and with two, and no failure', async () => {
    const [one, two] = await Promise.all(
      ['1', '2'].map((workers) => simulate(...campaign, '--workers', workers, '--json')),
    );
    expect(one).toEqual(two);
    expect(one?.code).toBe(0);
    expect(JSON.parse(one?.stdout ?? '')).toMatchObject({
      complete: true,
      seeds: 12,
      failed: 0,
      failures: [],
    });
  });

  it('adds up what its seeds tell', async () => {
    const { stdout } = await simulate('--hours', '0.02', '--seeds', '1..2', '--json');
    const { sums } = JSON.parse(stdout) as { sums: { events: number } };
    const events = await Promise.all(
      ['1', '2'].map(async (seed) => (await reportOf('--hours', '0.02', '--seed', seed)).events),
    );
    expect(sums.events).toBe(events.reduce((sum, count) => sum + count, 0));
  });

  it('reports for people', async () => {
    const { stdout, stderr } = await simulate('--hours', '0.02', '--seeds', '1..2');
    expect(stdout).toMatch(/^proof of work, the class network, 2 seeds: everything held\n/);
    expect(stdout).toContain('\nreplay node peer simulate pow --hours 0.02 --seeds 1..2\n');
    expect(stderr).toBe('');
  });
});

describe('a campaign with failures', () => {
  const keepGoing = [...HOPELESS, '--keep-going', '--workers', '1', '--seeds'];

  it('tells of each at once and at its end, with the command that replays it, and ends with 2', async () => {
    const { stdout, stderr, code } = await simulate(...keepGoing, '3..4');
    expect(code).toBe(2);
    expect(stdout).toContain('2 seeds: 2 of them VIOLATED\n');
    const replays = ['3', '4'].map((seed) => `node peer simulate ${HOPELESS.join(' ')} --seed ${seed}`);
    for (const replay of replays) expect(stdout).toContain(`\n    ${replay}\n`);
    const reported = stderr.trimEnd().split('\n');
    expect(reported).toHaveLength(2);
    for (const [at, line] of reported.entries()) {
      expect(line).toMatch(
        /^seed [34]: two consensus periods after healing .* same tip: node peer simulate /,
      );
      expect(line.endsWith(replays[at] ?? '')).toBe(true);
    }
    const again = await simulateHere(...replayOf(stderr));
    expect(again.code).toBe(2);
    expect(again.stdout).toContain('seed 4: VIOLATED');
  });

  it('ends with 2 also where it ends with the first failure, of which only its end tells', async () => {
    const { stdout, stderr, code } = await simulate(...HOPELESS, '--seeds', '3..4', '--json');
    expect([stderr, code]).toEqual(['', 2]);
    const replay = `node peer simulate ${HOPELESS.join(' ')} --seed 3`;
    expect(JSON.parse(stdout)).toMatchObject({ complete: true, failed: 1, failures: [{ seed: 3, replay }] });
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('tells what it has found by then when it is stopped with %s', async (signal, exitCode) => {
    const program = new Program(['peer', 'simulate', ...keepGoing, '1..1000000']);
    programs.push(program);
    await program.line(0);
    process.kill(program.pid, signal);
    expect((await program.ended).code).toBe(exitCode);
    const text = program.lines.join('\n');
    expect(text).toContain('VIOLATED\n  stopped before the end\n');
    expect(text).toContain(`\n    node peer simulate ${HOPELESS.join(' ')} --seed 1\n`);
    const command = `node peer simulate ${HOPELESS.join(' ')} --seeds `;
    const seeds = (start: string): readonly number[] => {
      const line = program.lines.find((one) => one.startsWith(start + command)) ?? '';
      return (/(\d+)\.\.(\d+) --keep-going$/.exec(line) ?? []).slice(1).map(Number);
    };
    const [first, last = 0] = seeds('replay ');
    const [next = 0, end] = seeds('go on with ');
    expect({ first, end }).toEqual({ first: 1, end: 1_000_000 });
    // Workers that were ahead may have left some out.
    expect(last).toBeGreaterThan(0);
    expect(next).toBeGreaterThan(1);
    expect(next).toBeLessThanOrEqual(last + 1);
  });
});

const version = spawnSync('script', ['--version']);
const HAS_SCRIPT = version.error === undefined && version.stdout.includes('util-linux');

describe.runIf(HAS_SCRIPT)('on a terminal', () => {
  const ROOT = fileURLToPath(new URL('../..', import.meta.url));
  const terminals: ChildProcess[] = [];
  afterEach(async () => {
    for (const terminal of terminals.splice(0)) {
      if (terminal.exitCode !== null) continue;
      terminal.kill('SIGKILL');
      await once(terminal, 'close');
    }
  });

  /** Runs it on a terminal of its own, presses Ctrl-C when it shows a text, and waits for its end. */
  async function interrupt(
    args: string,
    text: string,
    { columns = 150, times = 1 } = {},
  ): Promise<{ screen: string; code: unknown }> {
    const command = `stty cols ${columns}; exec ${process.execPath} peer simulate ${args}`;
    const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('GOSSIP_')));
    const terminal = spawn('script', ['-qec', command, '/dev/null'], {
      cwd: ROOT,
      env: { ...env, SHELL: '/bin/sh', NO_COLOR: '' },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    terminals.push(terminal);
    const ended = once(terminal, 'close');
    let screen = '';
    terminal.stdout.setEncoding('utf8').on('data', (part: string) => {
      screen += part;
    });
    await eventually(`it shows "${text}"`, () => Promise.resolve(screen.includes(text)));
    terminal.stdin.on('error', () => {
      // It may have ended by then.
    });
    for (let pressed = 0; pressed < times; pressed++) {
      // Signals that come too close are one.
      if (pressed > 0) await pause(30);
      terminal.stdin.write('\u0003');
    }
    const [code] = (await ended) as unknown[];
    return { screen, code };
  }

  it('a run shows how far it is, and ends at once with Ctrl-C', async () => {
    const { screen, code } = await interrupt('--hours 8760 --seed 3', ' events · ');
    expect(screen).toMatch(/peer: stopped by Ctrl-C; seed 3: .* simulated\r\n$/);
    expect(code).toBe(130);
  });

  it('a run shows no more than fits into a line', async () => {
    const { screen } = await interrupt('--hours 8760 --seed 3', ' simulated', { columns: 30 });
    const shown = screen.split(/[\r\n]+/).filter((line) => line.startsWith('seed 3: '));
    expect(shown.length).toBeGreaterThan(0);
    // What follows is the echo of Ctrl-C.
    for (const line of shown) expect(line.split('\u001b[K')[0]?.length).toBeLessThan(30);
  });

  it('a campaign shows all its figures, and a bar where there is room for one', async () => {
    for (const columns of [60, 80]) {
      const { screen } = await interrupt('--hours 8760 --seeds 1..4', ' left', { columns });
      const shown = screen
        .split(/[\r\n]+|\u001b\[\S*?[A-Za-z]/)
        .filter((line) => line.includes(' of 4 seeds'));
      expect(shown.length).toBeGreaterThan(0);
      for (const line of shown) {
        expect(line.length).toBeLessThan(columns);
        expect(line).toMatch(/0 of 4 seeds · 0 failed · \S+ events\/s · .* left$/);
        expect(line.startsWith('--------')).toBe(columns === 80);
      }
    }
  });

  it('a campaign leaves the terminal as it was where Ctrl-C is pressed twice', async () => {
    const { screen } = await interrupt('--hours 8760 --seeds 1..4', ' 0 of 4 seeds', {
      times: 2,
    });
    const [off, on] = ['\u001b[?7l', '\u001b[?7h'].map((code) => screen.lastIndexOf(code)) as [
      number,
      number,
    ];
    expect(off).toBeGreaterThanOrEqual(0);
    expect(on).toBeGreaterThan(off);
  });

  it('a campaign leaves a whole line for each failure above its bar', async () => {
    const args = [...HOPELESS, '--keep-going', '--workers', '1', '--seeds', '1..1000000'].join(' ');
    const line = `same tip: node peer simulate ${HOPELESS.join(' ')} --seed 2\r\n`;
    const { screen, code } = await interrupt(args, line);
    const before = screen.slice(0, screen.indexOf(line));
    // Lines are wrapped again, as the bar had ended that.
    expect(before.lastIndexOf('\u001b[?7h')).toBeGreaterThan(before.lastIndexOf('\u001b[?7l'));
    expect(screen.slice(screen.indexOf(line))).toContain(' 2 of 1000000 seeds · 2 failed · ');
    expect(code).toBe(130);
  });

  it('a campaign shows how far it is, and ends in order with Ctrl-C', async () => {
    const { screen, code } = await interrupt('--hours 8760 --seeds 1..4', ' 0 of 4 seeds · 0 failed · ');
    // In colour.
    expect(screen).toContain('\u001b[22m, 0 seeds: ');
    expect(screen).toContain('stopped before the end');
    expect(code).toBe(130);
  });
});
