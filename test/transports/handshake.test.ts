import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { generateKeyPair, verifierOf, type KeyPair } from '../../shared/ed25519.ts';
import {
  decodeAddress,
  encodeAddress,
  isSignedAddress,
  isTellable,
  signAddress,
} from '../../peer/transports/address-record.ts';
import { FrameMac } from '../../peer/transports/frame-mac.ts';
import {
  HANDSHAKE_RULES,
  Handshake,
  MAX_HANDSHAKE_FRAME,
  TCP_PROTOCOL,
  decodeHandshake,
  encodeHandshake,
  proofText,
  type Admit,
  type HandshakeHost,
  type HandshakeStep,
  type Hello,
  type Role,
} from '../../peer/transports/handshake.ts';

const KEYS = [generateKeyPair(), generateKeyPair(), generateKeyPair()];
const STRANGER = generateKeyPair();
const CLUSTER = 'a cluster';

function hostOf(key: KeyPair, cluster = CLUSTER): HandshakeHost {
  return {
    cluster,
    key,
    find: (publicKey) => {
      const member = KEYS.findIndex((one) => one.publicKey === publicKey);
      return member < 0 ? undefined : { member, verifier: verifierOf(publicKey) };
    },
    isOwnNonce: () => false,
  };
}

const anybody: Admit = () => undefined;

function keyOf(member: number): KeyPair {
  const key = KEYS[member];
  if (key === undefined) throw new Error(`there is no member ${member}`);
  return key;
}

function side(role: Role, member: number, admit = anybody): Handshake {
  return new Handshake(role, hostOf(keyOf(member)), admit);
}

function sentBy(step: HandshakeStep): Buffer {
  if (step.send === undefined) throw new Error(`nothing was sent: ${step.fault ?? 'no fault'}`);
  return step.send;
}

function helloIn(frame: Uint8Array): Hello {
  const { message } = decodeHandshake(frame);
  if (message?.type !== 'hello') throw new Error('it is no hello');
  return message;
}

/** A handshake of members 0 and 1, up to where both have proven who they are. */
function finish(): {
  readonly proofs: Record<Role, Buffer>;
  readonly hellos: Record<Role, Buffer>;
  readonly steps: Record<Role, HandshakeStep>;
} {
  const initiator = side('initiator', 0);
  const responder = side('responder', 1);
  const first = initiator.hello();
  const second = sentBy(responder.receive(first));
  const proof = sentBy(initiator.receive(second));
  const answer = responder.receive(proof);
  const last = initiator.receive(sentBy(answer));
  return {
    proofs: { initiator: proof, responder: sentBy(answer) },
    hellos: { initiator: first, responder: second },
    steps: { initiator: last, responder: answer },
  };
}

describe('a handshake', () => {
  test('tells each side who the other is, and gives both the same keys, another for each direction', () => {
    const { initiator, responder } = finish().steps;
    expect(initiator.session?.member).toBe(1);
    expect(responder.session?.member).toBe(0);
    const body = Buffer.from('x');
    const there = initiator.session?.sending.next(body) ?? Buffer.alloc(0);
    const back = responder.session?.sending.next(body) ?? Buffer.alloc(0);
    expect(there.equals(back)).toBe(false);
    expect(responder.session?.receiving.accepts(body, there)).toBe(true);
    expect(initiator.session?.receiving.accepts(body, back)).toBe(true);
  });

  test('has nothing more to say when both have proven who they are, and told whom each claims to be before', () => {
    expect(finish().steps.initiator.send).toBeUndefined();
    const responder = side('responder', 1);
    expect(responder.claimed).toBeUndefined();
    responder.receive(side('initiator', 0).hello());
    expect(responder.claimed).toBe(0);
  });

  test('gives other keys each time', () => {
    const codes = [finish(), finish()].map(({ steps }) =>
      steps.initiator.session?.sending.next(Buffer.alloc(1)).toString('hex'),
    );
    expect(codes[0]).not.toBe(codes[1]);
  });

  test('proves nothing to a stranger: the responder signs only after it has verified', () => {
    const responder = side('responder', 1);
    const step = responder.receive(side('initiator', 0).hello());
    expect(helloIn(sentBy(step)).key).toBe(KEYS[1]?.publicKey);
    const failed = responder.receive(encodeHandshake({ type: 'proof', signature: STRANGER.sign('x') }));
    expect(failed.fault).toBe('bad-signature');
    expect(decodeHandshake(sentBy(failed)).message).toEqual({ type: 'refuse', reason: 'bad-signature' });
  });
});

