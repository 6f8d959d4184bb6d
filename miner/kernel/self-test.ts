/** The test that a scanner must pass before it is used. */
import { hash } from 'node:crypto';

import { meetsDifficulty } from '../../shared/block.ts';
import type { Hit } from './kernel.ts';
import { KernelFault, ScanSearch } from './scan.ts';
import type { Scanner } from './scan.ts';

/** Heads by their bytes and number: many midstates with word 0, many with word 8, one with word 11, a few with it. */
const HEADS = [
  { length: 93, count: 1 },
  { length: 124, count: 1 },
  { length: 75, count: 1 },
  { length: 75, count: 6 },
] as const;
/** At least so many for each head; some milliseconds in all. */
const NONCES = 300;
const DIFFICULTY = 1;

/**
 * Compares what a scanner finds with node:crypto, nonce by nonce.
 *
 * @throws KernelFault if it misses a nonce or reports a wrong one
 */
export function selfTest(scanner: Scanner): void {
  for (const { length, count } of HEADS) {
    // They differ in their first byte, which stands before the final block.
    const heads = Array.from({ length: count }, (_, head) =>
      Uint8Array.from({ length }, (_, i) => (i === 0 ? head : (i * 37) % 256)),
    );
    const [head = new Uint8Array(), ...otherHeads] = heads;
    const job = { head, otherHeads, noncePrefix: '' };
    // Difficulty 0 reports all nonces that are tried.
    const all = new ScanSearch(scanner, { ...job, difficulty: 0 }).run(NONCES);
    const good = all.found.filter((hit) => meetsDifficulty(hashOf(heads, hit), DIFFICULTY));
    const { found } = new ScanSearch(scanner, { ...job, difficulty: DIFFICULTY }).run(NONCES);
    if (all.found.length !== all.tried) throw new KernelFault(scanner.name, 'does not try every nonce');
    if (inOrder(found).join() !== inOrder(good).join())
      throw new KernelFault(scanner.name, `finds ${found.length} nonces where there are ${good.length}`);
  }
}

/** The hash that a hit stands for, by node:crypto. */
function hashOf(heads: readonly Uint8Array[], { head, nonce }: Hit): string {
  return hash('sha256', Buffer.concat([heads[head] ?? new Uint8Array(), Buffer.from(nonce)]), 'hex');
}

/** Hits as text, sorted. */
function inOrder(hits: readonly Hit[]): string[] {
  return hits.map(({ head, nonce }) => `${head} ${nonce}`).sort();
}
