/**
 * Blocks without work: a hash that costs next to nothing and has its zeros for free, for simulations that are about
 * the network rather than the blocks. Whoever simulates decides who may make one.
 */
import type { Block, BlockFault } from '../../../../shared/block.ts';

/** What was hashed last, and its hash: one node after the other verifies the same block. */
let last = { block: {}, previousHash: '', difficulty: -1, hash: '' };

/** A hash of 64 hex digits that ends in so many zeros; good enough to tell blocks apart that nobody forges. */
export function stubHash(block: Omit<Block, 'hash'>, previousHash: string, difficulty: number): string {
  if (block !== last.block || previousHash !== last.previousHash || difficulty !== last.difficulty)
    last = { block, previousHash, difficulty, hash: reckon(block, previousHash, difficulty) };
  return last.hash;
}

function reckon(block: Omit<Block, 'hash'>, previousHash: string, difficulty: number): string {
  const text = `${previousHash}|${block.height}|${block.minedBy}|${block.messages.join('|')}|${block.timestamp}|${block.nonce}`;
  let a = 0x811c9dc5 | 0;
  let b = 0x2f0b4a27 | 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x5bd1e995) ^ (b >>> 15);
  }
  const hex = (a >>> 0).toString(16).padStart(8, '0') + (b >>> 0).toString(16).padStart(8, '0');
  // No zero stands before those at the end, so that their number is exact.
  return `${hex.repeat(4).slice(0, 63 - difficulty)}1${'0'.repeat(difficulty)}`;
}

/** The rule for such blocks, in place of the network's. */
export function verifyStub(
  block: Block,
  previous: Pick<Block, 'height' | 'hash'> | null,
  difficulty: number,
): BlockFault | undefined {
  if (block.height !== (previous === null ? 0 : previous.height + 1)) return 'wrong-height';
  if (!block.hash.endsWith(`1${'0'.repeat(difficulty)}`)) return 'misses-difficulty';
  return stubHash(block, previous?.hash ?? '', difficulty) === block.hash ? undefined : 'wrong-hash';
}
