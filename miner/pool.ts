import { EventEmitter } from 'node:events';

import { FixedQueue, Piscina } from 'piscina';

import { trailingZeros } from '../shared/block.ts';
import { messageOf } from '../shared/errors.ts';
import type { KernelChoice } from './kernel/registry.ts';
import { EPOCH, type SearchReport, type SearchTask, type WorkerMessage, type WorkerSetup } from './task.ts';

/**
 * Length of a task in milliseconds: long enough that handing it out costs nothing, short enough that the rate shown
 * is of now. Stale work does not wait for its end.
 */
const TASK_TIME = 50;
/** Tasks that each worker has: one it works on and one that waits beside it, so that it is never idle. */
const TASKS_PER_WORKER = 2;
/** Pause before the tasks of a crashed worker are handed out again, in milliseconds. */
const CRASH_PAUSE = 100;
/** After so many tasks lost for each worker, with none done between them, the workers can't work here at all. */
const MAX_CRASHES = 10;
/** A crash is told at most this often, in milliseconds. */
const WARN_INTERVAL = 10_000;
/** Works whose hits are still taken after the work was replaced: a hit may be on its way. */
const REMEMBERED_WORKS = 4;

/** From this many zeros a hash is told of, to show that the search works. */
function shareDifficulty(difficulty: number): number {
  // Some thousands for each block, but so rare that looking at them costs nothing.
  return Math.max(1, Math.min(difficulty, Math.max(4, difficulty - 3)));
}

/** What a pool searches. */
export interface PoolWork {
  /** Everything that is hashed before the nonce. */
  readonly head: Uint8Array;
  readonly noncePrefix: string;
  /** Zeros that a block's hash ends in. */
  readonly difficulty: number;
}

export interface PoolOptions {
  /** Number of workers. */
  readonly processes: number;
  readonly kernel: KernelChoice;
  /** The file that the workers run. */
  readonly worker?: URL;
  /** Length of a task in milliseconds. */
  readonly taskTime?: number;
}

export interface PoolStats {
  /** Nonces tried since the start. */
  readonly tried: number;
  /** Hashes found that are almost or fully good enough for a block. */
  readonly shares: number;
  /** The hash with the most zeros at its end, `''` before the first share. */
  readonly bestHash: string;
  /** Tasks that were lost because their worker crashed. */
  readonly crashes: number;
}

/** `W` is what the owner calls a work: a block that was found comes with the one it was found for. */
export interface PoolEvents<W> {
  /** A nonce whose hash is good enough for a block. */
  found: [work: W, nonce: string, hash: string];
  /** Something a person should know; the search goes on. */
  trouble: [message: string];
  /** The workers can't work; nothing is searched any more. */
  failed: [error: Error];
}

function workerFile(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './search.ts' : './search.js', import.meta.url);
}

/**
 * A pool of workers that search nonces for one work at a time. A worker that crashes is replaced.
 */
export class MiningPool<W extends PoolWork> extends EventEmitter<PoolEvents<W>> {
  readonly #processes: number;
  readonly #taskTime: number;
  readonly #shared = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT);
  readonly #numbers = new Int32Array(this.#shared);
  readonly #threads: Piscina<SearchTask, SearchReport>;
  /** The last works, by their epoch, oldest first. */
  readonly #works = new Map<number, W>();
  #work: W | null = null;
  #outstanding = 0;
  #crashesInARow = 0;
  /** Monotonic time of the last warning of a crash. */
  #warnedAt = -Infinity;
  #failed = false;
  #closed = false;
  #tried = 0;
  #shares = 0;
  #bestHash = '';
  #crashes = 0;

  constructor({ processes, kernel, worker = workerFile(), taskTime = TASK_TIME }: PoolOptions) {
    super();
    this.#taskTime = taskTime;
    this.#processes = processes;
    this.#threads = new Piscina({
      filename: worker.href,
      minThreads: processes,
      maxThreads: processes,
      concurrentTasksPerWorker: TASKS_PER_WORKER,
      taskQueue: new FixedQueue(),
      recordTiming: false,
      workerData: { shared: this.#shared, kernel } satisfies WorkerSetup,
    });
    this.#threads.on('message', (message: WorkerMessage) => {
      this.#hear(message);
    });
    this.#threads.on('error', (error) => {
      // A worker ended before it had a task. Piscina replaces such a one when there is a task for it, but gives up
      // on workers that can't even start.
      if (this.#threads.threads.length === 0) this.#fail(error);
      else this.#warn(error);
    });
  }

  /** Replaces the work at once; null lets the workers rest. */
  setWork(work: W | null): void {
    if (this.#closed || this.#failed) return;
    this.#work = work;
    const epoch = Atomics.add(this.#numbers, EPOCH, 1) + 1;
    if (work !== null) this.#works.set(epoch, work);
    for (const old of this.#works.keys()) {
      if (this.#works.size <= REMEMBERED_WORKS) break;
      this.#works.delete(old);
    }
    this.#fill();
  }

  stats(): PoolStats {
    return { tried: this.#tried, shares: this.#shares, bestHash: this.#bestHash, crashes: this.#crashes };
  }

  /** Ends all workers. */
  async close(): Promise<void> {
    this.setWork(null);
    this.#closed = true;
    await this.#threads.destroy();
  }

  /** Hands out tasks until every worker has enough. */
  #fill(): void {
    const work = this.#work;
    while (work !== null && !this.#closed && this.#outstanding < this.#processes * TASKS_PER_WORKER) {
      this.#outstanding++;
      this.#threads
        .run({
          epoch: Atomics.load(this.#numbers, EPOCH),
          head: work.head,
          noncePrefix: work.noncePrefix,
          difficulty: work.difficulty,
          shareDifficulty: shareDifficulty(work.difficulty),
          milliseconds: this.#taskTime,
        })
        .then(
          ({ tried }) => {
            this.#outstanding--;
            this.#tried += tried;
            this.#crashesInARow = 0;
            this.#fill();
          },
          (error: unknown) => {
            this.#outstanding--;
            this.#crashed(error);
          },
        );
    }
  }

  /** A task was lost because its worker crashed. */
  #crashed(error: unknown): void {
    // Closing ends the workers in the middle of their tasks.
    if (this.#closed) return;
    this.#crashes++;
    if (++this.#crashesInARow > MAX_CRASHES * this.#processes) {
      this.#fail(error);
      return;
    }
    this.#warn(error);
    setTimeout(() => {
      this.#fill();
    }, CRASH_PAUSE).unref();
  }

  #warn(error: unknown): void {
    const now = performance.now();
    if (now < this.#warnedAt + WARN_INTERVAL) return;
    this.#warnedAt = now;
    this.emit('trouble', `a worker crashed and is replaced: ${messageOf(error)}`);
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#work = null;
    this.emit('failed', new Error(`the workers crash again and again: ${messageOf(error)}`));
  }

  #hear(message: WorkerMessage): void {
    if (message.type === 'false-hit') {
      this.emit('trouble', `the ${message.kernel} kernel found a nonce that is none, and is replaced`);
      return;
    }
    const { epoch, nonce, hash } = message;
    this.#shares++;
    if (this.#bestHash === '' || trailingZeros(hash) > trailingZeros(this.#bestHash)) this.#bestHash = hash;
    const work = this.#works.get(epoch);
    if (work !== undefined && trailingZeros(hash) >= work.difficulty) this.emit('found', work, nonce, hash);
  }
}
