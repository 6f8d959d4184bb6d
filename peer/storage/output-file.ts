/**
 * Files that are written for people: reports, exports, keys, lists of members. What is written goes into a new file
 * beside the one that was asked for, and takes its place when all of it is on the disk. So whatever fails in between,
 * a full disk or a kill, the file that was there before is whole, and nobody ever sees half of the new one.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fchmodSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';

import { fileFaultOf, systemCodeOf, UserError } from '../../shared/errors.ts';
import { syncFolder } from './folder.ts';

/** What of its mode the old file hands on to the new one. */
const PERMISSIONS = 0o777;
/** How file systems report that they have no second names for a file. */
const NO_HARD_LINKS = ['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'];

export interface OutputOptions {
  /** Whether there must be no file yet. */
  readonly fresh?: boolean;
  /** Who may do what with a new file: everybody reads by default, as the user's mask has it. */
  readonly mode?: number;
  /** What can be done where a file is there already and must not be. */
  readonly remedy?: string;
}

/** A file that is being written, until it is committed or discarded, or the process ends. */
export interface OutputFile {
  readonly descriptor: number;
  /**
   * Puts what was written in the place of what was there.
   *
   * @param rest written before that
   * @throws UserError if that fails; what was there still is then
   */
  commit(rest?: string): void;
  /** Leaves everything as it was. May be called after either. */
  discard(): void;
}

/**
 * Begins to write a file, so that it is known early whether it can be written.
 *
 * @throws UserError if it can't, or is a link: where it leads, somebody else may decide
 */
export function openOutput(path: string, options: OutputOptions = {}): OutputFile {
  return orUnwritable(path, () => {
    const there = statSync(path, { throwIfNoEntry: false });
    // A pipe or a device holds nothing that could be lost.
    if (there !== undefined && !there.isFile() && !there.isDirectory())
      return opened(path, openSync(path, 'w'));
    if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true) {
      throw unwritable(path, 'it is a link, which may lead anywhere; name the file itself');
    }
    if (there?.isDirectory() === true) throw unwritable(path, 'it is a folder');
    if (there !== undefined && options.fresh === true) throw taken(path, options);
    const beside = join(dirname(path), `.gossip-peer-${randomBytes(6).toString('hex')}.tmp`);
    const descriptor = openSync(beside, 'wx', options.mode);
    if (there !== undefined) fchmodSync(descriptor, there.mode & PERMISSIONS);
    return opened(path, descriptor, { beside, options });
  });
}

/**
 * Writes a file, all of it or nothing.
 *
 * @throws UserError as {@link openOutput}
 */
export function writeOutput(path: string, content: string, options: OutputOptions = {}): void {
  openOutput(path, options).commit(content);
}

/** A stream into such a file, which is to be committed when the stream has ended. */
export function outputStream({ descriptor }: OutputFile): Writable {
  return new Writable({
    // One of Node's own would close the file whenever it is destroyed, and may still be writing then.
    write: (chunk: Buffer, _, done) => {
      try {
        writeFileSync(descriptor, chunk);
        done();
      } catch (error) {
        done(error as Error);
      }
    },
  });
}

/** @param place where it is written meanwhile; undefined if it is written where it is */
function opened(
  path: string,
  descriptor: number,
  place?: { readonly beside: string; readonly options: OutputOptions },
): OutputFile {
  let open = true;
  const discard = (): void => {
    if (!open) return;
    open = false;
    process.off('exit', discard);
    closeSync(descriptor);
    if (place !== undefined) rmSync(place.beside, { force: true });
  };
  process.on('exit', discard);
  const commit = (rest = ''): void => {
    try {
      writeFileSync(descriptor, rest);
      if (place === undefined) return;
      fsyncSync(descriptor);
      if (place.options.fresh === true) moveToFree(place.beside, path, place.options);
      else renameSync(place.beside, path);
      syncFolder(dirname(path));
    } finally {
      discard();
    }
  };
  return {
    ...{ descriptor, discard },
    commit: (rest) => {
      orUnwritable(path, () => {
        commit(rest);
      });
    },
  };
}

/** Gives a file another name, unless there is one of that name by now. */
function moveToFree(from: string, to: string, options: OutputOptions): void {
  try {
    linkSync(from, to);
  } catch (error) {
    const code = systemCodeOf(error) ?? '';
    if (code === 'EEXIST') throw taken(to, options);
    if (!NO_HARD_LINKS.includes(code)) throw error;
    if (existsSync(to)) throw taken(to, options);
    renameSync(from, to);
  }
}

function orUnwritable<Result>(path: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw error instanceof UserError ? error : unwritable(path, fileFaultOf(error));
  }
}

function taken(path: string, { remedy }: OutputOptions): UserError {
  return unwritable(path, `it is there already${remedy === undefined ? '' : `; ${remedy}`}`);
}

/** That a file can't be written, and why. */
export function unwritable(path: string, why: string): UserError {
  return new UserError(`can't write ${path}: ${why}`);
}
