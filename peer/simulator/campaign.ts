/**
 * Many seeds on all cores. Outcomes are put together in the order of the seeds, so that a campaign reports the same
 * however many workers there are and whichever is faster.
 */
import { Piscina } from 'piscina';

import { messageOf } from '../../shared/errors.ts';
import {
  addSums,
  DONE,
  EVENTS,
  FAILED,
  higherPeaks,
  LIMIT,
  NO_SUMS,
  SHARED_NUMBERS,
  type CampaignSetup,
  type Peaks,
  type SeedOutcome,
  type SeedTask,
  type Sums,
} from './campaign-task.ts';
import type { Violation } from './report.ts';
import type { Plan } from './settings.ts';
import { Digest } from './trace.ts';

/** Failures reported with all their details; of more only the seeds are. */
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
  /** Notified of every failure of a campaign that goes on, as soon as it is found. */
  readonly onFailure?: (failure: Failure) => void;
  /** How many threads, from 1. */
  readonly workers: number;
  /** The file that they run: a {@link SeedRunner} over the engines that there are. */
  readonly worker: URL;
}

/** A seed that failed. */
export interface Failure {
  readonly seed: number;
  readonly violations: readonly Violation[];
}

/** A seed over which a worker died. */
export interface Death {
  readonly seed: number;
  readonly reason: string;
}

/** What a campaign reports at its end: plain data, the same for the same seeds and plan. */
export interface CampaignResult {
  /** False if it was stopped, or a worker died, before its end; a failure that it was to stop at is an end. */
  readonly complete: boolean;
  /** Seeds that were run and count. */
  readonly seeds: number;
  /** How many failed. */
  readonly failed: number;
  /** The first of them. */
  readonly failures: readonly Failure[];
  /** The seeds of the others. */
  readonly furtherFailures: readonly number[];
  /** Seeds that ended it because a worker died over them; they don't count. */
  readonly deaths: readonly Death[];
  readonly sums: Sums;
  readonly peaks: Peaks;
  /** The highest seed that counts; null if none does. */
  readonly counted: number | null;
  /** The first seed of a campaign that was stopped which was not done; null if it has come to its end. */
  readonly next: number | null;
  /** Events of seeds that were not done when it was stopped. */
  readonly unfinishedEvents: number;
  /** Digest of all digests; null if it is not complete. */
  readonly digest: string | null;
}

type Pool = Piscina<SeedTask, SeedOutcome | undefined>;

export class Campaign {
  readonly #options: CampaignOptions;
  readonly #setup: CampaignSetup;
  readonly #numbers: BigInt64Array;
  /** Outcomes that wait for those of the seeds before them. */
  readonly #waiting = new Map<number, SeedOutcome>();
  readonly #digest = new Digest();
  readonly #failures: Failure[] = [];
  readonly #furtherFailures: number[] = [];
  readonly #deaths: Death[] = [];
  /** The first seed that no worker was given yet, and the first that was not counted yet. */
  #given: number;
  #counted: number;
  #sums = NO_SUMS;
  #peaks: Peaks = {};
  #seeds = 0;
  #last: number | null = null;
  /** A failure has ended it. */
  #ended = false;
  #stopped = false;

  constructor(options: CampaignOptions) {
    this.#options = options;
    const { from, to } = options.seeds;
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

  /** Runs it; to be called once. */
  async run(): Promise<CampaignResult> {
    await Promise.all(Array.from({ length: this.#options.workers }, () => this.#work()));
    // Only a campaign that was stopped has gaps.
    const left = [...this.#waiting.values()].sort((one, other) => one.seed - other.seed);
    for (const outcome of left) {
      if (outcome.seed === this.#counted) this.#counted++;
      this.#add(outcome);
    }
    const next = this.#counted <= this.#options.seeds.to ? this.#counted : null;
    return {
      complete: !this.#stopped,
      seeds: this.#seeds,
      failed: this.#failures.length + this.#furtherFailures.length,
      failures: this.#failures,
      furtherFailures: this.#furtherFailures,
      deaths: this.#deaths.sort((one, other) => one.seed - other.seed),
      sums: this.#sums,
      peaks: this.#peaks,
      counted: this.#last,
      next: this.#stopped ? next : null,
      unfinishedEvents: this.#stopped ? this.progress().events - this.#sums.events : 0,
      digest: this.#stopped ? null : this.#digest.hex,
    };
  }

  /** The next seed for a worker, undefined if there are no more. */
  #next(): number | undefined {
    const seed = this.#given;
    if (seed > this.#options.seeds.to || seed > Number(Atomics.load(this.#numbers, LIMIT))) return undefined;
    this.#given++;
    return seed;
  }

  /** One worker, from its first seed to its last. */
  async #work(): Promise<void> {
    const first = this.#next();
    if (first === undefined) return;
    const { engine, plan, keepGoing } = this.#options;
    // A pool for each worker, so that we know which seed it died over. It starts no thread but for a seed: one that is
    // stopped while it loads its code makes Node 20 abort the process.
    const pool: Pool = new Piscina({
      filename: this.#options.worker.href,
      minThreads: 0,
      maxThreads: 1,
      idleTimeout: Infinity,
      recordTiming: false,
      workerData: this.#setup,
    });
    const death = new Promise<never>((_, reject) => {
      pool.once('error', reject);
      // One that ends while it loads its code fails no seed. Where there is a reason, it comes first.
      pool.once('workerDestroy', () => setImmediate(reject, new Error('it ended')));
    });
    death.catch(() => undefined);
    for (let seed: number | undefined = first; seed !== undefined; seed = this.#next()) {
      try {
        this.#take(await Promise.race([pool.run({ engine, plan, seed, keepGoing }), death]));
      } catch (error) {
        // Whatever killed this one may kill them all, as a worker does that can't be loaded.
        this.stop();
        this.#deaths.push({ seed, reason: messageOf(error) });
      }
    }
    await pool.destroy();
  }

  /** Counts an outcome when all before it are counted. */
  #take(outcome: SeedOutcome | undefined): void {
    // Seeds that are not wanted any more lie above all that count.
    if (outcome === undefined) return;
    const { seed, violations } = outcome;
    if (this.#options.keepGoing && violations.length > 0) this.#options.onFailure?.({ seed, violations });
    this.#waiting.set(seed, outcome);
    for (;;) {
      const next = this.#waiting.get(this.#counted);
      if (next === undefined || this.#stopped) return;
      this.#waiting.delete(this.#counted);
      this.#counted++;
      this.#add(next);
    }
  }

  #add({ seed, digest, violations, sums, peaks }: SeedOutcome): void {
    if (this.#ended) return;
    this.#seeds++;
    this.#last = seed;
    this.#sums = addSums(this.#sums, sums);
    this.#peaks = higherPeaks(this.#peaks, peaks);
    this.#digest.text(`${seed} ${digest}`);
    if (violations.length === 0) return;
    if (this.#failures.length < MAX_FAILURES) this.#failures.push({ seed, violations });
    else this.#furtherFailures.push(seed);
    this.#ended = !this.#options.keepGoing;
  }
}
