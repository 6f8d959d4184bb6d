/**
 * How two members of a cluster find out who the other one is, before anything else is sent on a connection. The one
 * that dialled is the initiator:
 *
 *     initiator → responder   hello  {"type":"hello","version","cluster","key","nonce","ephemeral"}
 *     responder → initiator   hello  the same of the responder
 *     initiator → responder   proof  {"type":"proof","signature"}
 *     responder → initiator   proof  the same of the responder
 *
 * Each is one frame of JSON. A proof is a signature of the member's Ed25519 key over both hellos and the signer's role,
 * so none fits another connection, the other side or another purpose. The responder signs only after it has verified, so
 * strangers get no signatures. Whoever gives up may say why: {"type":"refuse","reason"}. A process with our own key is
 * refused only when it has proven that: anybody can say so.
 *
 * The hellos carry fresh X25519 keys (RFC 7748). What both sides get out of them, by way of HKDF (RFC 5869), are two keys
 * for the frames that follow, one for each direction: see frame-mac.ts. Since the proofs cover the fresh keys, whoever
 * sits between can forward the frames of the two, or not, and nothing else.
 */
import {
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  randomBytes,
  type KeyObject,
} from 'node:crypto';

import { z } from 'zod';

import { KEY_PATTERN, SIGNATURE_PATTERN, type KeyPair, type Verifier } from '../../shared/ed25519.ts';
import { isJsonObject, parseJson } from '../../shared/json.ts';
import { FrameMac, MAC_KEY_BYTES } from './frame-mac.ts';

/** The version of handshake and frames. */
export const TCP_PROTOCOL = 1;
/** Longest frame of a handshake, in bytes: a hello has some 400, with the longest name of a cluster 530. */
export const MAX_HANDSHAKE_FRAME = 1024;
/** What a cluster may be called: printable ASCII, so that its length in a hello is bounded. */
export const CLUSTER_PATTERN = /^[\x20-\x7e]{1,128}$/;

/** What a signature and the keys are for, so that they fit nothing else. */
const PURPOSE = 'gossip-peer tcp';
/** Before the 32 bytes of an X25519 key, so that they become a key in DER (SPKI, object id 1.3.101.110). */
const EPHEMERAL_PREFIX = Buffer.from('302a300506032b656e032100', 'hex');
const NONCE_BYTES = 32;

/** Why a connection is not taken: one sentence each. */
export const HANDSHAKE_RULES = {
  'wrong-version': 'Both sides speak the same version of the protocol.',
  'wrong-cluster': 'Both sides are of the same cluster.',
  'unknown-member': 'The other side has the key of a member.',
  'own-key': 'The other side has another key than this one.',
  'own-connection': 'The other side is not this transport itself.',
  'bad-signature': 'The other side proves that it has the secret key of the member that it claims to be.',
  malformed: 'A handshake is a hello and a proof, with all their fields.',
  oversize: 'A frame of a handshake is not longer than 1 KiB.',
  'timed-out': 'A handshake takes no longer than its limit.',
  closed: 'Nobody leaves before the handshake is finished.',
  blocked: 'The member is not cut off from this one on purpose.',
  paused: 'The member has not misbehaved shortly before.',
  duplicate: 'There is no other connection with the member that is to stay.',
  crowded: 'There are not too many connections whose handshake is not finished.',
  'too-often':
    'Handshakes from one host, and those from all strangers, do not come more often than their limits.',
} as const;

/** The code of a reason. */
export type HandshakeFault = keyof typeof HANDSHAKE_RULES;

export type Role = 'initiator' | 'responder';

const helloSchema = z.object({
  type: z.literal('hello'),
  cluster: z.string().regex(CLUSTER_PATTERN),
  key: z.string().regex(KEY_PATTERN),
  nonce: z.string().regex(/^[0-9a-f]{64}$/),
  ephemeral: z.string().regex(/^[0-9a-f]{64}$/),
});
const proofSchema = z.object({ type: z.literal('proof'), signature: z.string().regex(SIGNATURE_PATTERN) });
const refuseSchema = z.object({
  type: z.literal('refuse'),
  reason: z.enum(Object.keys(HANDSHAKE_RULES) as [HandshakeFault, ...HandshakeFault[]]),
});
const schema = z.discriminatedUnion('type', [helloSchema, proofSchema, refuseSchema]);

