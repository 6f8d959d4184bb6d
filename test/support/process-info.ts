/** What the system tells about a process from outside. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Memory that a process has in RAM, in bytes. */
export function residentMemory(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1024;
}

/** Seconds of processor time that a process has used; undefined where the system has no `/proc`. */
export function processorTime(pid: number): number | undefined {
  try {
    // The name, in parentheses, may hold anything; the times are the 14th and the 15th field, in ticks of 10 ms.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/s, '').split(' ');
    return (Number(fields[12]) + Number(fields[13])) / 100;
  } catch {
    return undefined;
  }
}

/** Datagrams that the kernel had no room for on a UDP port of this machine; undefined where it does not tell. */
export function datagramsLost(port: number): number | undefined {
  try {
    const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
    for (const line of readFileSync('/proc/net/udp', 'utf8').split('\n')) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(suffix) === true) return Number(fields.at(-1));
    }
  } catch {
    // Not Linux.
  }
  return undefined;
}
