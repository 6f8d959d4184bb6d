/** How states are written for people, whatever engine they are of. */
import { escapeControls } from '../../shared/escape.ts';
import { formatNumber } from '../../shared/text-table.ts';
import { shortHash } from '../web/page/format.ts';

/** Rows of a table; the rest is counted. */
export const MAX_ROWS = 12;
/** Characters of a text from the network. */
const MAX_TEXT = 40;

/** Cut, and fit for a terminal. */
export function short(text: string): string {
  const safe = escapeControls(text);
  return safe.length > MAX_TEXT ? `${safe.slice(0, MAX_TEXT - 1)}…` : safe;
}

export function hashOrDash(hash: string | null): string {
  return hash === null ? '-' : shortHash(hash);
}

/** `12 s`, `3.5 min`, `2 h`, `4.2 days`. */
export function formatSeconds(seconds: number): string {
  const [size, unit] =
    (
      [
        [86_400, 'days'],
        [3_600, 'h'],
        [60, 'min'],
      ] as const
    ).find(([least]) => seconds >= 2 * least) ?? ([1, 's'] as const);
  return `${formatNumber(Number((seconds / size).toPrecision(2)))} ${unit}`;
}

/** How long ago something was: `now`, `12 s ago`. */
export function formatAgo(milliseconds: number): string {
  return milliseconds < 1000 ? 'now' : `${formatSeconds(Math.floor(milliseconds / 1000))} ago`;
}

/** The first rows, and how many more there are. */
export function firstRows<T>(all: readonly T[], row: (one: T) => (string | number)[]): (string | number)[][] {
  const rows = all.slice(0, MAX_ROWS).map(row);
  return all.length > MAX_ROWS ? [...rows, [`… and ${formatNumber(all.length - MAX_ROWS)} more`]] : rows;
}
