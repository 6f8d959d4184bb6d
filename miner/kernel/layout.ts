/**
 * Where the characters of a nonce stand in SHA-256's blocks, and the order in which they are tried.
 *
 * SHA-256 works on blocks of 64 bytes, one after the other. What comes before the *final block* leaves 8 words, a
 * *midstate*; the final block is first stretched to a schedule of 64 words (a third of the whole work) that does not
 * depend on the midstate. So a nonce does best to straddle the boundary of the final block: one schedule then serves
 * as many midstates as there are characters to put in front of the boundary.
 *
 *          block before                            final block
 *     … ──────────────────────────┐┌──────────────────────────────────────────────┐
 *     … head ‖ prefix ‖ outer ‖ M ││ outer ‖ I I I 0x80 │ 0 … 0 │ length in bits  │
 *     … ──────────────────────────┘└──────────────────────────────────────────────┘
 *                                    word 0 … └─ word p ─┘        words 14 and 15
 *
 * - `head` and `prefix` are given.
 * - `M`, the midstate character, has 66 values: 66 midstates, a multiple of the kernels' streams.
 * - `I`, the inner characters, up to three in one word of the final block: 64³ values of word p. Rounds before p
 *   are the same for all of them and are done once in preparation; so the later p, the cheaper.
 * - `outer` characters are a counter, its last character fastest. Those in the final block come last, so midstates
 *   are seldom computed anew: each of its steps is 66 · 64³ = 17 million nonces.
 *
 * Where the nonce cannot reach a boundary, the inner characters stand as late in the final block as they can. Midstates
 * then come from the *order of the messages*: whatever their order, the head is as long, so where they stand in blocks
 * before the final one, the final block is the same. Four different messages make 24 midstates.
 *
 *          blocks before                           final block
 *     … ──────────────────────────┐┌───────────────────────────────────────────────┐
 *     … messages, any order ‖ he  ││ ad ‖ prefix ‖ outer ‖ I I I 0x80 │ … │ length │
 *     … ──────────────────────────┘└───────────────────────────────────────────────┘
 *                                                        └─ word p ─┘
 *
 * Even where the nonce could straddle the boundary, this may be cheaper: word p is a late one. Of the messages this
 * file knows nothing; it is given from which byte on heads are alike. With too few of them there is one midstate only.
 *
 * With next to no characters to choose, any of the parts may be missing. Each combination of characters is a
 * different nonce of the same length, so nothing is ever tried twice, and prefixes of the same length share nothing.
 */
import { MAX_MINED_NONCE_LENGTH } from '../../shared/block.ts';
import { NONCE_ALPHABET } from '../../shared/mining-wire.ts';
import { BLOCK_BYTES } from './sha256.ts';

/** What a nonce may be made of. */
export interface NonceSpace {
  /** Characters of the longest nonce. */
  readonly limit: number;
  /** What stands at outer and inner places: 1 to 64 different ASCII characters. */
  readonly alphabet: string;
  /** What stands at the place of the midstate character: 1 to 66 different ASCII characters. */
  readonly midstateAlphabet: string;
}

/** Nonces that every known implementation accepts, of characters that stand for themselves in JSON and in URLs. */
export const NONCE_SPACE: NonceSpace = {
  limit: MAX_MINED_NONCE_LENGTH,
  alphabet: NONCE_ALPHABET,
  midstateAlphabet: `${NONCE_ALPHABET}.~`,
};

/** Most midstates that kernels have room for: as many as {@link NONCE_SPACE} has midstate characters. */
export const MAX_MIDSTATES = 66;

/** Most inner characters: the word that holds them also holds the 0x80 that ends the text, or a byte before them. */
export const MAX_INNER = 3;

/**
 * Kernels work so many midstates at once, and a group that is not full takes as long as a full one. So heads are taken
 * in multiples of it.
 */
const STREAMS = 3;

/** How nonces are laid out. Places count from 0 at the first character after the prefix. */
export interface Layout {
  readonly space: NonceSpace;
  /** Characters after the prefix; every nonce has the same number. */
  readonly length: number;
  /** Where the final block begins in what is hashed; a multiple of 64. */
  readonly finalBlock: number;
  /** Places of the counter's characters, slowest first. */
  readonly outer: readonly number[];
  /** How many of `outer` stand before the final block; they come first. */
  readonly outerBefore: number;
  /** Place of the midstate character, the last one before the final block; undefined if none stands there. */
  readonly midstate: number | undefined;
  /** Places of the inner characters, 0 to 3 of them, side by side in one word of the final block. */
  readonly inner: readonly number[];
  /** The word of the final block that holds the inner characters, 0 to 13; 0 if there are none. */
  readonly word: number;
  /** By how many bits the last inner character is shifted left in that word. */
  readonly shift: number;
  /** Which heads make midstates, by their indices: the first only, or a multiple of three if no character does. */
  readonly heads: readonly number[];
  /** How many midstates share a schedule. */
  readonly midstates: number;
  /** How many values the inner characters have. */
  readonly words: number;
  /** How many nonces there are in all, one with each head counted; exact up to 2^53. */
  readonly nonces: number;
  /** What a nonce costs, in rounds of SHA-256 in the kernel; for comparing layouts. */
  readonly cost: number;
}

