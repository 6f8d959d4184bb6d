/** A signature is 64 bytes, and there is one text of them that is taken: wherever one is read. */
import { describe, expect, it } from 'vitest';

import { pbftCodec } from '../../peer/engines/pbft/protocol/codec.ts';
import { decodeAddress, encodeAddress, signAddress } from '../../peer/transports/address-record.ts';
import { decodeHandshake, encodeHandshake } from '../../peer/transports/handshake.ts';
import { keyPairOf, verifierOf } from '../../shared/ed25519.ts';

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const key = keyPairOf('7'.repeat(64));
const text = 'something';

/** Texts that a lenient decoder takes for the same bytes: the canonical one first. */
function textsOf(signature: string): string[] {
  const others = Array.from(BASE64, (last) => `${signature.slice(0, 85)}${last}==`);
  const bytes = Buffer.from(signature, 'base64');
  const same = others.filter((other) => Buffer.from(other, 'base64').equals(bytes) && other !== signature);
  const urlSafe = signature.replaceAll('+', '-').replaceAll('/', '_');
  const loose = [signature.slice(0, -1), signature.slice(0, -2), `${signature}\n`, ` ${signature}`];
  return [signature, ...same, ...loose, ...(urlSafe === signature ? [] : [urlSafe])];
}

const digest = '0'.repeat(64);
const readers: readonly (readonly [string, (signature: string) => boolean])[] = [
  ['a verifier', (signature) => verifierOf(key.publicKey).verify(text, signature)],
  [
    'the codec of PBFT',
    (signature) => {
      const header = { view: 0, sequence: 1, digest, signature };
      const bytes = pbftCodec.encode({ type: 'PREPARE', vote: { ...header, replica: 0 } });
      return pbftCodec.decode(bytes).fault === undefined;
    },
  ],
  [
    'a name in a new view',
    (signature) => {
      const canonical = key.sign('new view');
      const newView = { view: 1, viewChanges: [[0, signature] as const], headers: [], signature: canonical };
      return pbftCodec.decode(pbftCodec.encode({ type: 'NEW_VIEW', newView })).fault === undefined;
    },
  ],
  [
    'the handshake',
    (signature) => decodeHandshake(encodeHandshake({ type: 'proof', signature })).fault === undefined,
  ],
  [
    'an address record',
    (signature) => {
      const record = signAddress('cluster', key, { host: '127.0.0.1', port: 1 }, 1);
      return decodeAddress(encodeAddress({ ...record, signature })) !== undefined;
    },
  ],
];

describe('a signature has one text', () => {
  it.each(readers)('for %s', (_, isTaken) => {
    const signatures = Array.from({ length: 8 }, (_, index) => key.sign(index === 0 ? text : `${index}`));
    for (const signature of signatures.slice(0, isTaken(key.sign('another')) ? 8 : 1)) {
      const [canonical = '', ...others] = textsOf(signature);
      expect(isTaken(canonical)).toBe(true);
      expect(others.length).toBeGreaterThanOrEqual(15 + 4);
      expect(others.filter(isTaken)).toEqual([]);
    }
  });
});

it('a sequence of an address has one number: none is the negative zero that JSON can write', () => {
  const record = signAddress('cluster', key, { host: '127.0.0.1', port: 1 }, 0);
  const json = JSON.stringify(record);
  expect(decodeAddress(Buffer.from(json))).toEqual(record);
  expect(decodeAddress(Buffer.from(json.replace('"sequence":0', '"sequence":-0')))).toBeUndefined();
});
