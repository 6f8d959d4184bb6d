import { messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';

/** Those notified of what happens in a node. Whatever is wrong with one of them, it must not stop the node. */
export class Observers<Observer> {
  readonly #observers = new Set<Observer>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Notifies an observer of everything from now on; until the function that it returns is called. */
  add(observer: Observer): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  notify(notify: (observer: Observer) => void): void {
    for (const observer of this.#observers) {
      try {
        notify(observer);
      } catch (error) {
        this.#log.error('an observer of the node failed', { error: messageOf(error) });
      }
    }
  }
}
