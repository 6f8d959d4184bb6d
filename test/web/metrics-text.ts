/** What `/metrics` answers, read. */
import { expect } from 'vitest';

export interface Scrape {
  /** Every sample, by its name and labels. */
  readonly samples: Map<string, number>;
  /** The names and types of what there is. */
  readonly types: Map<string, string>;
}

/** What `promtool check metrics` finds fault with in a name: units that are not base units, or abbreviated, and types. */
const NO_NAME =
  /(^|_)(s|ms|us|ns|sec|b|kb|mb|gb|tb|pb|m|h|d|minutes|hours|days|weeks|milliseconds|microseconds|nanoseconds|kilobytes|megabytes|gigabytes|bits|percent|gauge|counter|histogram|summary)(_|$)/;
/** Endings that belong to the parts of a histogram or a summary. */
const PART = /_(count|sum|bucket)$/;

/** Fails if a metric breaks a rule of `promtool check metrics`. */
function expectWellNamed(lines: readonly string[], types: ReadonlyMap<string, string>): void {
  const helped = new Set(lines.map((line) => /^# HELP (\S+) \S/.exec(line)?.[1]));
  for (const name of types.keys()) {
    expect(helped, `${name} has no help`).toContain(name);
    expect(name).not.toMatch(NO_NAME);
    expect(name).not.toMatch(PART);
  }
}

export async function readMetrics(response: Response): Promise<Scrape> {
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  /** The last bound of each histogram so far: they must rise. */
  const bounds = new Map<string, number>();
  const lines = (await response.text()).split('\n');
  for (const line of lines) {
    const [, name, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (name !== undefined && type !== undefined) types.set(name, type);
    if (line === '' || line.startsWith('#')) continue;
    const [, sample, value] = /^([a-z_][a-z0-9_]*(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    if (sample === undefined) throw new Error(`not a sample: ${line}`);
    samples.set(sample, Number(value));
    const [bucket, le] = /\ble="([^"]+)"/.exec(sample) ?? [];
    if (bucket === undefined) continue;
    const series = sample.replace(bucket, '');
    const bound = le === '+Inf' ? Infinity : Number(le);
    expect(bound, sample).toBeGreaterThan(bounds.get(series) ?? -Infinity);
    bounds.set(series, bound);
  }
  expectWellNamed(lines, types);
  return { samples, types };
}

/** Fails if a counter of ours has gone down, or anything is called a counter that is none, or the reverse. */
export function expectGrowth(before: Scrape, { samples, types }: Scrape): void {
  for (const [name, value] of before.samples) {
    const base = name.replace(/\{.*/, '');
    const counts = base.endsWith('_total') || /_(bucket|count)$/.test(base);
    if (counts && base.startsWith('gossip_peer_'))
      expect(samples.get(name), name).toBeGreaterThanOrEqual(value);
  }
  for (const [name, type] of types) {
    expect(name.endsWith('_total'), name).toBe(type === 'counter');
  }
}
