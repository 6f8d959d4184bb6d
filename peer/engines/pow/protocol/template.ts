/** What the next block is to say. */
import { MAX_MESSAGES } from '../../../../shared/block.ts';
import { suitsMiners, type WorkTemplate } from '../../../../shared/work.ts';
import type { Chain } from './chain.ts';
import type { PowConfig } from './interface.ts';

/** Bytes of a timestamp in what is hashed. */
const TIMESTAMP_BYTES = 8;

/**
 * The block to be mined next.
 *
 * @param words those that wait, the first to be mined first; at most as many as a block takes
 */
export function nextTemplate(chain: Chain, config: PowConfig, words: readonly string[]): WorkTemplate {
  const { minedBy, idleWord } = config;
  const previousHash = chain.tip?.hash ?? '';
  // All of it is ASCII, so characters are bytes.
  const otherBytes = previousHash.length + minedBy.length + TIMESTAMP_BYTES;
  const messages = words.length > 0 ? someOf(words, otherBytes) : repeated(idleWord, otherBytes);
  return { height: chain.height, previousHash, messages, minedBy, difficulty: chain.difficulty };
}

/** Whether a block with these messages is one that miners search fast. */
function suits(messages: readonly string[], otherBytes: number): boolean {
  return suitsMiners(messages.reduce((sum, { length }) => sum + length, otherBytes));
}

/** As many of the first words as suit the miners, but at least half of them: all, if none do. */
function someOf(words: readonly string[], otherBytes: number): readonly string[] {
  for (let count = words.length; count * 2 >= words.length; count--) {
    const first = words.slice(0, count);
    if (suits(first, otherBytes)) return first;
  }
  return words;
}

/** The idle word as often as it takes to suit the miners. */
function repeated(idleWord: string, otherBytes: number): readonly string[] {
  let count = 1;
  while (count <= MAX_MESSAGES && !suitsMiners(otherBytes + count * idleWord.length)) count++;
  return Array<string>(count <= MAX_MESSAGES ? count : 1).fill(idleWord);
}
