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

/** The live line. @param uptime in seconds */
export function statusLine(stats: MinerStats, uptime: number): string {
  const { state, difficulty, rate } = stats;
  const parts =
    state === 'mining' && difficulty !== undefined
      ? [
          formatRate(rate),
          `a block every ${formatDuration(secondsPerBlock(difficulty, rate))} at difficulty ${difficulty}`,
        ]
      : [state === 'connecting' ? 'no peer' : 'nothing to mine'];
  parts.push(`found ${stats.found}`, `accepted ${stats.accepted}`, `stale ${stats.stale}`);
  if (stats.rejected > 0) parts.push(`rejected ${stats.rejected}`);
  if (stats.bestHash !== '') parts.push(`best ${trailingZeros(stats.bestHash)} zeros`);
  parts.push(`up ${formatDuration(uptime)}`);
  return parts.join(' · ');
}

const USUAL_COLUMNS = 80;

/** What of a terminal is needed. */
export interface Terminal {
  readonly columns: number;
  write(text: string): unknown;
}

/** One line at the bottom of the terminal that is written over again and again; the log scrolls above it. */
export class LiveLine {
  readonly #terminal: Terminal;
  #text = '';

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Shows a text, cut to the width of the terminal; `''` clears the line. */
  show(text: string): void {
    this.#text = text;
    // Some terminals don't know their width.
    const columns = this.#terminal.columns > 0 ? this.#terminal.columns : USUAL_COLUMNS;
    // A line that fills the last column would wrap, and could not be written over.
    this.#terminal.write(`\r\u001b[2K${text.slice(0, columns - 1)}`);
  }

  /** A log that writes above the line. */
  above(log: Log): Log {
    const wrapped = { ...log };
    for (const level of LOG_LEVELS) {
      wrapped[level] = (message, data): void => {
        const text = this.#text;
        if (text !== '') this.show('');
        log[level](message, data);
        if (text !== '') this.show(text);
      };
    }
    return wrapped;
  }
}
