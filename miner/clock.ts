/** How fast the processor's clock runs, estimated by what it does in a known number of cycles. */

/** Multiplications in one turn of the loop: so many that the loop itself does not count. */
const CHAIN = 16;
/** What a multiplication of 32-bit integers takes when it waits for the one before: on these, since many years. */
const CYCLES: Readonly<Partial<Record<NodeJS.Architecture, number>>> = { x64: 3, arm64: 3 };
/** Turns of the loop in one estimate: half a millisecond. */
const TURNS = 40_000;
/** Clocks outside of this, in Hz, mean that something else was measured: code that was not compiled yet, say. */
const PLAUSIBLE = { least: 2e8, most: 1e10 };

/** Processor time of this process so far, in seconds. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Multiplies, each time what the multiplication before has left. The factor is not constant: compilers fold those. */
function multiply(turns: number, factor: number): number {
  let product = factor;
  for (let i = 0; i < turns; i++) {
    product = Math.imul(product, factor);
    product = Math.imul(product, factor);
    product = Math.imul(product, factor);
    product = Math.imul(product, factor);
    product = Math.imul(product, factor);
    product = Math.imul(product, factor);
    product = Math.imul(product, factor);
    product = Math.imul(product, factor);
    product = Math.imul(product, factor);
    product = Math.imul(product, factor);
    product = Math.imul(product, factor);
    product = Math.imul(product, factor);
    product = Math.imul(product, factor);
    product = Math.imul(product, factor);
    product = Math.imul(product, factor);
    product = Math.imul(product, factor);
  }
  return product;
}

/** The last product: what nobody stores, a compiler need not compute. */
let kept = 0;

/** Lets the compiler see the loop often enough to make machine code of it. */
export function warmUpClock(): void {
  for (let i = 0; i < 200; i++) kept = multiply(TURNS / 100, 3 + (kept & 1));
  for (let i = 0; i < 20; i++) kept = multiply(TURNS, 3 + (kept & 1));
}

/**
 * The clock as it is now, in Hz, by processor time; undefined where the processor's multiplication is not known or
 * the result can't be. Takes about half a millisecond; call {@link warmUpClock} before the first time.
 */
export function estimateClock(): number | undefined {
  const cycles = CYCLES[process.arch];
  if (cycles === undefined) return undefined;
  const start = processorTime();
  kept = multiply(TURNS, 3 + (kept & 1));
  const clock = (TURNS * CHAIN * cycles) / (processorTime() - start);
  return clock >= PLAUSIBLE.least && clock <= PLAUSIBLE.most ? clock : undefined;
}
