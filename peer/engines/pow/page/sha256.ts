/**
 * SHA-256 (FIPS 180-4), for pages that have no `crypto.subtle`: browsers keep that to secure contexts, and a page that
 * is read over plain HTTP from another machine is none. Written for reading; it hashes a block in well under 1 ms.
 */

/** The first `bits` fractional bits of a number's root, as the standard defines its constants. */
function fraction(root: number): number {
  return ((root - Math.floor(root)) * 0x1_0000_0000) >>> 0;
}

/** The first `count` primes. */
function primes(count: number): number[] {
  const found: number[] = [];
  for (let candidate = 2; found.length < count; candidate++)
    if (found.every((prime) => candidate % prime !== 0)) found.push(candidate);
  return found;
}

const START = primes(8).map((prime) => fraction(Math.sqrt(prime)));
const ROUND_CONSTANTS = primes(64).map((prime) => fraction(Math.cbrt(prime)));

function rotate(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}

/** The message, a 1 bit, zeros, and the length in bits: a multiple of 64 bytes. */
function pad(message: Uint8Array): DataView {
  const padded = new Uint8Array(Math.ceil((message.length + 9) / 64) * 64);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(message.length) * 8n);
  return view;
}

/** The SHA-256 of some bytes, 32 bytes long. */
export function sha256(message: Uint8Array): Uint8Array {
  const input = pad(message);
  const state = Uint32Array.from(START);
  const schedule = new Uint32Array(64);
  // Typed arrays of fixed length: every index below is inside, which the compiler cannot know.
  const word = (at: number): number => schedule[at] ?? 0;
  for (let block = 0; block < input.byteLength; block += 64) {
    for (let at = 0; at < 16; at++) schedule[at] = input.getUint32(block + at * 4);
    for (let at = 16; at < 64; at++) {
      const near = word(at - 2);
      const far = word(at - 15);
      const sigma1 = rotate(near, 17) ^ rotate(near, 19) ^ (near >>> 10);
      const sigma0 = rotate(far, 7) ^ rotate(far, 18) ^ (far >>> 3);
      schedule[at] = sigma1 + word(at - 7) + sigma0 + word(at - 16);
    }
    let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
    for (let at = 0; at < 64; at++) {
      const sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
      const choice = (e & f) ^ (~e & g);
      const first = (h + sum1 + choice + (ROUND_CONSTANTS[at] ?? 0) + word(at)) | 0;
      const sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
      const majority = (a & b) ^ (a & c) ^ (b & c);
      h = g;
      g = f;
      f = e;
      e = (d + first) | 0;
      d = c;
      c = b;
      b = a;
      a = (first + sum0 + majority) | 0;
    }
    for (const [at, value] of [a, b, c, d, e, f, g, h].entries()) state[at] = (state[at] ?? 0) + value;
  }
  const digest = new DataView(new ArrayBuffer(32));
  for (const [at, value] of state.entries()) digest.setUint32(at * 4, value);
  return new Uint8Array(digest.buffer);
}

/** Bytes as lower-case hex digits. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
