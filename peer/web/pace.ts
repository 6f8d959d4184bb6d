import type { EventHub } from './events.ts';
import { EVENT_INTERVAL, MAX_EVENTS_PER_INTERVAL } from './limits.ts';

/** What is sent by itself as time passes. */
export interface Rhythm {
  /** Sends what has changed; called once, some time after the first of several changes. */
  settle(): void;
  /** Called again and again while somebody listens. */
  tick(): void;
}

/** The pace of events: what changes often is sent now and then; nothing while nobody listens. */
export class EventPace<Events extends { readonly status: unknown }> {
  readonly #hub: EventHub<Events>;
  readonly #rhythm: Rhythm;
  readonly #ticks: NodeJS.Timeout;
  #soon: NodeJS.Timeout | undefined;
  /** Events reported since the last interval began, by name. */
  readonly #reported = new Map<keyof Events, number>();

  constructor(hub: EventHub<Events>, rhythm: Rhythm) {
    this.#hub = hub;
    this.#rhythm = rhythm;
    this.#ticks = setInterval(() => {
      if (hub.size > 0) rhythm.tick();
    }, EVENT_INTERVAL).unref();
  }

  close(): void {
    clearInterval(this.#ticks);
    clearTimeout(this.#soon);
  }

  /**
   * Something has changed, which is sent soon.
   *
   * @returns whether anybody listens
   */
  changed(): boolean {
    if (this.#hub.size === 0) return false;
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.#reported.clear();
      this.#rhythm.settle();
    }, EVENT_INTERVAL).unref();
    return true;
  }

  /** Sends an event, unless too many of its kind came at once: a page learns the state from the next status. */
  report<Name extends keyof Events & string>(name: Name, data: () => Events[Name]): void {
    const reported = this.#reported.get(name) ?? 0;
    this.#reported.set(name, reported + 1);
    if (reported < MAX_EVENTS_PER_INTERVAL) this.#hub.send(name, data());
  }
}
