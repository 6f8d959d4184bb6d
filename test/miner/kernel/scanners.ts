/** What the kernel tests share: an oracle that knows nothing of midstates, and heads that are the same in every run. */
import { hash } from 'node:crypto';

import { trailingZeros } from '../../../shared/block.ts';
import { NONCE_SPACE } from '../../../miner/kernel/layout.ts';
import type { NonceSpace } from '../../../miner/kernel/layout.ts';
import { ScanSearch } from '../../../miner/kernel/scan.ts';
import type { Scanner } from '../../../miner/kernel/scan.ts';

/** `length` bytes that look random and depend on the length only. */
export function headOf(length: number): Uint8Array {
  const bytes: Buffer[] = [];
  for (let i = 0; i * 32 < length; i++) bytes.push(hash('sha256', `head ${length} ${i}`, 'buffer'));
  return Buffer.concat(bytes).subarray(0, length);
}

/** How many zeros the hash of head and nonce ends in. */
export function zerosOf(head: Uint8Array, nonce: string): number {
  return trailingZeros(hash('sha256', Buffer.concat([head, Buffer.from(nonce)]), 'hex'));
}

/** A space small enough to be searched to its end. */
export function smallSpace(limit: number, alphabet = 'ab', midstateAlphabet = 'xyz.~'): NonceSpace {
  return { limit, alphabet, midstateAlphabet };
}

/** All nonces that a search tries in some slices, in no particular order. */
export function triedNonces(
  scanner: Scanner,
  head: Uint8Array,
  noncePrefix: string,
  slices: readonly number[],
  space = NONCE_SPACE,
): string[] {
  const search = new ScanSearch(scanner, { head, noncePrefix, difficulty: 0 }, space);
  return slices.flatMap((nonces) => search.run(nonces).found);
}