describe('a responder refuses', () => {
  const refusal = (key: KeyPair, cluster?: string, admit = anybody): HandshakeStep =>
    new Handshake('responder', hostOf(keyOf(1)), admit).receive(
      new Handshake('initiator', hostOf(key, cluster), anybody).hello(),
    );

  test.each<[string, HandshakeStep]>([
    ['wrong-cluster', refusal(keyOf(0), 'another cluster')],
    ['unknown-member', refusal(STRANGER)],
    ['blocked', refusal(keyOf(0), CLUSTER, () => 'blocked')],
  ])('%s, and says so', (fault, step) => {
    expect(step.fault).toBe(fault);
    expect(decodeHandshake(sentBy(step)).message).toEqual({ type: 'refuse', reason: fault });
    const reported = new Handshake('initiator', hostOf(STRANGER), anybody).receive(sentBy(step));
    expect(reported).toEqual({ fault, reported: true });
  });

  test('its own connection, known by the nonce', () => {
    const initiator = side('initiator', 1);
    const hello = initiator.hello();
    const host = { ...hostOf(keyOf(1)), isOwnNonce: (nonce: string) => nonce === initiator.nonce };
    expect(new Handshake('responder', host, anybody).receive(hello).fault).toBe('own-connection');
    // Whoever repeats the nonce of ours under another key is not us.
    const other = { ...hostOf(keyOf(1)), isOwnNonce: () => true };
    const step = new Handshake('responder', other, anybody).receive(side('initiator', 0).hello());
    expect(helloIn(sentBy(step)).key).toBe(keyOf(1).publicKey);
  });

  test('a process with its own key when that is proven, and proves the same to it', () => {
    const [initiator, responder] = [side('initiator', 1), side('responder', 1)];
    const proof = sentBy(initiator.receive(sentBy(responder.receive(initiator.hello()))));
    const answer = responder.receive(proof);
    expect(answer).toMatchObject({ fault: 'own-key' });
    expect(answer.session).toBeUndefined();
    const last = initiator.receive(sentBy(answer));
    expect(last).toMatchObject({ fault: 'own-key' });
    expect([last.session, last.reported]).toEqual([undefined, undefined]);
  });

  test('whoever only says that it has its key', () => {
    const responder = side('responder', 1);
    const liar = new Handshake('initiator', hostOf({ ...STRANGER, publicKey: keyOf(1).publicKey }), anybody);
    const proof = sentBy(liar.receive(sentBy(responder.receive(liar.hello()))));
    expect(responder.receive(proof).fault).toBe('bad-signature');
  });

  test('another version, whatever else it says', () => {
    const hello = JSON.stringify({ type: 'hello', version: TCP_PROTOCOL + 1, key: 7 });
    expect(side('responder', 1).receive(Buffer.from(hello)).fault).toBe('wrong-version');
  });
});

