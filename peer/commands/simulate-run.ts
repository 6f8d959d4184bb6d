/** How `peer simulate` runs what was asked for, shows how far it is, and reports what came of it. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';

import { SingleBar } from 'cli-progress';

import { fileFaultOf, systemCodeOf } from '../../shared/errors.ts';
import { toJson } from '../../shared/escape.ts';
import { EXIT_CODES, StopSignals } from '../../shared/stop-signals.ts';
import { formatNumber, wantsColour } from '../../shared/text-table.ts';
import { Campaign } from '../simulator/campaign.ts';
import { commandLine, readSeeds, type Wording } from '../simulator/plan.ts';
import type { RunningSimulation, SimulatedEngine } from '../simulator/offer.ts';
import { campaignText, failureLine, formatTime, runText } from '../simulator/report-text.ts';
import { passed } from '../simulator/report.ts';
import type { Plan } from '../simulator/settings.ts';
import type { TraceLine } from '../simulator/trace.ts';
import { openOutput, outputStream, unwritable, type OutputFile } from '../storage/output-file.ts';

/** Random seeds are below this: short enough to be typed. */
const RANDOM_SEEDS = 2 ** 32;
/** How long a simulation goes on before it looks whether somebody wants something, in milliseconds. */
const SLICE_TIME = 50;
/** Events between two looks at the time. */
const SLICE_EVENTS = 1_000;
/** Time between two pictures of how far it is, in milliseconds. */
const PROGRESS_INTERVAL = 200;
/** How long the reader of a trace may hold up the end of a run that was stopped, in milliseconds. */
const READER_PATIENCE = 1_000;
/** How wide a terminal is that does not know it. */
const DEFAULT_COLUMNS = 80;
/** How wide the bar of a campaign is, at most and at least, in columns. */
const MAX_BAR = 40;
const MIN_BAR = 8;
/** The exit code where a checker was violated: 1 is for what could not be run at all. */
const VIOLATED = 2;

/** What is to be simulated: the plan, and the words that it was made of. */
export interface Order {
  readonly engine: SimulatedEngine;
  readonly wording: Wording;
  readonly plan: Plan;
  /** What the workers of a campaign run; our own by default. */
  readonly worker?: URL | undefined;
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
  const pageFile = page === undefined || page === '-' ? undefined : openOutput(page);
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
  const signals = new StopSignals();
  try {
    await runToEnd(simulation, seed, trace, signals.stop);
  } finally {
    // Whoever reads it may have stopped as well.
    await Promise.race([trace?.end(), ...(signals.stop.aborted ? [pause(READER_PATIENCE)] : [])]);
  }
  const { exitCode } = signals;
  const complete = exitCode === undefined;
  const wallSeconds = (performance.now() - started) / 1000;
  const report = simulation.report();
  const command = commandLine(engine.name, wording, { seed: String(seed) });
  if (options.json === true) {
    console.log(toJson({ passed: passed(report), complete, command, ...report }));
  } else {
    // Standard output has the trace or the page, if that was asked for.
    const output = options.trace === '-' || page === '-' ? process.stderr : process.stdout;
    output.write(runText(report, { engine, command, complete, wallSeconds, ...looksOf(output) }));
  }
  if (!complete) {
    const name = exitCode === EXIT_CODES.SIGINT ? 'Ctrl-C' : 'SIGTERM';
    const where = `seed ${seed}: ${formatTime(report.simulatedSeconds)} simulated`;
    process.stderr.write(`peer: stopped by ${name}; ${where}\n`, () => process.exit(exitCode));
    return;
  }
  if (!passed(report)) process.exitCode = VIOLATED;
  if (page !== undefined) {
    const { renderHtml } = await import('../simulator/html.ts');
    if (page === '-') process.stdout.write(renderHtml(report, engine));
    else pageFile?.commit(renderHtml(report, engine));
  }
}

