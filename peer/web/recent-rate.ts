import { RATE_STEPS, STEP_SECONDS } from './limits.ts';

/** How often something happens a second, in the last steps of time that are over. */
export class RecentRate {
  readonly #now: () => number;
  readonly #startedAt: number;
  /** By step, the one that is under way first. */
  readonly #counts = [0];
  #step = 0;

  /** @param now wall clock in milliseconds */
  constructor(now: () => number) {
    this.#now = now;
    this.#startedAt = now();
  }

  add(count: number): void {
    this.#goOn();
    this.#counts[0] = (this.#counts[0] ?? 0) + count;
  }

  /** With a digit after the point. */
  get perSecond(): number {
    this.#goOn();
    const [, ...over] = this.#counts;
    const seconds = over.length * STEP_SECONDS;
    return seconds === 0 ? 0 : Math.round((over.reduce((sum, one) => sum + one, 0) / seconds) * 10) / 10;
  }

  #goOn(): void {
    const step = Math.floor((this.#now() - this.#startedAt) / (STEP_SECONDS * 1000));
    const steps = Math.min(Math.max(0, step - this.#step), RATE_STEPS + 1);
    this.#step = Math.max(this.#step, step);
    this.#counts.unshift(...new Array<number>(steps).fill(0));
    this.#counts.splice(RATE_STEPS + 1);
  }
}
