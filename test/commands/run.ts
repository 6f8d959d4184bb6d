import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { ROOT, requireBuild } from '../support/built.ts';

/** What a command line printed, and how it ended. */
export interface Run {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

/** Runs `peer` with these arguments, as a process, until it ends by itself. */
export function runPeer(args: readonly string[], input: string | Uint8Array = ''): Promise<Run> {
  return runScript('peer/index.js', args, input);
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
