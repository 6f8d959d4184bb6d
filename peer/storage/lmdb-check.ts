/**
 * Looks through an LMDB file before LMDB does. LMDB trusts its pages: one that is damaged makes it read, or write,
 * anywhere in memory, and takes the whole process with it. Source of the format: `mdb.c` and `midl.c` of lmdb 3.5.
 */
import { fstatSync, readSync } from 'node:fs';

/** What a page begins with: its number, who wrote it, its kind, and where its free space begins and ends. */
const PAGE = {
  number: 0,
  transaction: 8,
  flags: 18,
  lower: 20,
  upper: 22,
  overflowPages: 20,
  headerSize: 24,
} as const;
const FLAGS = { branch: 1, leaf: 2, overflow: 4, meta: 8 } as const;
/** Where a meta page has what; the tree of free pages comes before the tree of what is stored. */
const META = { magic: 24, version: 28, pageSize: 48, lastPage: 144, transaction: 152, size: 160 } as const;
const TREES = { free: 48, main: 96 } as const;
/** Offsets from those. */
const TREE = { flags: 4, depth: 6, root: 40 } as const;
/** A node: the size of its data (in a branch, with the flags, the child's page), its flags, the size of its key. */
const NODE = { low: 0, high: 2, flags: 4, keySize: 6, headerSize: 8 } as const;
/** The data of this node is on pages of its own. Other flags belong to kinds of trees that we do not use. */
const BIG_DATA = 1;
const MAGIC = 0xbeefc0de;
const VERSION = 2;
/** Keys of the tree of free pages are integers. */
const INTEGER_KEYS = 8;
/** LMDB's cursors go no deeper. */
const MOST_LEVELS = 32;
const LEAST_PAGE_SIZE = 512;
const MOST_PAGE_SIZE = 65_536;
const FIRST_DATA_PAGE = 2;
const NO_ROOT = 0xffff_ffff_ffff_ffffn;

/** What the meta pages say. */
export interface LmdbMeta {
  /** In bytes. */
  readonly pageSize: number;
  /** The number of the last page that was ever used. */
  readonly lastPage: number;
  readonly transaction: number;
  /** The whole page. */
  readonly page: Buffer;
}

/** The meta page that counts, of two: the one of the later transaction. Undefined if they are no meta pages. */
export function readLmdbMeta(file: number): LmdbMeta | undefined {
  const first = readMeta(file, 0);
  const second = first && readMeta(file, first.pageSize);
  if (first === undefined || second?.pageSize !== first.pageSize) return undefined;
  return second.transaction > first.transaction ? second : first;
}

function readMeta(file: number, offset: number): LmdbMeta | undefined {
  const page = Buffer.alloc(META.size);
  if (readSync(file, page, 0, META.size, offset) < META.size) return undefined;
  if (page.readUInt32LE(META.magic) !== MAGIC || page.readUInt32LE(META.version) !== VERSION)
    return undefined;
  const pageSize = page.readUInt32LE(META.pageSize);
  const isPowerOfTwo = (pageSize & (pageSize - 1)) === 0;
  if (!isPowerOfTwo || pageSize < LEAST_PAGE_SIZE || pageSize > MOST_PAGE_SIZE) return undefined;
  return {
    pageSize,
    lastPage: Number(page.readBigUInt64LE(META.lastPage)),
    transaction: Number(page.readBigUInt64LE(META.transaction)),
    page,
  };
}

/** How two keys of a tree are ordered, each a part of a page. */
type Compare = (one: Buffer, other: Buffer) => number;

const compareBytes: Compare = (one, other) => one.compare(other);
const compareIntegers: Compare = (one, other) => Number(one.readBigUInt64LE() - other.readBigUInt64LE());

/** Keys between which those of a page must be: from `least` on, below `limit`. */
interface Bounds {
  readonly least: Buffer | undefined;
  readonly limit: Buffer | undefined;
}

/**
 * Checks that every page that can be reached is whole, that the keys are in order, and that no page is used twice.
 * What the values are is not looked at. Nobody may write to the file meanwhile.
 *
 * @param file a descriptor
 * @returns what is wrong, or undefined if nothing is
 */
