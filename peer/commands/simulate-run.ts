/** How `peer simulate` runs what it was told to, shows how far it is, and says what came of it. */
import { randomInt } from 'node:crypto';
import { closeSync, createWriteStream, existsSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { SingleBar } from 'cli-progress';

import { messageOf, systemCodeOf, UserError } from '../../shared/errors.ts';
import { formatNumber, wantsColour } from '../../shared/text-table.ts';
import { Campaign } from '../simulator/campaign.ts';
import { commandLine, readSeeds, type Wording } from '../simulator/plan.ts';
import type { RunningSimulation, SimulatedEngine } from '../simulator/registry.ts';
import { campaignText, formatTime, runText } from '../simulator/report-text.ts';
import { passed } from '../simulator/report.ts';
import type { Plan } from '../simulator/settings.ts';
import type { TraceLine } from '../simulator/trace.ts';

/** Random seeds are below this: short enough to be typed. */
const RANDOM_SEEDS = 2 ** 32;
/** How long a simulation goes on before it looks whether somebody wants something, in milliseconds. */
const SLICE_TIME = 50;
/** Events between two looks at the time. */
const SLICE_EVENTS = 1_000;
/** Time between two pictures of how far it is, in milliseconds. */
const PROGRESS_INTERVAL = 200;
/** How wide a terminal is that does not know it. */
const DEFAULT_COLUMNS = 80;
/** The exit code of a program that Ctrl-C has ended. */
const INTERRUPTED = 130;

/** What is to be simulated: the plan, and the words that it was made of. */
export interface Order {
  readonly engine: SimulatedEngine;
  readonly wording: Wording;
  readonly plan: Plan;
}

export interface RunOptions {
  readonly seed?: number;
  readonly trace?: string;
  readonly json?: boolean;
  readonly html?: string;
}

export interface CampaignOptions {
  readonly keepGoing?: boolean;
  readonly workers?: number;
  readonly json?: boolean;
}

/** Runs one seed and reports it. */
export async function runSeed({ engine, wording, plan }: Order, options: RunOptions): Promise<void> {
  const seed = options.seed ?? randomInt(RANDOM_SEEDS);
  // Whether they can be written is found out before the run.
  const page = options.html;
  if (page !== undefined) checkOutput(page);
  const trace = options.trace === undefined ? undefined : new TraceOutput(options.trace);
  const started = performance.now();
  const simulation = engine.simulate(seed, plan, {
    ...(trace && {
      trace: (line) => {
        trace.add(line);
      },
    }),
    timeline: page !== undefined,
  });
  try {
    await runToEnd(simulation, seed, trace);
  } finally {
    await trace?.end();
  }
  const wallSeconds = (performance.now() - started) / 1000;
  const report = simulation.report();
  const command = commandLine(engine.name, wording, { seed: String(seed) });
  if (page !== undefined) {
    const { renderHtml } = await import('../simulator/html.ts');
    writeOutput(page, renderHtml(report));
  }
  if (options.json === true) {
    console.log(JSON.stringify({ passed: passed(report), command, ...report }));
  } else {
    // Standard output has the trace, if that was asked for.
    const output = options.trace === '-' ? process.stderr : process.stdout;
    output.write(runText(report, { engine, command, wallSeconds, colour: wantsColour(output) }));
  }
  if (!passed(report)) process.exitCode = 1;
}

/** Runs a simulation, in slices between which Ctrl-C is heard. */
async function runToEnd(
  simulation: RunningSimulation,
  seed: number,
  trace: TraceOutput | undefined,
): Promise<void> {
  const live = process.stderr.isTTY;
  const started = performance.now();
  const where = (): string => `seed ${seed}: ${formatTime(simulation.now() / 1000)} simulated`;
  const clear = (): void => {
    if (live) process.stderr.write('\r\u001b[K');
  };
  const onInterrupt = (): void => {
    clear();
    console.error(`peer: stopped by Ctrl-C; ${where()}`);
    process.exit(INTERRUPTED);
  };
  process.once('SIGINT', onInterrupt);
  try {
    let shown = 0;
    for (;;) {
      const end = performance.now() + SLICE_TIME;
      let over: boolean;
      do over = simulation.advance(SLICE_EVENTS);
      while (!over && performance.now() < end);
      await trace?.flush();
      if (over) return;
      if (live && performance.now() >= shown + PROGRESS_INTERVAL) {
        shown = performance.now();
        const { events, progress } = simulation;
        const rate = formatNumber(Math.round((events * 1000) / (shown - started)));
        const phase = progress < 1 ? `${Math.floor(progress * 100)} %` : 'healed';
        const line = `${where()} (${phase}) · ${formatNumber(events)} events · ${rate} a second`;
        // A line that wraps would not be written over but leave its beginning behind. Some terminals have 0 columns.
        process.stderr.write(`\r${line.slice(0, (process.stderr.columns || DEFAULT_COLUMNS) - 1)}\u001b[K`);
      }
      await nextTurn();
    }
  } finally {
    process.off('SIGINT', onInterrupt);
    clear();
  }
}

/** Runs many seeds and reports them. */
export async function runCampaign(
  { engine, wording, plan }: Order,
  seeds: string,
  { keepGoing = false, workers = availableParallelism(), json = false }: CampaignOptions,
): Promise<void> {
  const { from, to } = readSeeds(seeds);
  const campaign = new Campaign({ engine: engine.name, plan, seeds: { from, to }, keepGoing, workers });
  const started = performance.now();
  const stopShowing = showCampaign(campaign, to - from + 1);
  const onInterrupt = (): void => {
    campaign.stop();
    stopShowing();
  };
  // Once: a second Ctrl-C ends the program whatever the workers do. The terminal must be as it was by then.
  process.once('SIGINT', onInterrupt);
  const result = await campaign.run().finally(() => {
    stopShowing();
    process.off('SIGINT', onInterrupt);
  });
  const wallSeconds = (performance.now() - started) / 1000;
  const replay = (seed: number): string => commandLine(engine.name, wording, { seed: String(seed) });
  const command = commandLine(engine.name, wording, { seeds }) + (keepGoing ? ' --keep-going' : '');
  if (json) {
    const failures = result.failures.map((failure) => ({ ...failure, replay: replay(failure.seed) }));
    console.log(JSON.stringify({ engine: engine.name, command, from, to, ...result, failures }));
  } else {
    const colour = wantsColour(process.stdout);
    process.stdout.write(campaignText(result, { engine, command, replay, wallSeconds, colour }));
  }
  if (!result.complete) process.exitCode = INTERRUPTED;
  else if (result.failed > 0) process.exitCode = 1;
}

/** Shows on a terminal how far a campaign is; returns what ends that. */
function showCampaign(campaign: Campaign, seeds: number): () => void {
  if (!process.stderr.isTTY) return () => undefined;
  const bar = new SingleBar({
    format: '{bar} {value} of {total} seeds · {failed} failed · {rate} events/s · {left} left',
    clearOnComplete: true,
    // Ctrl-C is for the campaign.
    gracefulExit: false,
  });
  const started = performance.now();
  bar.start(seeds, 0, { failed: 0, rate: 0, left: 'unknown time' });
  const timer = setInterval(() => {
    const { seeds: done, failed, events } = campaign.progress();
    const seconds = (performance.now() - started) / 1000;
    bar.update(done, {
      failed,
      rate: formatNumber(Math.round(events / seconds)),
      left: done === 0 ? 'unknown time' : formatTime((seconds / done) * (seeds - done)),
    });
  }, PROGRESS_INTERVAL);
  return () => {
    clearInterval(timer);
    bar.stop();
  };
}

function unwritable(file: string, error: unknown): UserError {
  return new UserError(`can't write ${file}: ${messageOf(error)}`);
}

/**
 * Leaves the file as it is: a run that does not get to its end destroys no earlier report, and leaves no empty one.
 *
 * @throws UserError if the file can't be written
 */
function checkOutput(file: string): void {
  const isNew = !existsSync(file);
  try {
    closeSync(openSync(file, 'a'));
    if (isNew) rmSync(file);
  } catch (error) {
    throw unwritable(file, error);
  }
}

/** @throws UserError if the file can't be written */
function writeOutput(file: string, content: string): void {
  try {
    writeFileSync(file, content);
  } catch (error) {
    throw unwritable(file, error);
  }
}

/** @throws UserError if the file can't be written */
function openOutput(file: string): number {
  try {
    return openSync(file, 'w');
  } catch (error) {
    throw unwritable(file, error);
  }
}

/** A trace as lines of JSON, to a file or, for `-`, to standard output. */
class TraceOutput {
  readonly #stream: Writable;
  readonly #file: string;
  #text = '';
  #error: unknown;

  /** @throws UserError if the file can't be written */
  constructor(file: string) {
    this.#file = file;
    this.#stream = file === '-' ? process.stdout : createWriteStream(file, { fd: openOutput(file) });
    this.#stream.on('error', (error) => {
      this.#error = error;
    });
  }

  add(line: TraceLine): void {
    // Timestamps of blocks may be too large for a number.
    this.#text += `${JSON.stringify(line, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))}\n`;
  }

  /** Hands on what there is, and waits while whoever reads it has enough. */
  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = '';
    this.#check();
    if (text === '' || this.#error !== undefined || this.#stream.write(text)) return;
    const ends = ['drain', 'error', 'close'];
    await new Promise<void>((resolve) => {
      const done = (): void => {
        for (const end of ends) this.#stream.off(end, done);
        resolve();
      };
      for (const end of ends) this.#stream.on(end, done);
    });
    this.#check();
  }

  async end(): Promise<void> {
    await this.flush();
    if (this.#stream === process.stdout) return;
    this.#stream.end();
    await finished(this.#stream).catch(() => undefined);
    this.#check();
  }

  /** A reader that has read enough (`| head`) is no fault. */
  #check(): void {
    if (this.#error === undefined || systemCodeOf(this.#error) === 'EPIPE') return;
    throw unwritable(this.#file, this.#error);
  }
}
