/** The framed TCP transport: what strangers and members may send, before anything of it is an engine's. */
import assert from 'node:assert/strict';

import fc from 'fast-check';

import {
  MAX_ADDRESS_RECORD,
  decodeAddress,
  encodeAddress,
  isTellable,
} from '../../peer/transports/address-record.ts';
import { FrameReader, LENGTH_BYTES, framed } from '../../peer/transports/frames.ts';
import {
  HANDSHAKE_RULES,
  Handshake,
  MAX_HANDSHAKE_FRAME,
  TCP_PROTOCOL,
  decodeHandshake,
  encodeHandshake,
  type HandshakeHost,
  type Role,
} from '../../peer/transports/handshake.ts';
import { keyPairOf, verifierOf } from '../../shared/ed25519.ts';
import { chunked, chunksOf, hostileBytes, hostileText, type Chunked } from './inputs.ts';
import { defineTarget, type FuzzTarget } from './target.ts';

const KEYS = ['01', '02'].map((byte) => keyPairOf(byte.repeat(32)));
const [KEY = keyPairOf('01'.repeat(32)), OTHER = KEY] = KEYS;
const SIGNATURE = KEY.sign('x');
const HEX = 'ab'.repeat(32);

const HELLO = {
  type: 'hello',
  version: TCP_PROTOCOL,
  cluster: 'c',
  key: KEY.publicKey,
  nonce: HEX,
  ephemeral: HEX,
};
const MESSAGES: readonly object[] = [
  HELLO,
  { ...HELLO, key: OTHER.publicKey, ephemeral: '00'.repeat(32) },
  { type: 'proof', signature: SIGNATURE },
  { type: 'refuse', reason: 'blocked' },
  { key: KEY.publicKey, host: '192.0.2.1', port: 9000, sequence: 1, signature: SIGNATURE },
];

// Frames

/** Frames one after the other, of which some are cut, and some tell a length that they do not have. */
function streams(): fc.Arbitrary<Chunked> {
  const body = hostileBytes(hostileText(MESSAGES)).map((bytes) => bytes.subarray(0, 3_000));
  const length = fc.oneof(fc.nat(3_000), fc.nat(0xffff_ffff));
  const frame = fc.oneof(
    { weight: 8, arbitrary: body.map((bytes): Uint8Array => framed(bytes)) },
    {
      weight: 1,
      arbitrary: fc.tuple(body, length).map(([bytes, reported]): Uint8Array => {
        const lying = framed(bytes);
        lying.writeUInt32BE(reported);
        return lying;
      }),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 10 }).map((bytes): Uint8Array => bytes) },
  );
  return chunked(fc.array(frame, { maxLength: 8 }).map((frames) => Buffer.concat(frames)));
}

const LIMIT = 2_000;

/** The frames of a stream that is all there: simple enough to be right. */
function framesOf(bytes: Buffer): { readonly frames: Buffer[]; readonly whole: boolean } {
  const frames: Buffer[] = [];
  for (let at = 0; at + LENGTH_BYTES <= bytes.length;) {
    const begin = at + LENGTH_BYTES;
    const length = bytes.readUInt32BE(at);
    if (length > LIMIT) return { frames, whole: false };
    if (begin + length > bytes.length) break;
    frames.push(bytes.subarray(begin, begin + length));
    at = begin + length;
  }
  return { frames, whole: true };
}

function checkFrames(input: Chunked): undefined {
  const expected = framesOf(Buffer.from(input.bytes));
  const reader = new FrameReader(LIMIT);
  const frames: Uint8Array[] = [];
  let whole = true;
  for (const chunk of chunksOf(input)) {
    whole = reader.push(chunk, (frame) => frames.push(frame) > 0);
    assert(reader.reserved <= LIMIT);
    if (!whole) break;
  }
  assert.equal(whole, expected.whole);
  assert.equal(frames.length, expected.frames.length);
  for (const [index, frame] of frames.entries()) assert(expected.frames[index]?.equals(frame));
}

// What the frames say

const HOST: HandshakeHost = {
  cluster: 'c',
  key: KEY,
  find: (publicKey) => {
    const member = KEYS.findIndex((key) => key.publicKey === publicKey);
    return member < 0 ? undefined : { member, verifier: verifierOf(publicKey) };
  },
  isOwnNonce: () => false,
};

function checkHandshake({
  role,
  frames,
}: {
  readonly role: Role;
  readonly frames: readonly Uint8Array[];
}): undefined {
  const handshake = new Handshake(role, HOST, () => undefined);
  let failed = false;
  for (const frame of frames) {
    const { message, fault } = decodeHandshake(frame);
    if (message === undefined) assert(fault in HANDSHAKE_RULES);
    else assert.deepEqual(decodeHandshake(encodeHandshake(message)).message, message);

    const record = decodeAddress(frame);
    if (record !== undefined) {
      assert(isTellable(record) && encodeAddress(record).length <= MAX_ADDRESS_RECORD);
      assert.deepEqual(decodeAddress(encodeAddress(record)), record);
    }

    if (failed) continue;
    const step = handshake.receive(frame);
    // Nobody here can sign what must be signed.
    assert.equal(step.session, undefined);
    if (step.fault !== undefined) assert(step.fault in HANDSHAKE_RULES);
    if (step.send !== undefined) assert(step.send.length <= MAX_HANDSHAKE_FRAME);
    failed = step.fault !== undefined;
    assert(failed || step.send !== undefined, 'a step that leads nowhere');
  }
}

export function tcpTargets(): FuzzTarget[] {
  const frame = hostileBytes(hostileText(MESSAGES));
  return [
    defineTarget({
      name: 'frames',
      claim: 'a stream is cut into the same frames whatever its chunks, and keeps no more than its limit',
      share: 60,
      inputs: streams(),
      check: checkFrames,
    }),
    defineTarget({
      name: 'handshake',
      claim: 'nobody without a key gets through a handshake, and each frame is a message or breaks a rule',
      share: 40,
      inputs: fc.record({
        role: fc.constantFrom<Role>('initiator', 'responder'),
        frames: fc.array(frame, { minLength: 1, maxLength: 3 }),
      }),
      check: checkHandshake,
    }),
  ];
}
