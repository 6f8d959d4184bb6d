/**
 * A process of its own that tidies up after a network whose main process was killed and could not do it itself. Children
 * notice that by themselves, but not those that are paused; and somebody must remove the data.
 *
 * Standard input says, a line each, which processes there are (`+<pid>`), which are gone (`-<pid>`), and which folder is
 * to be removed (`folder <path>`). When it ends, everything that is left goes.
 */
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';

const running = new Set<number>();
const folders = new Set<string>();
for await (const line of createInterface({ input: process.stdin })) {
  if (line.startsWith('+')) running.add(Number(line.slice(1)));
  else if (line.startsWith('-')) running.delete(Number(line.slice(1)));
  else if (line.startsWith('folder ')) folders.add(line.slice('folder '.length));
}
for (const pid of running) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
for (const folder of folders)
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
