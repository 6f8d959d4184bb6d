/** The test that a scanner must pass before it is used. */
import { hash } from 'node:crypto';

import { meetsDifficulty } from '../../shared/block.ts';
import { KernelFault, ScanSearch } from './scan.ts';
import type { Scanner } from './scan.ts';

/** Bytes of head: many midstates with word 0, many with word 8, a single midstate. */
const HEAD_LENGTHS = [93, 124, 75];
/** At least so many for each head; some milliseconds in all. */
const NONCES = 300;
const DIFFICULTY = 1;

/**
 * Compares what a scanner finds with node:crypto, nonce by nonce.
 *
 * @throws KernelFault if it misses a nonce or reports a wrong one
 */
export function selfTest(scanner: Scanner): void {
  for (const headLength of HEAD_LENGTHS) {
    const head = Uint8Array.from({ length: headLength }, (_, i) => (i * 37) % 256);
    const job = { head, noncePrefix: '' };
    // Difficulty 0 reports all nonces that are tried.
    const all = new ScanSearch(scanner, { ...job, difficulty: 0 }).run(NONCES);
    const good = all.found.filter((nonce) =>
      meetsDifficulty(hash('sha256', Buffer.concat([head, Buffer.from(nonce)]), 'hex'), DIFFICULTY),
    );
    const { found } = new ScanSearch(scanner, { ...job, difficulty: DIFFICULTY }).run(NONCES);
    if (all.found.length !== all.tried) throw new KernelFault(scanner.name, 'does not try every nonce');
    if (found.toSorted().join() !== good.toSorted().join())
      throw new KernelFault(scanner.name, `finds ${found.length} nonces where there are ${good.length}`);
  }
}
