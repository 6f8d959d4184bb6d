/**
 * What a fuzz target is, and how one is run: by `npm test` with a few thousand inputs, by `npm run fuzz` with as many
 * as one likes. The inputs follow from the seed alone, and a failure comes with the command that replays it.
 */
import fc from 'fast-check';

/**
 * Most milliseconds of work that one input of up to {@link MAX_INPUT_BYTES} may take, and only in the long mode: far more than
 * any should (the goal is 1 ms), because a busy machine must not fail it. What is slower is tried again first.
 */
export const MAX_INPUT_TIME = 250;
/** Longest input in bytes: a UDP datagram. */
export const MAX_INPUT_BYTES = 65_536;
/** Inputs from one seed; the next batch takes the next seed, so that progress can be told and no memory grows. */
const BATCH = 2_000;

/** Milliseconds that this process has worked: what else the machine does is not the input's fault. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** What is fuzzed. */
export interface TargetPlan<Input> {
  readonly name: string;
  /** What must hold, in a few words. */
  readonly claim: string;
  /** How many of a thousand inputs of the whole suite are this target's. */
  readonly share: number;
  readonly inputs: fc.Arbitrary<Input>;
  /**
   * Throws if something does not hold. Must begin anew each time.
   *
   * @returns milliseconds of its slowest part, if an input stands for many
   */
  readonly check: (input: Input) => undefined | number | Promise<undefined | number>;
}

/** Which inputs to take. */
export interface FuzzOptions {
  readonly seed: number;
  readonly runs: number;
  /** Replays this one input of the first batch, as a failure names it. */
  readonly path?: string | undefined;
  /** Milliseconds that no input may take twice in a row; no limit if there is none. */
  readonly timeLimit?: number;
  /** Called after each input, with how many there were. */
  readonly onProgress?: (inputs: number) => void;
}

/** How it went. */
export interface FuzzResult {
  readonly inputs: number;
  readonly seconds: number;
  /** Milliseconds of work of the slowest input. */
  readonly slowest: number;
  readonly failure: FuzzFailure | undefined;
}

/** The smallest input found that breaks the claim. */
export interface FuzzFailure {
  readonly seed: number;
  readonly path: string;
  /** The input as text, cut if it is long. */
  readonly input: string;
  readonly error: string;
  /** The command that runs this input again. */
  readonly replay: string;
}

/** A target whose kind of input is nobody else's concern. */
export interface FuzzTarget {
  readonly name: string;
  readonly claim: string;
  readonly share: number;
  readonly run: (options: FuzzOptions) => Promise<FuzzResult>;
}

/** Longest text of a failing input that is shown. */
const MAX_SHOWN = 4_000;

export function defineTarget<Input>(plan: TargetPlan<Input>): FuzzTarget {
  const { name, claim, share } = plan;
  return { name, claim, share, run: (options) => runTarget(plan, options) };
}

async function runTarget<Input>(plan: TargetPlan<Input>, options: FuzzOptions): Promise<FuzzResult> {
  const { name, inputs, check } = plan;
  const { runs, path, timeLimit = Infinity, onProgress } = options;
  const start = performance.now();
  let count = 0;
  let slowest = 0;
  const timed = async (input: Input): Promise<number> => {
    const began = processorTime();
    const part = await check(input);
    return part ?? processorTime() - began;
  };
  const property = fc.asyncProperty(inputs, async (input) => {
    count++;
    const took = await timed(input);
    slowest = Math.max(slowest, took);
    onProgress?.(count);
    if (took <= timeLimit) return;
    const again = await timed(input);
    if (again > timeLimit) throw new Error(`took ${Math.round(took)} ms, then ${Math.round(again)} ms`);
  });
  let failure: FuzzFailure | undefined;
  for (let batch = 0; batch * BATCH < runs && failure === undefined; batch++) {
    const seed = options.seed + batch;
    const numRuns = Math.min(BATCH, runs - batch * BATCH);
    const details = await fc.check(property, { seed, numRuns, ...(path === undefined ? {} : { path }) });
    if (details.failed) failure = failureOf(name, seed, details);
    if (path !== undefined) break;
    // Lets timers run out that programs under test have set, and with them go what they hold.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { inputs: count, seconds: (performance.now() - start) / 1000, slowest, failure };
}

function failureOf<Input>(name: string, seed: number, details: fc.RunDetails<[Input]>): FuzzFailure {
  const path = details.counterexamplePath ?? '';
  const { errorInstance: error } = details;
  const input = fc.stringify(details.counterexample);
  return {
    seed,
    path,
    input: input.length > MAX_SHOWN ? `${input.slice(0, MAX_SHOWN)}… (${input.length} characters)` : input,
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    replay: `npm run fuzz -- --target ${name} --seed ${seed} --path ${path}`,
  };
}
