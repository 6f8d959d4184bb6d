/** Numbers and times as people read them. Everything in English, like the rest of the page. */

const wholes = new Intl.NumberFormat('en');

/** A whole number with separators: 12,345. */
export function whole(number: number): string {
  return wholes.format(number);
}

/** What a member of a cluster is called, as in the terminal. */
export function replicaName(member: number): string {
  return `replica-${member}`;
}

const SPANS = [
  ['s', 1],
  ['min', 60],
  ['h', 3600],
  ['days', 86_400],
  ['years', 31_557_600],
] as const;

/** A duration by its largest unit, two digits at least where it is short: "0.4 s", "26 s", "3.5 min", "12 days". */
export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (!(seconds >= 0)) return '–';
  if (seconds === 0) return '0 s';
  if (seconds < 0.0995) return `${Math.max(1, Math.round(milliseconds))} ms`;
  let [unit, size]: (typeof SPANS)[number] = SPANS[0];
  for (const [name, length] of SPANS)
    if (seconds >= length * (length === 1 ? 0 : 1.5)) [unit, size] = [name, length];
  const value = seconds / size;
  if (value >= 1e6) return 'more than a million years';
  return `${value < 9.95 ? value.toFixed(1).replace(/\.0$/, '') : whole(Math.round(value))} ${unit}`;
}

/** How long after another a moment was, of which only the seconds are known: "in the same second as", "3 s after". */
export function later(seconds: number): string {
  return seconds === 0 ? 'in the same second as' : `${duration(seconds * 1000)} after`;
}

/** A short time with a digit after the point where that says something: "0.8 ms", "12 ms", "1.4 s". */
export function latency(milliseconds: number): string {
  return milliseconds < 9.95 ? `${milliseconds.toFixed(1)} ms` : duration(milliseconds);
}

/** A number of bytes: "950 B", "12 kB", "3.4 MB". */
export function bytes(number: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let unit = 0;
  while (number / 1000 ** unit >= 999.5 && unit < units.length - 1) unit++;
  const value = number / 1000 ** unit;
  return `${unit > 0 && value < 9.95 ? value.toFixed(1) : value.toFixed(0)} ${units[unit] ?? ''}`;
}

/** Digits of a hash, from its beginning: enough to tell one from the other. */
const HASH_DIGITS = 16;

/** The beginning of a hash. */
export function shortHash(hash: string): string {
  return hash.length > HASH_DIGITS ? `${hash.slice(0, HASH_DIGITS)}…` : hash;
}

/** Digits of a hash where it stands in the middle of a text. */
const ENDS = 18;

/** The first and the last digits of a hash, which has its zeros at the end. */
export function hashEnds(hash: string, digits = ENDS): string {
  return hash.length <= digits ? hash : `${hash.slice(0, 6)}…${hash.slice(-(digits - 7))}`;
}

const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P', 'E'];

/** The unit in which a hash rate has one to three digits before the point, and how many hashes a second it is. */
export function rateUnit(perSecond: number): { readonly name: string; readonly size: number } {
  let prefix = 0;
  while (perSecond / 1000 ** prefix >= 999.5 && prefix < PREFIXES.length - 1) prefix++;
  return { name: `${PREFIXES[prefix] ?? ''}H/s`, size: 1000 ** prefix };
}

/** A hash rate with three digits: "96.5 MH/s". */
export function hashRate(perSecond: number): string {
  const { name, size } = rateUnit(perSecond);
  const value = perSecond / size;
  const digits = size === 1 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${name}`;
}

/** A number and what it counts: "1 batch", "2,000 batches". */
export function counted(number: number, one: string, several = `${one}s`): string {
  return `${whole(number)} ${number === 1 ? one : several}`;
}

/** How long ago a moment was: "now", "12 s ago". Clocks differ, so the near future is now as well. */
export function ago(milliseconds: number): string {
  if (milliseconds < 1000) return 'now';
  const seconds = Math.floor(milliseconds / 1000);
  return `${duration(seconds * 1000)} ago`;
}

const moments = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium' });

/** A block's timestamp as date and time; a text as it stands where it is beyond every calendar. */
export function moment(seconds: number | string): string {
  const milliseconds = Number(seconds) * 1000;
  return Math.abs(milliseconds) <= 8.64e15 ? moments.format(milliseconds) : 'beyond any calendar';
}

const clock = new Intl.DateTimeFormat('en', { timeStyle: 'medium', hourCycle: 'h23' });

/** The time of day. */
export function timeOfDay(milliseconds: number): string {
  return clock.format(milliseconds);
}

/** A large number in words: "4.3 billion". */
export function inWords(number: number): string {
  if (number < 1e6) return whole(number);
  return number < 1e15
    ? new Intl.NumberFormat('en', {
        notation: 'compact',
        compactDisplay: 'long',
        maximumSignificantDigits: 3,
      }).format(number)
    : `10 to the power of ${Math.round(Math.log10(number))}`;
}
