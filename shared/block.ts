/**
 * The block of a class network, its hash and the rule that says whether it is valid.
 *
 * Source of the rule: the COMP 3010 assignment (University of Manitoba), checked against real mined blocks:
 *
 *     hash = sha256( previous hash as hex text (nothing for the genesis)
 *                    ‖ minedBy ‖ messages in order ‖ timestamp as 8 bytes big-endian ‖ nonce )
 *
 * with all text as UTF-8; the hex digest must end in `difficulty` ASCII zeros.
 */
import { hash as digest } from 'node:crypto';

import { isJsonObject } from './json.ts';

/** Most messages a block may hold; the least is one. Source: the assignment. */
export const MAX_MESSAGES = 10;
/** Longest message, in code points. Source: the assignment. */
export const MAX_MESSAGE_LENGTH = 20;
/** Longest nonce, in code points ("less than 40 characters"). Source: the assignment. */
export const MAX_NONCE_LENGTH = 39;
/** Trailing zeros that the main network demands. Source: the assignment. */
export const DEFAULT_DIFFICULTY = 8;
/** A SHA-256 hash has this many hex digits, so no block can have more trailing zeros. */
export const MAX_DIFFICULTY = 64;
/** One more than the largest timestamp that fits into its 8 bytes. */
const TIMESTAMP_LIMIT = 1n << 64n;

/** Seconds since 1970; a bigint only where a number would not be exact (above 2^53 - 1). */
export type Timestamp = number | bigint;

/** A block as the network has it. */
export interface Block {
  /** Position in the chain; the genesis has 0. */
  readonly height: number;
  /** Who mined it; the network sets no limit to this text. */
  readonly minedBy: string;
  /** 1 to 10 messages of at most 20 code points. */
  readonly messages: readonly string[];
  /** At most 39 code points, any characters. */
  readonly nonce: string;
  readonly timestamp: Timestamp;
  /** 64 lower-case hex digits. */
  readonly hash: string;
}

/** Why a value is not a block, or a block not valid: one sentence each, the rule that was broken. */
export const BLOCK_RULES = {
  'not-an-object': 'A block is a JSON object.',
  'bad-height': 'A block has a height, an integer from 0.',
  'wrong-height': 'A block stands one above the block before it.',
  'bad-miner': 'A block says in minedBy, a text, who mined it.',
  'bad-messages': 'A block has 1 to 10 messages, each a text.',
  'message-too-long': 'A message has at most 20 characters.',
  'bad-nonce': 'A block has a nonce, a text.',
  'nonce-too-long': 'A nonce has fewer than 40 characters.',
  'bad-timestamp': 'A block has a timestamp in whole seconds that fits into 8 bytes.',
  'bad-hash': 'A hash is a text of 64 lower-case hex digits.',
  'lone-surrogate': 'Text must be valid Unicode, or it has no UTF-8 bytes to hash.',
  'misses-difficulty': 'A hash ends in as many zeros as the difficulty says.',
  'wrong-hash': 'The hash is the SHA-256 of the block on top of the one before it.',
} as const;

/** The code of a broken rule. */
export type BlockFault = keyof typeof BLOCK_RULES;

/** Whether a value is a hash as the network writes it: 64 lower-case hex digits. */
export function isHash(value: unknown): value is string {
  if (typeof value !== 'string' || value.length !== 64) return false;
  // A loop, because a regular expression takes ten times as long and every block passes here.
  for (let at = 0; at < 64; at++) {
    const code = value.charCodeAt(at);
    const digit = (code >= 48 && code <= 57) || (code >= 97 && code <= 102);
    if (!digit) return false;
  }
  return true;
}

/** Whether a hash ends in at least `difficulty` zeros. */
export function meetsDifficulty(hash: string, difficulty: number): boolean {
  return trailingZeros(hash) >= difficulty;
}

/** How many ASCII zeros stand at the end of a hash. */
export function trailingZeros(hash: string): number {
  let end = hash.length;
  while (end > 0 && hash.charCodeAt(end - 1) === 48) end--;
  return hash.length - end;
}

/** Whether a text has at most `limit` code points, which is what the network's Python counts. */
function fits(text: string, limit: number): boolean {
  if (text.length <= limit) return true;
  if (text.length > 2 * limit) return false;
  let points = 0;
  for (let at = 0; at < text.length; points++) at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
  return points <= limit;
}

/** Reads an integer that may have come as a number, a float without fraction, or decimal text. */
export function readInteger(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\s*-?\d{1,16}\s*$/.test(value) ? Number(value) : value;
  // Adding zero makes the zero of "-0" the plain one, which it is to whoever reads what we write.
  return typeof number === 'number' && Number.isSafeInteger(number) ? number + 0 : undefined;
}

