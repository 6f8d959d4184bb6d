/** Collections that never outgrow their bound: what is oldest gives way. */

import type { Gauge } from './engine.ts';

/**
 * Remembers the last so many keys that were added. Their order lies in a ring beside the set: to find the oldest in the
 * set itself, everything deleted before it would be passed over, again and again.
 */
export class RecentSet {
  private readonly keys = new Set<string>();
  private readonly ring: string[] = [];
  /** Where in the ring the oldest key stands, once the ring is full. */
  private oldest = 0;
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
    if (this.ring.length < this.limit) {
      this.ring.push(key);
    } else {
      this.keys.delete(this.ring[this.oldest] ?? '');
      this.ring[this.oldest] = key;
      this.oldest = (this.oldest + 1) % this.limit;
    }
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
    if (this.entries.size <= this.limit) return;
    for (const oldest of this.entries.keys()) {
      this.entries.delete(oldest);
      return;
    }
  }

  delete(key: string): void {
    this.entries.delete(key);
  }

  values(): IterableIterator<V> {
    return this.entries.values();
  }
}

/** Token buckets, one for each key: so many at once, then so many a second. Idle longest is forgotten first. */
export class RateLimit {
  private readonly buckets: RecentMap<{ tokens: number; at: number }>;
  private readonly perSecond: number;
  private readonly burst: number;
  private readonly crowd: number;

  constructor(options: { perSecond: number; burst: number; maxKeys: number }) {
    this.buckets = new RecentMap(options.maxKeys);
    this.perSecond = options.perSecond;
    this.burst = options.burst;
    this.crowd = options.maxKeys / 2;
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
    const known = bucket !== undefined;
    bucket ??= { tokens: this.burst, at: now };
    // Which key is the youngest matters once the table fills; to keep track of it before would only take time.
    if (!known || this.buckets.size > this.crowd) this.buckets.set(key, bucket);
    bucket.tokens = Math.min(this.burst, bucket.tokens + ((now - bucket.at) / 1000) * this.perSecond);
    bucket.at = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }
}
