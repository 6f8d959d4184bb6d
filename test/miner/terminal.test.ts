/** The miner on a terminal: a real one, made by util-linux's `script`, where that is at hand. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';

import { until } from '../mining/helpers.ts';
import { ScriptedPeer } from './helpers.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const version = spawnSync('script', ['--version']);
const HAS_SCRIPT = version.error === undefined && version.stdout.includes('util-linux');
const HINT = 'p pause · + and - workers · q quit';

/** `node miner` with a terminal of its own. */
class Terminal {
  /** All that was written to the terminal. */
  screen = '';
  readonly ended: Promise<number | null>;
  readonly #script: ChildProcess;

  /** @param prepare shell commands before the miner's: `exec` or its like is the last word of them */
  constructor(port: number, prepare = 'echo "pid=$$"; exec') {
    const miner = `${process.execPath} miner --peer-host 127.0.0.1 --peer-port ${port} --processes 1 --kernel reference`;
    const command = `stty cols 200; ${prepare} ${miner}`;
    const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('GOSSIP_')));
    this.#script = spawn('script', ['-qec', command, '/dev/null'], {
      cwd: ROOT,
      env: { ...env, SHELL: '/bin/sh', NO_COLOR: '1' },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#script.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.screen += text;
    });
    // Keys that come after the end.
    this.#script.stdin?.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      this.#script.once('close', resolve);
    });
  }

  /** The process id that the shell has told. */
  get pid(): number | undefined {
    const told = /pid=(\d+)/.exec(this.screen)?.[1];
    return told === undefined ? undefined : Number(told);
  }

  press(keys: string): void {
    this.#script.stdin?.write(keys);
  }

  /** Waits until something is written that was not there before `from`. */
  async shows(text: string, from = 0): Promise<void> {
    await until(`the terminal shows "${text}"`, () => this.screen.includes(text, from)).catch(
      (error: unknown) => {
        throw new Error(`${String(error)}; it shows ${JSON.stringify(this.screen.slice(-1500))}`);
      },
    );
  }

  /** Presses keys and waits until they have brought this about. */
  async pressing(keys: string, text: string): Promise<void> {
    const from = this.screen.length;
    this.press(keys);
    await this.shows(text, from);
  }

  /** Ends the terminal: what runs in it hangs up. */
  close(): void {
    this.#script.kill('SIGKILL');
  }
}

const terminals: Terminal[] = [];
const peers: ScriptedPeer[] = [];

/** State of a process as Linux has it (`R`, `S`, `T` for stopped, …); undefined if there is none. */
function stateOf(pid: number): string | undefined {
  try {
    const [state] = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    return state === 'Z' ? undefined : state;
  } catch {
    return undefined;
  }
}

afterEach(async () => {
  for (const terminal of terminals.splice(0)) {
    const { pid } = terminal;
    terminal.close();
    if (pid !== undefined && stateOf(pid) !== undefined) process.kill(pid, 'SIGKILL');
    await terminal.ended;
  }
  for (const peer of peers.splice(0)) await peer.close();
});

/** A terminal with a miner that has work for ever. */
async function start(prepare?: string): Promise<Terminal> {
  const peer = await ScriptedPeer.start((miner) => {
    miner.send({ height: 0, difficulty: 30 });
  });
  peers.push(peer);
  const terminal = new Terminal(peer.port, prepare);
  terminals.push(terminal);
  return terminal;
}

describe.runIf(HAS_SCRIPT)('on a terminal', () => {
  it('shows what it does, and keys pause it, change the number of workers and end it', async () => {
    const terminal = await start();
    await terminal.shows(HINT);
    await terminal.shows('1 worker · a block every ');
    await terminal.shows('found 0 · accepted 0 · stale 0 · ');
    await terminal.pressing('p', 'p resume · + and - workers · q quit');
    await terminal.pressing('p', 'mining again');
    await terminal.pressing('+', 'another number of workers processes=2');
    await terminal.shows('2 workers of ');
    await terminal.pressing('-', 'another number of workers processes=1');
    // One is the least.
    await terminal.pressing('-p', 'paused');
    expect(terminal.screen).not.toContain('processes=0');
    await terminal.pressing('q', 'stopped hashes=');
    expect(await terminal.ended).toBe(0);
    expect(terminal.screen.slice(terminal.screen.indexOf('stopped'))).not.toContain('quit');
  });

  it('ends with Ctrl-C, which is a key like others there', async () => {
    const terminal = await start();
    await terminal.shows(HINT);
    await terminal.pressing('\u0003', 'stopped hashes=');
    expect(await terminal.ended).toBe(0);
  });

  it('goes on reading keys where Ctrl-Z can’t stop it, for nobody could continue it', async () => {
    const terminal = await start();
    await terminal.shows(HINT);
    await terminal.pressing('\u001ap', 'paused');
  });

  it('ends when the terminal is closed', async () => {
    const terminal = await start();
    await terminal.shows(HINT);
    const pid = terminal.pid ?? 0;
    expect(stateOf(pid)).toBeDefined();
    terminal.close();
    await until('it has ended', () => stateOf(pid) === undefined);
  });

  it('runs in the background, where it reads no keys, and is not stopped for trying to', async () => {
    // With job control, as in an interactive shell; cat holds the foreground.
    const terminal = await start('set -m; run() { "$@" & echo "pid=$!"; cat; }; run');
    await terminal.shows('1 worker · a block every ');
    expect(terminal.screen).not.toContain('q quit');
    expect(stateOf(terminal.pid ?? 0)).toMatch(/[RS]/);
  });
});