/** Reads a timestamp as Python's `int()` does: fractions are cut off, decimal text is taken. */
function readTimestamp(value: unknown): Timestamp | undefined {
  if (typeof value === 'bigint') {
    if (value < 0n || value >= TIMESTAMP_LIMIT) return undefined;
    return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
  }
  if (typeof value === 'string')
    return /^\s*-?\d{1,20}\s*$/.test(value) ? readTimestamp(BigInt(value.trim())) : undefined;
  if (typeof value !== 'number' || !(value > -1 && value < Infinity)) return undefined;
  const whole = Math.trunc(value) + 0;
  return Number.isSafeInteger(whole) ? whole : readTimestamp(BigInt(whole));
}

/** The names under which implementations are known to send who mined a block. */
const MINER_KEYS = ['minedBy', 'mined_by', 'minedBy:', 'miner_name'] as const;

/**
 * Reads a block from a parsed JSON value, liberal in its types as the network is: a nonce may be an integer, a
 * height or timestamp decimal text or a float, and unknown fields are passed over. Only the shape is looked at;
 * {@link verifyBlock} says whether the block is valid.
 *
 * @param height taken instead of the value's own height, for formats that leave it out
 */
export function readBlock(value: unknown, height?: number): Block | BlockFault {
  if (!isJsonObject(value)) return 'not-an-object';
  const at = readInteger(value['height'] ?? height);
  if (at === undefined || at < 0) return 'bad-height';
  let minedBy: unknown;
  for (const key of MINER_KEYS) {
    minedBy = value[key];
    if (minedBy !== undefined) break;
  }
  if (typeof minedBy !== 'string') return 'bad-miner';
  const { messages, hash } = value;
  if (!Array.isArray(messages) || messages.length < 1 || messages.length > MAX_MESSAGES)
    return 'bad-messages';
  for (const message of messages) if (typeof message !== 'string') return 'bad-messages';
  let { nonce } = value;
  if (typeof nonce === 'bigint' || (typeof nonce === 'number' && Number.isSafeInteger(nonce)))
    nonce = `${nonce}`;
  if (typeof nonce !== 'string') return 'bad-nonce';
  const timestamp = readTimestamp(value['timestamp']);
  if (timestamp === undefined) return 'bad-timestamp';
  if (!isHash(hash)) return 'bad-hash';
  return { height: at, minedBy, messages: messages as string[], nonce, timestamp, hash };
}

/** What is hashed of a block besides its nonce. */
type BlockHead = Omit<Block, 'hash' | 'nonce' | 'height'>;

const encoder = new TextEncoder();
/** Room in the text of a preimage for the 8 bytes of the timestamp. */
const TIMESTAMP_SPACE = '\0'.repeat(8);

/**
 * Where preimages are put together, and the start of it cut out at every length that was met so far: making a new
 * view for each block would take as long as writing it. Only a miner's name of a thousand characters needs more.
 */
const scratch = new Uint8Array(4096);
const scratchFields = new DataView(scratch.buffer);
const scratchCuts: Uint8Array[] = [];

/** Everything that is hashed, in one text: it is written to bytes at once, which costs most. */
function preimageText(block: BlockHead, previousHash: string, nonce: string): string {
  let text = previousHash + block.minedBy;
  for (const message of block.messages) text += message;
  return text + TIMESTAMP_SPACE + nonce;
}

/**
 * The preimage as bytes; valid until the next call.
 *
 * @param text what {@link preimageText} made of the same nonce
 */
function preimageBytes(text: string, nonce: string, timestamp: Timestamp): Uint8Array {
  // A UTF-16 unit takes at most three bytes of UTF-8.
  const fitting = text.length * 3 <= scratch.length;
  const bytes = fitting ? scratch : new Uint8Array(text.length * 3);
  const end = encoder.encodeInto(text, bytes).written;
  const nonceStart = end - (isAsciiLength(end, text) ? nonce.length : Buffer.byteLength(nonce));
  const fields = fitting ? scratchFields : new DataView(bytes.buffer);
  if (typeof timestamp === 'number') {
    const high = Math.floor(timestamp / 0x1_0000_0000);
    fields.setUint32(nonceStart - 8, high);
    fields.setUint32(nonceStart - 4, timestamp - high * 0x1_0000_0000);
  } else {
    fields.setBigUint64(nonceStart - 8, timestamp);
  }
  return fitting ? (scratchCuts[end] ??= scratch.subarray(0, end)) : bytes.subarray(0, end);
}

/** Whether a text that takes so many bytes of UTF-8 is ASCII, as nearly every block is. */
function isAsciiLength(bytes: number, text: string): boolean {
  return bytes === text.length;
}

