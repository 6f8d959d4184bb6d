/**
 * The long mode of the fuzzer: `npm run fuzz -- --runs 1000000 --seed 1 --target block`. It goes through all targets,
 * prints what it did, and ends with an error and the command that replays the first failure of each.
 */
import { Command, InvalidArgumentError } from 'commander';

import { integer, runProgram } from '../../shared/options.ts';
import { UserError } from '../../shared/errors.ts';
import { BUILT_IN, withRecord } from './corpus.ts';
import { fuzzTargets } from './targets.ts';
import { MAX_INPUT_TIME, type FuzzResult, type FuzzTarget } from './target.ts';

/** Inputs of all targets together if nothing else is asked for: a few minutes. */
const DEFAULT_RUNS = 1_000_000;
/** Milliseconds between two changes of the progress line. */
const PROGRESS_INTERVAL = 200;

interface Options {
  readonly runs: number;
  readonly seed: number;
  readonly target?: readonly string[];
  readonly path?: string;
  readonly corpus?: string;
}

/** Where a counterexample is among the inputs of a seed: fast-check takes anything else for a fault of the caller. */
function counterexamplePath(text: string): string {
  if (!/^\d+(:\d+)*$/.test(text))
    throw new InvalidArgumentError(
      'It is no path of a counterexample: those are numbers with colons between them, for example 12:0:3.',
    );
  return text;
}

function chosen(targets: readonly FuzzTarget[], names: readonly string[]): readonly FuzzTarget[] {
  const known = targets.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new UserError(`no target ${unknown}; there are ${known.join(', ')}`);
  return names.length === 0 ? targets : targets.filter(({ name }) => names.includes(name));
}

/** A line on a terminal that says how far a target is; nothing where nobody watches. */
function progressOf(name: string, runs: number): { onProgress: (inputs: number) => void; clear: () => void } {
  let next = 0;
  const write = (text: string): void => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  };
  return {
    onProgress: (inputs) => {
      const now = performance.now();
      if (now < next) return;
      next = now + PROGRESS_INTERVAL;
      write(`${name}: ${inputs.toLocaleString('en')} of ${runs.toLocaleString('en')} inputs`);
    },
    clear: () => {
      write('');
    },
  };
}

function row(name: string, inputs: string, rate: string, slowest: string): string {
  return `${name.padEnd(14)} ${inputs.padStart(10)} ${rate.padStart(12)} ${slowest.padStart(14)}`;
}

function printResult(name: string, result: FuzzResult, corpus: string | undefined): void {
  const { inputs, seconds, slowest, failure } = result;
  const rate = Math.round(inputs / seconds).toLocaleString('en');
  console.log(row(name, inputs.toLocaleString('en'), rate, slowest.toFixed(2)));
  if (failure === undefined) return;
  // The same seed makes other inputs of another corpus.
  const replay = corpus === undefined ? failure.replay : `${failure.replay} --corpus ${corpus}`;
  console.log(`\n${name} FAILED with ${failure.input}\n${failure.error}\n\nreplay: ${replay}\n`);
}

async function fuzz(options: Options): Promise<void> {
  const { runs, seed, path, target: names = [] } = options;
  if (path !== undefined && names.length !== 1)
    throw new UserError('--path belongs to one --target and its --seed');
  const corpus = options.corpus === undefined ? BUILT_IN : await withRecord(BUILT_IN, options.corpus);
  const targets = chosen(fuzzTargets(corpus), names);
  const shares = targets.reduce((sum, { share }) => sum + share, 0);
  console.log(`${corpus.blocks.length} blocks in the corpus, seed ${seed}`);
  console.log(row('target', 'inputs', 'inputs/s', 'slowest, ms'));
  const failed: string[] = [];
  for (const target of targets) {
    const own = Math.max(1, Math.round((runs * target.share) / shares));
    const { onProgress, clear } = progressOf(target.name, own);
    const result = await target.run({ seed, runs: own, path, timeLimit: MAX_INPUT_TIME, onProgress });
    clear();
    if (path !== undefined && result.inputs === 0)
      throw new UserError(`--path ${path} leads to no input of ${target.name} with seed ${seed}`);
    printResult(target.name, result, options.corpus);
    if (result.failure !== undefined) failed.push(target.name);
  }
  if (failed.length > 0) throw new UserError(`failed: ${failed.join(', ')}`);
}

const program = new Command('fuzz')
  .description('Feeds hostile inputs to everything that reads what comes from outside.')
  .option('--runs <number>', 'inputs of all targets together', integer(1, 1e12), DEFAULT_RUNS)
  .option('--seed <number>', 'what all inputs follow from', integer(0, 2 ** 31 - 1), 1)
  .option('--target <name...>', 'only these targets; all of them if left out')
  .option('--path <path>', 'replays one input, as a failure names it', counterexamplePath)
  .option('--corpus <file>', 'a record (one block a line) whose blocks are added to those built in')
  .addHelpText(
    'after',
    '\nExamples:\n  npm run fuzz -- --runs 1000000 --seed 1\n  npm run fuzz -- --target block --seed 1 --path 12:0:3',
  )
  .option('--verbose', 'show where in the program an error came from')
  .action(fuzz);

await runProgram(program, process.argv.slice(2));
