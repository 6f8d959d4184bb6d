/**
 * Many seeds on all cores. Outcomes are put together in the order of the seeds, so that a campaign tells the same
 * however many workers there are and whichever is faster.
 */
import { Piscina } from 'piscina';

import { messageOf } from '../../shared/errors.ts';
import {
  addSums,
  DONE,
  EVENTS,
  FAILED,
  LIMIT,
  NO_SUMS,
  SHARED_NUMBERS,
  type CampaignSetup,
  type SeedBatch,
  type SeedOutcome,
  type Sums,
} from './campaign-task.ts';
import type { Violation } from './report.ts';
import type { Plan } from './settings.ts';
import { Digest } from './trace.ts';

/** Seeds that a worker is given at a time, at most: so few that the last ones don't keep the others waiting. */
const MAX_BATCH = 16;
/** Batches for each worker, at the least, where there are seeds enough. */
const MIN_BATCHES = 8;
/** Failures told one by one; more are only counted. */
const MAX_FAILURES = 100;
/** Below every seed. */
const NONE = -1n;

export interface CampaignOptions {
  /** The name of the engine. */
  readonly engine: string;
  readonly plan: Plan;
  readonly seeds: { readonly from: number; readonly to: number };
  /** Whether to go on after a seed that failed; otherwise only the seeds below it count. */
  readonly keepGoing: boolean;
  /** How many threads, from 1. */
  readonly workers: number;
  /** The file that they run. */
  readonly worker?: URL;
}

/** A seed that failed. */
export interface Failure {
  readonly seed: number;
  readonly violations: readonly Violation[];
}

/** What a campaign tells at its end: plain data, the same for the same seeds and plan. */
export interface CampaignResult {
  /** False if it was stopped before its end; a failure that it was to stop at is an end. */
  readonly complete: boolean;
  /** Seeds that were run and count. */
  readonly seeds: number;
  /** How many failed. */
  readonly failed: number;
  /** The first of them. */
  readonly failures: readonly Failure[];
  readonly sums: Sums;
  /** Digest of all digests; null if it is not complete. */
  readonly digest: string | null;
}

type Pool = Piscina<SeedBatch, SeedOutcome[]>;

function workerFile(): URL {
  const file = import.meta.url.endsWith('.ts') ? './campaign-worker.ts' : './campaign-worker.js';
  return new URL(file, import.meta.url);
}

export class Campaign {
  readonly #options: CampaignOptions;
  readonly #setup: CampaignSetup;
  readonly #numbers: BigInt64Array;
  readonly #batchSize: number;
  /** First seeds of batches that are done, with their outcomes, and wait for the seeds before them. */
  readonly #waiting = new Map<number, readonly SeedOutcome[]>();
  readonly #digest = new Digest();
  readonly #failures: Failure[] = [];
  /** The first seed that no worker was given yet, and the first whose batch was not counted yet. */
  #given: number;
  #counted: number;
  #sums = NO_SUMS;
  #seeds = 0;
  #failed = 0;
  /** A failure has ended it. */
  #ended = false;
  #stopped = false;

  constructor(options: CampaignOptions) {
    this.#options = options;
    const { from, to } = options.seeds;
    const share = Math.floor((to - from + 1) / (options.workers * MIN_BATCHES));
    this.#batchSize = Math.max(1, Math.min(MAX_BATCH, share));
    this.#setup = { shared: new SharedArrayBuffer(SHARED_NUMBERS * BigInt64Array.BYTES_PER_ELEMENT) };
    this.#numbers = new BigInt64Array(this.#setup.shared);
    this.#numbers[LIMIT] = BigInt(to);
    this.#given = this.#counted = from;
  }

  /** How far it is, as of now. */
  progress(): { readonly seeds: number; readonly failed: number; readonly events: number } {
    const read = (place: number): number => Number(Atomics.load(this.#numbers, place));
    return { seeds: read(DONE), failed: read(FAILED), events: read(EVENTS) };
  }

  /** Ends it within a moment; seeds that are not done don't count. */
  stop(): void {
    this.#stopped = true;
    Atomics.store(this.#numbers, LIMIT, NONE);
  }

  /**
   * Runs it; to be called once.
   *
   * @throws Error that names the seeds if a worker dies over them
   */
  async run(): Promise<CampaignResult> {
    const workers = Array.from({ length: this.#options.workers }, () => this.#work());
    const ends = await Promise.allSettled(workers);
    const broken = ends.find((end) => end.status === 'rejected');
    if (broken !== undefined) throw broken.reason;
    // Only a campaign that was stopped has gaps.
    for (const [, outcomes] of [...this.#waiting].sort(([one], [other]) => one - other)) this.#add(outcomes);
    return {
      complete: !this.#stopped,
      seeds: this.#seeds,
      failed: this.#failed,
      failures: this.#failures,
      sums: this.#sums,
      digest: this.#stopped ? null : this.#digest.hex,
    };
  }

  /** The next seeds for a worker, undefined if there are no more. */
  #next(): { readonly from: number; readonly to: number } | undefined {
    const from = this.#given;
    const { to } = this.#options.seeds;
    if (from > to || from > Number(Atomics.load(this.#numbers, LIMIT))) return undefined;
    this.#given += this.#batchSize;
    return { from, to: Math.min(to, this.#given - 1) };
  }

  /** One worker, from its first batch to its last. */
  async #work(): Promise<void> {
    let batch = this.#next();
    if (batch === undefined) return;
    const { engine, plan, keepGoing } = this.#options;
    // A pool for each worker, so that we know whose seeds it died over. It starts no thread but for a batch: one that
    // is stopped while it loads its code makes Node 20 abort the process.
    const pool: Pool = new Piscina({
      filename: (this.#options.worker ?? workerFile()).href,
      minThreads: 0,
      maxThreads: 1,
      idleTimeout: Infinity,
      recordTiming: false,
      workerData: this.#setup,
    });
    const death = new Promise<never>((_, reject) => {
      pool.once('error', reject);
      // One that ends while it loads its code fails no batch. Where there is a reason, it comes first.
      pool.once('workerDestroy', () => setImmediate(reject, new Error('it ended')));
    });
    death.catch(() => undefined);
    try {
      for (; batch !== undefined; batch = this.#next()) {
        const outcomes = pool.run({ engine, plan, ...batch, keepGoing });
        this.#take(batch.from, await Promise.race([outcomes, death]));
      }
    } catch (error) {
      this.stop();
      const seeds = `${batch?.from}..${batch?.to}`;
      throw new Error(`a worker failed over seeds ${seeds}: ${messageOf(error)}`, { cause: error });
    } finally {
      await pool.destroy();
    }
  }

  /** Counts the outcomes of a batch when all before it are counted. */
  #take(from: number, outcomes: readonly SeedOutcome[]): void {
    this.#waiting.set(from, outcomes);
    for (;;) {
      const next = this.#waiting.get(this.#counted);
      if (next === undefined || this.#stopped) return;
      this.#waiting.delete(this.#counted);
      this.#counted += this.#batchSize;
      this.#add(next);
    }
  }

  #add(outcomes: readonly SeedOutcome[]): void {
    for (const { seed, digest, violations, sums } of outcomes) {
      if (this.#ended) return;
      this.#seeds++;
      this.#sums = addSums(this.#sums, sums);
      this.#digest.text(`${seed} ${digest}`);
      if (violations.length === 0) continue;
      this.#failed++;
      if (this.#failures.length < MAX_FAILURES) this.#failures.push({ seed, violations });
      this.#ended = !this.#options.keepGoing;
    }
  }
}
