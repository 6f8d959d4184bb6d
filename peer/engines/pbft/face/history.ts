/** What the page shows of the past, in memory while the replica runs: nothing of it matters to the cluster. */
import { isoTime } from '../../../../shared/time.ts';
import { LATENCY_BATCHES, MAX_REMEMBERED, MAX_SHOWN_REQUESTS } from '../../../web/limits.ts';
import { Newest } from '../../../web/newest.ts';
import { Quantiles } from '../../../web/quantiles.ts';
import { RecentRate } from '../../../web/recent-rate.ts';
import type { ExecutedRequest, PbftNotice, PhaseTimes } from '../protocol/interface.ts';
import type { CheckpointJson, ExecutedJson, OffenceJson, TransferJson, ViewChangeJson } from './schemas.ts';

/** A request that was executed, where and when. */
export interface Request {
  readonly request: ExecutedRequest;
  readonly at: number;
  readonly sequence: number;
  readonly view: number;
}

type Notice<Kind extends PbftNotice['kind']> = Extract<PbftNotice, { kind: Kind }>;

export class PbftHistory {
  readonly requests = new Newest<Request>(MAX_SHOWN_REQUESTS);
  // What is remembered of each kind, under the name of its event.
  readonly executed = new Newest<ExecutedJson>(1);
  readonly view = new Newest<ViewChangeJson>(MAX_REMEMBERED);
  readonly checkpoint = new Newest<CheckpointJson>(MAX_REMEMBERED);
  readonly diverged = new Newest<CheckpointJson>(MAX_REMEMBERED);
  readonly transfer = new Newest<TransferJson>(MAX_REMEMBERED);
  readonly offence = new Newest<OffenceJson>(MAX_REMEMBERED);
  /** Of the last batches. */
  readonly latencies = new Quantiles<PhaseTimes>(LATENCY_BATCHES);
  /** Requests a second. */
  readonly rate: RecentRate;
  /** Requests, and batches, executed since the start. */
  executedRequests = 0;
  batches = 0;
  readonly #now: () => number;
  /** The view that was last in force. */
  #view: number;
  /** When the view change that is under way began. */
  #changingSince = 0;

  /**
   * @param view that is in force
   * @param now wall clock in milliseconds
   */
  constructor(view: number, now: () => number) {
    this.#view = view;
    this.#now = now;
    this.rate = new RecentRate(now);
  }

  /** The view change that is under way. */
  get viewChange(): ViewChangeJson | null {
    const { newest } = this.view;
    return newest?.endedAt === null ? newest : null;
  }

  /** The state that is being fetched. */
  get fetching(): TransferJson | null {
    const { newest } = this.transfer;
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
        this.checkpoint.add({ at, sequence: notice.sequence, digest: notice.digest });
        break;
      case 'diverged':
        this.diverged.add({ at, sequence: notice.sequence, digest: notice.digest });
        break;
      case 'transfer-started': {
        const { sequence, executed } = notice;
        // Where the states of others went on meanwhile, it begins anew.
        const begun = { startedAt: at, sequence, executed, pages: 0, total: null, finishedAt: null };
        if (this.fetching === null) this.transfer.add(begun);
        else this.#amendTransfer({ sequence, pages: 0, total: null });
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
        this.offence.add({ at, member: notice.member, rule: notice.rule });
        break;
      default:
        break;
    }
  }

  #onExecuted({ sequence, view, requests, phases }: Notice<'executed'>): void {
    const at = this.#now();
    this.executedRequests += requests.length;
    this.batches++;
    this.rate.add(requests.length);
    for (const request of requests.slice(-MAX_SHOWN_REQUESTS)) {
      this.requests.add({ request, at, sequence, view });
    }
    if (phases !== undefined) this.latencies.add(phases);
    const totalMs = phases === undefined ? null : Math.max(0, phases.total);
    this.executed.add({ at: isoTime(at), sequence, view, requests: requests.length, totalMs });
  }

  #onViewChange({ view, reason }: Notice<'view-change-started'>, at: string): void {
    const current = this.viewChange;
    if (current !== null) {
      this.view.replaceNewest({ ...current, view, attempts: current.attempts + 1 });
      return;
    }
    this.#changingSince = this.#now();
    this.view.add({
      ...{ startedAt: at, reason, from: this.#view, view, attempts: 1 },
      ...{ endedAt: null, tookMs: null, primary: null, carried: null },
    });
  }

  #onView({ view, primary, carried }: Notice<'view-entered'>, at: string): void {
    const entered = { view, primary, carried, endedAt: at };
    const current = this.viewChange;
    if (current !== null) {
      const tookMs = Math.max(0, this.#now() - this.#changingSince);
      this.view.replaceNewest({ ...current, ...entered, tookMs });
    } else {
      const heard = { startedAt: at, reason: 'told', from: this.#view, attempts: 0, tookMs: 0 } as const;
      this.view.add({ ...heard, ...entered });
    }
    this.#view = view;
  }

  #amendTransfer(change: Partial<TransferJson>): void {
    if (this.fetching !== null) this.transfer.replaceNewest({ ...this.fetching, ...change });
  }
}
