/** What the page shows of the past, kept while the replica runs: nothing of it matters to the cluster. */
import type { ExecutedRequest, PbftNotice, PhaseTimes } from '../protocol/interface.ts';
import {
  LATENCY_BATCHES,
  MAX_REMEMBERED,
  MAX_TOLD_REQUESTS,
  RATE_STEPS,
  STEP_BATCHES,
  STEP_SECONDS,
  STEP_VALUES,
} from '../../../web/limits.ts';
import { Newest } from '../../../web/newest.ts';
import { isoTime } from '../../../../shared/time.ts';
import type {
  CheckpointJson,
  LatencyJson,
  OffenceJson,
  PerformanceJson,
  QuantilesJson,
  TransferJson,
  ViewChangeJson,
} from './schemas.ts';
import type { PbftSubject } from './subject.ts';

/** A request that was executed, where and when. */
export interface Executed {
  readonly request: ExecutedRequest;
  readonly at: number;
  readonly sequence: number;
  readonly view: number;
}

/** What happened in a step of time. */
interface Step {
  requests: number;
  batches: number;
  /** Times of the first batches. */
  readonly times: PhaseTimes[];
}

type Values = Omit<PerformanceJson, 'stepSeconds' | 'endsAt'>;

const EMPTY: Values = {
  requestsPerSecond: [],
  batchesPerSecond: [],
  prepareMs: [],
  commitMs: [],
  totalMs: [],
  totalP99Ms: [],
};

export class PbftHistory {
  readonly requests = new Newest<Executed>(MAX_TOLD_REQUESTS);
  readonly viewChanges = new Newest<ViewChangeJson>(MAX_REMEMBERED);
  readonly checkpoints = new Newest<CheckpointJson>(MAX_REMEMBERED);
  readonly divergences = new Newest<CheckpointJson>(MAX_REMEMBERED);
  readonly transfers = new Newest<TransferJson>(MAX_REMEMBERED);
  readonly offences = new Newest<OffenceJson>(MAX_REMEMBERED);
  /** Requests executed since the start. */
  executed = 0;
  readonly #now: () => number;
  readonly #latest = new Newest<PhaseTimes>(LATENCY_BATCHES);
  readonly #values = structuredClone(EMPTY);
  readonly #timer: NodeJS.Timeout;
  #step: Step = { requests: 0, batches: 0, times: [] };
  #steppedAt: number;
  /** The view that was last in force. */
  #view: number;
  /** When the view change that is under way began. */
  #changingSince = 0;

