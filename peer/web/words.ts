/** Values in words: the one place where numbers, times, hashes and texts from the network get their form. */
import { formatNumber } from '../../shared/text-table.ts';
import { isoTime } from '../../shared/time.ts';
import type { Unit, Value } from './face.ts';
import { MAX_SHOWN_TEXT } from './limits.ts';
import { ago, bytes, duration, hashRate, latency, shortHash } from './page/format.ts';

/** What stands for a value that is not known. */
export const UNKNOWN = '–';

export function shown(value: Value, unit?: Unit): string {
  if (value === null) return UNKNOWN;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'string') return unit === 'hash' ? shortHash(value) : bounded(value);
  switch (unit) {
    case 'seconds':
      return duration(value * 1000);
    case 'milliseconds':
      return latency(value);
    case 'bytes':
      return bytes(value);
    case 'time':
      return isoTime(value);
    case 'ago':
      return ago(value);
    case 'hashes per second':
      return hashRate(value);
    case 'per second':
      return `${formatNumber(value)}/s`;
    default:
      return formatNumber(value);
  }
}

/** Digits of a hash where many stand side by side: what differs is seen all the same. */
const COLUMN_DIGITS = 8;

/** A value where many stand side by side. */
export function shownNarrow(value: Value, unit?: Unit): string {
  return unit === 'hash' && typeof value === 'string' ? value.slice(0, COLUMN_DIGITS) : shown(value, unit);
}

/** A text as far as it is shown, and not cut within a pair of surrogates. */
export function bounded(text: string): string {
  return text.length <= MAX_SHOWN_TEXT ? text : `${text.slice(0, MAX_SHOWN_TEXT - 1).toWellFormed()}…`;
}
