/**
 * Cuts a stream of bytes into JSON objects, however they are framed: one a line, separated by blanks, or simply
 * one after the other (`{…}{…}`), which is what programs send that call `send(json)` on a TCP socket.
 *
 * Only braces, brackets and texts are followed, which tells where an object ends; whether it is JSON is for the
 * parser to say. Work is linear in the number of bytes, however they are cut into chunks.
 */

/** Why a stream cannot be read further: one sentence each, the rule that was broken. */
export const STREAM_RULES = {
  'not-an-object': 'Between objects there is nothing but white space.',
  'too-long': 'An object is not longer than the limit.',
  'too-deep': 'Objects and arrays are not nested deeper than the limit.',
  'not-utf8': 'Text is UTF-8.',
} as const;

/** The code of a broken rule. */
export type StreamFault = keyof typeof STREAM_RULES;

/** Bounds of a stream. */
export interface StreamLimits {
  /** Longest object, in bytes. */
  readonly objectBytes: number;
  /** Deepest nesting of objects and arrays; the object itself counts as 1. */
  readonly depth: number;
}

/**
 * The bounds where none are given: what any message of these protocols takes many times over, and little enough
 * that a thousand connections can do no harm.
 */
export const DEFAULT_STREAM_LIMITS: StreamLimits = { objectBytes: 64 * 1024, depth: 32 };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** The white space of JSON: space, tab, line feed, carriage return. */
function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** What one chunk completed. */
export interface StreamPart {
  /** The text of each object that ended in this chunk, in order. */
  readonly objects: readonly string[];
  /** Set if the stream broke a rule, after these objects; nothing is read from it any more. */
  readonly fault: StreamFault | undefined;
}

/** The cutter; one for each stream. */
export class JsonObjectStream {
  readonly #limits: StreamLimits;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  /** The beginning of the object that earlier chunks left unfinished. Grows by doubling, up to the limit. */
  #kept = Buffer.alloc(0);
  #keptLength = 0;
  /** 0 between objects. */
  #depth = 0;
  #inText = false;
  #escaped = false;
  #fault: StreamFault | undefined;

  constructor(limits: StreamLimits = DEFAULT_STREAM_LIMITS) {
    this.#limits = limits;
  }

  /** Bytes of the object that has begun and not ended. */
  get pending(): number {
    return this.#keptLength;
  }

  /** The rule that the stream broke, if it did. */
  get fault(): StreamFault | undefined {
    return this.#fault;
  }

  /** Takes the next bytes. After a fault they are dropped, and the fault is reported again. */
  push(chunk: Uint8Array): StreamPart {
    const objects: string[] = [];
    if (this.#fault === undefined) this.#fault = this.#scan(chunk, objects);
    if (this.#fault !== undefined) {
      this.#kept = Buffer.alloc(0);
      this.#keptLength = 0;
    }
    return { objects, fault: this.#fault };
  }

  #scan(chunk: Uint8Array, objects: string[]): StreamFault | undefined {
    const { depth: deepest, objectBytes } = this.#limits;
    /** Where in this chunk the current object begins. */
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at];
      if (this.#depth === 0) {
        if (byte === OPEN_BRACE) {
          start = at;
          this.#depth = 1;
        } else if (byte === undefined || !isBlank(byte)) {
          return 'not-an-object';
        }
        continue;
      }
      if (this.#inText) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inText = false;
      } else if (byte === QUOTE) {
        this.#inText = true;
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        if (++this.#depth > deepest) return 'too-deep';
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        this.#depth--;
      }
      if (this.#keptLength + at + 1 - start > objectBytes) return 'too-long';
      if (this.#depth === 0) {
        const text = this.#take(chunk.subarray(start, at + 1));
        if (text === undefined) return 'not-utf8';
        objects.push(text);
      }
    }
    if (this.#depth > 0) this.#keep(chunk.subarray(start));
    return undefined;
  }

  /** The text of the object that ends with `rest`; undefined if it is not UTF-8. */
  #take(rest: Uint8Array): string | undefined {
    let bytes = rest;
    if (this.#keptLength > 0) {
      this.#keep(rest);
      bytes = this.#kept.subarray(0, this.#keptLength);
      this.#keptLength = 0;
    }
    try {
      return this.#decoder.decode(bytes);
    } catch {
      return undefined;
    }
  }

  #keep(bytes: Uint8Array): void {
    const length = this.#keptLength + bytes.length;
    if (length > this.#kept.length) {
      const grown = Buffer.allocUnsafeSlow(
        Math.min(Math.max(1024, 2 * this.#kept.length, length), this.#limits.objectBytes),
      );
      this.#kept.copy(grown, 0, 0, this.#keptLength);
      this.#kept = grown;
    }
    this.#kept.set(bytes, this.#keptLength);
    this.#keptLength = length;
  }
}
