/**
 * A second reader of a peer's data folder, written from the description of the layout at the top of
 * `peer/engines/pow/protocol/chain.ts` and with none of its code: what the peer writes must mean the same to somebody else.
 */
import { open } from 'lmdb';

import { firstFault, readDatagram, readWireBlock, type JsonObject, type WireBlock } from './wire.ts';

/** Most blocks that are read: a damaged record must not keep a test busy. */
const MOST_BLOCKS = 1_000_000;

/** What a store holds. */
export interface StoredChain {
  /** The chain from the genesis on, up to the first block that could not be read. */
  readonly blocks: readonly WireBlock[];
  /** The difficulty at which the store says that its blocks were verified. */
  readonly difficulty: number;
  /** What is wrong with the store, one sentence; undefined if the chain is whole and valid. */
  readonly fault: string | undefined;
}

/** Heights `from` to `to` of a branch, both included. */
interface Span {
  readonly branch: number;
  readonly from: number;
  readonly to: number;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function asObject(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null ? (value as JsonObject) : {};
}

/** Numbers in keys have base 36 and a fixed width. */
function key(branch: number, height: number): string {
  const padded = (number: number, width: number): string => number.toString(36).padStart(width, '0');
  return `b/${padded(branch, 4)}/${padded(height, 6)}`;
}

/** The segments of a record as spans, or a sentence about what is wrong with them. */
function readSegments(value: unknown, height: number): Span[] | string {
  if (!Array.isArray(value)) return 'the record has no segments';
  const spans: Span[] = [];
  for (const [index, one] of value.entries()) {
    const { branch, from } = asObject(one);
    const next = asObject(value[index + 1])['from'] ?? height;
    if (!isCount(branch) || !isCount(from) || !isCount(next)) return `segment ${index} is no segment`;
    if (from >= next) return `segment ${index} holds no block`;
    spans.push({ branch, from, to: next - 1 });
  }
  if (height > 0 && spans[0]?.from !== 0) return 'no segment has the genesis';
  return spans;
}

/** What is wrong with the record's list of garbage: whatever is in it will be deleted. */
function garbageFault(value: unknown, live: readonly Span[], nextBranch: unknown): string | undefined {
  if (!Array.isArray(value) || !isCount(nextBranch)) return 'the record has no garbage or no next branch';
  for (const { branch } of live) if (branch >= nextBranch) return `branch ${branch} will be used again`;
  for (const one of value) {
    const { branch, from, to } = asObject(one);
    if (!isCount(branch) || !isCount(from) || !isCount(to) || from > to) return 'garbage is no range';
    if (branch >= nextBranch) return `branch ${branch}, of garbage, will be used again`;
    const doomed = live.find((span) => span.branch === branch && span.from <= to && from <= span.to);
    if (doomed !== undefined)
      return `heights ${from} to ${to} of branch ${branch} are garbage and of the chain`;
  }
  return undefined;
}

/**
 * Reads and verifies the chain in a store.
 *
 * @param get the value under a key, or undefined if there is none
 */
export function readStoredChain(get: (key: string) => string | undefined): StoredChain {
  const blocks: WireBlock[] = [];
  let difficulty = 0;
  const faulty = (fault: string): StoredChain => ({ blocks, difficulty, fault });
  const text = get('chain');
  // A peer without a chain has written nothing yet.
  if (text === undefined) return { blocks, difficulty, fault: undefined };
  const record = readDatagram(Buffer.from(text));
  if (record === undefined) return faulty('the record is no JSON object');
  const { format, height } = record;
  if (format !== 1) return faulty(`the record has format ${String(format)}`);
  if (!isCount(height) || height > MOST_BLOCKS || !isCount(record['difficulty']))
    return faulty('the record has no height or no difficulty');
  difficulty = record['difficulty'];
  const segments = readSegments(record['segments'], height);
  if (typeof segments === 'string') return faulty(segments);
  for (const { branch, from, to } of segments) {
    for (let at = from; at <= to; at++) {
      const json = get(key(branch, at));
      if (json === undefined) return faulty(`block ${at} is missing from branch ${branch}`);
      const fields = readDatagram(Buffer.from(json));
      const block = fields && readWireBlock(fields);
      if (block === undefined) return faulty(`block ${at} of branch ${branch} is no block`);
      blocks.push(block);
    }
  }
  return {
    blocks,
    difficulty,
    fault: firstFault(blocks, difficulty) ?? garbageFault(record['garbage'], segments, record['nextBranch']),
  };
}

/**
 * Reads and verifies the chain in a data folder; its peer may run or have been killed.
 *
 * @throws Error if there is no store of LMDB in it
 */
export async function readDataFolder(folder: string): Promise<StoredChain> {
  const database = open<string, string>({
    path: folder,
    noSubdir: false,
    encoding: 'string',
    maxDbs: 1,
    readOnly: true,
  });
  try {
    // One transaction for all: a peer that runs may change its chain meanwhile.
    const transaction = database.useReadTransaction();
    // Behind each value are eight digits of a checksum. It is left to those who trust it: blocks are verified here.
    const stored = readStoredChain((name) => database.get(name, { transaction })?.slice(0, -8));
    transaction.done();
    return stored;
  } finally {
    await database.close();
  }
}
