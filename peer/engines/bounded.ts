/** Collections that never outgrow their bound: what is oldest gives way. */

import type { Gauge } from './engine.ts';

/** Remembers the last so many keys that were added. */
export class RecentSet {
  private readonly keys = new Set<string>();
  private readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  get size(): number {
    return this.keys.size;
  }

  measure(name: string, tell: Gauge): void {
    tell(name, this.keys.size, this.limit);
  }

  has(key: string): boolean {
    return this.keys.has(key);
  }

  /** @returns whether the key is new */
  add(key: string): boolean {
    if (this.keys.has(key)) return false;
    this.keys.add(key);
    if (this.keys.size > this.limit) dropOldest(this.keys);
    return true;
  }
}

/** A map of the last so many keys that were set. */
export class RecentMap<V> {
  private readonly entries = new Map<string, V>();
  private readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  get size(): number {
    return this.entries.size;
  }

  measure(name: string, tell: Gauge): void {
    tell(name, this.entries.size, this.limit);
  }

  get(key: string): V | undefined {
    return this.entries.get(key);
  }

  /** Sets a key, which becomes the youngest. */
  set(key: string, value: V): void {
    this.entries.delete(key);
    this.entries.set(key, value);
    if (this.entries.size > this.limit) dropOldest(this.entries);
  }

  delete(key: string): void {
    this.entries.delete(key);
  }

  values(): IterableIterator<V> {
    return this.entries.values();
  }
}

function dropOldest(collection: Set<string> | Map<string, unknown>): void {
  for (const key of collection.keys()) {
    collection.delete(key);
    return;
  }
}

/** Token buckets, one for each key: so many at once, then so many a second. Idle longest is forgotten first. */
export class RateLimit {
  private readonly buckets: RecentMap<{ tokens: number; at: number }>;
  private readonly perSecond: number;
  private readonly burst: number;

  constructor(options: { perSecond: number; burst: number; maxKeys: number }) {
    this.buckets = new RecentMap(options.maxKeys);
    this.perSecond = options.perSecond;
    this.burst = options.burst;
  }

  measure(name: string, tell: Gauge): void {
    this.buckets.measure(name, tell);
  }

  /**
   * Takes a token.
   *
   * @param now in milliseconds
   * @returns whether there was one
   */
  take(key: string, now: number): boolean {
    let bucket = this.buckets.get(key);
    bucket ??= { tokens: this.burst, at: now };
    this.buckets.set(key, bucket);
    bucket.tokens = Math.min(this.burst, bucket.tokens + ((now - bucket.at) / 1000) * this.perSecond);
    bucket.at = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }
}
