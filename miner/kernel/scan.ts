/**
 * What the fast kernels have in common: the memory in which a scan is described and answered, and the search that
 * goes through a {@link Layout} scan by scan.
 *
 * A scan tries the words `from` to `to` of a table in word p of the final block, each with every midstate. All it
 * needs stands in one memory of 32-bit words, the same for WebAssembly and native code (see the constants below).
 */
import { hash as digest } from 'node:crypto';

import { trailingZeros } from '../../shared/block.ts';
import type { Hit, Search, SearchJob, SearchSlice } from './kernel.ts';
import { innerWords, MAX_MIDSTATES, nonceCharacters, NONCE_SPACE, planLayout } from './layout.ts';
import type { Layout, NonceSpace } from './layout.ts';
import { BLOCK_BYTES, blockWords, compress, initialState, runRounds } from './sha256.ts';

/** Places of a scan's parameters and answers in memory. */
export const PARAMETER = {
  /** In: which word of the final block varies, 0 to 13. */
  word: 0,
  /** In: which bits of the hash's last word must be zero. */
  mask: 1,
  /** In: how many midstates there are, 1 to {@link MAX_MIDSTATES}; 1 makes streams of words, not of midstates. */
  midstates: 2,
  /** In: how many words the table has, at most {@link MAX_WORDS}. */
  words: 3,
  /** Out: the first word not tried; at least `to`, except where the hits might not have fitted. */
  next: 4,
  /** Out: how many hits there are. */
  hits: 5,
} as const;

/** Where the 16 words of the final block are, with zeros where the inner characters stand. */
export const BLOCK = 16;

/**
 * Where the midstates are, {@link MIDSTATE_STRIDE} words each. The first 8 are a to h after round p, worked with
 * zeros as inner characters: word p only enters a and e, by an addition that the kernel does. The ninth is h before
 * the first round, which is added to make the hash's last word.
 */
export const MIDSTATES = 32;
export const MIDSTATE_STRIDE = 16;
/**
 * Kernels work midstates in groups of at most so many, one for each stream; there is room to fill up the last group.
 */
export const MAX_STREAMS = 6;

/** Where hits are: pairs of a word's index in the table and a midstate's index. */
export const HITS = MIDSTATES + (MAX_MIDSTATES + MAX_STREAMS) * MIDSTATE_STRIDE;
/** Room for so many; more than one step of a scan can find, and a scan stops before it could run over. */
export const MAX_HITS = 4096;

/** Where the table of words is. A kernel reads it in steps, so after the table there is room for one. */
export const WORDS = HITS + 2 * MAX_HITS;
export const MAX_WORDS = 64 ** 3;
/** A kernel tries at most so many words in one step; steps begin at multiples of its own step. */
export const MAX_STEP = 96;

/** Words of the whole memory. */
export const MEMORY_WORDS = WORDS + MAX_WORDS + MAX_STEP;

/** A scan's code and the memory it works on. */
export interface Scanner {
  /** The kernel's name. */
  readonly name: string;
  /** {@link MEMORY_WORDS} words, or more. */
  readonly memory: Uint32Array;
  /**
   * Tries the words from `from`, at least up to `to`, with each midstate. It may go on to the end of a step, and
   * stops early rather than run out of room for hits; `next` in memory says where.
   *
   * @param from where the last scan stopped, or 0
   * @param to at most the number of words
   */
  scan(from: number, to: number): void;
}

/** A scanner's answer makes no sense, or it failed its self-test. Do not use its kernel any more. */
export class KernelFault extends Error {
  override readonly name = 'KernelFault';
  /** The kernel's name. */
  readonly kernel: string;
  /** What it did wrong; completes a sentence that begins with its name. */
  readonly problem: string;

  constructor(kernel: string, problem: string) {
    super(`The ${kernel} kernel ${problem}.`);
    this.kernel = kernel;
    this.problem = problem;
  }
}

/** Hex digits that a kernel looks at: those of the hash's last word. */
const DIGITS_TESTED = 8;

/** What a scanner's memory was last filled for. */
const owners = new WeakMap<Scanner, ScanSearch>();

/** Which table of words a scanner's memory holds. */
const tables = new WeakMap<Scanner, string>();

/** The byte from which on `other` is like `head`, which is as long. */
function alikeFrom(head: Uint8Array, other: Uint8Array): number {
  let from = head.length;
  while (from > 0 && other[from - 1] === head[from - 1]) from--;
  return from;
}

