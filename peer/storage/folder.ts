import { closeSync, existsSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

import { systemCodeOf } from '../../shared/errors.ts';

/**
 * Creates a folder, and those above it, where they do not exist, to outlast a power failure. Node's own recursive `mkdir` never returns for some
 * folders that the system refuses, such as those below /proc.
 *
 * @param mode who may do what in it, if it is new
 * @throws Error with the system's code if it can't be created
 */
export function makeFolder(folder: string, mode?: number): void {
  const path = resolve(folder);
  if (existsSync(path)) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  mkdirSync(path, { mode });
  syncFolder(dirname(path));
}

/** Makes sure that what was created in a folder is still there after a power failure. */
export function syncFolder(folder: string): void {
  try {
    const descriptor = openSync(folder, 'r');
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    // Not every system lets a folder be opened, or every user its parent; there the system has to care for it.
    if (!['EISDIR', 'EPERM', 'EINVAL', 'EACCES'].includes(systemCodeOf(error) ?? '')) throw error;
  }
}
