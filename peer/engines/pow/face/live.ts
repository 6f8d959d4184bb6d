/** Turns what the node notices into events. */
import type { PowNotice } from '../protocol/interface.ts';
import type { EventHub } from '../../../web/events.ts';
import { MAX_CLAIMANTS, RATE_STEP } from '../../../web/limits.ts';
import { EventPace } from '../../../web/pace.ts';
import { isoTime } from '../../../../shared/time.ts';
import type { History } from './history.ts';
import type { PowEvents } from './schemas.ts';
import type { Views } from './views.ts';

type Consensus = PowEvents['consensus'];

export class LiveFeed {
  readonly #hub: EventHub<PowEvents>;
  readonly #pace: EventPace<PowEvents>;
  readonly #views: Views;
  readonly #history: History;
  readonly #now: () => number;
  #syncing = false;
  #words = 0;
  #miners = 0;
  #tickedAt = 0;

  /** @param modules.now wall clock in milliseconds */
  constructor(modules: { hub: EventHub<PowEvents>; views: Views; history: History; now: () => number }) {
    this.#hub = modules.hub;
    this.#views = modules.views;
    this.#history = modules.history;
    this.#now = modules.now;
    this.#pace = new EventPace(modules.hub, {
      settle: () => {
        this.#settle();
      },
      tick: () => {
        this.#tick();
      },
    });
  }

  close(): void {
    this.#pace.close();
  }

  /** Takes a notice, after the history has had it. */
  onNotice(notice: PowNotice): void {
    if (!this.#pace.changed()) return;
    switch (notice.kind) {
      case 'block':
        this.#pace.tell('block', () => this.#views.summary(notice.block));
        break;
      case 'chain-adopted':
        this.#pace.tell('chain', () => this.#history.reorganisation(notice));
        break;
      case 'peer-joined':
      case 'peer-dropped':
        this.#pace.tell('peer', () => ({
          change: notice.kind === 'peer-joined' ? 'joined' : 'dropped',
          address: notice.peer,
          name: notice.kind === 'peer-joined' ? notice.name : null,
          peers: notice.peers,
        }));
        break;
      case 'consensus-started':
        this.#consensus('started', notice.peers);
        break;
      case 'consensus-finished':
        this.#consensus(notice.outcome, notice.answers);
        break;
      case 'false-chain':
        this.#consensus(notice.kind, Math.min(notice.claimedBy.length, MAX_CLAIMANTS), notice.target);
        break;
      case 'chain-unavailable':
        this.#consensus(notice.kind, null, notice.target);
        break;
      case 'waiting':
        this.#consensus(notice.kind, null);
        break;
    }
  }

  #consensus(change: Consensus['change'], peers: number | null, target: Consensus['target'] = null): void {
    this.#pace.tell('consensus', () => ({ at: isoTime(this.#now()), change, peers, target }));
  }

  #settle(): void {
    const { sync } = this.#history;
    if (sync !== null || this.#syncing) this.#hub.send('sync', sync);
    this.#syncing = sync !== null;
    this.#status();
  }

  #status(): void {
    const status = this.#views.status();
    this.#hub.send('status', status);
    if (status.words !== this.#words) this.#hub.send('words', { waiting: status.words });
    this.#words = status.words;
  }

  #tick(): void {
    const now = this.#now();
    const miners = this.#views.minersNow(now);
    if (Math.abs(now - this.#tickedAt) < RATE_STEP && miners.miners.length === this.#miners) return;
    this.#tickedAt = now;
    this.#miners = miners.miners.length;
    this.#hub.send('miners', miners);
    this.#status();
  }
}