export function lmdbFault(file: number, meta: LmdbMeta): string | undefined {
  try {
    new Check(file, meta).run();
    return undefined;
  } catch (error) {
    if (error instanceof Damage) return error.message;
    throw error;
  }
}

class Damage extends Error {}

class Check {
  readonly #file: number;
  readonly #meta: LmdbMeta;
  /** For each page whether it was met. */
  readonly #met: Uint8Array;
  /** A page for each level of the tree, so that none is allocated for each. */
  readonly #levels: Buffer[] = [];

  constructor(file: number, meta: LmdbMeta) {
    this.#file = file;
    this.#meta = meta;
    const { size } = fstatSync(file);
    if ((meta.lastPage + 1) * meta.pageSize > size) throw new Damage('its end is missing');
    this.#met = new Uint8Array(meta.lastPage + 1);
  }

  run(): void {
    if ((this.#meta.page.readUInt16LE(PAGE.flags) & FLAGS.meta) === 0)
      throw new Damage('its first page is none');
    this.#tree(TREES.main, 0, compareBytes, () => undefined);
    this.#tree(TREES.free, INTEGER_KEYS, compareIntegers, (data) => {
      this.#freePages(data);
    });
  }

  #tree(at: number, flags: number, compare: Compare, onData: (data: Buffer) => void): void {
    const { page } = this.#meta;
    if (page.readUInt16LE(at + TREE.flags) !== flags) throw new Damage('a tree is of another kind');
    const root = page.readBigUInt64LE(at + TREE.root);
    const depth = page.readUInt16LE(at + TREE.depth);
    if (root === NO_ROOT) {
      if (depth !== 0) throw new Damage('a tree has no root');
      return;
    }
    if (depth < 1 || depth > MOST_LEVELS) throw new Damage('a tree has an impossible depth');
    const wantsData = at === TREES.free;
    this.#page(Number(root), depth, { least: undefined, limit: undefined }, { compare, onData, wantsData });
  }

  /** @param height 1 for a leaf */
  #page(
    number: number,
    height: number,
    { least, limit }: Bounds,
    tree: { readonly compare: Compare; readonly onData: (data: Buffer) => void; readonly wantsData: boolean },
  ): void {
    const { pageSize } = this.#meta;
    const page = (this.#levels[height] ??= Buffer.alloc(pageSize));
    this.#meet(number, 1);
    this.#read(number, page);
    const isLeaf = height === 1;
    if (page.readUInt16LE(PAGE.flags) !== (isLeaf ? FLAGS.leaf : FLAGS.branch))
      throw new Damage(`page ${number} is of another kind than it should be`);
    const lower = page.readUInt16LE(PAGE.lower);
    const upper = page.readUInt16LE(PAGE.upper);
    if (lower % 2 !== 0 || lower > upper || upper > pageSize - PAGE.headerSize || lower < 2)
      throw new Damage(`page ${number} has no room for what it holds`);
    const count = lower / 2;
    // Where the key of a node is; that of the first node of a branch stands for all that is smaller.
    const keyOf = (index: number): Buffer => {
      const node = PAGE.headerSize + page.readUInt16LE(PAGE.headerSize + 2 * index);
      const start = node + NODE.headerSize;
      if (node < PAGE.headerSize + upper || start > pageSize)
        throw new Damage(`page ${number} has a node outside of it`);
      const end = start + page.readUInt16LE(node + NODE.keySize);
      if (end > pageSize) throw new Damage(`page ${number} has a key that goes on outside of it`);
      if (tree.wantsData && (isLeaf || index > 0) && end - start !== 8)
        throw new Damage(`page ${number} has a key that is no number`);
      return page.subarray(start, end);
    };
    let previous = least;
    for (let index = 0; index < count; index++) {
      const key = keyOf(index);
      const node = key.byteOffset - page.byteOffset - NODE.headerSize;
      const isFirst = index === 0;
      if (isLeaf || !isFirst) {
        const order = previous === undefined ? 1 : tree.compare(key, previous);
        if (order < 0 || (order === 0 && !isFirst))
          throw new Damage(`page ${number} has its keys out of order`);
        previous = key;
      }
      const low = page.readUInt16LE(node + NODE.low) + page.readUInt16LE(node + NODE.high) * 0x1_0000;
      const flags = page.readUInt16LE(node + NODE.flags);
      if (isLeaf) {
        this.#data(page, number, key, { size: low, flags }, tree);
      } else {
        const bounds = {
          least: isFirst ? least : key,
          limit: index + 1 < count ? keyOf(index + 1) : limit,
        };
        // The children have buffers of their own, so the keys of this page stay what they are.
        this.#page(low + flags * 0x1_0000_0000, height - 1, bounds, tree);
      }
    }
    if (isLeaf && limit !== undefined && previous !== undefined && tree.compare(previous, limit) >= 0)
      throw new Damage(`page ${number} has keys that belong to another`);
  }

  /** Looks at what lies under a key of a leaf. */
  #data(
    page: Buffer,
    number: number,
    key: Buffer,
    { size, flags }: { readonly size: number; readonly flags: number },
    tree: { readonly onData: (data: Buffer) => void; readonly wantsData: boolean },
  ): void {
    const { pageSize } = this.#meta;
    const start = key.byteOffset - page.byteOffset + key.length;
    if (flags === 0) {
      if (start + size > pageSize) throw new Damage(`page ${number} has data that go on outside of it`);
      if (tree.wantsData) tree.onData(page.subarray(start, start + size));
      return;
    }
    if (flags !== BIG_DATA || start + 24 > pageSize)
      throw new Damage(`page ${number} has a node of an unknown kind`);
    const first = Number(page.readBigUInt64LE(start));
    // More than the data need where they were longer before.
    const pages = Number(page.readBigUInt64LE(start + 16));
    if (pages * pageSize < PAGE.headerSize + size) throw new Damage(`page ${number} has data without room`);
    if (Number(page.readBigUInt64LE(start + 8)) > this.#meta.transaction)
      throw new Damage(`page ${number} has data from a time to come`);
    this.#meet(first, pages);
    const head = Buffer.alloc(tree.wantsData ? PAGE.headerSize + size : PAGE.headerSize);
    this.#read(first, head);
    if (head.readUInt32LE(PAGE.overflowPages) !== pages || head.readUInt16LE(PAGE.flags) !== FLAGS.overflow)
      throw new Damage(`page ${first} does not hold the data that it should`);
    if (tree.wantsData) tree.onData(head.subarray(PAGE.headerSize));
  }

  /** A list of free pages: how many entries it has, then the entries: a page, or minus a count and the first page. */
  #freePages(list: Buffer): void {
    const entries = list.length >= 8 ? list.readBigUInt64LE() : -1n;
    if (entries < 0n || list.length < 8 + 8 * Number(entries))
      throw new Damage('a list of free pages is cut off');
    for (let index = 1; index <= Number(entries); index++) {
      const entry = Number(list.readBigInt64LE(8 * index));
      if (entry > 0) {
        this.#meet(entry, 1);
      } else if (entry < 0) {
        if (++index > Number(entries)) throw new Damage('a list of free pages is cut off');
        this.#meet(Number(list.readBigInt64LE(8 * index)), -entry);
      }
    }
  }

  /** Reads a page, or only its beginning. */
  #read(number: number, into: Buffer): void {
    readSync(this.#file, into, 0, into.length, number * this.#meta.pageSize);
    if (Number(into.readBigUInt64LE(PAGE.number)) !== number)
      throw new Damage(`page ${number} says that it is another`);
    // LMDB would take it for one of its own, in memory, and write to it.
    if (Number(into.readBigUInt64LE(PAGE.transaction)) > this.#meta.transaction)
      throw new Damage(`page ${number} is from a time to come`);
  }

  #meet(first: number, count: number): void {
    if (!(first >= FIRST_DATA_PAGE && first + count <= this.#met.length))
      throw new Damage(`it speaks of page ${first}, which there is not`);
    const end = first + count;
    for (let number = first; number < end; number++) {
      if (this.#met[number] !== 0) throw new Damage(`page ${number} is used twice`);
      this.#met[number] = 1;
    }
  }
}