describe('a proof does not hold', () => {
  /** What a responder says to a proof that is made of both hellos. */
  const judged = (proof: (initiator: Hello, responder: Hello) => Buffer): HandshakeStep => {
    const responder = side('responder', 1);
    const hello = side('initiator', 0).hello();
    const answer = sentBy(responder.receive(hello));
    return responder.receive(proof(helloIn(hello), helloIn(answer)));
  };
  const signed = (key: KeyPair, text: string): Buffer =>
    encodeHandshake({ type: 'proof', signature: key.sign(text) });

  test('but does if it is as it must be', () => {
    const step = judged((initiator, responder) =>
      signed(keyOf(0), proofText('initiator', initiator, responder)),
    );
    expect(step.session?.member).toBe(0);
  });

  test.each<[string, (initiator: Hello, responder: Hello) => Buffer]>([
    ['of another key', (one, other) => signed(STRANGER, proofText('initiator', one, other))],
    ['of another member', (one, other) => signed(keyOf(2), proofText('initiator', one, other))],
    ['of the other role', (one, other) => signed(keyOf(0), proofText('responder', one, other))],
    ['with the hellos swapped', (one, other) => signed(keyOf(0), proofText('initiator', other, one))],
    ['of another connection', () => finish().proofs.initiator],
    [
      'for another cluster',
      (one, other) => signed(keyOf(0), proofText('initiator', { ...one, cluster: 'b' }, other)),
    ],
    [
      'over another fresh key',
      (one, other) => signed(keyOf(0), proofText('initiator', { ...one, ephemeral: other.ephemeral }, other)),
    ],
    [
      'over another nonce',
      (one, other) => signed(keyOf(0), proofText('initiator', { ...one, nonce: other.nonce }, other)),
    ],
  ])('%s', (_, proof) => {
    expect(judged(proof).fault).toBe('bad-signature');
  });

  test('if it is sent back to its sender', () => {
    const initiator = side('initiator', 0);
    initiator.hello();
    const own = sentBy(initiator.receive(finish().hellos.responder));
    expect(initiator.receive(own).fault).toBe('bad-signature');
  });

  test('if somebody between has put in fresh keys of his own', () => {
    const initiator = side('initiator', 0);
    const responder = side('responder', 1);
    const swap = (frame: Buffer): Buffer =>
      encodeHandshake({ ...helloIn(frame), ephemeral: helloIn(side('initiator', 2).hello()).ephemeral });
    const answer = sentBy(responder.receive(swap(initiator.hello())));
    const proof = sentBy(initiator.receive(swap(answer)));
    expect(responder.receive(proof).fault).toBe('bad-signature');
  });
});

describe('what is no handshake', () => {
  test.each<[string, string, Uint8Array]>([
    ['malformed', 'nothing', Buffer.alloc(0)],
    ['malformed', 'no JSON', Buffer.from('{')],
    ['malformed', 'no object', Buffer.from('null')],
    ['malformed', 'another type', Buffer.from('{"type":"bye"}')],
    ['malformed', 'no UTF-8', Buffer.from([0xff, 0xfe])],
    ['malformed', 'a refusal without a reason', Buffer.from('{"type":"refuse","reason":"so"}')],
    ['malformed', 'a proof before a hello', finish().proofs.initiator],
    ['oversize', 'more than there can be', Buffer.alloc(MAX_HANDSHAKE_FRAME + 1, ' ')],
  ])('is %s: %s', (fault, _, frame) => {
    expect(side('responder', 1).receive(frame).fault).toBe(fault);
  });

  test('a second hello instead of a proof', () => {
    const responder = side('responder', 1);
    const hello = side('initiator', 0).hello();
    responder.receive(hello);
    expect(responder.receive(hello).fault).toBe('malformed');
  });

  test('a fresh key with which everybody gets the same secret', () => {
    const responder = side('responder', 1);
    const hello: Hello = { ...helloIn(side('initiator', 0).hello()), ephemeral: '0'.repeat(64) };
    const answer = helloIn(sentBy(responder.receive(encodeHandshake(hello))));
    const signature = keyOf(0).sign(proofText('initiator', hello, answer));
    expect(responder.receive(encodeHandshake({ type: 'proof', signature })).fault).toBe('malformed');
  });

  test('never throws, and is one of the faults that are known', () => {
    const { hellos, proofs } = finish();
    const frame = fc.oneof(
      fc.constantFrom(...Object.values(hellos), ...Object.values(proofs)),
      fc.json().map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 1100 }),
    );
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 3 }),
        fc.constantFrom<Role>('initiator', 'responder'),
        (frames, role) => {
          const one = side(role, 2);
          for (const { fault, session } of frames.map((bytes) => one.receive(bytes))) {
            if (fault !== undefined) expect(HANDSHAKE_RULES).toHaveProperty(fault);
            expect(session).toBeUndefined();
          }
        },
      ),
    );
  });

  test('hellos fit into a frame, with the longest name of a cluster', () => {
    const hello = new Handshake('initiator', hostOf(keyOf(0), '"'.repeat(128)), anybody).hello();
    expect(hello.length).toBeLessThanOrEqual(MAX_HANDSHAKE_FRAME);
    expect(helloIn(hello).cluster).toBe('"'.repeat(128));
  });
});

