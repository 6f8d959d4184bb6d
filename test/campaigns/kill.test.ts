/** The kill campaign as a program: what it says, and what it leaves when it is stopped. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { runScript } from '../commands/run.ts';
import { eventually } from '../support/asker.ts';
import { Program, ROOT } from '../support/processes.ts';
import { Terminal, terminalNote } from '../support/terminal.ts';

/** The compiled program: Node 20 runs no TypeScript. */
const CAMPAIGN = 'dist/test/campaigns/kill.js';
if (!existsSync(join(ROOT, CAMPAIGN)))
  throw new Error('the tests are not compiled: run "npm run build" first');

const LONG = ['--kills', '50000', '--seed', '7'];
/** Where processes can be looked at. */
const proc = existsSync('/proc/self/cmdline');
const procNote = proc ? '' : ' (skipped: there is no /proc)';

/** The processes that were started with arguments in which there is such a text. */
function processesWith(text: string): string[] {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(text);
    } catch {
      // It has ended meanwhile.
      return false;
    }
  });
}

/** A folder for the folders of the program. */
function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gossip-stop-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

describe('the command line', () => {
  it('explains itself', async () => {
    const { stdout, stderr, code } = await runScript(CAMPAIGN, ['--help']);
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    expect(stdout).toMatch(/^Usage: kill-campaign \[options\]\n/);
    expect(stdout).toContain('how often it is killed (default: 100)');
    expect(stdout).toContain('\nExample:\n  npm run kill-campaign -- --kills 100 --seed 1\n');
  });

  it.each([
    [['--foo'], "unknown option '--foo'"],
    [
      ['--kills'],
      '--kills is given without its value: write --kills <number> (or --kills=… if the value begins with a dash)',
    ],
    [
      ['--kills', '0'],
      "option '--kills <number>' argument '0' is invalid. It must be a whole number from 1 to 50000.",
    ],
    [
      ['--seed', 'x'],
      "option '--seed <number>' argument 'x' is invalid. It must be a whole number from 1 to 4294967295.",
    ],
  ])('says in one line what is wrong with %j', async (args, message) => {
    const run = await runScript(CAMPAIGN, args);
    expect(run).toEqual({ stdout: '', stderr: `kill-campaign: ${message}\n`, code: 1 });
  });
});

describe('told to stop', () => {
  it.runIf(proc).each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    `by %s it ends its peer, removes its folder and says how far it was${procNote}`,
    async (signal, exitCode) => {
      const folder = temporary();
      const program = new Program([CAMPAIGN, ...LONG], { env: { TMPDIR: folder } });
      onTestFinished(async () => {
        await program.kill('SIGKILL');
        for (const pid of processesWith(folder)) process.kill(Number(pid), 'SIGKILL');
      });
      await eventually('its peer runs', () => processesWith(folder).length > 0);
      process.kill(program.pid, signal);
      expect(await program.ended).toEqual({ code: exitCode, signal: null });
      expect(processesWith(folder)).toEqual([]);
      expect(readdirSync(folder)).toEqual([]);
      expect(program.lines[0]).toMatch(/^stopped after \d+ of 50000 kills in \d+ s, nothing lost$/);
      expect(program.lines.at(-1)).toBe('  again with: npm run kill-campaign -- --kills 50000 --seed 7');
    },
  );

  it.skipIf(terminalNote !== '' || !proc)(
    `by Ctrl-C, which its peer hears as well, it does the same${terminalNote || procNote}`,
    async () => {
      const folder = temporary();
      const terminal = new Terminal(`${CAMPAIGN} ${LONG.join(' ')}`, { env: { TMPDIR: folder } });
      onTestFinished(() => {
        terminal.close();
        for (const pid of processesWith(folder)) process.kill(Number(pid), 'SIGKILL');
      });
      await terminal.shows('2 of 50000 kills');
      terminal.press('\u0003');
      expect(await terminal.ended).toBe(130);
      expect(processesWith(folder)).toEqual([]);
      expect(readdirSync(folder)).toEqual([]);
      const reported = Number(/stopped after (\d+) of 50000 kills/.exec(terminal.screen)?.[1]);
      const shown = [...terminal.screen.matchAll(/(\d+) of 50000 kills, the last/g)];
      expect(reported).toBe(Number(shown.at(-1)?.[1]));
      expect(terminal.screen).toContain('again with: npm run kill-campaign -- --kills 50000 --seed 7\r\n');
    },
  );
});
