/** What timed-worker.ts tells workers.bench.ts. */

/** One task; times are of the system's monotonic clock, in nanoseconds. */
export interface TaskTimes {
  readonly thread: number;
  readonly epoch: number;
  readonly begun: bigint;
  readonly ended: bigint;
}

/** The channel on which {@link TaskTimes} are told. */
export const TIMES_CHANNEL = 'task-times';
