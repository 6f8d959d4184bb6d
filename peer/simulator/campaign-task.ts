/** What a worker of a campaign is given, does and reports: it runs one seed after the other. */
import type { PartitionKind } from './faults.ts';
import { findEngine } from './plan.ts';
import type { SimulatedEngine } from './offer.ts';
import {
  messageFaults,
  NOTHING_THROWS,
  thrownDetail,
  type Figure,
  type RunReport,
  type Violation,
} from './report.ts';
import type { Plan } from './settings.ts';

/** Places of the numbers that all workers and the campaign share. */
export const [LIMIT, EVENTS, DONE, FAILED] = [0, 1, 2, 3];
export const SHARED_NUMBERS = 4;

/** What a worker is given when it starts. */
export interface CampaignSetup {
  /**
   * 64-bit numbers: seeds above the limit are not wanted, not even those that run already; then how many events were
   * handled, how many seeds are done, and how many of them failed.
   */
  readonly shared: SharedArrayBuffer;
}

/** A seed for one worker. */
export interface SeedTask {
  readonly engine: string;
  readonly plan: Plan;
  readonly seed: number;
  /** Whether seeds above one that failed are still wanted. */
  readonly keepGoing: boolean;
}

/** What is added up over the seeds of a campaign. */
export interface Sums {
  readonly simulatedSeconds: number;
  readonly events: number;
  readonly messageFaults: number;
  readonly partitions: number;
  readonly partitionsByKind: Readonly<Record<PartitionKind, number>>;
  readonly crashes: number;
  readonly crashesMidStep: number;
  readonly lostWrites: number;
  readonly tornWrites: number;
  readonly replaced: number;
  readonly byzantine: number;
  /** What the engine counts, by its title. */
  readonly figures: Readonly<Record<string, number>>;
}

/** The greatest of what the engine counts and is not to be added up, by its title. */
export type Peaks = Readonly<Record<string, number>>;

/** What became of one seed. */
export interface SeedOutcome {
  readonly seed: number;
  readonly digest: string;
  readonly violations: readonly Violation[];
  readonly sums: Sums;
  readonly peaks: Peaks;
}

/** Events between two looks at the limit: some milliseconds. */
const SLICE = 1_000;

export const NO_SUMS: Sums = {
  simulatedSeconds: 0,
  events: 0,
  messageFaults: 0,
  partitions: 0,
  partitionsByKind: { symmetric: 0, 'one-way': 0, 'isolate-one': 0, swizzle: 0 },
  crashes: 0,
  crashesMidStep: 0,
  lostWrites: 0,
  tornWrites: 0,
  replaced: 0,
  byzantine: 0,
  figures: {},
};

function valuesOf(figures: readonly Figure[]): Record<string, number> {
  return Object.fromEntries(figures.map(({ title, value }) => [title, value]));
}

function peaksOf({ figures }: RunReport): Peaks {
  return valuesOf(figures.filter(({ additive }) => additive === false));
}

function sumsOf(report: RunReport): Sums {
  const { simulatedSeconds, events, faults, settings, figures } = report;
  return {
    simulatedSeconds,
    events,
    messageFaults: messageFaults(report),
    ...faults,
    byzantine: settings.byzantine.length,
    figures: valuesOf(figures.filter(({ additive }) => additive !== false)),
  };
}

function joinRecords<T extends Readonly<Record<string, number>>>(
  one: T,
  other: T,
  join: (one: number, other: number) => number,
): T {
  const joined: Record<string, number> = { ...one };
  for (const [name, value] of Object.entries(other)) {
    const known = joined[name];
    joined[name] = known === undefined ? value : join(known, value);
  }
  // The result has the names of both.
  return joined as T;
}

export function addSums(one: Sums, other: Sums): Sums {
  const add = (one: number, other: number): number => one + other;
  const { figures, partitionsByKind, ...plain } = one;
  const { figures: moreFigures, partitionsByKind: morePartitions, ...more } = other;
  return {
    ...joinRecords(plain, more, add),
    partitionsByKind: joinRecords(partitionsByKind, morePartitions, add),
    figures: joinRecords(figures, moreFigures, add),
  };
}

export function higherPeaks(one: Peaks, other: Peaks): Peaks {
  return joinRecords(one, other, Math.max);
}

/** What a worker does with a seed: its outcome, undefined if it is not wanted any more. */
export type SeedRunner = (task: SeedTask) => SeedOutcome | undefined;

/** A worker's part of a campaign with these engines. */
export function seedRunner(engines: readonly SimulatedEngine[], { shared }: CampaignSetup): SeedRunner {
  const numbers = new BigInt64Array(shared);
  const wanted = (seed: number): boolean => seed <= Atomics.load(numbers, LIMIT);
  const run = (engine: SimulatedEngine, seed: number, plan: Plan): SeedOutcome | undefined => {
    const simulation = engine.simulate(seed, plan);
    let counted = 0;
    for (;;) {
      const over = simulation.advance(SLICE);
      Atomics.add(numbers, EVENTS, BigInt(simulation.events - counted));
      counted = simulation.events;
      if (over) break;
      if (!wanted(seed)) return undefined;
    }
    const report = simulation.report();
    const { digest, violations } = report;
    return { seed, digest, violations, sums: sumsOf(report), peaks: peaksOf(report) };
  };
  return ({ engine: name, plan, seed, keepGoing }) => {
    const engine = findEngine(name, engines);
    if (!wanted(seed)) return undefined;
    let outcome: SeedOutcome | undefined;
    try {
      outcome = run(engine, seed, plan);
    } catch (error) {
      outcome = broken(seed, error);
    }
    if (outcome === undefined) return undefined;
    Atomics.add(numbers, DONE, 1n);
    if (outcome.violations.length > 0) {
      Atomics.add(numbers, FAILED, 1n);
      if (!keepGoing) lower(numbers, seed);
    }
    return outcome;
  };
}

/** A seed that has no report, since the simulation could not even be set up. */
function broken(seed: number, error: unknown): SeedOutcome {
  const violation = { checker: NOTHING_THROWS, kind: 'safety', at: 0, node: null } as const;
  const violations = [{ ...violation, detail: thrownDetail(error) }];
  return { seed, digest: '', violations, sums: NO_SUMS, peaks: {} };
}

/** Lowers the limit to a seed, unless it is lower already. */
function lower(numbers: BigInt64Array, seed: number): void {
  for (;;) {
    const limit = Atomics.load(numbers, LIMIT);
    if (limit <= seed || Atomics.compareExchange(numbers, LIMIT, limit, BigInt(seed)) === limit) return;
  }
}
