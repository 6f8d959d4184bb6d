/**
 * Ed25519 (RFC 8032) by `node:crypto`, with keys as hexadecimal text. Signing is deterministic: the same key and text
 * always give the same signature, so engines may sign within a step.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';

/** Before the 32 bytes of a key, so that they become a key in DER: PKCS #8 and SPKI for the object id 1.3.101.112. */
const PRIVATE_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** A public key: 32 bytes as 64 lower-case hexadecimal digits. */
export const KEY_PATTERN = /^[0-9a-f]{64}$/;
/** A signature: 64 bytes in base64. */
export const SIGNATURE_PATTERN = /^[A-Za-z0-9+/]{86}==$/;

/** A key pair that can sign. */
export interface KeyPair {
  /** 64 lower-case hexadecimal digits. */
  readonly publicKey: string;
  /** The secret seed (RFC 8032's private key): 64 lower-case hexadecimal digits. */
  readonly seed: string;
  /** @returns the signature over the UTF-8 bytes of a text, in base64 */
  sign(text: string): string;
}

/** Somebody else's key, ready to verify. */
export interface Verifier {
  /** Whether it is the signature over the UTF-8 bytes of a text. Anything that is no signature is not. */
  verify(text: string, signature: string): boolean;
}

/** A fresh key pair. */
export function generateKeyPair(): KeyPair {
  const { privateKey } = generateKeyPairSync('ed25519');
  const der = privateKey.export({ format: 'der', type: 'pkcs8' });
  return keyPairOf(der.subarray(PRIVATE_PREFIX.length).toString('hex'));
}

/** The key pair of a seed of 64 hexadecimal digits. */
export function keyPairOf(seed: string): KeyPair {
  const key = createPrivateKey({
    key: Buffer.concat([PRIVATE_PREFIX, Buffer.from(seed, 'hex')]),
    format: 'der',
    type: 'pkcs8',
  });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return {
    seed,
    publicKey: spki.subarray(PUBLIC_PREFIX.length).toString('hex'),
    sign: (text) => sign(null, Buffer.from(text), key).toString('base64'),
  };
}

/**
 * The verifier of a public key of 64 hexadecimal digits.
 *
 * @throws Error if there is no such key
 */
export function verifierOf(publicKey: string): Verifier {
  const key: KeyObject = createPublicKey({
    key: Buffer.concat([PUBLIC_PREFIX, Buffer.from(publicKey, 'hex')]),
    format: 'der',
    type: 'spki',
  });
  return {
    verify: (text, signature) =>
      SIGNATURE_PATTERN.test(signature) &&
      verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64')),
  };
}

/** The SHA-256 of the UTF-8 bytes of a text, as 64 hexadecimal digits. */
export function sha256Hex(text: string): string {
  return hash('sha256', text);
}
