/**
 * The locks of versions before the kernel held them: a file `peer-<process>-<start>.lock` for each process. Such a
 * process may still run when this one is started. Only one that is seen from here can be judged.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const NAME = /^peer-(\d+)-(\w+)\.lock$/;

/** The number of a process of such a version that has the folder; removes what gone ones left behind. */
export function olderHolder(folder: string): number | undefined {
  for (const name of readdirSync(folder)) {
    const [, pid, start] = NAME.exec(name) ?? [];
    if (pid === undefined) continue;
    if (startOf(pid) === start) return Number(pid);
    rmSync(join(folder, name), { force: true });
  }
  return undefined;
}

/**
 * When a process was started, as those versions wrote it: the boot of the machine, and the clock ticks since then.
 * Undefined if it does not run, or the system does not say (it is Linux that does).
 */
function startOf(pid: string): string | undefined {
  try {
    // proc(5): "pid (name) state ppid …", the start being field 22. The name may hold anything, also brackets.
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8);
    return `${boot}${fields[19] ?? ''}`;
  } catch {
    return undefined;
  }
}
