/**
 * What a node keeps: texts under keys, changed in atomic, durable batches. Engines see the read-only half and
 * write through `store` effects; the simulator puts a faulty store in its place.
 */

/** One change. Keys are at most 64 ASCII characters; a store keeps them in the order of their characters. */
export type StoreWrite =
  | { readonly type: 'put'; readonly key: string; readonly value: string }
  | { readonly type: 'delete'; readonly key: string };

/** What an engine may do with the store itself: read, synchronously. */
export interface StoreView {
  /** The value under `key`, or undefined if there is none. */
  get(key: string): string | undefined;
}

/** A store that a node holds open. */
export interface Store extends StoreView {
  /** Carries out all writes or none; when it returns they survive a crash of the process and of the machine. */
  write(writes: readonly StoreWrite[]): void;
  /** Gives the store back; further calls throw. */
  close(): Promise<void>;
}
