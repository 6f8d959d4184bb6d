/**
 * Frames in a stream of bytes: a length of four bytes, the most significant first, and so many bytes.
 *
 * Work is linear in the number of bytes, however they are cut into chunks, and no more memory is taken than twice what
 * has arrived, or 128 KiB: a length alone, which costs its sender four bytes, takes none.
 */

/** Bytes of the length before each frame. */
export const LENGTH_BYTES = 4;
/** What is first set aside for a frame that comes in several chunks, if it has as much: two reads of a socket. */
const FIRST_BUFFER = 128 * 1024;

/** Writes the length of a frame into a buffer, and returns where the frame begins. */
export function writeLength(buffer: Buffer, at: number, length: number): number {
  return buffer.writeUInt32BE(length, at);
}

/** A frame with its length before it. */
export function framed(body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + body.length);
  frame.set(body, writeLength(frame, 0, body.length));
  return frame;
}

/** Cuts a stream into its frames; one for each stream. */
export class FrameReader {
  /** Longest frame that is taken from now on, in bytes. */
  limit: number;
  /** Length of the frame that is being read; undefined within the four bytes that hold it. */
  #length: number | undefined;
  /** How many of the four bytes have come, and their number so far. */
  #lengthBytes = 0;
  #lengthSoFar = 0;
  /** The beginning of a frame that earlier chunks left unfinished. Grows by doubling, up to the frame's length. */
  #kept = Buffer.alloc(0);
  #keptLength = 0;
  #completed = 0;
  #oversize = false;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Bytes of the frame that has begun and not ended, with those of its length. */
  get pending(): number {
    return this.#lengthBytes + this.#keptLength;
  }

  /** Bytes that are set aside for the frame that has begun and not ended. */
  get reserved(): number {
    return this.#kept.length;
  }

  /** Frames read so far. */
  get completed(): number {
    return this.#completed;
  }

  /**
   * Takes the next bytes and calls `onFrame` for each frame that ends in them, until it returns false: then nothing more
   * is read. A frame may be a part of `chunk`; it is not changed later.
   *
   * @returns false if a frame is longer than the limit: nothing is read from the stream any more
   */
  push(chunk: Uint8Array, onFrame: (frame: Uint8Array) => boolean): boolean {
    let at = 0;
    while (!this.#oversize) {
      if (this.#length === undefined) {
        for (; this.#lengthBytes < LENGTH_BYTES && at < chunk.length; this.#lengthBytes++) {
          this.#lengthSoFar = this.#lengthSoFar * 256 + (chunk[at++] ?? 0);
        }
        if (this.#lengthBytes < LENGTH_BYTES) return true;
        this.#length = this.#lengthSoFar;
        this.#oversize = this.#length > this.limit;
        continue;
      }
      const end = at + this.#length - this.#keptLength;
      if (end > chunk.length) {
        this.#keep(chunk.subarray(at), this.#length);
        return true;
      }
      const frame = this.#take(chunk.subarray(at, end), this.#length);
      at = end;
      if (!onFrame(frame)) return true;
    }
    return false;
  }

  /** The frame that ends with `rest`. */
  #take(rest: Uint8Array, length: number): Uint8Array {
    let frame = rest;
    if (this.#keptLength > 0) {
      this.#keep(rest, length);
      frame = this.#kept;
      this.#kept = Buffer.alloc(0);
      this.#keptLength = 0;
    }
    this.#length = undefined;
    this.#lengthBytes = 0;
    this.#lengthSoFar = 0;
    this.#completed++;
    return frame;
  }

  #keep(bytes: Uint8Array, frameLength: number): void {
    const length = this.#keptLength + bytes.length;
    if (length > this.#kept.length) {
      const grown = Buffer.allocUnsafeSlow(
        Math.min(Math.max(FIRST_BUFFER, 2 * this.#kept.length, length), frameLength),
      );
      this.#kept.copy(grown, 0, 0, this.#keptLength);
      this.#kept = grown;
    }
    this.#kept.set(bytes, this.#keptLength);
    this.#keptLength = length;
  }
}
