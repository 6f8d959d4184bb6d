/** What timed-worker.ts tells the benchmarks of the workers. */

/** One task; times are of the system's monotonic clock, in nanoseconds. */
export interface TaskTimes {
  readonly thread: number;
  readonly epoch: number;
  /** What the task was to search. */
  readonly head: Uint8Array;
  readonly begun: bigint;
  readonly ended: bigint;
}

/** The channel on which {@link TaskTimes} are told. */
export const TIMES_CHANNEL = 'task-times';

/** When each thread began the first of some tasks. */
export function firstStarts(times: readonly TaskTimes[]): bigint[] {
  const first = new Map<number, bigint>();
  for (const { thread, begun } of times) {
    const earlier = first.get(thread);
    if (earlier === undefined || begun < earlier) first.set(thread, begun);
  }
  return [...first.values()];
}

/** The latest of some times. */
export function latest(times: readonly bigint[]): bigint {
  return times.reduce((one, other) => (one > other ? one : other), 0n);
}

export function milliseconds(nanoseconds: bigint): number {
  return Number(nanoseconds) / 1e6;
}