describe('the code of a frame', () => {
  const key = Buffer.alloc(32, 1);
  const body = Buffer.from('body');

  test('fits this frame only', () => {
    const code = new FrameMac(key).next(body);
    expect(new FrameMac(key).accepts(body, code)).toBe(true);
    expect(new FrameMac(key).accepts(Buffer.from('Body'), code)).toBe(false);
    expect(new FrameMac(key).accepts(body, code.subarray(1))).toBe(false);
    expect(new FrameMac(Buffer.alloc(32, 2)).accepts(body, code)).toBe(false);
  });

  test('is the same in whatever parts the frame is', () => {
    const code = new FrameMac(key).next(Buffer.from('bo'), Buffer.alloc(0), Buffer.from('dy'));
    expect(new FrameMac(key).accepts(body, code)).toBe(true);
  });

  test('fits neither the frame before nor the one after', () => {
    const sender = new FrameMac(key);
    const codes = [sender.next(body), sender.next(body)];
    const receiver = new FrameMac(key);
    expect(codes.map((code) => receiver.accepts(body, code))).toEqual([true, true]);
    expect(codes.some((code) => receiver.accepts(body, code))).toBe(false);
  });
});

describe('an address', () => {
  const address = { host: '192.0.2.7', port: 9000 };
  const record = signAddress(CLUSTER, keyOf(0), address, 5);
  const verifier = verifierOf(keyOf(0).publicKey);

  test('is read as it was written', () => {
    expect(decodeAddress(encodeAddress(record))).toEqual(record);
    expect(isSignedAddress(CLUSTER, record, verifier)).toBe(true);
  });

  test.each([
    ['host', { ...record, host: '192.0.2.8' }],
    ['port', { ...record, port: 9001 }],
    ['sequence', { ...record, sequence: 6 }],
    ['member', { ...record, key: STRANGER.publicKey }],
  ])('holds for no other %s', (_, changed) => {
    expect(isSignedAddress(CLUSTER, changed, verifier)).toBe(false);
  });

  test('holds in no other cluster', () => {
    expect(isSignedAddress('another', record, verifier)).toBe(false);
  });

  test.each([
    ['no JSON', '{'],
    ['no port', JSON.stringify({ ...record, port: 0 })],
    ['no whole sequence', JSON.stringify({ ...record, sequence: 0.5 })],
    ['a host with blanks', JSON.stringify({ ...record, host: 'a b' })],
    ['too long', JSON.stringify(record) + ' '.repeat(1024)],
  ])('is not read: %s', (_, text) => {
    expect(decodeAddress(Buffer.from(text))).toBeUndefined();
  });

  test('is not read with a sequence that is zero with a sign: it would be a second text of zero', () => {
    const text = JSON.stringify({ ...record, sequence: 0 });
    expect(decodeAddress(Buffer.from(text))?.sequence).toBe(0);
    expect(decodeAddress(Buffer.from(text.replace('"sequence":0', '"sequence":-0')))).toBeUndefined();
  });

  test('is told only if others can read it', () => {
    expect(isTellable(address)).toBe(true);
    expect(isTellable({ host: 'a.example', port: 1 })).toBe(true);
    expect(isTellable({ host: '', port: 1 })).toBe(false);
    expect(isTellable({ host: '::1', port: 1 })).toBe(false);
    expect(isTellable({ host: 'a', port: 0 })).toBe(false);
  });
});
