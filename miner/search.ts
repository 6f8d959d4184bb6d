/**
 * The worker: searches nonces in short tasks that the pool hands out.
 *
 * Within a task it looks every millisecond or so whether its work is still the current one. From task to task it
 * goes on with the same search, so that a search is prepared once for each work and not once for each task. Every
 * search has a part of the nonce space of its own: the miner's part, then the worker's number, then a count.
 */
import { hash } from 'node:crypto';
import { platform, setPriority } from 'node:os';
import { parentPort, threadId, workerData } from 'node:worker_threads';

import { trailingZeros } from '../shared/block.ts';
import type { Hit, Kernel, Search, SearchSlice } from './kernel/kernel.ts';
import { chooseKernel } from './kernel/registry.ts';
import { KernelFault } from './kernel/scan.ts';
import {
  EPOCH,
  WORKERS,
  nonceTag,
  type SearchReport,
  type SearchTask,
  type WorkerMessage,
  type WorkerSetup,
} from './task.ts';

/** Time between two looks at the epoch, in milliseconds. */
const SLICE = 1;
/** Nonces in the very first slice: compilers optimise between calls, so the first calls must be short. */
const FIRST_SLICE = 256;

const setup = workerData as WorkerSetup;
const shared = new Int32Array(setup.shared);
const workerNumber = Atomics.add(shared, WORKERS, 1);
// To Linux, 0 is the calling thread; elsewhere it would be the whole process, and the client would stand back too.
if (setup.niceness > 0 && platform() === 'linux') setPriority(0, setup.niceness);

const distrusted = new Set<string>();
let kernel: Kernel = chooseKernel(setup.kernel).kernel;
/** The search under way, and the work it is for. */
let current: { readonly epoch: number; readonly search: Search } | undefined;
/** Searches begun; never set back, so that no two of this worker have the same prefix. */
let searches = 0;
let sliceNonces = FIRST_SLICE;

function report(message: WorkerMessage): void {
  parentPort?.postMessage(message);
}

function searchFor(task: SearchTask): Search {
  if (current?.epoch !== task.epoch) {
    const noncePrefix = task.noncePrefix + nonceTag(workerNumber) + nonceTag(searches++);
    const { head, otherHeads, shareDifficulty } = task;
    const search = kernel.search({ head, otherHeads, noncePrefix, difficulty: shareDifficulty });
    current = { epoch: task.epoch, search };
  }
  return current.search;
}

/** Leaves the kernel, which did something wrong, for the next one. What it was to search is begun anew. */
function replaceKernel(problem: string): void {
  report({ type: 'fault', kernel: kernel.name, problem });
  distrusted.add(kernel.name);
  kernel = chooseKernel(setup.kernel, distrusted).kernel;
  current = undefined;
  // The next one is slower.
  sliceNonces = FIRST_SLICE;
}

/** One slice of a task, or undefined if the kernel failed at it and was replaced. */
function searchSlice(task: SearchTask): SearchSlice | undefined {
  try {
    return searchFor(task).run(sliceNonces);
  } catch (error) {
    if (!(error instanceof KernelFault)) throw error;
    replaceKernel(error.problem);
    return undefined;
  }
}

/**
 * Passes on the nonces that really are what the kernel takes them for, up to the first that makes a block.
 *
 * @returns whether there was one that makes a block
 */
function check(task: SearchTask, hits: readonly Hit[]): boolean {
  const heads = [task.head, ...task.otherHeads];
  for (const { head, nonce } of hits) {
    const digest = hash('sha256', Buffer.concat([heads[head] ?? task.head, Buffer.from(nonce)]), 'hex');
    const zeros = trailingZeros(digest);
    if (zeros >= task.shareDifficulty) {
      report({ type: 'hit', epoch: task.epoch, head, nonce, hash: digest });
      if (zeros >= task.difficulty) return true;
    } else {
      replaceKernel('found a nonce that is none');
      return false;
    }
  }
  return false;
}

/** Works on a task until its time is over, its work is no longer the current one, or a block is found. */
export default function run(task: SearchTask): SearchReport {
  let tried = 0;
  let now = performance.now();
  const end = now + task.milliseconds;
  while (now < end && Atomics.load(shared, EPOCH) === task.epoch) {
    const slice = searchSlice(task);
    if (slice === undefined) continue;
    tried += slice.tried;
    if (slice.exhausted) current = undefined;
    const before = now;
    now = performance.now();
    const perMillisecond = slice.tried / Math.max(now - before, 0.001);
    sliceNonces = Math.max(1, Math.min(Math.round(SLICE * perMillisecond), 2 * sliceNonces));
    if (check(task, slice.found)) break;
  }
  return { tried };
}

// Not before whoever loads this module has done with it.
queueMicrotask(() => {
  report({ type: 'loaded', thread: threadId });
});
