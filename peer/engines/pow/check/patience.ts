/** Waiting for what may come. */
import type { Ground } from './ground.ts';
import { Stopped } from './rule.ts';

/** Wakes those who wait whenever something has happened. */
export class Waiting {
  readonly #ground: Ground;
  readonly #stop: AbortSignal;
  readonly #sleepers = new Set<() => void>();

  /** @param stop ends every wait with {@link Stopped} */
  constructor(ground: Ground, stop: AbortSignal) {
    this.#ground = ground;
    this.#stop = stop;
    stop.addEventListener('abort', () => {
      this.wake();
    });
  }

  /** Something has happened. */
  wake(): void {
    for (const sleeper of [...this.#sleepers]) sleeper();
  }

  /** What `look` finds, as soon as it finds something; undefined after so many milliseconds. */
  async until<T>(look: () => T | undefined, limit: number): Promise<T | undefined> {
    const end = this.#ground.now() + limit;
    for (;;) {
      if (this.#stop.aborted) throw new Stopped();
      const found = look();
      if (found !== undefined) return found;
      const left = end - this.#ground.now();
      if (left <= 0) return undefined;
      await this.#change(left);
    }
  }

  async pause(milliseconds: number): Promise<void> {
    await this.until(() => undefined, milliseconds);
  }

  #change(limit: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        this.#sleepers.delete(done);
        resolve();
      };
      const cancel = this.#ground.after(limit, done);
      this.#sleepers.add(done);
    });
  }
}
