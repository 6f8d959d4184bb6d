/**
 * One process for each data folder.
 *
 * Who wants the folder creates a file in it whose *name* says who it is (`peer-<process>-<start>.lock`), and then looks
 * whether there is a file of another process that runs. So a lock is whole from the moment it exists, and of two
 * that start at once, the one whose file came later is sure to see the other's: never do both get in. A file whose
 * process is gone, or whose number belongs to another process by now, counts for nothing and is removed; it can't be
 * one that somebody else has just made, because nobody else makes one of that name.
 */
import { readFileSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { fileFaultOf, UserError, systemCodeOf } from '../../shared/errors.ts';

/**
 * How often, and after how many milliseconds, the process with the lowest number tries again when it meets another:
 * of several that start at once, one is to get in.
 */
const ATTEMPTS = 5;
const ATTEMPT_DELAY = 40;

/** The files of this process. */
const held = new Set<string>();

const LOCK_NAME = /^peer-(\d+)-(\w+)\.lock$/;

/** A data folder held by this process. */
export interface FolderLock {
  /** Gives the folder back. May be called again. */
  release(): void;
}

/**
 * Takes a folder, which must exist, for this process.
 *
 * @throws UserError if another process has it, or this one already, or the folder can't be written to
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const name = `peer-${process.pid}-${startOf(process.pid) ?? '0'}.lock`;
  const path = create(folder, name);
  try {
    for (let attempt = 1; ; attempt++) {
      const other = findOther(folder, name);
      if (other === undefined) return heldLock(path);
      if (other < process.pid || attempt === ATTEMPTS) throw taken(folder, other);
      rmSync(path, { force: true });
      await pause(ATTEMPT_DELAY);
      writeFileSync(path, '');
    }
  } catch (error) {
    remove(path);
    throw error instanceof UserError
      ? error
      : new UserError(`can't lock the data folder ${folder}: ${fileFaultOf(error)}`);
  }
}

function heldLock(path: string): FolderLock {
  let released = false;
  return {
    release: () => {
      if (!released) remove(path);
      released = true;
    },
  };
}

/** Creates our file; one of our name that is not ours is left over from a process that had our number. */
function create(folder: string, name: string): string {
  try {
    const path = join(realpathSync(folder), name);
    if (held.has(path)) throw taken(folder, process.pid);
    writeFileSync(path, '');
    held.add(path);
    return path;
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`can't write to the data folder ${folder}: ${fileFaultOf(error)}`);
  }
}

function remove(path: string): void {
  rmSync(path, { force: true });
  held.delete(path);
}

/** The process that holds the folder, or is about to, beside us; removes what gone processes left behind. */
function findOther(folder: string, ownName: string): number | undefined {
  let found: number | undefined;
  for (const name of readdirSync(folder)) {
    const [, pid, start] = LOCK_NAME.exec(name) ?? [];
    if (pid === undefined || start === undefined || name === ownName) continue;
    if (runs(Number(pid), start)) found = Number(pid);
    else rmSync(join(folder, name), { force: true });
  }
  return found;
}

/** Whether the process of that number still is the one that started then. */
function runs(pid: number, start: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, as another user.
    if (systemCodeOf(error) !== 'EPERM') return false;
  }
  const now = startOf(pid);
  return now === undefined || now === start;
}

/**
 * When a process was started, as a text that no other process of the same number has: the boot of the machine, and
 * the clock ticks since then. Undefined where the system does not tell (it is Linux that does); `gone` for a process
 * that was killed and only waits for its parent to notice.
 */
function startOf(pid: number): string | undefined {
  try {
    // proc(5): "pid (name) state ppid …", the start being field 22. The name may hold anything, also brackets.
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return 'gone';
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8);
    return `${boot}${fields[19] ?? ''}`;
  } catch {
    return undefined;
  }
}

function taken(folder: string, pid: number): UserError {
  return new UserError(
    pid === process.pid
      ? `the data folder ${folder} is already open in this process`
      : `the data folder ${folder} is in use by process ${pid}; stop that one, or choose another with --data-dir`,
  );
}
