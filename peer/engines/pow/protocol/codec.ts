/**
 * The wire of the class network: one JSON object a datagram, UTF-8. Decoding is liberal: it takes every form that
 * an implementation in use is known to send, and turns it into the one form that the engine knows. Encoding is
 * strict: what every implementation reads.
 */
import { isUtf8 } from 'node:buffer';

import { blockFields, isHash, readBlock, readInteger, type Block } from '../../../../shared/block.ts';
import { parseJson } from '../../../../shared/json.ts';
import type { Codec, Decoded } from '../../../core/engine.ts';
import {
  MAX_DATAGRAM,
  MAX_HOST_LENGTH,
  MAX_ID_LENGTH,
  MAX_NAME_LENGTH,
  MAX_RECEIVED,
  MAX_STRUCTURE,
  MAX_WORD_LENGTH,
} from './limits.ts';
import type { PowMessage } from './messages.ts';

/** Why a datagram is not a message: one sentence each, the rule that was broken. */
export const DATAGRAM_RULES = {
  empty: 'A datagram holds one JSON object.',
  oversize: `A datagram has at most ${MAX_RECEIVED} bytes.`,
  'not-an-object': 'A datagram is one JSON object, between braces (double-encoded JSON is a text).',
  'not-utf8': 'A datagram is UTF-8.',
  'not-json': 'A datagram is JSON.',
  'too-complex': `A datagram has at most ${MAX_STRUCTURE} brackets, braces, colons and commas outside its texts.`,
  'unknown-type': 'A message has a type that the network knows.',
  'bad-host': 'A GOSSIP names the host to answer, a text.',
  'bad-port': 'A GOSSIP names the port to answer, from 1 to 65535.',
  'bad-word': 'A NEW_WORD has a word, a text.',
  'bad-block': 'An ANNOUNCE has the fields of a block.',
} as const;

/** The code of a broken rule. */
export type DatagramFault = keyof typeof DATAGRAM_RULES;

type Fields = Record<string, unknown>;
type Reader = (fields: Fields, text: string) => Decoded<PowMessage>;

const CONSENSUS: Reader = () => ({ message: { type: 'CONSENSUS' } });

/** A reader for every type, and for every misspelling of one that was seen. */
const READERS = new Map<string, Reader>([
  ['GOSSIP', readGossip],
  ['GOSSIP_REPLY', readGossipReply],
  ['GOSSIP-REPLY', readGossipReply],
  ['GET_BLOCK', readGetBlock],
  ['GET_BLOCK_REPLY', readGetBlockReply],
  ['STATS', () => ({ message: { type: 'STATS' } })],
  ['STATS_REPLY', readStatsReply],
  ['ANNOUNCE', readAnnounce],
  ['CONSENSUS', CONSENSUS],
  ['CONCENSUS', CONSENSUS],
  ['DO_CONSENSUS', CONSENSUS],
  ['CONSENSUS_REQUEST', CONSENSUS],
  ['NEW_WORD', readNewWord],
]);

function fault(code: DatagramFault): Decoded<PowMessage> {
  return { fault: code };
}

/** A text of at most `most` UTF-16 units, or undefined. */
function readText(value: unknown, most: number): string | undefined {
  return typeof value === 'string' && value.length <= most ? value : undefined;
}

function readPort(value: unknown): number | undefined {
  const port = readInteger(value);
  return port !== undefined && port >= 1 && port <= 65535 ? port : undefined;
}

/** An id may be a number, as some implementations send it; only its text matters. */
function readId(value: unknown): string | undefined {
  const id = typeof value === 'number' || typeof value === 'bigint' ? `${value}` : value;
  return readText(id, MAX_ID_LENGTH);
}

/** A name is only ever shown, so a long or missing one is no reason to refuse a peer. */
function readName(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, MAX_NAME_LENGTH) : '';
}

function readGossip(fields: Fields, text: string): Decoded<PowMessage> {
  const host = readText(fields['host'], MAX_HOST_LENGTH);
  const port = readPort(fields['port'] ?? fields['post']);
  if (host === undefined) return fault('bad-host');
  if (port === undefined) return fault('bad-port');
  const id = readId(fields['id']);
  return { message: { type: 'GOSSIP', host, port, id, name: readName(fields['name']), raw: text } };
}

function readGossipReply(fields: Fields): Decoded<PowMessage> {
  const host = readText(fields['host'], MAX_HOST_LENGTH);
  const port = readPort(fields['port'] ?? fields['post']);
  if (host === undefined) return fault('bad-host');
  if (port === undefined) return fault('bad-port');
  const id = readId(fields['id']);
  return {
    message: {
      type: 'GOSSIP_REPLY',
      host,
      port,
      name: readName(fields['name']),
      ...(id !== undefined && { id }),
    },
  };
}

function readGetBlock(fields: Fields): Decoded<PowMessage> {
  const height = readInteger(fields['height']);
  return { message: { type: 'GET_BLOCK', height: height !== undefined && height >= 0 ? height : undefined } };
}

/** Whatever does not read as a block means "I have none": nulls, "None", errors in words. */
function readGetBlockReply(fields: Fields): Decoded<PowMessage> {
  const block = readBlock(fields);
  return { message: { type: 'GET_BLOCK_REPLY', block: typeof block === 'string' ? null : block } };
}

