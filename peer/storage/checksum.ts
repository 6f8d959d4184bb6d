/** Hex digits of a checksum. */
export const CHECKSUM_LENGTH = 8;

/** Multiplies as FNV-1a does: by an odd number, so different values stay different. */
const FNV_PRIME = 0x01000193;
const FNV_START = 0x811c9dc5;

/**
 * FNV-1a of a key and a value, four UTF-16 units at a time in two lanes: unit by unit, and over a copy of the value, it
 * would take as long as the rest of a read. A bit that flipped anywhere always makes another one.
 *
 * @param text begins with the value
 * @param length UTF-16 units of the value
 */
export function checksum(key: string, text: string, length: number): string {
  let one = FNV_START ^ length;
  let other = FNV_START;
  for (let at = 0; at < key.length; at++) one = Math.imul(one ^ key.charCodeAt(at), FNV_PRIME);
  const end = length - (length % 4);
  for (let at = 0; at < end; at += 4) {
    one = Math.imul(one ^ (text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16)), FNV_PRIME);
    other = Math.imul(other ^ (text.charCodeAt(at + 2) | (text.charCodeAt(at + 3) << 16)), FNV_PRIME);
  }
  for (let at = end; at < length; at++) one = Math.imul(one ^ text.charCodeAt(at), FNV_PRIME);
  // What stands highest in a word never gets lower by multiplying: it is folded in at the end.
  const hash = Math.imul(one, FNV_PRIME) ^ other ^ (other >>> 15);
  return (hash >>> 0).toString(16).padStart(CHECKSUM_LENGTH, '0');
}
