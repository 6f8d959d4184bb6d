/**
 * A second opinion on blocks and on what a node has stored, written from the rule and the layout alone: it shares no
 * code with the engine, so that a fault of the one is not also a fault of the other.
 */
import { hash as digest } from 'node:crypto';

import type { StoreView } from '../../../core/store.ts';

/** What is read of a stored block: the fields of the network, the timestamp exact. */
interface ReadBlock {
  readonly height: number;
  readonly minedBy: string;
  readonly messages: readonly string[];
  readonly nonce: string;
  readonly timestamp: bigint;
  readonly hash: string;
}

/** Returns what is wrong with a stored block on top of the one with `previousHash`, undefined if nothing is. */
export type Verify = (json: string, previousHash: string, height: number) => string | undefined;

/** The network's rule: the source is the assignment, as in `shared/block.ts`. */
export function verifier(difficulty: number): Verify {
  const zeros = '0'.repeat(difficulty);
  return (json, previousHash, height) => {
    const block = read(json);
    if (block.height !== height) return `a block says it is at height ${block.height}`;
    if (!block.hash.endsWith(zeros)) return 'a hash has too few zeros';
    if (block.messages.length < 1 || block.messages.length > 10) return 'not 1 to 10 messages';
    if (block.messages.some((message) => codePoints(message) > 20)) return 'a message is too long';
    if (codePoints(block.nonce) >= 40) return 'a nonce is too long';
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(block.timestamp);
    const before = [height === 0 ? '' : previousHash, block.minedBy, ...block.messages].map(utf8);
    const preimage = Buffer.concat([...before, time, utf8(block.nonce)]);
    return digest('sha256', preimage, 'hex') === block.hash ? undefined : 'a hash is wrong';
  };
}

function utf8(text: string): Buffer {
  return Buffer.from(text);
}

function codePoints(text: string): number {
  return Array.from(text).length;
}

/** A stored block; the timestamp stands last and may be too long for a number. */
function read(json: string): ReadBlock {
  const [, timestamp = '0'] = /"timestamp":(\d+)\}$/.exec(json) ?? [];
  const fields = JSON.parse(json) as Omit<ReadBlock, 'timestamp'>;
  return { ...fields, timestamp: BigInt(timestamp) };
}

/** The hash of a stored block: the first of its fields. */
export function storedHash(json: string): string {
  return json.slice('{"hash":"'.length, '{"hash":"'.length + 64);
}

/** How the stored chain is laid out: which branch holds the blocks from which height on. */
export interface Layout {
  readonly height: number;
  readonly segments: readonly { readonly branch: number; readonly from: number }[];
  /** The segments as text, to see whether they have changed. */
  readonly text: string;
}

const EMPTY: Layout = { height: 0, segments: [], text: '' };

/** Records remembered at most: some nodes store the same as others, about the same time. */
const MAX_RECORDS = 64;

/** Reads records. */
export class LayoutReader {
  private readonly layouts = new Map<string, Layout>();

  /** What the record in a store says of its chain; an empty chain if there is no record. */
  read(store: StoreView): Layout {
    const record = store.get('chain');
    if (record === undefined) return EMPTY;
    let layout = this.layouts.get(record);
    if (layout === undefined) {
      const { height, segments } = JSON.parse(record) as Omit<Layout, 'text'>;
      layout = { height, segments, text: JSON.stringify(segments) };
      if (this.layouts.size >= MAX_RECORDS) this.layouts.clear();
      this.layouts.set(record, layout);
    }
    return layout;
  }
}

/** Whether a key is that of a block of a chain that is laid out so. */
export function isOfChain({ height, segments }: Layout, key: string): boolean {
  const [, branch = '', at = ''] = /^b\/(\w+)\/(\w+)$/.exec(key) ?? [];
  const place = parseInt(at, 36);
  const holder = segments.findLast(({ from }) => from <= place);
  return place < height && holder?.branch === parseInt(branch, 36);
}

/** Reads blocks of stored chains. Their keys are remembered: one node after the other stores the same heights. */
export class BlockReader {
  /** By branch and height. */
  private readonly keys: string[][] = [];

  /** The JSON of a block of a chain that is laid out so, undefined if it is missing. */
  read(store: StoreView, { segments }: Layout, height: number): string | undefined {
    let place = segments.length - 1;
    while (place >= 0 && (segments[place]?.from ?? 0) > height) place--;
    const holder = segments[place];
    return holder && store.get(this.key(holder.branch, height));
  }

  private key(branch: number, height: number): string {
    const keys = (this.keys[branch] ??= []);
    return (keys[height] ??=
      `b/${branch.toString(36).padStart(4, '0')}/${height.toString(36).padStart(6, '0')}`);
  }
}
