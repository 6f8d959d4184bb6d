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

/** What became of a block that a miner handed in. */
export type SubmitResult =
  /** It is in the chain, stored and announced. */
  | { readonly status: 'accepted' }
  /** The chain has moved on: the block no longer fits on top. */
  | { readonly status: 'stale' }
  /** It breaks a rule, said in one sentence. */
  | { readonly status: 'rejected'; readonly reason: string };
