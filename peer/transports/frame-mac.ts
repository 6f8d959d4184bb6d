import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto';

/** Bytes of a frame's code: half of what HMAC-SHA-256 gives, as RFC 2104 (section 5) allows. */
export const MAC_BYTES = 16;
/** Bytes of a key. */
export const MAC_KEY_BYTES = 32;

/**
 * Authenticates the frames of one direction of a connection: HMAC-SHA-256 over the frame's number and its content. The
 * number is in no frame, both sides count: so a frame that is changed, repeated, left out or moved does not fit.
 */
export class FrameMac {
  readonly #key: KeyObject;
  /** The number of the next frame, of 64 bits. */
  readonly #number = Buffer.alloc(8);
  #next = 0n;

  constructor(key: Uint8Array) {
    this.#key = createSecretKey(key);
  }

  /** The code of the next frame, whose content is these parts in a row. */
  next(...parts: readonly Uint8Array[]): Buffer {
    this.#number.writeBigUInt64BE(this.#next++);
    const hmac = createHmac('sha256', this.#key).update(this.#number);
    for (const part of parts) hmac.update(part);
    return hmac.digest().subarray(0, MAC_BYTES);
  }

  /** Whether this is the code of the next frame. */
  accepts(content: Uint8Array, mac: Uint8Array): boolean {
    return mac.length === MAC_BYTES && timingSafeEqual(this.next(content), mac);
  }
}
