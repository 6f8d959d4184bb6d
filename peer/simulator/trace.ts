/**
 * What happened in a simulation: a digest of everything, so that two runs can be compared, and on request a line for
 * each event.
 */

/** One line of a trace: the time in seconds, which node (null if none in particular), what, and its details. */
export interface TraceLine {
  readonly t: number;
  readonly node: number | null;
  readonly what: string;
  readonly [detail: string]: unknown;
}

/** How many bytes of a message a digest looks at, at even distances. */
const SAMPLED_BYTES = 8;

/** Texts from this length on are looked at once if they come again at once. */
const LONG = 128;

/** Writes the lines of a trace. */
export type TraceWriter = (line: TraceLine) => void;

/**
 * A digest of 64 bits over numbers and texts, in their order: two independent multiplicative hashes. It stands for no
 * more than "the same run"; nobody attacks it, and it takes a few nanoseconds for a number.
 */
export class Digest {
  private a = 0x811c9dc5 | 0;
  private b = 0x1b873593 | 0;
  /** The long text that came last, with a digest of its own: one node after the other stores the same block. */
  private long = { text: '', a: 0, b: 0 };

  /** Takes in a whole number, of which the low 53 bits count. */
  number(value: number): void {
    this.pair(value | 0, (value / 0x1_0000_0000) | 0);
  }

  text(value: string): void {
    if (value.length < LONG) this.characters(value);
    else {
      if (value !== this.long.text) {
        const digest = new Digest();
        digest.characters(value);
        this.long = { text: value, a: digest.a, b: digest.b };
      }
      this.pair(this.long.a, this.long.b);
    }
  }

  private characters(value: string): void {
    const { length } = value;
    this.pair(length, 0);
    // Four at a time; past the end there are zeros.
    for (let at = 0; at < length; at += 4) {
      const low = value.charCodeAt(at) | (value.charCodeAt(at + 1) << 16);
      this.pair(low, value.charCodeAt(at + 2) | (value.charCodeAt(at + 3) << 16));
    }
  }

  /** Takes in how many bytes there are, and some of them, which is enough to tell most messages from others. */
  sample(bytes: Uint8Array): void {
    const { length } = bytes;
    this.number(length);
    for (let part = 1; part <= SAMPLED_BYTES; part++) {
      this.number(bytes[Math.ceil((length * part) / SAMPLED_BYTES) - 1] ?? 0);
    }
  }

  /** Takes in two whole numbers of 32 bits, at once. */
  pair(low: number, high: number): void {
    let { a, b } = this;
    a = Math.imul(a ^ low, 0x01000193) ^ high;
    b = Math.imul((b << 13) | (b >>> 19), 5) + Math.imul(low ^ high, 0x85ebca6b);
    this.a = a ^ (a >>> 15);
    this.b = b | 0;
  }

  /** The digest so far, as 16 hex digits. */
  get hex(): string {
    return [this.a, this.b].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }
}