/** A message of a handshake; every hello that is read has our version. */
export type HandshakeMessage = z.output<typeof schema>;
export type Hello = z.output<typeof helloSchema>;

/** Reads a message of a handshake, or returns the rule that it breaks. */
export function decodeHandshake(
  frame: Uint8Array,
):
  | { readonly message: HandshakeMessage; readonly fault?: never }
  | { readonly fault: HandshakeFault; readonly message?: never } {
  if (frame.length > MAX_HANDSHAKE_FRAME) return { fault: 'oversize' };
  let value: unknown;
  try {
    value = parseJson(Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength).toString());
  } catch {
    return { fault: 'malformed' };
  }
  // First of all: what else another version sends is not ours to judge.
  if (isJsonObject(value) && value['type'] === 'hello' && value['version'] !== TCP_PROTOCOL) {
    return { fault: 'wrong-version' };
  }
  const { success, data } = schema.safeParse(value);
  return success ? { message: data } : { fault: 'malformed' };
}

/** The frame, without its length, of a message of a handshake. */
export function encodeHandshake(message: HandshakeMessage): Buffer {
  const { type, ...rest } = message;
  return Buffer.from(JSON.stringify({ type, ...(type === 'hello' && { version: TCP_PROTOCOL }), ...rest }));
}

/** What a member signs to prove that it is at its end of a connection. */
export function proofText(signer: Role, initiator: Hello, responder: Hello): string {
  const parts = ({ key, nonce, ephemeral }: Hello): string[] => [key, nonce, ephemeral];
  return JSON.stringify([
    PURPOSE,
    TCP_PROTOCOL,
    initiator.cluster,
    signer,
    parts(initiator),
    parts(responder),
  ]);
}

/**
 * The keys for the frames that each side sends.
 *
 * @param secret what X25519 gives both of them
 * @param transcript what the initiator has signed
 */
export function frameKeys(secret: Uint8Array, transcript: string): Readonly<Record<Role, Buffer>> {
  const salt = createHash('sha256').update(transcript).digest();
  const keys = Buffer.from(hkdfSync('sha256', secret, salt, `${PURPOSE} frames`, 2 * MAC_KEY_BYTES));
  return { initiator: keys.subarray(0, MAC_KEY_BYTES), responder: keys.subarray(MAC_KEY_BYTES) };
}

/** A member, as a handshake knows it. */
export interface KnownMember {
  readonly member: number;
  readonly verifier: Verifier;
}

/**
 * Whether a connection with a member is wanted: asked when the other side has claimed who it is, before we prove who we
 * are. Gives the reason why not.
 */
export type Admit = (member: number) => HandshakeFault | undefined;

/** What a handshake asks of the transport. */
export interface HandshakeHost {
  readonly cluster: string;
  readonly key: KeyPair;
  /** Whose public key this is, if it is a member's; ours too. */
  find(publicKey: string): KnownMember | undefined;
  /** Whether a nonce is of a handshake of our own that is not finished. */
  isOwnNonce(nonce: string): boolean;
}

/** Who is at the other end of a connection, and what authenticates the frames. */
export interface Session {
  readonly member: number;
  readonly sending: FrameMac;
  readonly receiving: FrameMac;
}

/** What follows from a frame. `send` is to be sent first, as a frame. */
export interface HandshakeStep {
  readonly send?: Buffer;
  /** Set once both proofs are given and verified, at our side. */
  readonly session?: Session;
  /** Set if it has failed; `reported` if it was the other side that gave up and sent why. */
  readonly fault?: HandshakeFault;
  readonly reported?: boolean;
}

/** One side of a handshake. It does no input or output; nothing is to be read by it any more after it has failed. */
export class Handshake {
  readonly #role: Role;
  readonly #host: HandshakeHost;
  readonly #admit: Admit;
  /** Our hello and the secret of its fresh key; made only when the hello is sent, so that strangers cost little. */
  #own: { readonly hello: Hello; readonly secret: KeyObject } | undefined;
  #other: { readonly hello: Hello; readonly known: KnownMember } | undefined;

  constructor(role: Role, host: HandshakeHost, admit: Admit) {
    this.#role = role;
    this.#host = host;
    this.#admit = admit;
  }

  /** Our nonce, once our hello is made. */
  get nonce(): string | undefined {
    return this.#own?.hello.nonce;
  }

