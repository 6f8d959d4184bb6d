/** The miner that most Node programs would have: one hash object for each nonce, fed field by field. */
import { createHash } from 'node:crypto';

/** What is hashed before the nonce. */
const FIELDS = ['0'.repeat(64), 'a miner', 'one message', 'another', 'a third one', '\0\0\0\0f\xe8O\x80'];
const ZEROS = '0'.repeat(8);

/** Tries so many nonces from `first`; returns those that make a block. */
export function hashFieldByField(first: number, nonces: number): string[] {
  const found: string[] = [];
  for (let nonce = first; nonce < first + nonces; nonce++) {
    const hash = createHash('sha256');
    for (const field of FIELDS) hash.update(field);
    if (hash.update(`${nonce}`).digest('hex').endsWith(ZEROS)) found.push(`${nonce}`);
  }
  return found;
}
