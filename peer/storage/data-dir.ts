import { fileFaultOf, UserError } from '../../shared/errors.ts';
import { makeFolder } from './folder.ts';
import { openLmdbStore, type StoreOptions } from './lmdb.ts';
import { lockFolder } from './lock.ts';
import type { Store } from './store.ts';

/** A data folder that belongs to this process. */
export interface DataDir {
  readonly store: Store;
  /** Closes the store and gives the folder back. May be called again. */
  close(): Promise<void>;
}

/**
 * Opens a data folder for this process alone, and creates it if it does not exist.
 *
 * @throws UserError if it can't be created or written to, is damaged, or another process has it
 */
export async function openDataDir(folder: string, options: StoreOptions = {}): Promise<DataDir> {
  try {
    makeFolder(folder);
  } catch (error) {
    throw new UserError(`can't create the data folder ${folder}: ${fileFaultOf(error)}`);
  }
  const lock = await lockFolder(folder);
  try {
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
