import type { Log } from '../../../../shared/log.ts';

/** How long an answer may take until it is logged what it waits for, in milliseconds; and how often, at most. */
const PATIENCE = 3_000;

/** With how many other members a replica is connected, and with how many it must be for anything to be decided. */
export interface Connections {
  readonly connected: number;
  readonly needed: number;
}

/** Logs why an answer does not come, where the reason is that too few members are there. */
export class QuorumWatch {
  readonly #log: Log;
  readonly #look: () => Connections;
  readonly #patience: number;
  #waiting = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param patience in milliseconds */
  constructor(log: Log, look: () => Connections, patience = PATIENCE) {
    this.#log = log;
    this.#look = look;
    this.#patience = patience;
  }

  /** Passes an answer on; while there is none, and too few are connected, that is logged now and then. */
  async over<T>(answer: Promise<T>): Promise<T> {
    this.#waiting++;
    this.#plan();
    try {
      return await answer;
    } finally {
      if (--this.#waiting === 0) this.close();
    }
  }

  /** Logs nothing any more. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #plan(): void {
    this.#timer ??= setTimeout(() => {
      const { connected, needed } = this.#look();
      if (connected < needed)
        this.#log.warn('requests wait: too few members are connected', { connected, needed });
      this.#timer = undefined;
      this.#plan();
    }, this.#patience).unref();
  }
}
