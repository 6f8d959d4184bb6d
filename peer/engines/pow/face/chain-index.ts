/**
 * Who mined each block, and how its hash begins: six bytes a block, so that the leaderboard and a search need not
 * read the chain. It follows the chain from the genesis up, in slices, and goes back where the chain did.
 */
import type { Block } from '../../../../shared/block.ts';
import {
  INDEX_PAUSE,
  INDEX_SLICE,
  MAX_INDEXED_BLOCKS,
  MAX_NAMES,
  MAX_NAME_LENGTH,
} from '../../../web/limits.ts';

/** What stands for all names beyond the bound. */
const OTHERS = '(others)';
/** Hex digits of a hash that the index holds. */
const PREFIX_DIGITS = 8;

/** The chain, as the index reads it. */
export interface IndexedChain {
  /** The block at a height, or undefined if the chain does not reach it. */
  block(height: number): Block | undefined;
}

export class ChainIndex {
  readonly #chain: IndexedChain;
  #ids = new Uint16Array(1024);
  #prefixes = new Uint32Array(1024);
  readonly #idOf = new Map<string, number>([[OTHERS, 0]]);
  readonly #names = [OTHERS];
  readonly #blocks = [0];
  #counted = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(chain: IndexedChain) {
    this.#chain = chain;
  }

  /** How many blocks, from the genesis on, are in the index. */
  get counted(): number {
    return this.#counted;
  }

  /** Different names that have been met. */
  get names(): number {
    return this.#names.length - 1;
  }

  /** The chain has grown, or `kept` blocks of it stayed and others came on top. Reads on, in slices. */
  follow(kept = Infinity): void {
    while (this.#counted > kept) {
      const id = this.#ids[--this.#counted] ?? 0;
      this.#blocks[id] = (this.#blocks[id] ?? 0) - 1;
    }
    // What came while everything below is there costs no pause.
    this.#timer ??= this.#slice(1);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  /** Names with the most blocks, most first. */
  leaders(limit: number): { name: string; blocks: number }[] {
    return this.#blocks
      .map((blocks, id) => ({ name: this.#names[id] ?? OTHERS, blocks }))
      .filter(({ blocks }) => blocks > 0)
      .sort((a, b) => b.blocks - a.blocks)
      .slice(0, limit);
  }

  /** Names that have a text in them, in whatever case. */
  namesWith(text: string, limit: number): string[] {
    const wanted = text.toLowerCase();
    const found: string[] = [];
    for (const name of this.#names) {
      if (name !== OTHERS && name.toLowerCase().includes(wanted)) found.push(name);
      if (found.length === limit) break;
    }
    return found;
  }

  /** Blocks whose hash begins with some hex digits, in lower case, newest first. */
  blocksWith(digits: string, limit: number): Block[] {
    const known = digits.slice(0, PREFIX_DIGITS);
    const least = Number.parseInt(known.padEnd(PREFIX_DIGITS, '0'), 16);
    const most = Number.parseInt(known.padEnd(PREFIX_DIGITS, 'f'), 16);
    const found: Block[] = [];
    for (let height = this.#counted - 1; height >= 0 && found.length < limit; height--) {
      const prefix = this.#prefixes[height] ?? 0;
      if (prefix < least || prefix > most) continue;
      const block = this.#chain.block(height);
      if (block?.hash.startsWith(digits)) found.push(block);
    }
    return found;
  }

  /** Reads some blocks. @returns the timer of the next slice, if there is more */
  #slice(size: number): NodeJS.Timeout | undefined {
    for (let left = size; left > 0; left--) {
      const block = this.#counted < MAX_INDEXED_BLOCKS ? this.#next() : undefined;
      if (block === undefined) return undefined;
      this.#add(block);
    }
    return setTimeout(() => {
      this.#timer = this.#slice(INDEX_SLICE);
    }, INDEX_PAUSE).unref();
  }

  #next(): Block | undefined {
    try {
      return this.#chain.block(this.#counted);
    } catch {
      // A damaged store is reported where the block is needed, not where it is only counted.
      return undefined;
    }
  }

  #add(block: Block): void {
    const at = this.#counted++;
    if (at >= this.#ids.length) {
      const [ids, prefixes] = [this.#ids, this.#prefixes];
      this.#ids = new Uint16Array(at * 2);
      this.#ids.set(ids);
      this.#prefixes = new Uint32Array(at * 2);
      this.#prefixes.set(prefixes);
    }
    const id = this.#idFor(block.minedBy);
    this.#ids[at] = id;
    this.#prefixes[at] = Number.parseInt(block.hash.slice(0, PREFIX_DIGITS), 16);
    this.#blocks[id] = (this.#blocks[id] ?? 0) + 1;
  }

  #idFor(minedBy: string): number {
    const name = minedBy.slice(0, MAX_NAME_LENGTH).toWellFormed();
    const known = this.#idOf.get(name);
    if (known !== undefined) return known;
    if (this.names >= MAX_NAMES) return 0;
    const id = this.#names.push(name) - 1;
    this.#idOf.set(name, id);
    this.#blocks.push(0);
    return id;
  }
}
