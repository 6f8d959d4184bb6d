/**
 * What goes over the wire, held to values that this project has not computed: a change on both sides at once, which every
 * test of two of our own ends would take, is another protocol.
 */
import { createHmac, createHash, createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto';

import { describe, expect, test } from 'vitest';

import { keyPairOf, verifierOf } from '../../shared/ed25519.ts';
import { encodeAddress, isSignedAddress, signAddress } from '../../peer/transports/address-record.ts';
import { FrameMac } from '../../peer/transports/frame-mac.ts';
import { framed } from '../../peer/transports/frames.ts';
import {
  Handshake,
  decodeHandshake,
  encodeHandshake,
  frameKeys,
  proofText,
  type Hello,
} from '../../peer/transports/handshake.ts';

const CLUSTER = 'a cluster';
/** Seed and public key of RFC 8032, section 7.1, test 1. */
const MEMBER = keyPairOf('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60');
const OTHER = keyPairOf('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb');

function helloOf(key: string, nonce: string, ephemeral: string): Hello {
  const [a, b, c] = [key, nonce, ephemeral].map((byte) => byte.repeat(32)) as [string, string, string];
  return { type: 'hello', cluster: CLUSTER, key: a, nonce: b, ephemeral: c };
}

const INITIATOR = helloOf('11', '22', '33');
const RESPONDER = helloOf('44', '55', '66');

describe('known answers', () => {
  /**
   * By Python: `hmac.new(bytes(range(32)), n.to_bytes(8, 'big') + content, hashlib.sha256).digest()[:16].hex()`, with the
   * number of the frame as n.
   */
  test('of the code of frames', () => {
    const key = Uint8Array.from({ length: 32 }, (_, at) => at);
    const sender = new FrameMac(key);
    const codes = ['hello', '', 'hello'].map((content) => sender.next(Buffer.from(content)).toString('hex'));
    expect(codes).toEqual([
      '975aa00988f9415e60f54df3315eec1b',
      'c432e059c378eef7fe2f1181a4050836',
      '15d20e6f50f964ba7da25e6302ebf6d2',
    ]);
    while (codes.length < 256) codes.push(sender.next(Buffer.alloc(0)).toString('hex'));
    expect(sender.next(Buffer.from('00ff', 'hex')).toString('hex')).toBe('3f2e01a394ddcd55918992b6c62bf083');
  });

  test('of what members sign in a handshake', () => {
    const fields = (first: number): string[] =>
      [first, first + 11, first + 22].map((byte) => String(byte).repeat(32));
    const text = (signer: string): string =>
      `["gossip-peer tcp",1,"a cluster","${signer}",${JSON.stringify(fields(11))},${JSON.stringify(fields(44))}]`;
    expect(proofText('initiator', INITIATOR, RESPONDER)).toBe(text('initiator'));
    expect(proofText('responder', INITIATOR, RESPONDER)).toBe(text('responder'));
  });

  /**
   * By Python, HKDF (RFC 5869) by hand, with the text of the test above:
   *
   *     prk = hmac.new(hashlib.sha256(text).digest(), bytes.fromhex('42' * 32), hashlib.sha256).digest()
   *     one = hmac.new(prk, b'gossip-peer tcp frames' + b'\x01', hashlib.sha256).digest()
   *     two = hmac.new(prk, one + b'gossip-peer tcp frames' + b'\x02', hashlib.sha256).digest()
   */
  test('of the keys for frames', () => {
    const { initiator, responder } = frameKeys(
      Buffer.alloc(32, 0x42),
      proofText('initiator', INITIATOR, RESPONDER),
    );
    expect([initiator.toString('hex'), responder.toString('hex')]).toEqual([
      '090df12890a7b0486c57f95c37059cc2d1804444c7609795375f56f9e35fa2c6',
      '49b9e6cb6341ebc66562ff1262f7e712b3a81abbd14c581a9d1439852e3c2350',
    ]);
  });

  /** By OpenSSL: `openssl pkeyutl -sign -rawin -inkey key.pem -in text | base64`, where the text is `SIGNED`. */
  test('of an address', () => {
    const SIGNED = `["gossip-peer tcp address",1,"a cluster","${MEMBER.publicKey}","192.0.2.7",9000,1234567890123]`;
    const signature =
      'ZEsGzMWzlFooOZaLKRWa+pEngivGZ19bVlsisDv8TFuJ6VUYQmvDCRexTqB+fIqQVwKvwK+V0JtO7UERaPbFBA==';
    const record = signAddress(CLUSTER, MEMBER, { host: '192.0.2.7', port: 9000 }, 1_234_567_890_123);
    expect(verifierOf(MEMBER.publicKey).verify(SIGNED, signature)).toBe(true);
    expect(record.signature).toBe(signature);
    expect(isSignedAddress(CLUSTER, record, verifierOf(MEMBER.publicKey))).toBe(true);
    expect(JSON.parse(encodeAddress(record).toString())).toEqual({
      ...{ key: MEMBER.publicKey, host: '192.0.2.7', port: 9000, sequence: 1_234_567_890_123, signature },
    });
  });

  test('of a frame: its length in four bytes, the most significant first', () => {
    expect(framed(Buffer.alloc(0x010203, 7)).subarray(0, 5).toString('hex')).toBe('0001020307');
  });
});

/**
 * The other side, written from the description at the top of handshake.ts and from the RFCs, with nothing of ours: X25519
 * with the key of Bob of RFC 7748, section 6.1, Ed25519 by node:crypto, and HKDF and the code of frames from HMAC.
 */
describe('a handshake with somebody who has written it anew', () => {
  const BOB_SECRET = '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb';
  const BOB = 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f';
  const NONCE = 'ab'.repeat(32);
  const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();
  const hmac = (key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer =>
    createHmac('sha256', key).update(Buffer.concat(parts)).digest();

  const secretWith = (ephemeral: string): Buffer =>
    diffieHellman({
      privateKey: createPrivateKey({
        key: Buffer.from(`302e020100300506032b656e04220420${BOB_SECRET}`, 'hex'),
        format: 'der',
        type: 'pkcs8',
      }),
      publicKey: createPublicKey({
        key: Buffer.from(`302a300506032b656e032100${ephemeral}`, 'hex'),
        format: 'der',
        type: 'spki',
      }),
    });

  /** The codes of the first frames of the initiator and of the responder, both with this content. */
  const firstCodes = (transcript: string, ephemeral: string, content: Buffer): [Buffer, Buffer] => {
    const prk = hmac(sha256(transcript), secretWith(ephemeral));
    const info = Buffer.from('gossip-peer tcp frames');
    const one = hmac(prk, info, Buffer.from([1]));
    const two = hmac(prk, one, info, Buffer.from([2]));
    const code = (key: Buffer): Buffer => hmac(key, Buffer.alloc(8), content).subarray(0, 16);
    return [code(one), code(two)];
  };

  const host = {
    cluster: CLUSTER,
    key: MEMBER,
    find: (publicKey: string) =>
      publicKey === OTHER.publicKey ? { member: 1, verifier: verifierOf(publicKey) } : undefined,
    isOwnNonce: () => false,
  };
  const hello = Buffer.from(
    JSON.stringify({
      ...{ type: 'hello', version: 1, cluster: CLUSTER },
      ...{ key: OTHER.publicKey, nonce: NONCE, ephemeral: BOB },
    }),
  );
  const theirs = [OTHER.publicKey, NONCE, BOB];
  const content = Buffer.from('some items');

  /** What our side said of itself. */
  const fieldsOf = (frame: Buffer): readonly [string, string, string] => {
    const value = JSON.parse(frame.toString()) as Record<string, string>;
    expect(value).toMatchObject({ type: 'hello', version: 1, cluster: CLUSTER, key: MEMBER.publicKey });
    return [value['key'] ?? '', value['nonce'] ?? '', value['ephemeral'] ?? ''];
  };
  const signed = (frame: Buffer | undefined): string => {
    const value = JSON.parse(frame?.toString() ?? '') as Record<string, string>;
    expect(Object.keys(value)).toEqual(['type', 'signature']);
    return value['signature'] ?? '';
  };

  test('as the initiator', () => {
    const ours = new Handshake('responder', host, () => undefined);
    const answer = ours.receive(hello).send ?? Buffer.alloc(0);
    const own = fieldsOf(answer);
    const text = (signer: string): string =>
      JSON.stringify(['gossip-peer tcp', 1, CLUSTER, signer, theirs, own]);
    const proof = { type: 'proof', signature: OTHER.sign(text('initiator')) } as const;
    const { session, send } = ours.receive(encodeHandshake(proof));
    expect(verifierOf(MEMBER.publicKey).verify(text('responder'), signed(send))).toBe(true);
    const [there, back] = firstCodes(text('initiator'), own[2], content);
    expect(session?.member).toBe(1);
    expect(session?.receiving.accepts(content, there)).toBe(true);
    expect(session?.sending.next(content).equals(back)).toBe(true);
  });

  test('as the responder', () => {
    const ours = new Handshake('initiator', host, () => undefined);
    const own = fieldsOf(ours.hello());
    const text = (signer: string): string =>
      JSON.stringify(['gossip-peer tcp', 1, CLUSTER, signer, own, theirs]);
    const { send } = ours.receive(hello);
    expect(verifierOf(MEMBER.publicKey).verify(text('initiator'), signed(send))).toBe(true);
    const proof = { type: 'proof', signature: OTHER.sign(text('responder')) } as const;
    const { session } = ours.receive(encodeHandshake(proof));
    const [there, back] = firstCodes(text('initiator'), own[2], content);
    expect(session?.sending.next(content).equals(there)).toBe(true);
    expect(session?.receiving.accepts(content, back)).toBe(true);
  });

  test('takes a frame of 1024 bytes and none longer, and one version', () => {
    const padded = (length: number): Buffer => Buffer.from(hello.toString().padEnd(length));
    expect(decodeHandshake(padded(1024)).message?.type).toBe('hello');
    expect(decodeHandshake(padded(1025)).fault).toBe('oversize');
    for (const version of [0, 2, '1', null]) {
      const value = { ...(JSON.parse(hello.toString()) as object), version };
      expect(decodeHandshake(Buffer.from(JSON.stringify(value))).fault).toBe('wrong-version');
    }
  });

  test('is over where a field is not as long as it must be', () => {
    const value = JSON.parse(hello.toString()) as Record<string, unknown>;
    for (const name of ['key', 'nonce', 'ephemeral']) {
      for (const text of ['ab'.repeat(31), 'ab'.repeat(33), 'AB'.repeat(32), 'zz'.repeat(32), 7]) {
        const frame = Buffer.from(JSON.stringify({ ...value, [name]: text }));
        expect(decodeHandshake(frame)).toEqual({ fault: 'malformed' });
      }
    }
    for (const cluster of ['', 'x'.repeat(129), 'é', 'a\tb']) {
      expect(decodeHandshake(Buffer.from(JSON.stringify({ ...value, cluster })))).toEqual({
        fault: 'malformed',
      });
    }
  });
});
