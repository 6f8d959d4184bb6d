/**
 * Puts small faults into the program, one at a time, and says which of them no test notices:
 * `npm run mutate -- --area shared --sample 50 --seed 1`.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';

import { Command } from 'commander';

import { UserError } from '../../shared/errors.ts';
import { integer, oneOf, runProgram } from '../../shared/options.ts';
import { StopSignals } from '../../shared/stop-signals.ts';
import { shuffled } from '../support/random.ts';
import { AREAS, filesOf } from './areas.ts';
import { compilerOf } from './compiler.ts';
import { mutantsOf, mutated, type Mutant } from './operators.ts';
import { reachOf } from './reach.ts';
import { change, markdown, rateOf, rowOf, table, type Row, type Tried } from './report.ts';
import { entryOf, readSurvivors } from './survivors.ts';
import { requireTests, Runner, Times, Trials } from './trial.ts';

/** What is written for the next run and for people: a folder that git ignores. */
const OUTPUT = 'test/output';

interface Options {
  readonly area?: readonly string[];
  readonly file?: readonly string[];
  readonly sample: number;
  readonly seed: number;
  readonly budget: number;
  readonly least: number;
  readonly workers: number;
  readonly replay?: string;
  readonly list: boolean;
  readonly long: boolean;
  readonly root: string;
}

/** A group of files that is sampled on its own. */
interface Group {
  readonly name: string;
  readonly files: readonly string[];
}

function groups({ area = [], file = [], root }: Options): Group[] {
  const named = AREAS.filter(({ name }) => area.includes(name));
  const chosen = area.length + file.length === 0 ? AREAS : named;
  return [
    ...chosen.map((one) => ({ name: one.name, files: filesOf(root, one) })),
    ...file.map((one) => ({ name: one.slice(one.lastIndexOf('/') + 1), files: [one] })),
  ];
}

function read(root: string, file: string): string {
  try {
    return readFileSync(join(root, file), 'utf8');
  } catch (error) {
    throw new UserError(`can't read ${file}: name it from the project's folder, as in peer/storage/lock.ts`, {
      cause: error,
    });
  }
}

