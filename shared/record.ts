/**
 * The record format: blocks as text, one JSON object a line, in the order of the chain. `blocks.txt`, export, import
 * and verify speak it; the store keeps each block as such a line. Empty lines, and lines that begin with `#`, are for
 * people and passed over.
 */
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { BLOCK_RULES, blockToJson, readBlock, type Block } from './block.ts';
import { escapeJson } from './escape.ts';
import { parseJson } from './json.ts';

/**
 * Longest line that is read, in UTF-16 units: four times the largest datagram, which is how every block once arrived
 * (an escape takes three times the room of a character). It bounds the memory that a file without line ends takes.
 */
export const MAX_LINE_LENGTH = 262_144;

/** What can be wrong with a line of a record: the rule that it breaks, one sentence each. */
export const RECORD_RULES = {
  ...BLOCK_RULES,
  'not-json': 'A line of a record is one block as JSON.',
  'line-too-long': `A line of a record has at most ${MAX_LINE_LENGTH} characters.`,
} as const;

/** The code of a broken rule. */
export type RecordFault = keyof typeof RECORD_RULES;

/** A line of a record that is not passed over. Lines are counted from 1. */
export type RecordLine =
  | { readonly line: number; readonly block: Block; readonly fault?: never }
  | { readonly line: number; readonly fault: RecordFault; readonly block?: never };

/**
 * Reads a record as it streams in. Each line is taken as liberally as blocks from the network ({@link readBlock}); a
 * byte order mark and Windows line ends are tolerated. Nothing is verified. After a line that is too long, nothing
 * more is read; other bad lines are reported, and the next line is read.
 */
export async function* readRecord(
  input: AsyncIterable<Uint8Array | string>,
): AsyncGenerator<RecordLine, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  let line = 0;
  for await (const chunk of input) {
    const added = typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    // Looking through the rest again for every chunk would take the square of a long line's length in small chunks.
    const lines = added.includes('\n') ? (rest + added).split('\n') : [rest + added];
    rest = lines.pop() ?? '';
    for (const text of lines) {
      const read = readLine(text, ++line);
      if (read !== undefined) yield read;
      if (read?.fault === 'line-too-long') return;
    }
    if (rest.length > MAX_LINE_LENGTH) break;
  }
  const read = readLine(rest + decoder.decode(), ++line);
  if (read !== undefined) yield read;
}

/** Undefined for a line that is passed over. */
function readLine(text: string, line: number): RecordLine | undefined {
  if (text.length > MAX_LINE_LENGTH) return { line, fault: 'line-too-long' };
  // Trimming takes away the byte order mark and the rest of a Windows line end as well.
  const content = text.trim();
  if (content === '' || content.startsWith('#')) return undefined;
  let value: unknown;
  try {
    value = parseJson(content);
  } catch {
    return { line, fault: 'not-json' };
  }
  const block = readBlock(value);
  return typeof block === 'string' ? { line, fault: block } : { line, block };
}

/** Text that is handed to the stream at once, in UTF-16 units: enough that the cost of a write does not count. */
const CHUNK_LENGTH = 65_536;

function* recordText(blocks: Iterable<Block>): Generator<string, void, undefined> {
  let text = '';
  for (const block of blocks) {
    text += `${escapeJson(blockToJson(block))}\n`;
    if (text.length < CHUNK_LENGTH) continue;
    yield text;
    text = '';
  }
  if (text !== '') yield text;
}

/**
 * Writes blocks as a record, no faster than the stream takes them.
 *
 * @param options.end whether to end the stream then; false for standard output
 * @param options.signal when to stop in the middle
 */
export async function writeRecord(
  blocks: Iterable<Block>,
  output: Writable,
  options: { readonly end: boolean; readonly signal?: AbortSignal },
): Promise<void> {
  await pipeline(Readable.from(recordText(blocks)), output, options);
}
