/** NEW_WORD: the words that wait to be mined. */
import type { Address } from '../../../../shared/address.ts';
import { isMineableWord, MAX_MESSAGES, type Block } from '../../../../shared/block.ts';
import { isMinerMark } from '../../../../shared/work.ts';
import { RateLimit } from '../../../core/bounded.ts';
import type { Gauge } from '../../../core/engine.ts';
import type { Context } from './context.ts';
import { MAX_RATED_HOSTS, MAX_WORDS, WORDS_BURST, WORDS_PER_SECOND } from './limits.ts';
import type { NewWord } from './messages.ts';

/** Why a word was not queued: one sentence each. */
export const WORD_RULES = {
  unfit: 'A word to mine has 1 to 19 printable ASCII characters, which every implementation accepts.',
  waiting: 'The same word waits already.',
  full: `At most ${MAX_WORDS} words wait.`,
} as const;

/** The queue of words, first come first mined. */
export class WordQueue {
  /** Counts the changes, so that others can see whether there was one. */
  version = 0;
  private words = new Set<string>();
  private readonly rate = new RateLimit({
    perSecond: WORDS_PER_SECOND,
    burst: WORDS_BURST,
    maxKeys: MAX_RATED_HOSTS,
  });

  get waiting(): readonly string[] {
    return [...this.words];
  }

  measure(report: Gauge): void {
    report('words', this.words.size, MAX_WORDS);
    this.rate.measure('rates of words', report);
  }

  /** The words of the next block. */
  next(): readonly string[] {
    const chosen: string[] = [];
    for (const word of this.words) {
      chosen.push(word);
      if (chosen.length === MAX_MESSAGES) break;
    }
    return chosen;
  }

  /** @returns why the word was not queued, or undefined if it was */
  add(word: string): keyof typeof WORD_RULES | undefined {
    if (!isMineableWord(word)) return 'unfit';
    if (this.words.has(word)) return 'waiting';
    if (this.words.size >= MAX_WORDS) return 'full';
    this.words.add(word);
    this.version++;
    return undefined;
  }

  /** A NEW_WORD from the network: queued or dropped, never answered. */
  onNewWord(context: Context, { word }: NewWord, from: Address): void {
    if (!this.rate.take(from.host, context.now)) {
      context.count('limit.words');
      return;
    }
    context.count(`new-word.${this.add(word) ?? 'accepted'}`);
  }

  /** Words that are in the chain now need not be mined any more, whoever mined them. */
  remove(messages: Iterable<string>): void {
    for (const message of messages) if (this.words.delete(message)) this.version++;
  }

  /**
   * Puts words of our own orphaned blocks back, before all others.
   *
   * @returns how many of them wait again
   */
  putBack(words: readonly string[]): number {
    const before = this.words;
    this.words = new Set([...words, ...before].slice(0, MAX_WORDS));
    this.version++;
    return words.filter((word) => !before.has(word) && this.words.has(word)).length;
  }
}

/** The words of those of `blocks` that we signed. */
export function ownWords(blocks: readonly Block[], config: { minedBy: string; idleWord: string }): string[] {
  return blocks
    .filter((block) => block.minedBy === config.minedBy)
    .flatMap((block) => block.messages)
    .filter((word) => word !== config.idleWord && !isMinerMark(word) && isMineableWord(word));
}
