/** What is to be mined next: the block without what the miner finds (timestamp, nonce, hash). */
export interface WorkTemplate {
  readonly height: number;
  /** Hash of the block below, `''` if the next block is a genesis. */
  readonly previousHash: string;
  readonly messages: readonly string[];
  readonly minedBy: string;
  /** Zeros that the hash must end in. */
  readonly difficulty: number;
}

/** What sets the work of one miner apart from that of others that would search the same nonces: a message of its own. */
export function minerMark(number: number): string {
  return `miner #${number}`;
}

/** Whether a message is such a mark rather than somebody's word. */
export function isMinerMark(message: string): boolean {
  return /^miner #\d+$/.test(message);
}

/** What became of a block that a miner handed in. */
export type SubmitResult =
  /** The block is in the chain, stored and announced. */
  | { readonly status: 'accepted' }
  /** The chain has moved on: the block no longer fits on top. */
  | { readonly status: 'stale' }
  /** The block breaks a rule, named in one sentence. */
  | { readonly status: 'rejected'; readonly reason: string };

/**
 * Whether miners search fast on a block with so many bytes before the nonce: their fast kernels let the nonce straddle
 * the boundary of two of SHA-256's blocks of 64 bytes (see `miner/kernel/layout.ts`), and with at most 38 characters,
 * the first of them the miner's own, it reaches one only from these places. Elsewhere a nonce
 * costs half as much again, unless the order of several messages makes up for it;
 * and at every fourth place preparations cost a percent, because the last word has room for two characters only.
 */
export function suitsMiners(headLength: number): boolean {
  const place = headLength % 64;
  return place >= 28 && place <= 56 && place % 4 !== 0;
}
