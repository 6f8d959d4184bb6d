/** The keys of all members of a simulated cluster, each to be handed to its node alone. */
import { hash } from 'node:crypto';

import { keyPairOf, sha256Hex, verifierOf } from '../../../../shared/ed25519.ts';
import type { Signatures } from '../protocol/interface.ts';

/** What each member signs and verifies with, by its number: real keys, made from a seed. */
export function realKeys(seed: number, members: number): Signatures[] {
  const pairs = Array.from({ length: members }, (_, member) => keyPairOf(sha256Hex(`${seed} ${member}`)));
  const verifiers = pairs.map(({ publicKey }) => verifierOf(publicKey));
  return pairs.map((pair) => ({
    sign: (text) => pair.sign(text),
    verify: (member, text, signature) => verifiers[member]?.verify(text, signature) ?? false,
  }));
}

/**
 * Keys with stand-ins for signatures, which cost a twentieth: hashes that look like signatures. Nobody can make one of
 * another member, because who verifies them says no more than yes or no. What counts is the bytes, so that each has all the
 * texts that base64 has for it.
 */
export function stubKeys(seed: number, members: number): Signatures[] {
  const stub = (member: number, text: string): string =>
    hash('sha512', `${seed} ${member} ${text}`, 'base64');
  return Array.from({ length: members }, (_, self) => ({
    sign: (text) => stub(self, text),
    verify: (member, text, signature) => {
      if (member >= members) return false;
      const expected = stub(member, text);
      return (
        signature === expected || Buffer.from(signature, 'base64').equals(Buffer.from(expected, 'base64'))
      );
    },
  }));
}
