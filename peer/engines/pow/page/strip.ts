/** The newest blocks side by side, newest first, and before them the one that is being mined. */
import type { BlockSummaryJson, Status } from '../face/schemas.ts';
import { byId, fill, foreign, make, setText } from '../../../web/page/dom.ts';
import { ago, duration, whole } from '../../../web/page/format.ts';
import { hashElement } from './hashes.ts';
import { minerColor } from './leaders.ts';

/** Blocks shown at most: as many as a wall screen takes. */
export const STRIP_BLOCKS = 30;
/** Lines for the messages of a block: where there are more, the last line counts them. */
const MESSAGE_LINES = 3;
/** Least time from one announcement to screen readers to the next, in milliseconds. */
const NEWS_INTERVAL = 15_000;

interface Shown {
  readonly block: BlockSummaryJson;
  readonly item: HTMLLIElement;
  readonly age: HTMLElement;
}

/** When a block came: when we first saw it, else what its miner says. NaN if nobody knows. */
function bornAt({ arrivedAt, time }: BlockSummaryJson): number {
  return Date.parse(arrivedAt ?? time ?? '');
}

/** Messages as a few lines. */
function messageLines(messages: readonly string[], count: number): HTMLElement[] {
  const shown = count > MESSAGE_LINES ? MESSAGE_LINES - 1 : count;
  return [
    ...messages.slice(0, shown).map((message) => foreign(message, 'cut')),
    ...(count > shown ? [make('span', { class: 'muted' }, `and ${count - shown} more`)] : []),
  ];
}

function show(block: BlockSummaryJson, isNew: boolean): Shown {
  const { height, minedBy, messages, hash } = block;
  const age = make('span', { class: 'age' });
  const item = make(
    'li',
    { class: isNew ? 'new' : null },
    make(
      'a',
      {
        class: 'cube',
        href: `#/block/${height}`,
        'data-color': minerColor(minedBy),
      },
      make(
        'span',
        { class: 'cube-height' },
        make('span', { class: 'visually-hidden' }, 'Block '),
        whole(height),
      ),
      make('span', { class: 'cube-words' }, ...messageLines(messages, messages.length)),
      make('span', { class: 'cube-hash' }, hashElement(hash, 14)),
      make('span', { class: 'cube-miner' }, foreign(minedBy, 'cut')),
      age,
    ),
  );
  return { block, item, age };
}

export class Strip {
  readonly #list = byId('strip');
  readonly #news = byId('news');
  readonly #pending = make('li', { class: 'pending' });
  readonly #pendingHeight = make('span', { class: 'cube-height' });
  readonly #pendingWords = make('span', { class: 'cube-words' });
  readonly #pendingNote = make('span', { class: 'age' });
  #shown: Shown[] = [];
  #unsaid = 0;
  #saidAt = -Infinity;
  #newsTimer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    const cube = make(
      'div',
      { class: 'cube' },
      this.#pendingHeight,
      this.#pendingWords,
      make('span', { class: 'cube-miner' }, 'next block'),
      this.#pendingNote,
    );
    this.#pending.append(cube);
    fill(this.#list, this.#pending);
  }

  /** The blocks that are shown, newest first. */
  get blocks(): readonly BlockSummaryJson[] {
    return this.#shown.map(({ block }) => block);
  }

  /** Shows these blocks, newest first, instead of all others. Those shown before are kept as they are. */
  reset(blocks: readonly BlockSummaryJson[]): void {
    const before = new Map(this.#shown.map((shown) => [shown.block.hash, shown]));
    this.#shown = blocks.slice(0, STRIP_BLOCKS).map((block) => before.get(block.hash) ?? show(block, false));
    const wanted = [this.#pending, ...this.#shown.map(({ item }) => item)];
    const same = wanted.every((item, index) => this.#list.children[index] === item);
    if (!same || this.#list.children.length !== wanted.length) fill(this.#list, ...wanted);
    this.tick();
  }

  /**
   * Puts a new block before the others.
   *
   * @returns false if it does not belong on top of them
   */
  add(block: BlockSummaryJson): boolean {
    const top = this.#shown[0]?.block;
    if (block.hash === top?.hash) return true;
    if (block.height !== (top === undefined ? 0 : top.height + 1)) return false;
    const shown = show(block, true);
    this.#shown.unshift(shown);
    this.#pending.after(shown.item);
    for (const { item } of this.#shown.splice(STRIP_BLOCKS)) item.remove();
    this.tick();
    this.#report();
    return true;
  }

  /** What the next block will be. */
  next(status: Status, words: readonly string[]): void {
    setText(this.#pendingHeight, whole(status.height));
    fill(
      this.#pendingWords,
      ...messageLines(words, words.length),
      words.length === 0 ? make('span', { class: 'muted' }, 'no word waits') : null,
    );
    const expected = status.expectedBlockSeconds;
    setText(
      this.#pendingNote,
      status.phase === 'joining' || status.phase === 'waiting'
        ? 'waiting for a chain'
        : expected === null
          ? 'no miner here'
          : `~${duration(expected * 1000)} of work`,
    );
  }

  /** Writes how long ago each block came. */
  tick(): void {
    const now = Date.now();
    for (const { block, age } of this.#shown) {
      const born = bornAt(block);
      setText(age, Number.isNaN(born) ? '' : ago(now - born));
    }
  }

  /** Announces new blocks to screen readers, several at once where they come quickly. */
  #report(): void {
    this.#unsaid++;
    this.#newsTimer ??= setTimeout(
      () => {
        this.#newsTimer = undefined;
        const block = this.#shown[0]?.block;
        if (block === undefined) return;
        const count = this.#unsaid === 1 ? 'A new block' : `${this.#unsaid} new blocks`;
        setText(this.#news, `${count}; the last is ${block.height}, mined by ${block.minedBy.slice(0, 64)}.`);
        this.#unsaid = 0;
        this.#saidAt = performance.now();
      },
      Math.max(0, this.#saidAt + NEWS_INTERVAL - performance.now()),
    );
  }
}
