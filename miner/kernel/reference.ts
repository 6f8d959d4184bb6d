/**
 * The plain kernel: one call of node:crypto for each nonce, nothing shared, nothing clever. It is what every faster
 * kernel is compared with, and what remains where none of them runs.
 */
import { hash } from 'node:crypto';

import { MAX_MINED_NONCE_LENGTH } from '../../shared/block.ts';
import { NONCE_ALPHABET } from '../../shared/mining-wire.ts';
import type { Hit, Kernel, Search, SearchJob, SearchSlice } from './kernel.ts';

/** Characters that are counted through behind the prefix: 2^48 nonces, years of work for this kernel. */
const COUNTED = 8;

/** Bytes of the alphabet, in order. */
const DIGITS = Buffer.from(NONCE_ALPHABET, 'latin1');

/** Counts through all nonces of one length. */
class ReferenceSearch implements Search {
  /** Head and nonce; the digits behind the prefix are changed in place. */
  readonly #preimage: Buffer;
  readonly #headLength: number;
  /** Where the counted digits begin. */
  readonly #from: number;
  /** For each counted digit, its place in the alphabet. */
  readonly #counter: Uint8Array;
  readonly #zeros: string;
  #exhausted = false;

  constructor({ head, noncePrefix, difficulty }: SearchJob) {
    const counted = Math.min(COUNTED, MAX_MINED_NONCE_LENGTH - noncePrefix.length);
    if (counted < 0) throw new RangeError(`a nonce prefix of ${noncePrefix.length} characters is too long`);
    this.#headLength = head.length;
    this.#from = head.length + noncePrefix.length;
    this.#counter = new Uint8Array(counted);
    this.#preimage = Buffer.alloc(this.#from + counted, DIGITS[0]);
    this.#preimage.set(head);
    this.#preimage.write(noncePrefix, head.length, 'latin1');
    this.#zeros = '0'.repeat(difficulty);
  }

  run(nonces: number): SearchSlice {
    const found: Hit[] = [];
    let tried = 0;
    while (!this.#exhausted && tried < Math.max(1, nonces)) {
      tried++;
      if (hash('sha256', this.#preimage, 'hex').endsWith(this.#zeros)) {
        found.push({ head: 0, nonce: this.#preimage.toString('latin1', this.#headLength) });
      }
      this.#advance();
    }
    return { tried, found, exhausted: this.#exhausted };
  }

  #advance(): void {
    for (let at = this.#counter.length - 1; at >= 0; at--) {
      const digit = ((this.#counter[at] ?? 0) + 1) % DIGITS.length;
      this.#counter[at] = digit;
      this.#preimage[this.#from + at] = DIGITS[digit] ?? 0;
      if (digit !== 0) return;
    }
    this.#exhausted = true;
  }
}

export const referenceKernel: Kernel = {
  name: 'reference',
  description: 'node:crypto, one hash at a time',
  search: (job) => new ReferenceSearch(job),
};
