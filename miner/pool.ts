import { EventEmitter } from 'node:events';
import type { Worker } from 'node:worker_threads';

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
/**
 * Tasks that each worker has: one it works on and one that waits beside it, so that it is never idle, however late
 * this thread hears of the end of the first.
 */
const TASKS_PER_WORKER = 2;
/**
 * Most tasks that a worker may have with those of works that were replaced before it looked: it is given the new ones
 * at once, and goes over to them without waiting for this thread. The old ones end as soon as they begin.
 */
const MAX_TASKS_PER_WORKER = 8;
/** Pause before the tasks of a crashed worker are handed out again, in milliseconds. */
const CRASH_PAUSE = 100;
/** After so many tasks lost for each worker, with none done between them, the workers can't work here at all. */
const MAX_CRASHES = 10;
/** How long a thread that is to end may take to load its code first, in milliseconds; it takes a tenth of a second. */
const LOAD_PATIENCE = 10_000;
/** A crash is reported at most this often, in milliseconds. */
const WARN_INTERVAL = 10_000;
/** Works whose hits are still taken after the work was replaced: a hit may be on its way. */
const REMEMBERED_WORKS = 4;

/** From this many zeros a hash is reported, to show that the search works. */
function shareDifficulty(difficulty: number): number {
  // Some thousands for each block, but so rare that looking at them costs nothing.
  return Math.max(1, Math.min(difficulty, Math.max(4, difficulty - 3)));
}

/** What a pool searches. */
export interface PoolWork {
  /** Everything that is hashed before the nonce. */
  readonly head: Uint8Array;
  /** What it may be replaced by, if the search gains by it: as long, and all different. */
  readonly otherHeads?: readonly Uint8Array[];
  readonly noncePrefix: string;
  /** Zeros that a block's hash ends in. */
  readonly difficulty: number;
}

export interface PoolOptions {
  /** Number of workers, from 1. */
  readonly processes: number;
  readonly kernel: KernelChoice;
  /** How far the workers stand back behind other programs, from 0 (not at all) to 19; only Linux can do it. */
  readonly niceness?: number;
  /** The file that the workers run. */
  readonly worker?: URL;
  /** Length of a task in milliseconds. */
  readonly taskTime?: number;
}

/** What one worker has done. */
export interface WorkerStats {
  /** No other worker of the pool ever has the same. */
  readonly id: number;
  /** Nonces tried since it was started. */
  readonly tried: number;
}

export interface PoolStats {
  /** Nonces tried since the start, also by workers that are gone. */
  readonly tried: number;
  readonly workers: readonly WorkerStats[];
  /** Whether the search rests by request. */
  readonly paused: boolean;
  /** Hashes found that are almost or fully good enough for a block. */
  readonly shares: number;
  /** The hash with the most zeros at its end, `''` before the first share. */
  readonly bestHash: string;
  /** Tasks that were lost because their worker crashed. */
  readonly crashes: number;
}

/** `W` is what the owner calls a work: a block that was found comes with the one it was found for. */
export interface PoolEvents<W> {
  /**
   * A nonce whose hash is good enough for a block. `head` says which head it was found with: 0 is the work's `head`,
   * i the i-th of `otherHeads`, counted from 1.
   */
  found: [work: W, nonce: string, hash: string, head: number];
  /** Something a person should know; the search goes on. */
  trouble: [message: string];
  /** The workers can't work; nothing is searched any more. */
  failed: [error: Error];
}

function workerFile(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './search.ts' : './search.js', import.meta.url);
}

/**
 * One worker: a thread pool of one, so that we know whose a task is, and can start and end workers one by one while
 * the others go on.
 */
interface PoolWorker {
  readonly id: number;
  threads: Piscina<SearchTask, SearchReport>;
  /** Tasks that it has and has not answered. */
  outstanding: number;
  /** How many of them are for the current epoch. */
  current: number;
  tried: number;
}

/**
 * A pool of workers that search nonces for one work at a time. A worker that crashes is replaced.
 */