  /** Who the other side claims to be; undefined if it has made no claim, or is nobody. */
  get claimed(): number | undefined {
    return this.#other?.known.member;
  }

  /** Our hello; the initiator sends it before anything is received. */
  hello(): Buffer {
    return encodeHandshake(this.#mine().hello);
  }

  receive(frame: Uint8Array): HandshakeStep {
    const { message, fault } = decodeHandshake(frame);
    if (message === undefined) return refuse(fault);
    if (message.type === 'refuse') return { fault: message.reason, reported: true };
    if (this.#other === undefined) {
      return message.type === 'hello' ? this.#greet(message) : refuse('malformed');
    }
    return message.type === 'proof' ? this.#judge(message.signature, this.#other) : refuse('malformed');
  }

  #greet(hello: Hello): HandshakeStep {
    if (hello.cluster !== this.#host.cluster) return refuse('wrong-cluster');
    if (this.#isOwn(hello) && this.#host.isOwnNonce(hello.nonce)) return refuse('own-connection');
    const known = this.#host.find(hello.key);
    if (known === undefined) return refuse('unknown-member');
    this.#other = { hello, known };
    const refusal = this.#admit(known.member);
    if (refusal !== undefined) return refuse(refusal);
    return { send: this.#role === 'initiator' ? this.#proof(hello) : this.hello() };
  }

  #judge(
    signature: string,
    { hello, known }: { readonly hello: Hello; readonly known: KnownMember },
  ): HandshakeStep {
    const signer = this.#role === 'initiator' ? 'responder' : 'initiator';
    if (!known.verifier.verify(proofText(signer, ...this.#inOrder(hello)), signature)) {
      return refuse('bad-signature');
    }
    if (this.#isOwn(hello)) {
      // Both are to have the proof.
      return this.#role === 'responder' ? { fault: 'own-key', send: this.#proof(hello) } : refuse('own-key');
    }
    const session = this.#session(hello, known.member);
    if (session === undefined) return refuse('malformed');
    return { session, ...(this.#role === 'responder' && { send: this.#proof(hello) }) };
  }

  #isOwn({ key }: Hello): boolean {
    return key === this.#host.key.publicKey;
  }

  #mine(): { readonly hello: Hello; readonly secret: KeyObject } {
    if (this.#own === undefined) {
      const { publicKey, privateKey } = generateKeyPairSync('x25519');
      const ephemeral = publicKey.export({ format: 'der', type: 'spki' }).subarray(EPHEMERAL_PREFIX.length);
      const hello: Hello = {
        type: 'hello',
        cluster: this.#host.cluster,
        key: this.#host.key.publicKey,
        nonce: randomBytes(NONCE_BYTES).toString('hex'),
        ephemeral: ephemeral.toString('hex'),
      };
      this.#own = { hello, secret: privateKey };
    }
    return this.#own;
  }

  /** Both hellos, the initiator's first. */
  #inOrder(other: Hello): [Hello, Hello] {
    const { hello } = this.#mine();
    return this.#role === 'initiator' ? [hello, other] : [other, hello];
  }

  #proof(other: Hello): Buffer {
    const signature = this.#host.key.sign(proofText(this.#role, ...this.#inOrder(other)));
    return encodeHandshake({ type: 'proof', signature });
  }

  /** Undefined if the other side's fresh key is one of the few with which everybody gets the same secret. */
  #session(other: Hello, member: number): Session | undefined {
    const key = Buffer.concat([EPHEMERAL_PREFIX, Buffer.from(other.ephemeral, 'hex')]);
    let secret: Buffer;
    try {
      secret = diffieHellman({
        privateKey: this.#mine().secret,
        publicKey: createPublicKey({ key, format: 'der', type: 'spki' }),
      });
    } catch {
      return undefined;
    }
    const keys = frameKeys(secret, proofText('initiator', ...this.#inOrder(other)));
    const ofInitiator = new FrameMac(keys.initiator);
    const ofResponder = new FrameMac(keys.responder);
    return this.#role === 'initiator'
      ? { member, sending: ofInitiator, receiving: ofResponder }
      : { member, sending: ofResponder, receiving: ofInitiator };
  }
}

function refuse(reason: HandshakeFault): HandshakeStep {
  return { fault: reason, send: encodeHandshake({ type: 'refuse', reason }) };
}
