import { existsSync, mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Creates a folder, and those above it, where they do not exist. Node's own recursive `mkdir` never returns for some
 * folders that the system refuses, such as those below /proc.
 *
 * @throws Error with the system's code if it can't be created
 */
export function makeFolder(folder: string): void {
  const path = resolve(folder);
  if (existsSync(path)) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  mkdirSync(path);
}
