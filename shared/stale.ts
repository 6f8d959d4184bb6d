import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The first source that was compiled before it was changed last, or never was: what runs from `dist/` is then not what
 * stands in the sources. Looks at the times of a few hundred files, which takes a few milliseconds.
 *
 * @param root the folder of the project
 * @param folders those of its folders that count
 * @returns its path from the root, undefined if there is none
 */
export function staleSource(root: string, folders: readonly string[]): string | undefined {
  return folders.flatMap((folder) => sourcesIn(root, folder)).find((source) => isStale(root, source));
}

function sourcesIn(root: string, folder: string): string[] {
  const files = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  return files.filter((file) => /(?<!\.d)\.ts$/.test(file)).map((file) => join(folder, file));
}

function isStale(root: string, source: string): boolean {
  const output = statSync(join(root, 'dist', source.replace(/ts$/, 'js')), { throwIfNoEntry: false });
  return output === undefined || output.mtimeMs < statSync(join(root, source)).mtimeMs;
}
