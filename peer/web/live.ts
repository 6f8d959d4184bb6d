/** Turns what the node notices into events. What changes often is told now and then; nothing is told to nobody. */
import type { PowNotice } from '../engines/pow/interface.ts';
import type { EventHub } from './events.ts';
import { isoTime, type History } from './history.ts';
import { EVENT_INTERVAL, MAX_CLAIMANTS, MAX_EVENTS_PER_INTERVAL, RATE_STEP } from './limits.ts';
import type { EventJson, EventName } from './schemas.ts';
import type { Views } from './views.ts';

type Change = EventJson<'consensus'>['change'];

export class LiveFeed {
  readonly #hub: EventHub;
  readonly #views: Views;
  readonly #history: History;
  readonly #now: () => number;
  readonly #ticks: NodeJS.Timeout;
  #soon: NodeJS.Timeout | undefined;
  /** Events told since the last interval began, by name. */
  readonly #told = new Map<EventName, number>();
  #syncing = false;
  #words = 0;
  #miners = 0;
  #tickedAt = 0;

  /** @param modules.now wall clock in milliseconds */
  constructor(modules: { hub: EventHub; views: Views; history: History; now: () => number }) {
    this.#hub = modules.hub;
    this.#views = modules.views;
    this.#history = modules.history;
    this.#now = modules.now;
    this.#ticks = setInterval(() => {
      this.#tick();
    }, EVENT_INTERVAL).unref();
  }

  close(): void {
    clearInterval(this.#ticks);
    clearTimeout(this.#soon);
  }

  /** Takes a notice, after the history has had it. */
  onNotice(notice: PowNotice): void {
    if (this.#hub.size === 0) return;
    this.#soon ??= setTimeout(() => {
      this.#settle();
    }, EVENT_INTERVAL).unref();
    switch (notice.kind) {
      case 'block':
        this.#tell('block', () => this.#views.summary(notice.block));
        break;
      case 'chain-adopted':
        this.#tell('chain', () => this.#history.reorganisation(notice));
        break;
      case 'peer-joined':
      case 'peer-dropped':
        this.#tell('peer', () => ({
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

  #consensus(change: Change, peers: number | null, target: EventJson<'consensus'>['target'] = null): void {
    this.#tell('consensus', () => ({ at: isoTime(this.#now()), change, peers, target }));
  }

  /** Tells an event, unless too many of its kind came at once: a page learns the state from the next status. */
  #tell<Name extends EventName>(name: Name, data: () => EventJson<Name>): void {
    const told = this.#told.get(name) ?? 0;
    this.#told.set(name, told + 1);
    if (told < MAX_EVENTS_PER_INTERVAL) this.#hub.send(name, data());
  }

  /** Something has changed, and some time has passed since. */
  #settle(): void {
    this.#soon = undefined;
    this.#told.clear();
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
    if (this.#hub.size === 0) return;
    const now = this.#now();
    const miners = this.#views.minersNow(now);
    if (Math.abs(now - this.#tickedAt) < RATE_STEP && miners.miners.length === this.#miners) return;
    this.#tickedAt = now;
    this.#miners = miners.miners.length;
    this.#hub.send('miners', miners);
    this.#status();
  }
}
