/** How benchmarks measure: baseline and subject by turns in one process, so that what else runs slows both. */

/** Something to be measured: does some work and returns how many operations that was. */
export interface Candidate {
  readonly name: string;
  readonly run: () => number;
}

/** Operations a second, and how many times the baseline's that is: medians over all rounds. */
export interface Comparison {
  readonly rate: number;
  readonly baselineRate: number;
  readonly ratio: number;
}

/**
 * A number above 0 that a benchmark is called with. For anything else it says what was expected, and ends.
 *
 * @param place among the arguments, from 0
 * @param otherwise what it is if there are fewer arguments
 */
export function argument(place: number, what: string, otherwise: number): number {
  const text = process.argv[2 + place];
  const value = text === undefined ? otherwise : Number(text);
  if (value > 0 && value < Infinity) return value;
  console.error(`error: ${what} must be a number above 0, not "${text}" (${otherwise} if left out)`);
  process.exit(2);
}

/** The middle one of some numbers; the upper of the two in the middle. */
export function median(numbers: readonly number[]): number {
  const middle = numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
  if (middle === undefined) throw new Error('there is no median of nothing');
  return middle;
}

function measureRate(run: () => number): number {
  const start = performance.now();
  const operations = run();
  return (operations * 1000) / (performance.now() - start);
}

/**
 * Measures a subject against a baseline and prints both, with their ratio.
 *
 * @param name what is counted, for example `blocks verified`
 * @param rounds how often each is measured, by turns; two more come before, for the compiler
 */
export function compare(name: string, baseline: Candidate, subject: Candidate, rounds = 15): Comparison {
  for (let round = 0; round < 2; round++) for (const { run } of [baseline, subject]) run();
  const baselineRates: number[] = [];
  const rates: number[] = [];
  for (let round = 0; round < rounds; round++) {
    baselineRates.push(measureRate(baseline.run));
    rates.push(measureRate(subject.run));
  }
  // Of each round by itself, because two measurements next to each other met the same machine.
  const ratios = rates.map((rate, round) => rate / (baselineRates[round] ?? NaN));
  const result = { rate: median(rates), baselineRate: median(baselineRates), ratio: median(ratios) };
  const spread = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
  console.log(`${name}, median of ${rounds} rounds`);
  console.log(`  ${row(baseline.name, result.baselineRate)}  baseline`);
  console.log(`  ${row(subject.name, result.rate)}  RATIO ${result.ratio.toFixed(2)} (${spread})`);
  return result;
}

function row(name: string, rate: number): string {
  return `${name.padEnd(40)} ${Math.round(rate).toLocaleString('en').padStart(12)} a second`;
}