/**
 * Everything that is hashed before the nonce, as a miner needs it.
 *
 * @param previousHash the hash of the block before, `''` for a genesis
 */
export function preimageHead(block: BlockHead, previousHash: string): Uint8Array {
  return preimageBytes(preimageText(block, previousHash, ''), '', block.timestamp).slice();
}

/**
 * The hash that a block must have on top of the block with `previousHash`.
 *
 * @param previousHash ignored for a genesis (height 0)
 */
export function hashBlock(block: Omit<Block, 'hash'>, previousHash: string): string {
  const { nonce, timestamp } = block;
  const text = preimageText(block, block.height === 0 ? '' : previousHash, nonce);
  return digest('sha256', preimageBytes(text, nonce, timestamp), 'hex');
}

/**
 * Whether a block is valid as the next one: the network's rule, to the letter. It says nothing about time: the
 * network does not either.
 *
 * @param previous the block before it, or null if the block must be a genesis
 * @param difficulty how many zeros the hash must end in
 * @returns the rule it breaks, or undefined if it is valid
 */
export function verifyBlock(
  block: Block,
  previous: Pick<Block, 'height' | 'hash'> | null,
  difficulty: number,
): BlockFault | undefined {
  if (block.height !== (previous === null ? 0 : previous.height + 1)) return 'wrong-height';
  const { messages, nonce, hash } = block;
  if (messages.length < 1 || messages.length > MAX_MESSAGES) return 'bad-messages';
  for (const message of messages) if (!fits(message, MAX_MESSAGE_LENGTH)) return 'message-too-long';
  if (!fits(nonce, MAX_NONCE_LENGTH)) return 'nonce-too-long';
  if (!meetsDifficulty(hash, difficulty)) return 'misses-difficulty';
  const text = preimageText(block, previous === null ? '' : previous.hash, nonce);
  const bytes = preimageBytes(text, nonce, block.timestamp);
  if (!isAsciiLength(bytes.length, text) && !isWellFormed(block)) return 'lone-surrogate';
  return digest('sha256', bytes, 'hex') === hash ? undefined : 'wrong-hash';
}

/** Whether every text of a block has UTF-8 bytes. Looked at one by one: halves of a pair in two texts are no pair. */
function isWellFormed({ minedBy, messages, nonce }: Block): boolean {
  return (
    minedBy.isWellFormed() && nonce.isWellFormed() && messages.every((message) => message.isWellFormed())
  );
}

let lastBlock: Block | undefined;
let lastJson = '';

/**
 * A block as one line of JSON, the fields in the order most implementations use, with bigint timestamps written
 * exactly: the format of the store, of `blocks.txt`, of export and import. The last one is remembered: whoever stores a
 * block passes it on as well.
 */
export function blockToJson(block: Block): string {
  if (block !== lastBlock) {
    const { hash, height, messages, minedBy, nonce, timestamp } = block;
    lastBlock = block;
    lastJson =
      `{"hash":"${hash}","height":${height},"messages":${JSON.stringify(messages)},` +
      `"minedBy":${JSON.stringify(minedBy)},"nonce":${JSON.stringify(nonce)},"timestamp":${timestamp}}`;
  }
  return lastJson;
}

/** A block as JSON without the braces, for messages that have the fields of a block. */
export function blockFields(block: Block): string {
  return blockToJson(block).slice(1, -1);
}

/** What every known implementation accepts, so what we mine: printable ASCII only. */
const MINEABLE = /^[\x20-\x7e]+$/;
/** Longest message we mine: some implementations reject 20. */
export const MAX_MINED_MESSAGE_LENGTH = 19;
/** Longest nonce we mine: one implementation rejects 39. */
export const MAX_MINED_NONCE_LENGTH = 38;
/** Longest miner's name we mine, so that a block always fits into a datagram of 1024 bytes. */
export const MAX_MINED_NAME_LENGTH = 64;

/** Whether every known implementation accepts `word` as a message of a block: 1 to 19 printable ASCII characters. */
export function isMineableWord(word: string): boolean {
  return word.length <= MAX_MINED_MESSAGE_LENGTH && MINEABLE.test(word);
}

/** Whether a name is fit to sign our blocks: 1 to 64 printable ASCII characters. */
export function isMineableName(name: string): boolean {
  return name.length <= MAX_MINED_NAME_LENGTH && MINEABLE.test(name);
}

/** Whether every known implementation accepts `nonce`: 1 to 38 printable ASCII characters. */
export function isMineableNonce(nonce: string): boolean {
  return nonce.length <= MAX_MINED_NONCE_LENGTH && MINEABLE.test(nonce);
}
