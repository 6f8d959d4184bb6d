/**
 * What is hashed of a block, part by part, and the network's rule for it once more: written from the rule and not from
 * the peer's own code, so that the page checks the peer and does not only repeat it.
 *
 *     hash = sha256( previous hash as hex text (nothing for the genesis)
 *                    ‖ minedBy ‖ messages in order ‖ timestamp as 8 bytes big-endian ‖ nonce )
 */
import { sha256, toHex } from './sha256.ts';

/** What there is of a block to be hashed, as the API gives it: the timestamp is decimal text, since it has 64 bits. */
export interface HashedBlock {
  readonly height: number;
  readonly minedBy: string;
  readonly messages: readonly string[];
  readonly nonce: string;
  readonly timestamp: string;
  readonly hash: string;
}

/** One part of what is hashed. */
export interface PreimagePart {
  readonly name: string;
  /** As people read it. */
  readonly text: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const encoder = new TextEncoder();

function timestampBytes(timestamp: string): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(timestamp));
  return new Uint8Array(view.buffer);
}

/**
 * The parts in the order in which they are hashed.
 *
 * @param previousHash ignored for a genesis
 */
export function preimageParts(block: HashedBlock, previousHash: string): PreimagePart[] {
  const text = (name: string, value: string): PreimagePart => ({
    name,
    text: value,
    bytes: encoder.encode(value),
  });
  return [
    ...(block.height === 0 ? [] : [text('previous hash', previousHash)]),
    text('minedBy', block.minedBy),
    ...block.messages.map((message, index) => text(`message ${index + 1}`, message)),
    { name: 'timestamp', text: block.timestamp, bytes: timestampBytes(block.timestamp) },
    text('nonce', block.nonce),
  ];
}

/** How many zeros stand at the end of a hash. */
export function trailingZeros(hash: string): number {
  return hash.length - hash.replace(/0+$/, '').length;
}

/** One rule and whether the block obeys it. */
export interface Check {
  readonly passed: boolean;
  /** One sentence. */
  readonly text: string;
}

export interface Verdict {
  readonly valid: boolean;
  /** The hash that was computed here. */
  readonly hash: string;
  readonly zeros: number;
  readonly checks: readonly Check[];
  /** What computed it. */
  readonly by: 'WebCrypto' | 'this page';
}

/** SHA-256 by the browser where it offers it, else by the page's own code. */
async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<{ hash: string; by: Verdict['by'] }> {
  // Missing outside of secure contexts, whatever the type says.
  const { subtle } = crypto as { readonly subtle?: typeof crypto.subtle };
  if (subtle === undefined) return { hash: toHex(sha256(bytes)), by: 'this page' };
  return { hash: toHex(new Uint8Array(await subtle.digest('SHA-256', bytes))), by: 'WebCrypto' };
}

function concatenate(parts: readonly PreimagePart[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((length, { bytes }) => length + bytes.length, 0));
  let at = 0;
  for (const { bytes } of parts) {
    all.set(bytes, at);
    at += bytes.length;
  }
  return all;
}

/**
 * Recomputes a block's hash and checks everything that the network demands of it.
 *
 * @param previous the block before it, or null for a genesis
 * @param difficulty how many zeros the hash must end in
 */
export async function verifyInBrowser(
  block: HashedBlock,
  previous: Pick<HashedBlock, 'height' | 'hash'> | null,
  difficulty: number,
): Promise<Verdict> {
  const bytes = concatenate(preimageParts(block, previous?.hash ?? ''));
  const { hash, by } = await digest(bytes);
  const zeros = trailingZeros(hash);
  const { messages, nonce, minedBy, height } = block;
  const longest = Math.max(...messages.map((message) => Array.from(message).length));
  const nonceLength = Array.from(nonce).length;
  const checks: Check[] = [
    previous === null
      ? { passed: height === 0, text: 'It is the genesis: no block comes before it.' }
      : {
          passed: height === previous.height + 1,
          text: `It stands on block ${previous.height}, whose hash is the first part of what was hashed.`,
        },
    {
      passed: hash === block.hash,
      text:
        hash === block.hash
          ? 'The recomputed hash is the one that the block states.'
          : 'The recomputed hash is not the one that the block states.',
    },
    {
      passed: zeros >= difficulty,
      text: `The hash ends in ${zeros} zeros; the network demands ${difficulty}.`,
    },
    {
      passed: messages.length >= 1 && messages.length <= 10 && longest <= 20,
      text: `It has ${messages.length} ${messages.length === 1 ? 'message' : 'messages'} (1 to 10 allowed), the longest of ${longest} characters (at most 20).`,
    },
    { passed: nonceLength < 40, text: `Its nonce has ${nonceLength} characters (fewer than 40).` },
    {
      passed: [minedBy, nonce, ...messages].every((text) => text.isWellFormed()),
      text: 'All of its text is valid Unicode.',
    },
  ];
  return { valid: checks.every(({ passed }) => passed), hash, zeros, checks, by };
}
