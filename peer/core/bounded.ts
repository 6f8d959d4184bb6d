/** Collections that never outgrow their bound: what is oldest gives way. */

/** Receives the size of something that is bounded, and the bound. */
export type Gauge = (name: string, size: number, limit: number) => void;

/**
 * Remembers the keys that were added last: never more than `limit`, and never fewer than half as many once there were
 * as many, unless they were added longer ago than their lifetime. There are two generations; a full one, or one whose
 * time is over, takes the place of the one before, so that nothing is ever deleted key by key, and the memory that is
 * looked through stays small.
 */
export class RecentSet {
  private young = new Set<string>();
  private old = new Set<string>();
  private readonly limit: number;
  /** Keys of a generation. */
  private readonly room: number;
  private readonly lifetime: number;
  /** When the young generation gives way to the next one. */
  private due = -Infinity;

  /**
   * @param limit at least 2
   * @param lifetime milliseconds for which a key is remembered at least; then it goes with its generation
   */
  constructor(limit: number, lifetime = Infinity) {
    this.limit = limit;
    this.room = Math.floor(limit / 2);
    this.lifetime = lifetime;
  }

  /** Keys held: one that was added again may count twice. */
  get size(): number {
    return this.young.size + this.old.size;
  }

  measure(name: string, report: Gauge): void {
    report(name, this.size, this.limit);
  }

  has(key: string): boolean {
    return this.young.has(key) || this.old.has(key);
  }

  /**
   * Adds a key, or remembers it for longer.
   *
   * @param now in milliseconds, where keys have a lifetime
   * @returns whether the key is new
   */
  add(key: string, now = 0): boolean {
    if (now >= this.due) this.age(now);
    const { young, old } = this;
    const before = young.size;
    // Most keys are new or have just been added, so nothing is looked up before.
    if (young.add(key).size === before) return false;
    if (young.size === this.room) this.age(now);
    return !old.has(key);
  }

  private age(now: number): void {
    this.old = this.young;
    this.young = new Set();
    this.due = now + this.lifetime;
  }
}

interface Entry<V> {
  readonly key: string;
  value: V;
  older: Entry<V> | undefined;
  younger: Entry<V> | undefined;
}

/** A map of the last so many keys that were set. Their order lies in a list beside it, for the same reason. */
export class RecentMap<V> {
  private readonly entries = new Map<string, Entry<V>>();
  private readonly limit: number;
  private oldest: Entry<V> | undefined;
  private youngest: Entry<V> | undefined;

  constructor(limit: number) {
    this.limit = limit;
  }

  get size(): number {
    return this.entries.size;
  }

  measure(name: string, report: Gauge): void {
    report(name, this.entries.size, this.limit);
  }

  get(key: string): V | undefined {
    return this.entries.get(key)?.value;
  }

  /** The value of a key, which becomes the youngest as if it had been set. */
  touch(key: string): V | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    this.renew(entry);
    return entry.value;
  }

  /** Sets a key, which becomes the youngest. */
  set(key: string, value: V): void {
    const known = this.entries.get(key);
    if (known !== undefined) {
      known.value = value;
      this.renew(known);
      return;
    }
    const entry = { key, value, older: undefined, younger: undefined };
    this.entries.set(key, entry);
    this.append(entry);
    if (this.entries.size > this.limit && this.oldest !== undefined) this.delete(this.oldest.key);
  }

  delete(key: string): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.entries.delete(key);
    this.unlink(entry);
  }

  /** From the oldest to the youngest, as they are now. */
  values(): V[] {
    const values: V[] = [];
    for (let entry = this.oldest; entry !== undefined; entry = entry.younger) values.push(entry.value);
    return values;
  }

  private renew(entry: Entry<V>): void {
    if (entry === this.youngest) return;
    this.unlink(entry);
    this.append(entry);
  }

  private append(entry: Entry<V>): void {
    entry.older = this.youngest;
    entry.younger = undefined;
    if (this.youngest === undefined) this.oldest = entry;
    else this.youngest.younger = entry;
    this.youngest = entry;
  }

  private unlink({ older, younger }: Entry<V>): void {
    if (older === undefined) this.oldest = younger;
    else older.younger = younger;
    if (younger === undefined) this.youngest = older;
    else younger.older = older;
  }
}

/** What a rate is limited to: so many at once, then so many a second. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** Limits the rate of all that is done of one kind. */
export class TokenBucket {
  private readonly rate: Rate;
  private tokens: number;
  private at = 0;

  constructor(rate: Rate) {
    this.rate = rate;
    this.tokens = rate.burst;
  }

  /**
   * Takes a token.
   *
   * @param now in milliseconds
   * @returns whether there was one
   */
  take(now: number): boolean {
    const { perSecond, burst } = this.rate;
    this.tokens = Math.min(burst, this.tokens + ((now - this.at) / 1000) * perSecond);
    this.at = now;
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }
}

/** A token bucket for each key. Idle longest is forgotten first. */
export class RateLimit {
  private readonly buckets: RecentMap<TokenBucket>;
  private readonly rate: Rate;

  constructor(options: Rate & { maxKeys: number }) {
    this.buckets = new RecentMap(options.maxKeys);
    this.rate = options;
  }

  measure(name: string, report: Gauge): void {
    this.buckets.measure(name, report);
  }

  /** Takes a token of a key, as {@link TokenBucket.take} does. */
  take(key: string, now: number): boolean {
    let bucket = this.buckets.touch(key);
    if (bucket === undefined) {
      bucket = new TokenBucket(this.rate);
      this.buckets.set(key, bucket);
    }
    return bucket.take(now);
  }
}
