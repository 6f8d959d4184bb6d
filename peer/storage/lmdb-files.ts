/**
 * What must be so of the files of a store before LMDB opens them. It keeps `lock.mdb` in a memory map, so the system
 * has no call to refuse when the disk is full: it ends the process (SIGBUS). And where LMDB can't open that file, it
 * crashes on its way out (SIGSEGV). Neither leaves a word to the user.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { UserError, messageOf } from '../../shared/errors.ts';
import { LOCK_FILE } from './access.ts';

/** Shows for a moment whether there is room; always of this name, so that a kill leaves one at most. */
const ROOM_FILE = 'room.tmp';

/**
 * Bytes of the lock file that LMDB touches when it opens a store: the mutexes and the first readers. It is 8 KiB long,
 * but a hole up to then, and stays one behind the first page, which holds more readers than ever run at once.
 */
const TOUCHED_OF_LOCK = 4096;
/** Room for those, in bytes: a page of memory, which has 64 KiB at most, and what the disk notes about a file. */
const ROOM_OF_LOCK = 2 ** 17;
/**
 * Room for a new store, in bytes: its two first pages, of 64 KiB at most, and what the first write reserves (see
 * `Room`; 128 KiB with pages of 4 KiB). A start that has no more than the first pages would leave a store with nothing
 * in it behind.
 */
const ROOM_OF_NEW_STORE = 2 ** 18;
/** What `stat` counts in, in bytes, whatever the file system uses. */
const STAT_BLOCK = 512;

/**
 * Makes sure that the disk has room for what LMDB touches when it opens the store: writes as much into a file and
 * removes it again. A store that is whole needs nothing, so one on a full disk can still be read.
 *
 * @param fresh whether a new store is to be made
 * @throws UserError if the disk is full; nothing is left behind then
 * @throws Error with the system's code if the folder takes no files
 */
export function checkRoom(folder: string, fresh: boolean): void {
  const room = (isLockTouched(folder) ? 0 : ROOM_OF_LOCK) + (fresh ? ROOM_OF_NEW_STORE : 0);
  if (room === 0) return;
  const path = join(folder, ROOM_FILE);
  const file = openSync(path, 'w');
  try {
    // A disk that compresses would take zeros without having room for anything else.
    const bytes = randomBytes(room);
    for (let at = 0; at < room;) at += writeSync(file, bytes, at);
    // Some, such as those of a network, only find out then.
    fsyncSync(file);
  } catch (error) {
    throw new UserError(`can't write to the store in ${folder}, is the disk full?: ${messageOf(error)}`);
  } finally {
    closeSync(file);
    rmSync(path, { force: true });
  }
}

/** Whether the part of the lock file that LMDB touches has its place on the disk: then no disk is too full for it. */
function isLockTouched(folder: string): boolean {
  const stats = statSync(join(folder, LOCK_FILE), { throwIfNoEntry: false });
  return stats !== undefined && stats.blocks * STAT_BLOCK >= TOUCHED_OF_LOCK;
}
