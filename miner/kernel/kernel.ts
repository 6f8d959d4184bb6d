/**
 * What searches nonces. A kernel is given everything that is hashed before the nonce and the beginning that the
 * nonce must have; it goes through the rest of the nonce's characters in an order of its own.
 */

/** What to search. */
export interface SearchJob {
  /** Everything that is hashed before the nonce. */
  readonly head: Uint8Array;
  /**
   * What `head` may be replaced by, for kernels that gain by it: of the same length, all different, and different from
   * `head`. Only some of them, or none, may be tried.
   */
  readonly otherHeads?: readonly Uint8Array[];
  /** What every nonce tried must begin with; printable ASCII. No two workers are given the same one. */
  readonly noncePrefix: string;
  /** Nonces whose hash ends in at least this many zero hex digits are reported; 1 to 64. */
  readonly difficulty: number;
}

/** A nonce found. */
export interface Hit {
  /** What it was found for: 0 is the job's `head`, i the i-th of `otherHeads`, counted from 1. */
  readonly head: number;
  readonly nonce: string;
}

/** What came of one slice of a search. */
export interface SearchSlice {
  /** How many nonces were tried: each exactly once with the same head in the whole search. */
  readonly tried: number;
  /** The nonces found, in no particular order: every one there is among those tried. */
  readonly found: readonly Hit[];
  /** No nonce is left: the job needs another head (a later timestamp) or another prefix. */
  readonly exhausted: boolean;
}

/** A search under way. */
export interface Search {
  /**
   * Goes on for about so many nonces (a kernel works in batches of its own, so it may try some more or fewer, but
   * at least one unless exhausted).
   */
  run(nonces: number): SearchSlice;
}

/** A way to search nonces. */
export interface Kernel {
  readonly name: string;
  /** One line about what it uses, for people: instruction set, streams. */
  readonly description: string;
  /** Prepares a search; `run` does the work. */
  search(job: SearchJob): Search;
}