  /** @param now wall clock in milliseconds */
  constructor(subject: Pick<PbftSubject, 'status'>, now: () => number) {
    this.#now = now;
    this.#steppedAt = now();
    this.#view = subject.status().view;
    this.#timer = setInterval(() => {
      this.sample();
    }, STEP_SECONDS * 1000).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** The view change that is under way. */
  get viewChange(): ViewChangeJson | null {
    const { newest } = this.viewChanges;
    return newest?.endedAt === null ? newest : null;
  }

  /** The state that is being fetched. */
  get transfer(): TransferJson | null {
    const { newest } = this.transfers;
    return newest?.finishedAt === null ? newest : null;
  }

  onNotice(notice: PbftNotice): void {
    const at = isoTime(this.#now());
    switch (notice.kind) {
      case 'executed':
        this.#onExecuted(notice);
        break;
      case 'view-change-started':
        this.#onViewChange(notice, at);
        break;
      case 'view-entered':
        this.#onView(notice, at);
        break;
      case 'checkpoint':
        this.checkpoints.add({ at, sequence: notice.sequence, digest: notice.digest });
        break;
      case 'diverged':
        this.divergences.add({ at, sequence: notice.sequence, digest: notice.digest });
        break;
      case 'transfer-started': {
        const { sequence, executed } = notice;
        // Where the states of others went on meanwhile, it begins anew.
        const begun = { startedAt: at, sequence, executed, pages: 0, total: null, finishedAt: null };
        if (this.transfer === null) this.transfers.add(begun);
        else this.transfers.replaceNewest({ ...this.transfer, sequence, pages: 0, total: null });
        break;
      }
      case 'transfer-progress':
        this.#amendTransfer({ pages: notice.pages, total: notice.total });
        break;
      case 'transfer-finished': {
        const { sequence, pages } = notice;
        this.#amendTransfer({ sequence, pages, total: pages, finishedAt: at });
        break;
      }
      case 'offence':
        this.offences.add({ at, member: notice.member, rule: notice.rule });
        break;
      case 'answered':
        break;
    }
  }

  /** Times of the last batches; null if none went through all phases here. */
  latency(): LatencyJson | null {
    const times = this.#latest.items;
    if (times.length === 0) return null;
    const of = (phase: keyof PhaseTimes): QuantilesJson => {
      const sorted = sortedTimes(times, phase);
      return { p50: quantile(sorted, 0.5), p90: quantile(sorted, 0.9), p99: quantile(sorted, 0.99) };
    };
    return { batches: times.length, prepare: of('prepare'), commit: of('commit'), total: of('total') };
  }

  /** Requests a second, of the last steps. */
  rate(): number {
    const values = this.#values.requestsPerSecond.slice(-RATE_STEPS);
    if (values.length === 0) return 0;
    return Math.round((values.reduce((sum, value) => sum + value, 0) / values.length) * 10) / 10;
  }

  performance(): PerformanceJson {
    return { stepSeconds: STEP_SECONDS, endsAt: isoTime(this.#steppedAt), ...structuredClone(this.#values) };
  }

  /** Takes down what happened since the last time; called by itself as often as a step is long. */
  sample(): void {
    const { requests, batches, times } = this.#step;
    this.#step = { requests: 0, batches: 0, times: [] };
    this.#steppedAt = this.#now();
    const of = (phase: keyof PhaseTimes, part: number): number | null =>
      times.length === 0 ? null : quantile(sortedTimes(times, phase), part);
    const step: { readonly [Name in keyof Values]: number | null } = {
      requestsPerSecond: requests / STEP_SECONDS,
      batchesPerSecond: batches / STEP_SECONDS,
      prepareMs: of('prepare', 0.5),
      commitMs: of('commit', 0.5),
      totalMs: of('total', 0.5),
      totalP99Ms: of('total', 0.99),
    };
    for (const [name, value] of Object.entries(step)) {
      const values: (number | null)[] = this.#values[name as keyof Values];
      values.push(value);
      if (values.length > STEP_VALUES) values.shift();
    }
  }

  #onExecuted({ sequence, view, requests, phases }: Extract<PbftNotice, { kind: 'executed' }>): void {
    const at = this.#now();
    this.executed += requests.length;
    this.#step.requests += requests.length;
    this.#step.batches++;
    for (const request of requests.slice(-MAX_TOLD_REQUESTS)) {
      this.requests.add({ request, at, sequence, view });
    }
    if (phases === undefined) return;
    this.#latest.add(phases);
    if (this.#step.times.length < STEP_BATCHES) this.#step.times.push(phases);
  }

  #onViewChange({ view, reason }: Extract<PbftNotice, { kind: 'view-change-started' }>, at: string): void {
    const current = this.viewChange;
    if (current !== null) {
      this.viewChanges.replaceNewest({ ...current, view, attempts: current.attempts + 1 });
      return;
    }
    this.#changingSince = this.#now();
    this.viewChanges.add({
      ...{ startedAt: at, reason, from: this.#view, view, attempts: 1 },
      ...{ endedAt: null, tookMs: null, primary: null, carried: null },
    });
  }

  #onView({ view, primary, carried }: Extract<PbftNotice, { kind: 'view-entered' }>, at: string): void {
    const entered = { view, primary, carried, endedAt: at };
    const current = this.viewChange;
    if (current !== null) {
      const tookMs = Math.max(0, this.#now() - this.#changingSince);
      this.viewChanges.replaceNewest({ ...current, ...entered, tookMs });
    } else {
      const told = { startedAt: at, reason: 'told', from: this.#view, attempts: 0, tookMs: 0 } as const;
      this.viewChanges.add({ ...told, ...entered });
    }
    this.#view = view;
  }

  #amendTransfer(change: Partial<TransferJson>): void {
    if (this.transfer !== null) this.transfers.replaceNewest({ ...this.transfer, ...change });
  }
}

function sortedTimes(times: readonly PhaseTimes[], phase: keyof PhaseTimes): number[] {
  return times.map((time) => time[phase]).sort((a, b) => a - b);
}

/** The least value that so large a part of all is no greater than, with two digits after the point. */
function quantile(sorted: readonly number[], part: number): number {
  const value = sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? 0;
  return Math.max(0, Math.round(value * 100) / 100);
}