/** The kernels work rounds p + 1 to 60, the last four of them at half the price, and a little around them. */
const ROUNDS_AROUND = 59;
/** Stretching a schedule costs as much as this many rounds. */
const SCHEDULE_ROUNDS = 29;
/** Working a midstate's first rounds for the next outer characters costs as much as so many rounds in a fast kernel. */
const PREPARATION_ROUNDS = 1500;
/** Preparing for outer characters before the final block costs so many rounds: the midstate is computed anew. */
const MIDSTATE_ROUNDS = 12_000;
/** Beginning another search where this one has no nonces left costs as much as so many rounds; half a millisecond. */
const SEARCH_ROUNDS = 6_000_000;

/** The first head and those that are like it from the final block on, as many as kernels gain by. */
function headsAlike(finalBlock: number, alikeFrom: readonly number[]): number[] {
  const alike = alikeFrom.flatMap((from, head) => (from <= finalBlock ? [head] : [])).slice(0, MAX_MIDSTATES);
  return alike.slice(0, Math.max(alike.length - (alike.length % STREAMS), 1));
}

/** Lays out nonces with `length` characters after the prefix. */
function layOut(fixed: number, length: number, space: NonceSpace, alikeFrom: readonly number[]): Layout {
  const end = fixed + length;
  // After the text come a byte 0x80, zeros and 8 bytes of length: the final block is the one where these 8 end.
  const finalBlock = Math.floor((end + 8) / BLOCK_BYTES) * BLOCK_BYTES;
  const inFinal = Math.min(Math.max(end - finalBlock, 0), length);
  const before = length - inFinal;
  const lastByte = end - finalBlock - 1;
  const innerCount = inFinal === 0 ? 0 : Math.min(MAX_INNER, inFinal, (lastByte % 4) + 1);
  const midstate = before > 0 ? before - 1 : undefined;
  const inner = Array.from({ length: innerCount }, (_, i) => length - innerCount + i);
  const outer = Array.from({ length: length - innerCount }, (_, i) => i).filter((i) => i !== midstate);
  const heads = midstate === undefined ? headsAlike(finalBlock, alikeFrom) : [0];
  const midstates = midstate === undefined ? heads.length : space.midstateAlphabet.length;
  const words = space.alphabet.length ** innerCount;
  const word = innerCount === 0 ? 0 : Math.floor(lastByte / 4);
  const nonces = space.alphabet.length ** outer.length * midstates * words;
  const preparation = inFinal > innerCount ? PREPARATION_ROUNDS : MIDSTATE_ROUNDS;
  return {
    space,
    length,
    finalBlock,
    outer,
    outerBefore: Math.max(before - 1, 0),
    midstate,
    inner,
    word,
    shift: innerCount === 0 ? 0 : 8 * (3 - (lastByte % 4)),
    heads,
    midstates,
    words,
    nonces,
    cost: ROUNDS_AROUND - word + SCHEDULE_ROUNDS / midstates + preparation / words + SEARCH_ROUNDS / nonces,
  };
}

/**
 * The layout with the least cost per nonce; of equally cheap ones the one with most nonces.
 *
 * @param headLength bytes that are hashed before the nonce
 * @param prefixLength characters (ASCII) that the nonce begins with
 * @param alikeFrom for each head that may be tried, the byte from which on it is like the first; 0 for the first
 * @throws RangeError if the prefix is longer than a nonce may be
 */
export function planLayout(
  headLength: number,
  prefixLength: number,
  space = NONCE_SPACE,
  alikeFrom: readonly number[] = [0],
): Layout {
  if (prefixLength > space.limit)
    throw new RangeError(
      `A nonce has at most ${space.limit} characters: its prefix cannot have ${prefixLength}.`,
    );
  const fixed = headLength + prefixLength;
  let best = layOut(fixed, 0, space, alikeFrom);
  for (let length = 1; length <= space.limit - prefixLength; length++) {
    const layout = layOut(fixed, length, space, alikeFrom);
    if (layout.cost < best.cost || (layout.cost === best.cost && layout.nonces > best.nonces)) best = layout;
  }
  return best;
}

/** All values of a layout's inner characters as they stand in their word, the other bytes of it zero. */
export function innerWords(layout: Layout): Uint32Array {
  const { alphabet } = layout.space;
  const words = new Uint32Array(layout.words);
  for (let index = 0; index < words.length; index++) {
    let word = 0;
    let rest = index;
    for (let place = 0; place < layout.inner.length; place++) {
      word |= alphabet.charCodeAt(rest % alphabet.length) << (layout.shift + 8 * place);
      rest = Math.floor(rest / alphabet.length);
    }
    words[index] = word;
  }
  return words;
}

/**
 * The characters of a nonce after its prefix.
 *
 * @param counter the outer characters, as indices into the alphabet, slowest first
 * @param midstate index of the midstate character in its alphabet; not looked at if the layout has none (then the
 *   midstates are of {@link Layout.heads})
 * @param word index of the inner characters in {@link innerWords}
 */
export function nonceCharacters(
  layout: Layout,
  counter: readonly number[],
  midstate: number,
  word: number,
): string {
  const { alphabet, midstateAlphabet } = layout.space;
  const characters = new Array<string>(layout.length).fill('');
  layout.outer.forEach((place, i) => (characters[place] = alphabet.charAt(counter[i] ?? 0)));
  if (layout.midstate !== undefined) characters[layout.midstate] = midstateAlphabet.charAt(midstate);
  for (const place of layout.inner.toReversed()) {
    characters[place] = alphabet.charAt(word % alphabet.length);
    word = Math.floor(word / alphabet.length);
  }
  return characters.join('');
}
