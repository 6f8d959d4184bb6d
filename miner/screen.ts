/** What a person sees of the miner on a terminal. */
import { trailingZeros } from '../shared/block.ts';
import { LOG_LEVELS, type Log } from '../shared/log.ts';
import type { MinerStats } from './miner.ts';

/** A rate in the unit that suits it: `31.6 MH/s`. */
export function formatRate(perSecond: number): string {
  const units = ['H/s', 'kH/s', 'MH/s', 'GH/s', 'TH/s'];
  let value = perSecond;
  let unit = 0;
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000;
  return `${value === 0 ? '0' : value.toPrecision(3)} ${units[unit] ?? ''}`;
}

/** A time in its two largest units: `2h 05m`, `1m 09s`, `8.3s`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return 'never';
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)}s`;
  const two = (large: number, small: number, units: string): string =>
    `${Math.floor(large)}${units.charAt(0)} ${String(Math.floor(small)).padStart(2, '0')}${units.charAt(1)}`;
  if (seconds < 3600) return two(seconds / 60, seconds % 60, 'ms');
  if (seconds < 86_400) return two(seconds / 3600, (seconds % 3600) / 60, 'hm');
  return two(seconds / 86_400, (seconds % 86_400) / 3600, 'dh');
}

/** How long a block takes on average: a hash ends in `difficulty` zeros once in 16^difficulty times. */
export function secondsPerBlock(difficulty: number, rate: number): number {
  return 16 ** difficulty / rate;
}

/** The rates of workers in one phrase: `2 workers of 30.4 MH/s to 30.9 MH/s`. */
function formatWorkers(rates: readonly number[]): string {
  if (rates.length === 1) return '1 worker';
  const least = formatRate(Math.min(...rates));
  const most = formatRate(Math.max(...rates));
  return `${rates.length} workers of ${least === most ? least : `${least} to ${most}`}`;
}

function searchLine({ state, difficulty, rate, workerRates }: MinerStats): string {
  if (state === 'paused') return 'paused';
  if (state === 'connecting') return 'no peer';
  if (difficulty === undefined) return 'the peer has no work so far';
  if (state === 'waiting') return 'waiting for what the peer makes of the block';
  if (rate === 0) return 'measuring';
  const time = formatDuration(secondsPerBlock(difficulty, rate));
  return `${formatRate(rate)} · ${formatWorkers(workerRates)} · a block every ${time} at difficulty ${difficulty}`;
}

/**
 * What the search does now, and what has come of it: two lines.
 *
 * @param uptime in seconds
 */
export function statusLines(stats: MinerStats, uptime: number): string[] {
  const parts = [`found ${stats.found}`, `accepted ${stats.accepted}`, `stale ${stats.stale}`];
  if (stats.rejected > 0) parts.push(`rejected ${stats.rejected}`);
  if (stats.unanswered > 0) parts.push(`unanswered ${stats.unanswered}`);
  if (stats.bestHash !== '') parts.push(`best ${trailingZeros(stats.bestHash)} zeros`);
  parts.push(`up ${formatDuration(uptime)}`);
  return [searchLine(stats), parts.join(' · ')];
}

/** What the keys do, for as long as they do it. */
export function keyLine({ paused }: Pick<MinerStats, 'paused'>): string {
  return `p ${paused ? 'resume' : 'pause'} · + and - workers · q quit`;
}

const USUAL_COLUMNS = 80;

/** What of a terminal is needed. */
export interface Terminal {
  readonly columns: number;
  write(text: string): unknown;
}

/** A few lines at the bottom of the terminal that are written over again and again; the log scrolls above them. */
export class LiveLines {
  readonly #terminal: Terminal;
  #lines: readonly string[] = [];

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Shows lines in place of the last ones, cut to the width of the terminal; none clears them. */
  show(...lines: readonly string[]): void {
    // Some terminals don't know their width.
    const columns = this.#terminal.columns > 0 ? this.#terminal.columns : USUAL_COLUMNS;
    const up = '\u001b[1A'.repeat(Math.max(this.#lines.length - 1, 0));
    // A line that fills the last column would wrap, and could not be written over.
    const shown = lines.map((line) => line.slice(0, columns - 1)).join('\n');
    this.#lines = lines;
    this.#terminal.write(`\r${up}\u001b[J${shown}`);
  }

  /** A log that writes above the lines. */
  above(log: Log): Log {
    const wrapped = { ...log };
    for (const level of LOG_LEVELS) {
      wrapped[level] = (message, data): void => {
        const lines = this.#lines;
        if (lines.length > 0) this.show();
        log[level](message, data);
        if (lines.length > 0) this.show(...lines);
      };
    }
    return wrapped;
  }
}
