/** Over how much time the rate is taken, in milliseconds: long enough to be steady, short enough to be of now. */
const WINDOW = 5000;

/** Measures how fast a number grows. */
export class RateMeter {
  /** The last values with their times, oldest first; the first is as old as the window or a little older. */
  readonly #samples: { readonly at: number; readonly total: number }[] = [];

  /**
   * @param at monotonic time in milliseconds
   * @param total what has been counted by then
   */
  add(at: number, total: number): void {
    this.#samples.push({ at, total });
    while ((this.#samples[1]?.at ?? Infinity) <= at - WINDOW) this.#samples.shift();
  }

  /** Growth a second over the window, 0 before there are two values. */
  get perSecond(): number {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.at <= first.at) return 0;
    return ((last.total - first.total) / (last.at - first.at)) * 1000;
  }
}
