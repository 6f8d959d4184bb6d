/** The miner's worker, telling when each of its tasks began and ended; for benchmarks. */
import { BroadcastChannel, threadId } from 'node:worker_threads';

import run from '../../miner/search.ts';
import type { SearchReport, SearchTask } from '../../miner/task.ts';
import { TIMES_CHANNEL, type TaskTimes } from './task-times.ts';

const channel = new BroadcastChannel(TIMES_CHANNEL);

export default function timedRun(task: SearchTask): SearchReport {
  const begun = process.hrtime.bigint();
  const report = run(task);
  channel.postMessage({
    thread: threadId,
    epoch: task.epoch,
    head: task.head,
    begun,
    ended: process.hrtime.bigint(),
  } satisfies TaskTimes);
  return report;
}
