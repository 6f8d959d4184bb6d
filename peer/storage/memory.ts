import type { Store, StoreWrite } from '../core/store.ts';

/** A store that lives as long as the process: for tests, and for a peer that is to leave nothing behind. */
export class MemoryStore implements Store {
  private readonly values: Map<string, string>;
  private closed = false;

  /** @param values what it holds at first, for example {@link MemoryStore.entries} of another one */
  constructor(values: Iterable<readonly [string, string]> = []) {
    this.values = new Map(values);
  }

  get(key: string): string | undefined {
    this.check();
    return this.values.get(key);
  }

  write(writes: readonly StoreWrite[]): void {
    this.check();
    for (const write of writes) {
      if (write.type === 'put') this.values.set(write.key, write.value);
      else this.values.delete(write.key);
    }
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  /** Everything it holds, in no particular order; also after it was closed, as a file would still be there. */
  entries(): IterableIterator<[string, string]> {
    return this.values.entries();
  }

  private check(): void {
    if (this.closed) throw new Error('the store is closed');
  }
}
