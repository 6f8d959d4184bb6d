/**
 * The two clocks of a machine: one that never goes back and that nobody sets, for how long things take, and the one that
 * people see. They come apart where somebody sets the second one, and where the machine sleeps, while the first one stands
 * still. An engine measures by the first and is notified, with a `clock` event, of where the second one stands.
 */

/** By how much the clocks must have come apart, in milliseconds: what is less is none of an engine's business. */
const LEAST_STEP = 1_000;

export class ClockWatch {
  private ahead = 0;

  /**
   * Both in milliseconds since 1970, read at the same time.
   *
   * @returns by how much the wall clock is ahead, if that is not what was last returned: what an engine is to be sent
   */
  look(steady: number, wall: number): number | undefined {
    const ahead = wall - steady;
    if (Math.abs(ahead - this.ahead) < LEAST_STEP) return undefined;
    this.ahead = ahead;
    return ahead;
  }
}
