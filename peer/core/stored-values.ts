import type { KeyRange, StoreValue, StoreView, StoreWrite } from './store.ts';

/** What a store holds, in memory. */
export class StoredValues implements StoreView {
  readonly #values: Map<string, StoreValue>;
  /** All keys in their order; undefined while they have to be sorted anew. */
  #sorted: string[] | undefined;

  constructor(values: Iterable<readonly [string, StoreValue]> = []) {
    this.#values = new Map(values);
  }

  get size(): number {
    return this.#values.size;
  }

  get(key: string): string | undefined {
    const value = this.#values.get(key);
    if (value instanceof Uint8Array) throw new Error(`there are bytes under ${key}`);
    return value;
  }

  getBytes(key: string): Uint8Array | undefined {
    const value = this.#values.get(key);
    if (typeof value === 'string') throw new Error(`there is a text under ${key}`);
    return value?.slice();
  }

  keys({ from, to, limit, reverse = false }: KeyRange): readonly string[] {
    this.#sorted ??= [...this.#values.keys()].sort();
    const [first, end] = [placeOf(this.#sorted, from), placeOf(this.#sorted, to)];
    if (!reverse) return this.#sorted.slice(first, Math.min(end, first + limit));
    return this.#sorted.slice(Math.max(first, end - limit), Math.max(first, end)).reverse();
  }

  write(writes: readonly StoreWrite[]): void {
    for (const write of writes) {
      if (write.type === 'delete') {
        if (this.#values.delete(write.key)) this.#sorted = undefined;
        continue;
      }
      const { key, value } = write;
      if (!this.#values.has(key)) this.#sorted = undefined;
      // Whoever wrote them may go on with the same bytes.
      this.#values.set(key, typeof value === 'string' ? value : value.slice());
    }
  }

  clear(): void {
    this.#values.clear();
    this.#sorted = undefined;
  }

  /** Everything it holds, in no particular order. */
  entries(): IterableIterator<[string, StoreValue]> {
    return this.#values.entries();
  }
}

/** How many of the keys, which are sorted, come before one. */
function placeOf(keys: readonly string[], key: string): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? '') < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
