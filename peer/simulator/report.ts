/** What a simulation reports at its end: plain data, fit for JSON, the same for the same seed. */
import { messageOf } from '../../shared/errors.ts';
import type { PartitionKind } from './faults.ts';
import type { DropReason } from './network.ts';
import type { Drawn } from './settings.ts';

/** One number with its name. */
export interface Figure {
  readonly title: string;
  readonly value: number;
  readonly unit: string;
  /** False for what means nothing when it is added up over runs, such as a height: of them the greatest is shown. */
  readonly additive?: boolean;
}

/** How many of the values are at least `from` and less than `to`. */
export interface Bucket {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** How something that was measured often is spread. */
export interface Distribution {
  readonly title: string;
  readonly unit: string;
  readonly count: number;
  readonly least: number;
  readonly median: number;
  readonly p90: number;
  readonly p99: number;
  readonly most: number;
  /** From the least value to the most, without gaps. */
  readonly buckets: readonly Bucket[];
}

/** Columns of one node, in the order in which they are shown. */
export type NodeRow = Readonly<Record<string, string | number>>;

/** Something that does not hold although it must. */
export interface Violation {
  readonly checker: string;
  readonly kind: 'safety' | 'liveness';
  /** Simulated seconds since the start. */
  readonly at: number;
  /** Index of the node; null if it is nobody's in particular. */
  readonly node: number | null;
  readonly detail: string;
}

/** The checker that codecs, checkers, users, miners and Byzantine nodes are under: the engine has one of its own. */
export const NOTHING_THROWS = 'nothing around the engine throws';
/** Lines of a stack that say enough: the message, and the innermost calls. */
const STACK_LINES = 4;

/** What was thrown, as the detail of a violation: in one line, with the head of its stack. */
export function thrownDetail(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? error.message) : messageOf(error);
  return stack.split('\n').slice(0, STACK_LINES).join(' ');
}

/** One checker and what it found. `reached` is when a goal was reached, in simulated seconds after healing. */
export interface Verdict {
  readonly checker: string;
  readonly kind: 'safety' | 'liveness';
  readonly result: 'held' | 'violated' | 'not reached';
  readonly reached?: number;
}

/** A fault and how long it lasted, in simulated seconds since the start. */
export interface FaultSpan {
  readonly kind: string;
  readonly from: number;
  readonly to: number;
  /** Whom it hit. */
  readonly nodes: readonly number[];
}

/** What an engine's nodes have in common where they agree, and what it means if they have several of it. */
export interface TipWords {
  /** In the plural: "branches". */
  readonly name: string;
  readonly title: string;
  readonly caption: string;
}

/** How far each node had got, over time. */
export interface Timeline {
  /** Simulated seconds of the samples. */
  readonly seconds: readonly number[];
  /** For each node, its progress at each of them. */
  readonly progress: readonly (readonly number[])[];
  /** How many different tips the honest nodes that were up had: the most at the same time since the sample before. */
  readonly tips: readonly number[];
  readonly tipWords: TipWords;
  readonly faults: readonly FaultSpan[];
  /** Faults that came after those, and are left out. */
  readonly furtherFaults: number;
  /** When everything healed, in simulated seconds. */
  readonly healedAt: number;
}

export interface RunReport {
  readonly engine: string;
  readonly progressName: string;
  readonly seed: number;
  readonly settings: Drawn;
  readonly violations: readonly Violation[];
  readonly verdicts: readonly Verdict[];
  /** Events handled: messages, timers, continuations, requests, faults. */
  readonly events: number;
  readonly simulatedSeconds: number;
  readonly network: {
    readonly sent: number;
    readonly delivered: number;
    readonly malformed: number;
    readonly duplicated: number;
    readonly reordered: number;
    readonly heldBack: number;
    readonly dropped: Readonly<Partial<Record<DropReason, number>>>;
    readonly byType: Readonly<Record<string, { readonly sent: number; readonly delivered: number }>>;
  };
  readonly faults: {
    readonly partitions: number;
    readonly partitionsByKind: Readonly<Record<PartitionKind, number>>;
    readonly crashes: number;
    /** Of these, in the midst of carrying out a step. */
    readonly crashesMidStep: number;
    readonly lostWrites: number;
    readonly tornWrites: number;
    readonly replaced: number;
  };
  readonly figures: readonly Figure[];
  readonly distributions: readonly Distribution[];
  readonly nodes: readonly NodeRow[];
  readonly timeline: Timeline | null;
  /** Digest of everything that happened, 16 hex digits. */
  readonly digest: string;
}

/** Whether every checker held. */
export function passed(report: Pick<RunReport, 'violations'>): boolean {
  return report.violations.length === 0;
}

/** Faults that messages met: lost, doubled, reordered, held back, stopped by a partition. */
export function messageFaults({ network }: Pick<RunReport, 'network'>): number {
  const { loss = 0, partition = 0, bandwidth = 0, clogged = 0 } = network.dropped;
  return loss + partition + bandwidth + clogged + network.duplicated + network.reordered + network.heldBack;
}

/** Whole numbers that are spread no wider than that have a bucket each. */
const MAX_WHOLE_BUCKETS = 24;
/** Other buckets: how many to each power of ten, and how many powers of ten below the greatest value. */
const BUCKETS_PER_DECADE = 5;
const DECADES = 5;

/** Describes how numbers are spread; all zero if there are none. */
export function distribution(title: string, unit: string, values: readonly number[]): Distribution {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
  return {
    title,
    unit,
    count: sorted.length,
    least: at(0),
    median: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    most: at(1),
    buckets: buckets(sorted),
  };
}

/** The bucket of a positive value, of {@link BUCKETS_PER_DECADE} for each power of ten. */
function bucketOf(value: number): number {
  // eslint-disable-next-line walls/replay -- only a report is made of it: no run depends on the last bit
  return Math.floor(Math.log10(value) * BUCKETS_PER_DECADE);
}

/** Counts ascending values: whole ones that are near each other one by one, others in steps that grow with them. */
function buckets(sorted: readonly number[]): Bucket[] {
  const [least] = sorted;
  const most = sorted.at(-1);
  if (least === undefined || most === undefined) return [];
  const edges: number[] = [];
  if (most - least < MAX_WHOLE_BUCKETS && sorted.every((value) => Number.isInteger(value))) {
    for (let edge = least; edge <= most + 1; edge++) edges.push(edge);
  } else {
    const last = bucketOf(Math.max(most, Number.MIN_VALUE)) + 1;
    const positive = sorted.find((value) => value > 0) ?? 1;
    const first = Math.max(last - BUCKETS_PER_DECADE * DECADES, bucketOf(positive));
    for (let power = first; power <= last; power++) {
      edges.push(Number((10 ** (power / BUCKETS_PER_DECADE)).toPrecision(2)));
    }
    // Rounded edges, and values that are too small for so many powers of ten.
    edges[0] = Math.min(edges[0] ?? 0, least);
    if (most >= (edges.at(-1) ?? 0)) edges.push(most * 2);
  }
  const counted: Bucket[] = [];
  let place = 0;
  for (const [index, from] of edges.slice(0, -1).entries()) {
    const to = edges[index + 1] ?? Infinity;
    const before = place;
    while (place < sorted.length && (sorted[place] ?? Infinity) < to) place++;
    counted.push({ from, to, count: place - before });
  }
  return counted;
}
