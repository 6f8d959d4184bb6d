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

/** How a public key, a seed or a digest is written: 32 bytes as 64 lower-case hexadecimal digits. */
export const KEY_PATTERN = /^[0-9a-f]{64}$/;
/**
 * A signature: 64 bytes in base64, in the one text that encoders give. The last character stands for two bits, and decoders
 * pass over its other four: with those at will each signature would have sixteen texts, and anybody could make the others.
 */
export const SIGNATURE_PATTERN = /^[A-Za-z0-9+/]{85}[AQgw]==$/;

/** The field and the curve -x² + y² = 1 + dx²y². Source: RFC 8032, section 5.1. */
const P = 2n ** 255n - 19n;
const D = 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n;
/** The y coordinate of two of the points of order 8; that of the other two is its negative. */
const ORDER_8_Y = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
/** Those of all eight points whose order divides 8: 1 and -1 have one point each, the others two. */
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([1n, P - 1n, 0n, ORDER_8_Y, P - ORDER_8_Y]);

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

/**
 * The key pair of a seed.
 *
 * @throws Error if it is not 64 lower-case hexadecimal digits
 */
export function keyPairOf(seed: string): KeyPair {
  if (!KEY_PATTERN.test(seed)) throw new Error('a seed is 64 lower-case hexadecimal digits');
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
 * Whether a text is a public key: the one encoding of a point of the curve whose order is not small. `node:crypto` does not
 * look: with a key of small order it takes signatures that anybody can make, so whoever gets such a key into a list of
 * members has everybody be that member.
 */
export function isPublicKey(text: string): boolean {
  if (!KEY_PATTERN.test(text)) return false;
  // Little-endian; the highest bit is the sign of x.
  const encoded = BigInt(`0x${Buffer.from(text, 'hex').reverse().toString('hex')}`);
  const y = BigInt.asUintN(255, encoded);
  if (y >= P || SMALL_ORDER_Y.has(y)) return false;
  // x² = (y² - 1) / (dy² + 1), which is a square just if the product of the two is: Euler's criterion. Neither is zero here.
  const ySquared = (y * y) % P;
  return power((ySquared - 1n) * (D * ySquared + 1n), (P - 1n) / 2n) === 1n;
}

/** A power modulo p. */
function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base % P;
  for (let left = exponent; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}

/**
 * The verifier of a public key.
 *
 * @throws Error if it is none, see {@link isPublicKey}
 */
export function verifierOf(publicKey: string): Verifier {
  if (!isPublicKey(publicKey)) throw new Error('this is no public key of Ed25519');
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
