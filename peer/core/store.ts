/**
 * What a node stores: texts and bytes under keys, changed in atomic, durable batches. Engines see the read-only half
 * and write through `store` effects; the simulator puts a faulty store in its place.
 */

export type StoreValue = string | Uint8Array;

/** One change. Keys are at most 64 ASCII characters; a store orders them by their characters. */
export type StoreWrite =
  | { readonly type: 'put'; readonly key: string; readonly value: StoreValue }
  | { readonly type: 'delete'; readonly key: string };

/** Which keys: those from `from` on, before `to`. */
export interface KeyRange {
  readonly from: string;
  readonly to: string;
  /** How many at the most: a step of an engine is bounded. */
  readonly limit: number;
  /** From the last one down. */
  readonly reverse?: boolean;
}

/** What an engine may do with the store itself: read, synchronously. */
export interface StoreView {
  /** The text under `key`, or undefined if there is none. @throws Error if there are bytes */
  get(key: string): string | undefined;
  /** The bytes under `key`, or undefined if there are none. @throws Error if there is a text */
  getBytes(key: string): Uint8Array | undefined;
  /** The keys in a range, in their order. */
  keys(range: KeyRange): readonly string[];
}

/** A store that a node holds open. */
export interface Store extends StoreView {
  /** Carries out all writes or none; when it returns they survive a crash of the process and of the machine. */
  write(writes: readonly StoreWrite[]): void;
  /** Gives the store back; further calls throw. */
  close(): Promise<void>;
}
