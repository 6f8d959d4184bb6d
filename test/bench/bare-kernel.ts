/** The bare kernel on several threads, each in a loop that does nothing else: what a miner is compared with. */
import { once } from 'node:events';
import { Worker, isMainThread, workerData } from 'node:worker_threads';

import { chooseKernel } from '../../miner/kernel/registry.ts';

/** Zeros that nobody finds. */
const NEVER = 30;
/** What the threads are told, in the first shared number. */
const ORDER = { rest: 0n, work: 1n, end: 2n };
/** First and last length of a slice in nonces: compilers optimise between calls; once they have, calls cost nothing. */
const SLICE = { first: 256, last: 2 ** 16 };
interface Setup {
  readonly shared: SharedArrayBuffer;
  /** Where in the shared numbers this thread counts its nonces. */
  readonly place: number;
  readonly head: Uint8Array;
  readonly noncePrefix: string;
}

/** Threads that rest until they are to work. */
export class BareKernel {
  readonly #numbers: BigInt64Array;
  readonly #threads: Worker[];

  constructor(threads: number, head: Uint8Array, noncePrefix: string) {
    const shared = new SharedArrayBuffer((1 + threads) * BigInt64Array.BYTES_PER_ELEMENT);
    this.#numbers = new BigInt64Array(shared);
    this.#threads = Array.from(
      { length: threads },
      (_, i) =>
        new Worker(new URL(import.meta.url), {
          workerData: { shared, place: 1 + i, head, noncePrefix } satisfies Setup,
        }),
    );
  }

  setWorking(working: boolean): void {
    this.#order(working ? ORDER.work : ORDER.rest);
  }

  /** Nonces tried so far. */
  get tried(): number {
    return this.#threads.reduce((sum, _, i) => sum + Number(Atomics.load(this.#numbers, 1 + i)), 0);
  }

  async close(): Promise<void> {
    const ends = this.#threads.map((thread) => once(thread, 'exit'));
    this.#order(ORDER.end);
    await Promise.all(ends);
  }

  #order(order: bigint): void {
    Atomics.store(this.#numbers, 0, order);
    Atomics.notify(this.#numbers, 0);
  }
}

function work({ shared, place, head, noncePrefix }: Setup): void {
  const numbers = new BigInt64Array(shared);
  const search = chooseKernel('auto').kernel.search({ head, noncePrefix, difficulty: NEVER });
  let slice = SLICE.first;
  for (;;) {
    Atomics.wait(numbers, 0, ORDER.rest);
    if (Atomics.load(numbers, 0) === ORDER.end) return;
    const { tried } = search.run(slice);
    Atomics.add(numbers, place, BigInt(tried));
    slice = Math.min(2 * slice, SLICE.last);
  }
}

// This module is also the program of its threads.
if (!isMainThread && (workerData as Partial<Setup> | null)?.place !== undefined) work(workerData as Setup);
