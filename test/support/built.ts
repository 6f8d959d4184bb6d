/** Tests of programs run what was compiled, which must be what stands in the sources. */
import { dirname, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { staleSource } from '../../shared/stale.ts';

/** Where `peer/` and `miner/` are: above `test/` when run from the sources, above `dist/test/` when compiled. */
export const ROOT = fileURLToPath(
  new URL(import.meta.url.includes('/dist/test/') ? '../../..' : '../..', import.meta.url),
);

/** What was found of folders: once for each test file, since nobody changes sources while it runs. */
const found = new Map<string, string | undefined>();

/**
 * Fails if a program would run other code than the test that starts it was written for.
 *
 * @param args its arguments: those that name a program of the tests have its folder looked at, too
 */
export function requireBuild(...args: readonly string[]): void {
  const programs = args.filter((arg) => arg.startsWith('dist/test/'));
  const folders = programs.map((program) => relative('dist', dirname(program)));
  for (const folder of ['peer', 'miner', 'shared', ...folders]) {
    if (!found.has(folder)) found.set(folder, staleSource(ROOT, [folder]));
    const source = found.get(folder);
    if (source !== undefined) throw new Error(`dist/ is older than ${source}: run "npm run build" first`);
  }
}