/** While it has no chain, an implementation says so with 0, -1, null or words in either field. */
function readStatsReply(fields: Fields): Decoded<PowMessage> {
  const height = readInteger(fields['height']) ?? 0;
  const hash = isHash(fields['hash']) ? fields['hash'] : null;
  const known = height > 0 && hash !== null;
  const host = readText(fields['host'], MAX_HOST_LENGTH);
  const port = readPort(fields['port']);
  return {
    message: {
      type: 'STATS_REPLY',
      height: known ? height : 0,
      hash: known ? hash : null,
      ...(host !== undefined && port !== undefined ? { claims: { host, port } } : {}),
    },
  };
}

function readAnnounce(fields: Fields): Decoded<PowMessage> {
  const block = readBlock(fields);
  return typeof block === 'string' ? fault('bad-block') : { message: { type: 'ANNOUNCE', block } };
}

function readNewWord(fields: Fields): Decoded<PowMessage> {
  const word = readText(fields['word'], MAX_WORD_LENGTH);
  return word === undefined ? fault('bad-word') : { message: { type: 'NEW_WORD', word } };
}

/** A reader for a message without a type: two implementations send their replies so. */
function readerByShape(fields: Fields): Reader | undefined {
  if ('messages' in fields) return readGetBlockReply;
  if ('height' in fields && 'hash' in fields) return readStatsReply;
  return undefined;
}

/** What JSON takes for white space, and the braces that an object stands between. */
const [TAB, NEWLINE, RETURN, SPACE, OPEN, CLOSE] = [0x09, 0x0a, 0x0d, 0x20, 0x7b, 0x7d];

function isSpace(byte: number | undefined): boolean {
  return byte === SPACE || byte === NEWLINE || byte === RETURN || byte === TAB;
}

/** Whether bytes stand between braces: what does not is no object, and to find that out by parsing costs far more. */
function isBraced(bytes: Uint8Array): boolean {
  let first = 0;
  while (isSpace(bytes[first])) first++;
  let last = bytes.length - 1;
  while (isSpace(bytes[last])) last--;
  return bytes[first] === OPEN && bytes[last] === CLOSE;
}

/** How many times a message may open something before it is looked at closely; a block does so twice. */
const FEW_OPENINGS = 4;

/**
 * Whether a text may take long to parse; quick, because every message passes here. What is short and opens little does
 * not, whatever else is in it.
 */
function isSuspicious(text: string): boolean {
  if (text.length > MAX_DATAGRAM) return true;
  let openings = 0;
  for (const opening of ['[', '{']) {
    for (let at = text.indexOf(opening); at >= 0; at = text.indexOf(opening, at + 1)) {
      if (++openings > FEW_OPENINGS) return true;
    }
  }
  return false;
}

/** Whether a text has more structural characters, outside of its texts in quotation marks, than any message. */
function isTooComplex(text: string): boolean {
  let structure = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22: // A quotation mark: on to the one that closes it.
        for (at++; at < text.length && text.charCodeAt(at) !== 0x22; at++)
          if (text.charCodeAt(at) === 0x5c) at++;
        break;
      case 0x2c: // ,
      case 0x3a: // :
      case 0x5b: // [
      case 0x7b: // {
        if (++structure > MAX_STRUCTURE) return true;
    }
  }
  return false;
}

function decode(bytes: Uint8Array): Decoded<PowMessage> {
  if (bytes.length === 0) return fault('empty');
  if (bytes.length > MAX_RECEIVED) return fault('oversize');
  if (!isBraced(bytes)) return fault('not-an-object');
  if (!isUtf8(bytes)) return fault('not-utf8');
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  if (isSuspicious(text) && isTooComplex(text)) return fault('too-complex');
  let fields: Fields;
  try {
    // What stands between braces and is JSON is an object.
    fields = parseJson(text) as Fields;
  } catch {
    return fault('not-json');
  }
  const { type } = fields;
  const reader =
    typeof type === 'string' ? READERS.get(type) : type === undefined ? readerByShape(fields) : undefined;
  return reader === undefined ? fault('unknown-type') : reader(fields, text);
}

/** All six fields null: how the assignment wants an unknown block to be answered. */
const NO_BLOCK =
  '{"type":"GET_BLOCK_REPLY","hash":null,"height":null,"messages":null,"minedBy":null,"nonce":null,"timestamp":null}';

/** JSON text of a message. */
function toJson(message: PowMessage): string {
  switch (message.type) {
    case 'GET_BLOCK_REPLY':
      if (message.json !== undefined) return `{"type":"GET_BLOCK_REPLY",${message.json.slice(1)}`;
      return message.block === null ? NO_BLOCK : blockMessage('GET_BLOCK_REPLY', message.block);
    case 'ANNOUNCE':
      return blockMessage('ANNOUNCE', message.block);
    case 'GET_BLOCK':
      return `{"type":"GET_BLOCK","height":${message.height ?? null}}`;
    case 'GOSSIP': {
      const { raw, ...fields } = message;
      return raw ?? JSON.stringify(fields);
    }
    default:
      return JSON.stringify(message);
  }
}

function blockMessage(type: 'GET_BLOCK_REPLY' | 'ANNOUNCE', block: Block): string {
  return `{"type":"${type}",${blockFields(block)}}`;
}

/** The class network's codec. */
export const powCodec: Codec<PowMessage> = {
  decode,
  encode: (message) => Buffer.from(toJson(message)),
};
