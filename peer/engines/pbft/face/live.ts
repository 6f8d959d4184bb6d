/** Turns what the replica notices into events. */
import type { PbftNotice } from '../protocol/interface.ts';
import type { EventHub } from '../../../web/events.ts';
import { STEP_SECONDS } from '../../../web/limits.ts';
import type { Newest } from '../../../web/newest.ts';
import { EventPace } from '../../../web/pace.ts';
import { isoTime } from '../../../../shared/time.ts';
import type { PbftHistory } from './history.ts';
import type { AnswerJson, PbftEvents } from './schemas.ts';
import type { PbftViews } from './views.ts';

export class PbftLiveFeed {
  readonly #hub: EventHub<PbftEvents>;
  readonly #pace: EventPace<PbftEvents>;
  readonly #views: PbftViews;
  readonly #history: PbftHistory;
  readonly #now: () => number;
  #toldAt: number;

  /** @param modules.now wall clock in milliseconds */
  constructor(modules: {
    hub: EventHub<PbftEvents>;
    views: PbftViews;
    history: PbftHistory;
    now: () => number;
  }) {
    this.#hub = modules.hub;
    this.#views = modules.views;
    this.#history = modules.history;
    this.#now = modules.now;
    this.#toldAt = modules.now();
    this.#pace = new EventPace(modules.hub, {
      settle: () => {
        this.#status();
      },
      tick: () => {
        // Rates, and how long others have been silent, change without anything happening.
        if (Math.abs(this.#now() - this.#toldAt) >= STEP_SECONDS * 1000) this.#status();
      },
    });
  }

  close(): void {
    this.#pace.close();
  }

  /** Takes a notice, after the history has had it. */
  onNotice(notice: PbftNotice): void {
    if (!this.#pace.changed()) return;
    const history = this.#history;
    switch (notice.kind) {
      case 'executed': {
        const { sequence, view, requests, phases } = notice;
        this.#pace.tell('executed', () => ({
          ...{ at: isoTime(this.#now()), sequence, view, requests: requests.length },
          totalMs: phases === undefined ? null : Math.max(0, phases.total),
        }));
        break;
      }
      case 'view-change-started':
      case 'view-entered':
        this.#newest('view', history.viewChanges);
        break;
      case 'checkpoint':
        this.#newest('checkpoint', history.checkpoints);
        break;
      case 'transfer-started':
      case 'transfer-progress':
      case 'transfer-finished':
        this.#newest('transfer', history.transfers);
        break;
      case 'offence':
        this.#newest('offence', history.offences);
        break;
      case 'diverged':
        this.#newest('diverged', history.divergences);
        break;
      case 'answered':
        break;
    }
  }

  /** A submission has its answer, later than its client waited. */
  onAnswer(answer: AnswerJson): void {
    this.#pace.tell('answer', () => answer);
  }

  /** Tells what has just happened. */
  #newest<Name extends keyof PbftEvents>(name: Name, kind: Newest<PbftEvents[Name]>): void {
    const { newest } = kind;
    if (newest !== undefined) this.#pace.tell(name, () => newest);
  }

  #status(): void {
    this.#toldAt = this.#now();
    this.#hub.send('status', this.#views.status());
  }
}