export class MiningPool<W extends PoolWork> extends EventEmitter<PoolEvents<W>> {
  readonly #worker: URL;
  readonly #taskTime: number;
  readonly #setup: WorkerSetup;
  readonly #numbers: Int32Array;
  readonly #workers: PoolWorker[] = [];
  /** Workers that get no more tasks and are ended when they have answered those that they have. */
  readonly #leaving = new Set<PoolWorker>();
  #workersStarted = 0;
  /** Threads that have reported that they are loaded. */
  readonly #loaded = new WeakSet<Worker>();
  /** The last works, by their epoch, oldest first. */
  readonly #works = new Map<number, W>();
  #work: W | null = null;
  #paused = false;
  #crashesInARow = 0;
  /** Monotonic time of the last warning of a crash. */
  #warnedAt = -Infinity;
  #failed = false;
  #closed = false;
  #tried = 0;
  #shares = 0;
  #bestHash = '';
  #crashes = 0;

  constructor(options: PoolOptions) {
    super();
    this.#worker = options.worker ?? workerFile();
    this.#taskTime = options.taskTime ?? TASK_TIME;
    const shared = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT);
    this.#numbers = new Int32Array(shared);
    this.#setup = { shared, kernel: options.kernel, niceness: options.niceness ?? 0 };
    this.setProcesses(options.processes);
  }

  /** Replaces the work at once; null lets the workers rest. */
  setWork(work: W | null): void {
    if (this.#closed || this.#failed) return;
    this.#work = work;
    this.#renew();
  }

  /** Lets the workers rest, whatever the work, or go on with the work there is by then. */
  setPaused(paused: boolean): void {
    if (this.#closed || paused === this.#paused) return;
    this.#paused = paused;
    this.#renew();
  }

  /** How many workers there are. */
  get processes(): number {
    return this.#workers.length;
  }

  /** Starts or ends workers until there are so many, from 1; the others go on. */
  setProcesses(processes: number): void {
    if (this.#closed) return;
    while (this.#workers.length < processes) this.#workers.push(this.#startWorker());
    const leaving = this.#workers.splice(processes);
    for (const worker of leaving) this.#leaving.add(worker);
    // Whoever leaves is to drop its tasks, but what it has tried and found by now counts.
    if (leaving.length > 0) this.#renew();
    for (const worker of leaving) this.#endIfDone(worker);
    this.#fillAll();
  }

  stats(): PoolStats {
    return {
      tried: this.#tried,
      workers: this.#workers.map(({ id, tried }) => ({ id, tried })),
      paused: this.#paused,
      shares: this.#shares,
      bestHash: this.#bestHash,
      crashes: this.#crashes,
    };
  }

  /** Ends all workers. */
  async close(): Promise<void> {
    this.setWork(null);
    this.#closed = true;
    await Promise.all([...this.#workers, ...this.#leaving].map(({ threads }) => this.#endThread(threads)));
  }

  #startWorker(): PoolWorker {
    return { id: this.#workersStarted++, threads: this.#startThread(), outstanding: 0, current: 0, tried: 0 };
  }

  #startThread(): Piscina<SearchTask, SearchReport> {
    const threads = new Piscina<SearchTask, SearchReport>({
      filename: this.#worker.href,
      minThreads: 1,
      maxThreads: 1,
      concurrentTasksPerWorker: MAX_TASKS_PER_WORKER,
      taskQueue: new FixedQueue(),
      recordTiming: false,
      workerData: this.#setup,
    });
    threads.on('message', (message: WorkerMessage) => {
      if (message.type !== 'loaded') this.#hear(message);
      else
        for (const thread of threads.threads)
          if (thread.threadId === message.thread) this.#loaded.add(thread);
    });
    threads.on('error', (error) => {
      // The worker ended before it had a task. Piscina replaces such a one when there is a task for it, but gives up
      // on one that can't even start.
      if (this.#workers.every((worker) => worker.threads.threads.length === 0)) this.#fail(error);
      else this.#warn(error);
    });
    return threads;
  }

  /**
   * Ends a thread, but not while it loads its code: a module that is stopped halfway makes Node 20 abort the whole
   * process.
   */
  async #endThread(threads: Piscina<SearchTask, SearchReport>): Promise<void> {
    const loading = threads.threads.filter((thread) => !this.#loaded.has(thread));
    await Promise.all(
      loading.map((thread) => {
        return new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, LOAD_PATIENCE);
          const done = (): void => {
            clearTimeout(timer);
            resolve();
          };
          thread.once('exit', done);
          thread.on('message', () => {
            if (this.#loaded.has(thread)) done();
          });
        });
      }),
    );
    await threads.destroy();
  }

  /** Ends a leaving worker that has nothing left to answer. */
  #endIfDone(worker: PoolWorker): void {
    if (worker.outstanding > 0 || !this.#leaving.has(worker)) return;
    void this.#endThread(worker.threads).then(() => {
      this.#leaving.delete(worker);
    });
  }

  /** Makes every worker drop what it does, and hands out tasks for the work there is. */
  #renew(): void {
    const epoch = Atomics.add(this.#numbers, EPOCH, 1) + 1;
    for (const worker of this.#workers) worker.current = 0;
    if (this.#work !== null) this.#works.set(epoch, this.#work);
    for (const old of this.#works.keys()) {
      if (this.#works.size <= REMEMBERED_WORKS) break;
      this.#works.delete(old);
    }
    this.#fillAll();
  }

  #fillAll(): void {
    for (const worker of this.#workers) this.#fill(worker);
  }

  /** Hands out tasks until a worker has enough. */
  #fill(worker: PoolWorker): void {
    const work = this.#work;
    if (work === null || this.#paused || this.#closed || !this.#workers.includes(worker)) return;
    const epoch = Atomics.load(this.#numbers, EPOCH);
    const answered = (): void => {
      worker.outstanding--;
      if (epoch === Atomics.load(this.#numbers, EPOCH)) worker.current--;
    };
    while (worker.current < TASKS_PER_WORKER && worker.outstanding < MAX_TASKS_PER_WORKER) {
      worker.outstanding++;
      worker.current++;
      worker.threads
        .run({
          epoch,
          head: work.head,
          otherHeads: work.otherHeads ?? [],
          noncePrefix: work.noncePrefix,
          difficulty: work.difficulty,
          shareDifficulty: shareDifficulty(work.difficulty),
          milliseconds: this.#taskTime,
        })
        .then(
          ({ tried }) => {
            answered();
            worker.tried += tried;
            this.#tried += tried;
            this.#crashesInARow = 0;
            this.#fill(worker);
            this.#endIfDone(worker);
          },
          (error: unknown) => {
            answered();
            this.#crashed(worker, error);
            this.#endIfDone(worker);
          },
        );
    }
  }

  /** A task was lost because its worker crashed. */
  #crashed(worker: PoolWorker, error: unknown): void {
    // Closing ends the workers in the middle of their tasks.
    if (this.#closed) return;
    this.#crashes++;
    if (++this.#crashesInARow > MAX_CRASHES * this.#workers.length) {
      this.#fail(error);
      return;
    }
    this.#warn(error);
    setTimeout(() => {
      // Piscina replaces a thread that has ended, but not one that fails at everything.
      if (worker.outstanding === 0 && this.#workers.includes(worker) && !this.#closed) {
        void this.#endThread(worker.threads);
        worker.threads = this.#startThread();
      }
      this.#fill(worker);
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

  #hear(message: Exclude<WorkerMessage, { type: 'loaded' }>): void {
    if (message.type === 'fault') {
      this.emit('trouble', `the ${message.kernel} kernel ${message.problem}, and is replaced`);
      return;
    }
    const { epoch, head, nonce, hash } = message;
    this.#shares++;
    if (this.#bestHash === '' || trailingZeros(hash) > trailingZeros(this.#bestHash)) this.#bestHash = hash;
    const work = this.#works.get(epoch);
    if (work !== undefined && trailingZeros(hash) >= work.difficulty)
      this.emit('found', work, nonce, hash, head);
  }
}