/** Runs a simulation to its end or until it is to stop, in slices between which Ctrl-C is heard. */
async function runToEnd(
  simulation: RunningSimulation,
  seed: number,
  trace: TraceOutput | undefined,
  stop: AbortSignal,
): Promise<void> {
  const live = process.stderr.isTTY;
  const started = performance.now();
  const where = (): string => `seed ${seed}: ${formatTime(simulation.now() / 1000)} simulated`;
  const clear = (): void => {
    if (live) process.stderr.write('\r\u001b[K');
  };
  const stopped = once(stop, 'abort');
  try {
    let shown = 0;
    for (;;) {
      const end = performance.now() + SLICE_TIME;
      let over: boolean;
      do over = simulation.advance(SLICE_EVENTS);
      while (!over && performance.now() < end);
      await Promise.race([trace?.flush(), stopped]);
      if (over || stop.aborted) return;
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
    clear();
  }
}

/** What the workers of a campaign run. */
function workerFile(): URL {
  const file = import.meta.url.endsWith('.ts') ? './campaign-worker.ts' : './campaign-worker.js';
  return new URL(file, import.meta.url);
}

/** Runs many seeds and reports them. */
export async function runCampaign(
  { engine, wording, plan, worker = workerFile() }: Order,
  seeds: string,
  { keepGoing = false, workers = availableParallelism(), json = false }: CampaignOptions,
): Promise<void> {
  const { from, to } = readSeeds(seeds);
  const replay = (seed: number): string => commandLine(engine.name, wording, { seed: String(seed) });
  const campaign = new Campaign({
    engine: engine.name,
    plan,
    seeds: { from, to },
    keepGoing,
    workers,
    worker,
    onFailure: (failure) => {
      display.say(failureLine(failure, replay));
    },
  });
  const started = performance.now();
  const display = new CampaignDisplay(campaign, to - from + 1);
  const signals = new StopSignals();
  signals.stop.addEventListener('abort', () => {
    campaign.stop();
    // A second signal ends the program whatever the workers do. The terminal must be as it was by then.
    display.end();
  });
  const result = await campaign.run().finally(() => {
    display.end();
  });
  const wallSeconds = (performance.now() - started) / 1000;
  const over = (first: number, last: number): string =>
    commandLine(engine.name, wording, { seeds: `${first}..${last}` }) + (keepGoing ? ' --keep-going' : '');
  const { counted, next } = result;
  // Of a campaign that was stopped, what it has done: those that it has left out among them cost little.
  const command = over(from, result.complete ? to : (counted ?? to));
  const rest = next === null ? null : over(next, to);
  if (json) {
    const failures = result.failures.map((failure) => ({ ...failure, replay: replay(failure.seed) }));
    const furtherFailures = result.furtherFailures.map((seed) => ({ seed, replay: replay(seed) }));
    const deaths = result.deaths.map((death) => ({ ...death, replay: replay(death.seed) }));
    const all = {
      engine: engine.name,
      command,
      rest,
      from,
      to,
      ...result,
      failures,
      furtherFailures,
      deaths,
    };
    console.log(toJson(all));
  } else {
    const surroundings = {
      engine,
      command,
      rest,
      replay,
      keepGoing,
      wallSeconds,
      ...looksOf(process.stdout),
    };
    process.stdout.write(campaignText(result, surroundings));
  }
  if (signals.exitCode !== undefined) process.exitCode = signals.exitCode;
  else if (result.deaths.length > 0) process.exitCode = 1;
  else if (result.failed > 0) process.exitCode = VIOLATED;
}

/** What stands beside the bar of a campaign. */
interface Figures {
  readonly failed: number;
  readonly rate: string;
  readonly left: string;
}

/** The line that shows how far a campaign is: the bar has what room the figures leave. */
function barLine(value: number, total: number, { failed, rate, left }: Figures): string {
  const text = `${value} of ${total} seeds · ${failed} failed · ${rate} events/s · ${left} left`;
  const room = (process.stderr.columns || DEFAULT_COLUMNS) - 2 - text.length;
  const width = Math.min(MAX_BAR, room);
  if (width < MIN_BAR) return text;
  const done = Math.floor((width * value) / Math.max(1, total));
  return `${'='.repeat(done)}${'-'.repeat(width - done)} ${text}`;
}

/** How a report is to look on a stream: whoever reads a pipe breaks lines himself. */
function looksOf(output: NodeJS.WriteStream): { colour: boolean; width: number } {
  return { colour: wantsColour(output), width: output.isTTY ? output.columns || DEFAULT_COLUMNS : Infinity };
}

/** Shows on a terminal how far a campaign is. */
class CampaignDisplay {
  readonly #campaign: Campaign;
  readonly #seeds: number;
  readonly #started = performance.now();
  readonly #bar: SingleBar | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(campaign: Campaign, seeds: number) {
    this.#campaign = campaign;
    this.#seeds = seeds;
    if (!process.stderr.isTTY) return;
    this.#bar = new SingleBar({
      format: (_, { value, total }, figures: Figures) => barLine(value, total, figures),
      clearOnComplete: true,
      // Ctrl-C is for the campaign.
      gracefulExit: false,
    });
    this.#start();
    this.#timer = setInterval(() => {
      const { done, ...figures } = this.#state();
      this.#bar?.update(done, figures);
    }, PROGRESS_INTERVAL);
  }

  /** Writes a line that stays, to standard error: it is no part of the report. */
  say(line: string): void {
    if (!this.#ended) this.#bar?.stop();
    console.error(line);
    if (!this.#ended) this.#start();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#timer);
    this.#bar?.stop();
  }

  #start(): void {
    const { done, ...figures } = this.#state();
    this.#bar?.start(this.#seeds, done, figures);
  }

  #state(): Figures & { done: number } {
    const { seeds: done, failed, events } = this.#campaign.progress();
    const seconds = Math.max(0.001, (performance.now() - this.#started) / 1000);
    return {
      done,
      failed,
      rate: formatNumber(Math.round(events / seconds)),
      left: done === 0 ? 'unknown time' : formatTime((seconds / done) * (this.#seeds - done)),
    };
  }
}

/** A trace as lines of JSON, to a file or, for `-`, to standard output. */
class TraceOutput {
  readonly #stream: Writable;
  readonly #path: string;
  readonly #file: OutputFile | undefined;
  #text = '';
  #error: unknown;

  /** @throws UserError if the file can't be written */
  constructor(path: string) {
    this.#path = path;
    this.#file = path === '-' ? undefined : openOutput(path);
    this.#stream = this.#file === undefined ? process.stdout : outputStream(this.#file);
    this.#stream.on('error', (error) => {
      this.#error = error;
    });
  }

  add(line: TraceLine): void {
    // Timestamps of blocks may be too large for a number.
    this.#text += `${toJson(line)}\n`;
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
    if (this.#file === undefined) return;
    this.#stream.end();
    await finished(this.#stream).catch(() => undefined);
    this.#check();
    this.#file.commit();
  }

  /** A reader that has read enough (`| head`) is no fault. */
  #check(): void {
    if (this.#error === undefined || systemCodeOf(this.#error) === 'EPIPE') return;
    throw unwritable(this.#path, fileFaultOf(this.#error));
  }
}
