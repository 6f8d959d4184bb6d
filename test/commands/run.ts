import { spawn } from 'node:child_process';
import { Console } from 'node:console';
import { once } from 'node:events';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';

import { vi } from 'vitest';

import { ENGINES } from '../../peer/engines/registry.ts';
import { peerProgram, type PeerProgram } from '../../peer/program.ts';
import { runCommandLine } from '../../shared/options.ts';
import { ROOT, requireBuild } from '../support/built.ts';

/** What a command line printed, and how it ended. */
export interface Run {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

/** Runs `peer` with these arguments, as a process, until it ends by itself. */
export function runPeer(args: readonly string[], input: string | Uint8Array = ''): Promise<Run> {
  return runScript('dist/peer/main.js', args, input);
}

/**
 * The same for any program of the project.
 *
 * @param script its path from the project's folder; programs of the tests are in `dist/`
 */
export async function runScript(
  script: string,
  args: readonly string[],
  input: string | Uint8Array = '',
): Promise<Run> {
  requireBuild(script);
  // Options from the environment of whoever runs the tests must not reach it.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GOSSIP_')));
  const child = spawn(process.execPath, [join(ROOT, script), ...args], { env });
  const ended = once(child, 'close');
  child.stdin.on('error', () => {
    // It may not read what it is given.
  });
  child.stdin.end(input);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    ended as Promise<[number | null]>,
  ]);
  return { stdout, stderr, code };
}

type Write = typeof process.stdout.write;

/** What runs in this process at the moment: output and exit code of a process are those of one command line. */
let here: Promise<unknown> = Promise.resolve();

/**
 * The same as {@link runPeer} in this process, which takes a small part of the time: for command lines that read no
 * input, obey no other process, and come to an end before a peer runs, such as those that are refused.
 */
export function runHere(
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<Run> {
  return runProgramHere(() => peerProgram(args, ENGINES), args, variables);
}

/**
 * The same for any program.
 *
 * @param make makes it, once it has the process to itself
 */
export function runProgramHere(
  make: () => PeerProgram | Promise<PeerProgram>,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<Run> {
  const run = here.then(() => runAlone(make, args, variables));
  here = run.catch(() => undefined);
  return run;
}

async function runAlone(
  make: () => PeerProgram | Promise<PeerProgram>,
  args: readonly string[],
  variables: Readonly<Record<string, string>>,
): Promise<Run> {
  const [stdout, stderr] = [new Kept(), new Kept()];
  const { env, exitCode } = process;
  const { console } = globalThis;
  const listeners = new Map(process.eventNames().map((name) => [name, process.rawListeners(name)]));
  const inherited = Object.entries(env).filter(([name]) => !name.startsWith('GOSSIP_'));
  process.env = { ...Object.fromEntries(inherited), ...variables };
  process.exitCode = undefined;
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation(stdout.write.bind(stdout) as Write),
    vi.spyOn(process.stderr, 'write').mockImplementation(stderr.write.bind(stderr) as Write),
  ];
  globalThis.console = new Console(stdout, stderr);
  try {
    const { program, names } = await make();
    await runCommandLine(program, args, names);
    return { stdout: stdout.text, stderr: stderr.text, code: codeOfProcess() };
  } finally {
    globalThis.console = console;
    for (const spy of spies) spy.mockRestore();
    process.exitCode = exitCode;
    process.env = env;
    // A peer that was refused late was about to obey signals.
    for (const name of process.eventNames()) {
      const earlier = listeners.get(name) ?? [];
      for (const listener of process.rawListeners(name) as ((...args: unknown[]) => void)[])
        if (!earlier.includes(listener)) process.off(name, listener);
    }
  }
}

function codeOfProcess(): number {
  return Number(process.exitCode ?? 0);
}

/** Keeps what is written to it. */
class Kept extends Writable {
  text = '';

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}
