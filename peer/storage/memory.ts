import type { KeyRange, Store, StoreValue, StoreWrite } from '../core/store.ts';
import { StoredValues } from '../core/stored-values.ts';

/** A store that lives as long as the process: for tests, and for a peer that is to leave nothing behind. */
export class MemoryStore implements Store {
  private readonly values: StoredValues;
  private closed = false;

  /** @param values what it holds at first, for example {@link MemoryStore.entries} of another one */
  constructor(values: Iterable<readonly [string, StoreValue]> = []) {
    this.values = new StoredValues(values);
  }

  get(key: string): string | undefined {
    this.check();
    return this.values.get(key);
  }

  getBytes(key: string): Uint8Array | undefined {
    this.check();
    return this.values.getBytes(key);
  }

  keys(range: KeyRange): readonly string[] {
    this.check();
    return this.values.keys(range);
  }

  write(writes: readonly StoreWrite[]): void {
    this.check();
    this.values.write(writes);
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  /** Everything it holds, in no particular order; also after it was closed, as a file would still be there. */
  entries(): IterableIterator<[string, StoreValue]> {
    return this.values.entries();
  }

  private check(): void {
    if (this.closed) throw new Error('the store is closed');
  }
}
