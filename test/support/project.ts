/** Folders that are projects of their own, and commands in them as people type them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';

import { ROOT } from './built.ts';

/** Commands that still run, so that they end with the tests however those end. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const { pid } of running) if (pid !== undefined) process.kill(-pid, 'SIGKILL');
});

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a line of the shell until it ends by itself. `node` in it is the Node that runs this, and npm asks nobody.
 *
 * @param folder where it is run
 * @param caches a folder for what npm keeps, so that it changes nothing of the user's
 */
export async function shell(line: string, folder: string, caches: string): Promise<Outcome> {
  // What `npm test` and the runner of the tests say to those whom they start is not for a project of its own.
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(?:npm_|GOSSIP_|VITEST|NODE_|TEST$|DEV$|PROD$|MODE$)/i.test(name),
  );
  const child = spawn('/bin/sh', ['-c', line], {
    cwd: folder,
    // A group of its own, which ends as one.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...Object.fromEntries(inherited),
      PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`,
      npm_config_cache: caches,
      npm_config_offline: 'true',
      npm_config_update_notifier: 'false',
    },
  });
  running.add(child);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  running.delete(child);
  return { code, stdout, stderr };
}

/** @throws Error with all that it said if it does not end well */
export async function shellWell(line: string, folder: string, caches: string): Promise<Outcome> {
  const outcome = await shell(line, folder, caches);
  if (outcome.code !== 0) throw new Error(`${line}: ${outcome.code}\n${outcome.stdout}${outcome.stderr}`);
  return outcome;
}

/**
 * Copies parts of this checkout into a folder.
 *
 * @param paths from the checkout's folder
 */
export function copyFromCheckout(folder: string, paths: readonly string[]): void {
  // With their times: what was compiled is to stay newer than what it was compiled from.
  for (const path of paths)
    cpSync(join(ROOT, path), join(folder, path), { recursive: true, preserveTimestamps: true });
}