/** A search that works by scans. Several may share a scanner and take turns. */
export class ScanSearch implements Search {
  readonly layout: Layout;
  readonly #scanner: Scanner;
  readonly #difficulty: number;
  readonly #heads: readonly Uint8Array[];
  readonly #prefix: string;
  readonly #tableKey: string;
  /** All that is hashed, padded: the current outer characters, any midstate character, zeros for inner ones. */
  readonly #text: Uint8Array;
  /** Where the characters after the prefix begin. */
  readonly #start: number;
  /** The state after the blocks that never change. */
  readonly #fixedState: Uint32Array;
  readonly #fixedBytes: number;
  /** 8 words for each midstate. */
  readonly #midstates: Uint32Array;
  /** Outer characters, slowest first. */
  readonly #counter: number[];
  #next = 0;
  #exhausted = false;

  /**
   * @param job `difficulty` may be 0 as well, which finds every nonce; for tests
   * @param space what nonces are made of
   * @throws RangeError if the difficulty is not an integer from 0 to 64, the prefix is too long or not ASCII, or the
   *   heads have different lengths
   */
  constructor(scanner: Scanner, job: SearchJob, space: NonceSpace = NONCE_SPACE) {
    const { head, otherHeads = [], noncePrefix, difficulty } = job;
    if (!Number.isInteger(difficulty) || difficulty < 0 || difficulty > 64)
      throw new RangeError(`A difficulty is an integer from 1 to 64, not ${difficulty}.`);
    if (!/^[\x20-\x7e]*$/.test(noncePrefix)) throw new RangeError('A nonce prefix is printable ASCII.');
    if (space.alphabet.length ** 3 > MAX_WORDS || space.midstateAlphabet.length > MAX_MIDSTATES)
      throw new RangeError('The alphabets are too large for a kernel.');
    if (otherHeads.some(({ length }) => length !== head.length))
      throw new RangeError('Heads that are tried together have the same length.');
    const heads = [head, ...otherHeads];
    const layout = planLayout(
      head.length,
      noncePrefix.length,
      space,
      heads.map((other) => alikeFrom(head, other)),
    );
    this.#scanner = scanner;
    this.#heads = heads;
    this.layout = layout;
    this.#difficulty = difficulty;
    this.#prefix = noncePrefix;
    this.#tableKey = `${layout.inner.length} ${layout.shift} ${space.alphabet}`;

    this.#start = head.length + noncePrefix.length;
    const end = this.#start + layout.length;
    this.#text = new Uint8Array(layout.finalBlock + BLOCK_BYTES);
    this.#text.set(head);
    this.#text.set(Buffer.from(noncePrefix, 'latin1'), head.length);
    this.#text[end] = 0x80;
    const lengthAt = new DataView(this.#text.buffer, layout.finalBlock + 56);
    lengthAt.setUint32(0, Math.floor((end * 8) / 2 ** 32));
    lengthAt.setUint32(4, (end * 8) % 2 ** 32);

    this.#counter = layout.outer.map(() => 0);
    for (const place of layout.outer) this.#text[this.#start + place] = space.alphabet.charCodeAt(0);

    this.#fixedState = initialState();
    const changesFrom = layout.heads.length > 1 ? 0 : this.#start;
    this.#fixedBytes = Math.min(Math.floor(changesFrom / BLOCK_BYTES) * BLOCK_BYTES, layout.finalBlock);
    for (let at = 0; at < this.#fixedBytes; at += BLOCK_BYTES)
      compress(this.#fixedState, blockWords(this.#text, at));
    this.#midstates = new Uint32Array(8 * layout.midstates);
    this.#computeMidstates();
  }

  run(nonces: number): SearchSlice {
    const found: Hit[] = [];
    let tried = 0;
    if (owners.get(this.#scanner) !== this) this.#fillMemory();
    const { midstates, words } = this.layout;
    while (!this.#exhausted && (tried === 0 || tried < nonces)) {
      const from = this.#next;
      const to = from + Math.max(Math.ceil((nonces - tried) / midstates), 1);
      this.#scanner.scan(from, Math.min(to, words));
      const next = Math.min(this.#answer(PARAMETER.next), words);
      if (next <= from) throw new KernelFault(this.#scanner.name, 'did not go on');
      this.#collectHits(found);
      tried += (next - from) * midstates;
      this.#next = next;
      if (next === words) this.#advance();
    }
    return { tried, found, exhausted: this.#exhausted };
  }

  #answer(place: number): number {
    return this.#scanner.memory[place] ?? 0;
  }

  /** Goes on to the next outer characters. */
  #advance(): void {
    const { outer, outerBefore, space } = this.layout;
    this.#next = 0;
    for (let i = outer.length - 1; i >= 0; i--) {
      const digit = ((this.#counter[i] ?? 0) + 1) % space.alphabet.length;
      this.#counter[i] = digit;
      this.#text[this.#start + (outer[i] ?? 0)] = space.alphabet.charCodeAt(digit);
      if (digit === 0) continue;
      if (i < outerBefore) this.#computeMidstates();
      this.#fillMemory();
      return;
    }
    this.#exhausted = true;
  }

  /** A head by its index as {@link Hit} has it. */
  #head(index: number): Uint8Array {
    return this.#heads[index] ?? new Uint8Array();
  }

  /** Computes the midstates for the outer characters before the final block, or for the heads. */
  #computeMidstates(): void {
    const { finalBlock, heads, midstate, midstates, space } = this.layout;
    for (let i = 0; i < midstates; i++) {
      if (midstate !== undefined) this.#text[this.#start + midstate] = space.midstateAlphabet.charCodeAt(i);
      else this.#text.set(this.#head(heads[i] ?? 0));
      const state = this.#fixedState.slice();
      for (let at = this.#fixedBytes; at < finalBlock; at += BLOCK_BYTES)
        compress(state, blockWords(this.#text, at));
      this.#midstates.set(state, 8 * i);
    }
  }

  /** Describes the scans for the current outer characters. */
  #fillMemory(): void {
    const { memory } = this.#scanner;
    const { finalBlock, midstates, word, words } = this.layout;
    const block = blockWords(this.#text, finalBlock);
    memory[PARAMETER.word] = word;
    memory[PARAMETER.mask] =
      this.#difficulty >= DIGITS_TESTED ? 0xffff_ffff : 2 ** (4 * this.#difficulty) - 1;
    memory[PARAMETER.midstates] = midstates;
    memory[PARAMETER.words] = words;
    memory.set(block, BLOCK);
    // The last group of streams is filled up with copies of the first midstate, whose hits are not counted.
    for (let i = 0; i < midstates + MAX_STREAMS; i++) {
      const from = 8 * (i < midstates ? i : 0);
      const state = this.#midstates.slice(from, from + 8);
      const last = state[7] ?? 0;
      runRounds(state, block, word + 1);
      const at = MIDSTATES + MIDSTATE_STRIDE * i;
      memory.set(state, at);
      memory[at + 8] = last;
    }
    if (tables.get(this.#scanner) !== this.#tableKey) {
      memory.set(innerWords(this.layout), WORDS);
      tables.set(this.#scanner, this.#tableKey);
    }
    owners.set(this.#scanner, this);
  }

  /**
   * Adds what the last scan found to `found`. Up to 8 digits the scanner's word is taken for it, for the worker
   * verifies every nonce. What it can't see is tested here, but a nonce that has not even the 8 digits goes through:
   * the worker must learn that the kernel is wrong.
   */
  #collectHits(found: Hit[]): void {
    const count = this.#answer(PARAMETER.hits);
    if (count > MAX_HITS) throw new KernelFault(this.#scanner.name, 'found more than it can have found');
    for (let i = 0; i < count; i++) {
      const word = this.#answer(HITS + 2 * i);
      const midstate = this.#answer(HITS + 2 * i + 1);
      // What fills up the last step of words or the last group of midstates is no nonce of its own.
      if (word >= this.layout.words || midstate >= this.layout.midstates) continue;
      const nonce = this.#prefix + nonceCharacters(this.layout, this.#counter, midstate, word);
      // Where a character makes the midstates, there is only the first head.
      const hit = { head: this.layout.heads[midstate] ?? 0, nonce };
      const zeros = this.#difficulty > DIGITS_TESTED ? this.#zeros(hit) : this.#difficulty;
      if (zeros >= this.#difficulty || zeros < DIGITS_TESTED) found.push(hit);
    }
  }

  /** How many zeros the hash that a hit stands for ends in, by node:crypto. */
  #zeros({ head, nonce }: Hit): number {
    const text = Buffer.concat([this.#head(head), Buffer.from(nonce, 'latin1')]);
    return trailingZeros(digest('sha256', text, 'hex'));
  }
}
