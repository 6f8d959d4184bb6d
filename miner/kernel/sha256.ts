/**
 * The inside of SHA-256 (FIPS 180-4), as far as a kernel must open it: single rounds and the compression of one
 * block. Whole texts are hashed with node:crypto; this is only for preparing a search, some dozens of blocks at a
 * time.
 */

/** Bytes of a block. */
export const BLOCK_BYTES = 64;
/** Rounds of a compression. */
export const ROUNDS = 64;

/** What is added in each round: the first 32 bits of the fractions of the cube roots of the first 64 primes. */
export const ROUND_CONSTANTS = Uint32Array.of(
  0x428a2f98,
  0x71374491,
  0xb5c0fbcf,
  0xe9b5dba5,
  0x3956c25b,
  0x59f111f1,
  0x923f82a4,
  0xab1c5ed5,
  0xd807aa98,
  0x12835b01,
  0x243185be,
  0x550c7dc3,
  0x72be5d74,
  0x80deb1fe,
  0x9bdc06a7,
  0xc19bf174,
  0xe49b69c1,
  0xefbe4786,
  0x0fc19dc6,
  0x240ca1cc,
  0x2de92c6f,
  0x4a7484aa,
  0x5cb0a9dc,
  0x76f988da,
  0x983e5152,
  0xa831c66d,
  0xb00327c8,
  0xbf597fc7,
  0xc6e00bf3,
  0xd5a79147,
  0x06ca6351,
  0x14292967,
  0x27b70a85,
  0x2e1b2138,
  0x4d2c6dfc,
  0x53380d13,
  0x650a7354,
  0x766a0abb,
  0x81c2c92e,
  0x92722c85,
  0xa2bfe8a1,
  0xa81a664b,
  0xc24b8b70,
  0xc76c51a3,
  0xd192e819,
  0xd6990624,
  0xf40e3585,
  0x106aa070,
  0x19a4c116,
  0x1e376c08,
  0x2748774c,
  0x34b0bcb5,
  0x391c0cb3,
  0x4ed8aa4a,
  0x5b9cca4f,
  0x682e6ff3,
  0x748f82ee,
  0x78a5636f,
  0x84c87814,
  0x8cc70208,
  0x90befffa,
  0xa4506ceb,
  0xbef9a3f7,
  0xc67178f2,
);

/** The state before the first block: the fractions of the square roots of the first 8 primes. */
const INITIAL_STATE = Uint32Array.of(
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19,
);

/** A fresh state of 8 words, a to h, as it is before the first block. */
export function initialState(): Uint32Array {
  return INITIAL_STATE.slice();
}

/** The schedule of the block being compressed; never kept from one call to the next. */
const schedule = new Uint32Array(ROUNDS);

const rotate = (word: number, by: number): number => (word >>> by) | (word << (32 - by));

/**
 * Works the first rounds of a compression, without the addition that ends it.
 *
 * @param state 8 words, a to h; changed in place
 * @param words the schedule, at least `count` words (the block's own 16 are enough for up to 16 rounds)
 * @param count how many rounds, 0 to 64
 */
export function runRounds(state: Uint32Array, words: Uint32Array, count: number): void {
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
  for (let i = 0; i < count; i++) {
    const constant = (ROUND_CONSTANTS[i] ?? 0) + (words[i] ?? 0);
    const t = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + constant;
    const u = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = (d + t) | 0;
    d = c;
    c = b;
    b = a;
    a = (t + u) | 0;
  }
  state.set([a, b, c, d, e, f, g, h]);
}

/**
 * Compresses one block.
 *
 * @param state 8 words; changed in place
 * @param block 16 words, the block's bytes read big-endian
 */
export function compress(state: Uint32Array, block: Uint32Array): void {
  schedule.set(block.subarray(0, 16));
  for (let i = 16; i < ROUNDS; i++) {
    const x = schedule[i - 15] ?? 0;
    const y = schedule[i - 2] ?? 0;
    const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
    const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
    schedule[i] = (schedule[i - 16] ?? 0) + s0 + (schedule[i - 7] ?? 0) + s1;
  }
  const before = state.slice();
  runRounds(state, schedule, ROUNDS);
  for (let i = 0; i < 8; i++) state[i] = (state[i] ?? 0) + (before[i] ?? 0);
}

/**
 * Reads a block's bytes as 16 big-endian words.
 *
 * @param bytes at least `offset + 64` bytes
 */
export function blockWords(bytes: Uint8Array, offset: number): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, BLOCK_BYTES);
  const words = new Uint32Array(16);
  for (let i = 0; i < words.length; i++) words[i] = view.getUint32(4 * i);
  return words;
}
