/** The miner on a terminal: a real one, made by util-linux's `script`, where that is at hand. */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';

import { until } from '../engines/pow/node/mining/helpers.ts';
import { Terminal, terminalNote } from '../support/terminal.ts';
import { ScriptedPeer } from './helpers.ts';

const HINT = 'p pause · + and - workers · q quit';

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
  const command = `miner --peer-host 127.0.0.1 --peer-port ${peer.port} --processes 1 --kernel reference`;
  const terminal = new Terminal(command, { prepare });
  terminals.push(terminal);
  return terminal;
}

describe.skipIf(terminalNote !== '')(`on a terminal${terminalNote}`, () => {
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
