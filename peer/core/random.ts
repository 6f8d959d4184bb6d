/**
 * The deterministic randomness of engines: xoshiro128** by Blackman and Vigna, seeded with the entropy that the
 * constructor is handed. Good for choosing peers and making ids, not for secrets.
 */
export class Random {
  private readonly state: Uint32Array;

  /** @param entropy at least 16 bytes */
  constructor(entropy: Uint8Array) {
    const view = new DataView(entropy.buffer, entropy.byteOffset, entropy.byteLength);
    this.state = Uint32Array.from({ length: 4 }, (_, index) => view.getUint32(4 * index));
    // The one state from which the generator never moves.
    if (this.state.every((word) => word === 0)) this.state[0] = 1;
  }

  /** A whole number from 0 to 2^32 - 1. */
  next(): number {
    const s = this.state as unknown as [number, number, number, number];
    const scrambled = Math.imul(rotateLeft(Math.imul(s[1], 5), 7), 9) >>> 0;
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotateLeft(s[3], 11);
    return scrambled;
  }

  /** A whole number from 0 to `limit - 1`; `limit` is at most 2^32. */
  below(limit: number): number {
    return Math.floor((this.next() / 0x1_0000_0000) * limit);
  }

  /** Up to `count` different items, in random order; the list is left as it is. */
  sample<T>(items: readonly T[], count: number): T[] {
    const pool = [...items];
    const chosen = Math.min(count, pool.length);
    for (let place = 0; place < chosen; place++) {
      const other = place + this.below(pool.length - place);
      [pool[place], pool[other]] = [pool[other] as T, pool[place] as T];
    }
    return pool.slice(0, chosen);
  }

  /**
   * Samples the items that pass `test`. Where most of them do it takes a few draws, however many items there are.
   */
  sampleWhere<T>(items: readonly T[], count: number, test: (item: T) => boolean): T[] {
    const chosen: T[] = [];
    for (let tries = 4 * count; tries > 0 && chosen.length < count && items.length > 2 * count; tries--) {
      const item = items[this.below(items.length)] as T;
      if (test(item) && !chosen.includes(item)) chosen.push(item);
    }
    return chosen.length === count ? chosen : this.sample(items.filter(test), count);
  }

  /** An id in the form of a UUID (version 4), as implementations of the network expect it. */
  uuid(): string {
    const [a, b, c, d] = [this.hex(), this.hex(), this.hex(), this.hex()];
    const variant = ((parseInt(c.charAt(0), 16) & 3) | 8).toString(16);
    return [a, b.slice(0, 4), `4${b.slice(5)}`, `${variant}${c.slice(1, 4)}`, `${c.slice(4)}${d}`].join('-');
  }

  /** 8 hex digits. */
  private hex(): string {
    return this.next().toString(16).padStart(8, '0');
  }
}

function rotateLeft(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}
