/**
 * One process for each data folder.
 *
 * The kernel holds the lock, on a file in the folder, as long as the process has that file open: whatever ends the
 * process ends the lock, in the same moment. No process number decides anything, for those of two containers that
 * share a folder mean nothing to each other. The file stays where it is: if it were removed, another could be made and
 * locked while somebody still held the first. What is in it is for people.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { z } from 'zod';

import { fileFaultOf, messageOf, systemCodeOf, UserError } from '../../shared/errors.ts';
import { jsonOrUndefined } from '../../shared/json.ts';
import { checkAccess, FOLDER_LOCK } from './access.ts';
import { LOCK_INTERVAL, LOCK_PATIENCE } from './limits.ts';
import { olderHolder } from './older-lock.ts';

/** Others that may read it could lock it. */
const MODE = 0o600;

/** What the lock file says of who has it. */
const holderSchema = z.object({
  process: z.int().positive(),
  /** What tells process numbers of one container from those of another; empty where there is no such thing. */
  namespace: z.string(),
  host: z.string().regex(/^[\w.-]{1,255}$/),
});
type Holder = z.infer<typeof holderSchema>;

/** Locks an open file as `tryLock` of fs-native-extensions does. */
export type TryLock = (descriptor: number) => boolean;

/** Lock files that this process has open. */
const held = new Set<string>();

/** A data folder held by this process. */
export interface FolderLock {
  /** Gives the folder back. May be called again. */
  release(): void;
}

/**
 * Takes a folder, which must exist, for this process.
 *
 * @param load how files are locked here
 * @param patience for how many milliseconds one that is in use is tried again
 * @throws UserError if another process has it, or this one already, or the folder can't be written to or locked
 */
export async function lockFolder(
  folder: string,
  load = loadNative,
  patience = LOCK_PATIENCE,
): Promise<FolderLock> {
  const tryLock = await load().catch((error: unknown) => {
    const why = messageOf(error).split('\n', 1)[0] ?? '';
    throw new UserError(
      `the data folder ${folder} can't be locked: fs-native-extensions does not run on this machine (${why}); reinstall with "npm ci", or use a system for which it has a binary`,
    );
  });
  const path = join(folder, FOLDER_LOCK);
  const { descriptor, identity } = await lockFile(folder, path, { tryLock, patience });
  try {
    const older = olderHolder(folder);
    if (older !== undefined) throw inUse(folder, `by process ${older} of an earlier version`);
    sayWho(descriptor, JSON.stringify(ourselves()));
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  held.add(identity);
  let released = false;
  return {
    release: () => {
      if (released) return;
      released = true;
      held.delete(identity);
      sayWho(descriptor, '');
      closeSync(descriptor);
    },
  };
}

async function loadNative(): Promise<TryLock> {
  return (await import('fs-native-extensions')).tryLock;
}

/** Opens the lock file and locks it; somebody who has it may be about to end. */
async function lockFile(
  folder: string,
  path: string,
  { tryLock, patience }: { readonly tryLock: TryLock; readonly patience: number },
): Promise<{ descriptor: number; identity: string }> {
  for (let waited = 0; ; waited += LOCK_INTERVAL) {
    const descriptor = openLock(folder, path);
    const identity = identityOf(fstatSync(descriptor));
    try {
      if (held.has(identity))
        throw new UserError(`the data folder ${folder} is already open in this process`);
      if (locks(folder, descriptor, tryLock)) {
        // Somebody may have removed the file meanwhile; then the lock holds nobody off.
        const now = statSync(path, { throwIfNoEntry: false });
        if (now !== undefined && identityOf(now) === identity) {
          checkLock(folder, path, tryLock);
          return { descriptor, identity };
        }
      } else if (waited >= patience) {
        throw inUse(folder, holderText(path));
      }
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
    closeSync(descriptor);
    await pause(LOCK_INTERVAL);
  }
}

function openLock(folder: string, path: string): number {
  const { O_CREAT, O_NOFOLLOW, O_RDWR, R_OK, W_OK } = constants;
  try {
    checkAccess(folder, FOLDER_LOCK, R_OK | W_OK);
    // Windows has no such flag.
    return openSync(path, O_RDWR | O_CREAT | ((O_NOFOLLOW as number | undefined) ?? 0), MODE);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`can't write to the data folder ${folder}: ${fileFaultOf(error)}`);
  }
}

/** Locks an open file; false if somebody else has it. */
function locks(folder: string, descriptor: number, tryLock: TryLock): boolean {
  try {
    return tryLock(descriptor);
  } catch (error) {
    // Windows reports this if somebody has the lock.
    if (systemCodeOf(error) === 'EBUSY') return false;
    throw noLocks(folder, fileFaultOf(error));
  }
}

/** Some file systems take every lock and hold nobody off. */
function checkLock(folder: string, path: string, tryLock: TryLock): void {
  const second = openLock(folder, path);
  try {
    if (locks(folder, second, tryLock)) throw noLocks(folder, 'locks have no effect there');
  } finally {
    closeSync(second);
  }
}

function noLocks(folder: string, why: string): UserError {
  return new UserError(
    `the data folder ${folder} can't be locked: its file system does not do it (${why}); choose a folder on another disk with --data-dir`,
  );
}

function inUse(folder: string, by: string): UserError {
  return new UserError(
    `the data folder ${folder} is in use ${by}; stop that one, or choose another with --data-dir`,
  );
}

/** Identifies a file, whatever names lead to it. */
function identityOf({ dev, ino }: { readonly dev: number; readonly ino: number }): string {
  return `${dev}:${ino}`;
}

function ourselves(): Holder {
  return { process: process.pid, namespace: namespace(), host: hostname() };
}

function namespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

/** Writes who has the lock, where that can be done: the disk may be full, and nobody needs it to be safe. */
function sayWho(descriptor: number, text: string): void {
  try {
    ftruncateSync(descriptor);
    writeSync(descriptor, text, 0);
  } catch {
    // People are shown less then.
  }
}

/** Who has the lock, as far as the lock file says. */
function holderText(path: string): string {
  const us = ourselves();
  const holder = readHolder(path);
  if (holder === undefined) return 'by another process';
  const { process: number, namespace: theirs, host } = holder;
  if (host !== us.host) return `by process ${number} on ${host}`;
  return `by process ${number}${theirs === us.namespace ? '' : ' of another container'}`;
}

function readHolder(path: string): Holder | undefined {
  try {
    return holderSchema.safeParse(jsonOrUndefined(readFileSync(path, 'utf8'))).data;
  } catch {
    // Windows lets nobody read what is locked.
    return undefined;
  }
}
