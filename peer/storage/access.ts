/** The files of a data folder, and whether they can be opened. */
import { accessSync, lstatSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { fileFaultOf, systemCodeOf, UserError } from '../../shared/errors.ts';

/** The name that LMDB gives its file. */
export const DATA_FILE = 'data.mdb';
/** The file in which the processes that have a store open register. It holds nothing that outlives them. */
export const LOCK_FILE = 'lock.mdb';
/** The file whose lock the process that has the folder holds: see `lock.ts`. */
export const FOLDER_LOCK = 'peer.lock';

const GIVE_RIGHTS = 'give this user the right to read and write it';
const REMOVE = 'remove it while no peer runs on this folder';
const DISPENSABLE = { rights: `${REMOVE}, or ${GIVE_RIGHTS}`, other: REMOVE };

/** What the user can do about a file that can't be opened: where only rights are missing, and where it is no file. */
const REMEDIES = {
  [DATA_FILE]: { rights: GIVE_RIGHTS, other: 'move it away' },
  [LOCK_FILE]: DISPENSABLE,
  [FOLDER_LOCK]: DISPENSABLE,
} as const;

/**
 * Makes sure that a file of the folder can be opened, if it is there. That of LMDB's locks must not be opened to find
 * out: to close it would take from this process the lock that LMDB may hold on it.
 *
 * @param mode what is to be done with it, of `fs.constants`; with `F_OK` it only has to be a file
 * @returns whether it is there
 * @throws UserError if it is there and can't be opened so
 */
export function checkAccess(folder: string, name: keyof typeof REMEDIES, mode: number): boolean {
  const path = join(folder, name);
  // A link that leads nowhere counts as a file here: whoever opens it to write would follow it.
  const own = lstatSync(path, { throwIfNoEntry: false });
  if (own === undefined) return false;
  const { rights, other } = REMEDIES[name];
  const what = `can't open the ${name === FOLDER_LOCK ? 'data folder' : 'store in'} ${folder}: ${name}`;
  try {
    const stats = statSync(path);
    if (!stats.isFile()) {
      const kind = stats.isDirectory() ? 'a folder' : 'no ordinary file';
      throw new UserError(`${what} is ${kind}; ${other}`);
    }
    // The lock would be on, and the name of its process in, whatever file it leads to.
    if (name === FOLDER_LOCK && own.isSymbolicLink()) throw new UserError(`${what} is a link; ${other}`);
    accessSync(path, mode);
    return true;
  } catch (error) {
    if (error instanceof UserError) throw error;
    const code = systemCodeOf(error) ?? '';
    const remedy =
      code === 'EROFS'
        ? 'choose a folder on another disk with --data-dir'
        : ['EACCES', 'EPERM'].includes(code)
          ? rights
          : other;
    throw new UserError(`${what}: ${fileFaultOf(error)}; ${remedy}`);
  }
}
