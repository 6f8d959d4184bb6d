/** Files with a key pair: `{"publicKey": hex, "seed": hex}`, for their owner alone. */
import { readFileSync, statSync } from 'node:fs';

import { z } from 'zod';

import { KEY_PATTERN, keyPairOf, type KeyPair } from '../../shared/ed25519.ts';
import { fileFaultOf, UserError } from '../../shared/errors.ts';
import { jsonOrUndefined } from '../../shared/json.ts';
import { writeOutput } from './output-file.ts';

/** What others than the owner may do with a file. */
const OTHERS = 0o077;

const schema = z.strictObject({
  publicKey: z.string().regex(KEY_PATTERN),
  seed: z.string().regex(KEY_PATTERN),
});

/** A key pair as it stands in a file. */
export function keyJson({ publicKey, seed }: KeyPair): string {
  return JSON.stringify({ publicKey, seed });
}

/**
 * Writes a new file with a key pair.
 *
 * @throws UserError if it exists, or can't be written
 */
export function writeKeyFile(path: string, pair: KeyPair): void {
  // With it, a member would be lost.
  const remedy = 'a key is never written over';
  writeOutput(path, `${keyJson(pair)}\n`, { mode: 0o600, fresh: true, remedy });
}

/**
 * Reads such a file.
 *
 * @throws UserError if it can't be read, is none, or others may read it
 */
export function readKeyFile(path: string): KeyPair {
  let text: string;
  let mode: number;
  try {
    ({ mode } = statSync(path));
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UserError(`key file ${path}: ${fileFaultOf(error)}`);
  }
  // Windows has no such bits.
  if (process.platform !== 'win32' && (mode & OTHERS) !== 0) {
    throw new UserError(`key file ${path}: others may read it, so the key is no secret; chmod 600 ${path}`);
  }
  const parsed = schema.safeParse(jsonOrUndefined(text));
  if (!parsed.success) throw new UserError(`key file ${path}: it holds no key as keygen writes it`);
  const pair = keyPairOf(parsed.data.seed);
  if (pair.publicKey !== parsed.data.publicKey) {
    throw new UserError(`key file ${path}: its public key is not that of its seed`);
  }
  return pair;
}
