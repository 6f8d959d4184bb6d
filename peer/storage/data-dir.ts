import { statSync } from 'node:fs';

import { fileFaultOf, UserError } from '../../shared/errors.ts';
import { makeFolder } from './folder.ts';
import { openLmdbStore, type StoreOptions } from './lmdb.ts';
import { lockFolder, type FolderLock } from './lock.ts';
import type { Store } from '../core/store.ts';

/** A data folder that belongs to this process. */
export interface DataDir {
  readonly store: Store;
  /** Closes the store and gives the folder back. May be called again. */
  close(): Promise<void>;
}

/** How a data folder is opened. */
export interface DataDirOptions extends StoreOptions {
  /** Whether it is for its owner alone: what a network passes on to everybody is no secret. */
  readonly secret?: boolean;
}

/** What the owner may do with a folder that is no business of others, and what others may. */
const OWNER_ALONE = 0o700;
const OTHERS = 0o077;

/**
 * Takes a folder for this process alone, and creates it if it does not exist.
 *
 * @param mode who may do what in it, if it is new
 * @throws UserError if it can't be created or written to, or another process has it
 */
export async function takeFolder(folder: string, mode?: number): Promise<FolderLock> {
  if (folder === '') throw new UserError('the name of the data folder is empty; give one with --data-dir');
  try {
    makeFolder(folder, mode);
  } catch (error) {
    throw new UserError(`can't create the data folder ${folder}: ${fileFaultOf(error)}`);
  }
  return lockFolder(folder);
}

/**
 * Opens a data folder for this process alone, and creates it if it does not exist.
 *
 * @throws UserError if it can't be created or written to, is damaged, or another process has it
 */
export async function openDataDir(folder: string, options: DataDirOptions = {}): Promise<DataDir> {
  const { secret = false } = options;
  const lock = await takeFolder(folder, secret ? OWNER_ALONE : undefined);
  try {
    // Windows has no such bits.
    if (secret && process.platform !== 'win32' && (statSync(folder).mode & OTHERS) !== 0) {
      options.warn?.(
        `others on this machine may look into the data folder ${folder}; keep them out with chmod 700 ${folder}`,
      );
    }
    const store = openLmdbStore(folder, options);
    return {
      store,
      close: async () => {
        await store.close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}
