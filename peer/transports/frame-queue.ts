/** Frames that wait to be sent to one peer, oldest first, bounded in number and bytes. */
export class FrameQueue {
  readonly #mostFrames: number;
  readonly #mostBytes: number;
  /** From `#first` on; what is before it has been taken. */
  #frames: (Uint8Array | undefined)[] = [];
  #first = 0;
  #bytes = 0;

  constructor(mostFrames: number, mostBytes: number) {
    this.#mostFrames = mostFrames;
    this.#mostBytes = mostBytes;
  }

  get length(): number {
    return this.#frames.length - this.#first;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Lets a frame wait; false if there is no room for it. One frame always has room, however long it is. */
  push(frame: Uint8Array): boolean {
    const full = this.length >= this.#mostFrames || this.#bytes + frame.length > this.#mostBytes;
    if (full && this.length > 0) return false;
    this.#frames.push(frame);
    this.#bytes += frame.length;
    return true;
  }

  /** Takes the frame that has waited longest. */
  shift(): Uint8Array | undefined {
    const frame = this.#frames[this.#first];
    if (frame === undefined) return undefined;
    this.#frames[this.#first++] = undefined;
    this.#bytes -= frame.length;
    // Moves what is left only when it is the smaller part, so that a frame is moved once at most, on average.
    if (2 * this.#first >= this.#frames.length) {
      this.#frames = this.#frames.slice(this.#first);
      this.#first = 0;
    }
    return frame;
  }

  /** Forgets everything. */
  clear(): void {
    this.#frames = [];
    this.#first = 0;
    this.#bytes = 0;
  }
}