/** A line on a terminal that says what is being done; nothing where nobody watches. */
function progress(text: string): void {
  if (process.stderr.isTTY)
    process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns || 80) - 1)}`);
}

class Session {
  readonly #options: Options;
  readonly #reach: (source: string) => ReturnType<ReturnType<typeof reachOf>>;
  readonly #compiles: (file: string, text: string) => boolean;
  readonly #times: Times;
  readonly #stop: AbortSignal;

  constructor(options: Options, stop: AbortSignal) {
    this.#options = options;
    this.#stop = stop;
    progress('reading the sources');
    this.#reach = reachOf(options.root, options.long);
    this.#compiles = compilerOf(options.root);
    this.#times = new Times(join(options.root, OUTPUT, 'mutate-times.json'));
  }

  /** Tries so many mutants of a group, in the order in which the seed draws them. */
  async sample(name: string, mutants: readonly Mutant[], budget: number): Promise<Tried[]> {
    const { root, sample, seed, workers } = this.#options;
    const queue = shuffled(mutants, seed).values();
    const tried: Tried[] = [];
    let drawn = 0;
    const next = (): { mutant: Mutant; text: string } | undefined => {
      while (drawn < sample && !this.#stop.aborted) {
        const { value: mutant } = queue.next();
        if (mutant === undefined) return undefined;
        const text = mutated(read(root, mutant.file), mutant);
        if (!this.#compiles(mutant.file, text)) continue;
        drawn += 1;
        return { mutant, text };
      }
      return undefined;
    };
    const work = async (): Promise<void> => {
      const runner = new Runner(root, this.#stop);
      const trials = new Trials(runner, this.#times);
      for (let one = next(); one !== undefined; one = next()) {
        const { mutant, text } = one;
        const outcome = await trials.try(
          { file: mutant.file, text },
          this.#reach(mutant.file),
          budget,
          (test) => {
            progress(
              `${name}: ${tried.length} of ${Math.min(sample, mutants.length)}, ${mutant.file}:${mutant.line}, ${test}`,
            );
          },
        );
        // What was cut off has not failed.
        if (this.#stop.aborted) break;
        tried.push({ area: name, mutant, ...outcome });
        this.#times.save();
        progress('');
        if (outcome.killer === undefined)
          console.log(`survived ${outcome.run} of ${outcome.reaching} test files: ${change(mutant)}\n`);
      }
      runner.end();
    };
    await Promise.all(Array.from({ length: workers }, work));
    return tried;
  }
}

async function replay(id: string, all: readonly Mutant[], session: Session): Promise<void> {
  const mutant = all.find((one) => one.id === id);
  if (mutant === undefined)
    throw new UserError(`there is no mutant ${id}: it may have gone with the code that it was in`);
  console.log(change(mutant));
  const [tried] = await session.sample('replay', [mutant], Infinity);
  if (tried === undefined) {
    if (process.exitCode === undefined) console.log('the compiler refuses it, or it was stopped');
  } else if (tried.killer === undefined) {
    throw new UserError(`it survives all of ${tried.reaching} test files`);
  } else {
    console.log(`killed by ${tried.killer.test}: ${tried.killer.name}`);
  }
}

/** A test that is cut off leaves its files behind: in a folder that goes with this process. */
function useOwnTemporaryFolder(): void {
  const folder = mkdtempSync(join(tmpdir(), 'mutate-'));
  process.env['TMPDIR'] = folder;
  process.on('exit', () => {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
}

async function mutate(options: Options): Promise<void> {
  const { root, sample, seed, budget, least } = options;
  requireTests(root);
  const chosen = groups(options).map(({ name, files }) => ({
    name,
    mutants: files.flatMap((file) => mutantsOf(file, read(root, file))),
  }));
  const explained = new Set(readSurvivors().map(({ id }) => id));
  if (options.list) {
    for (const mutant of chosen.flatMap(({ mutants }) => mutants))
      console.log(`${change(mutant)}${explained.has(mutant.id) ? '\n  (explained)' : ''}`);
    return;
  }
  useOwnTemporaryFolder();
  const signals = new StopSignals();
  const session = new Session(options, signals.stop);
  if (options.replay !== undefined) {
    await replay(
      options.replay,
      chosen.flatMap(({ mutants }) => mutants),
      session,
    );
    return;
  }
  const rows: Row[] = [];
  const all: Tried[] = [];
  for (const { name, mutants } of chosen) {
    if (signals.stop.aborted) break;
    const open = mutants.filter(({ id }) => !explained.has(id));
    const tried = await session.sample(name, open, budget * 1000);
    rows.push(rowOf(name, open.length, tried));
    all.push(...tried);
  }
  progress('');
  console.log(`seed ${seed}, up to ${sample} mutants of each\n${table(rows)}`);
  mkdirSync(join(root, OUTPUT), { recursive: true });
  writeFileSync(
    join(root, OUTPUT, 'mutants.json'),
    `${JSON.stringify(
      all.map(({ mutant, ...rest }) => ({ ...entryOf(mutant), line: mutant.line, ...rest })),
      null,
      2,
    )}\n`,
  );
  writeFileSync(join(root, OUTPUT, 'mutants.md'), markdown(rows, all));
  console.log(`each of them in ${OUTPUT}/mutants.json, the survivors in ${OUTPUT}/mutants.md`);
  if (signals.exitCode !== undefined) {
    process.exitCode = signals.exitCode;
    return;
  }
  const weak = rows.filter((row) => (rateOf(row) ?? 1) * 100 < least).map(({ area }) => area);
  if (weak.length > 0) throw new UserError(`fewer than ${least} % are killed in ${weak.join(', ')}`);
}

const program = new Command('mutate')
  .description(
    'Puts small faults into the program, one at a time, and says which of them no test notices.\n\n' +
      'Nothing is written to the sources: the tests load the fault in their place. Only tests that run the sources\n' +
      'in their own process take part; those that start programs run what is compiled.',
  )
  .option(
    '--area <name...>',
    `only these: ${AREAS.map(({ name }) => name).join(', ')}`,
    (word, before: string[] | undefined) => [...(before ?? []), oneOf(AREAS.map(({ name }) => name))(word)],
  )
  .option('--file <path...>', 'only these source files, in place of areas')
  .option('--sample <number>', 'mutants of each area, or of each file', integer(1, 1e6), 30)
  .option('--seed <number>', 'what they are drawn by', integer(0, 2 ** 31 - 1), 1)
  .option(
    '--budget <seconds>',
    'of tests for one mutant, as long as they take without it',
    integer(1, 1e6),
    60,
  )
  .option('--least <percent>', 'ends with an error where fewer are killed', integer(0, 100), 90)
  .option(
    '--workers <number>',
    'mutants that are tried at once',
    integer(1, 64),
    Math.max(1, availableParallelism() >> 1),
  )
  .option('--list', 'shows all mutants, and tries none', false)
  .option('--replay <id>', 'tries this mutant alone, with all tests that reach it')
  .option('--long', 'with the fuzzer and the seeds of the simulator among the tests', false)
  .option('--root <folder>', 'the folder of the project', process.cwd())
  .option('--verbose', 'show where in the program an error came from')
  .addHelpText(
    'after',
    '\nCtrl-C and SIGTERM stop it in order, with the table so far; a second one at once.\n\n' +
      'Examples:\n  npm run mutate -- --area shared --sample 50 --seed 2\n' +
      '  npm run mutate -- --file peer/storage/lock.ts --sample 1000\n  npm run mutate -- --replay 1f0c3a9be2',
  )
  .action(mutate);

await runProgram(program, process.argv.slice(2));
