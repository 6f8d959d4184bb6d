/** The words that wait to be mined, and the form that adds one. */
import type { WordsJson } from '../face/schemas.ts';
import type { Writing } from '../../../web/schemas.ts';
import { postJson } from '../../../web/page/api.ts';
import { byId, fill, foreign, make, setText } from '../../../web/page/dom.ts';
import { whole } from '../../../web/page/format.ts';
import { PostForm } from '../../../web/page/post-form.ts';

/** Words listed; the others are counted. */
const MAX_LISTED = 60;

export class Words {
  readonly #form: PostForm;
  words: readonly string[] = [];

  /** @param added called when a word was queued */
  constructor(base: string, added: () => void) {
    this.#form = new PostForm('word', async (word, id) => {
      await postJson(`${base}/words`, { word, id });
      added();
      return `“${word}” waits for the next block.`;
    });
  }

  update({ words, limit }: WordsJson): void {
    this.words = words;
    setText(
      byId('words-count'),
      words.length === 0 ? '' : `${whole(words.length)} of at most ${whole(limit)}`,
    );
    fill(
      byId('words'),
      ...words.slice(0, MAX_LISTED).map((word) => make('li', {}, foreign(word, 'verbatim'))),
      words.length > MAX_LISTED
        ? make('li', { class: 'muted' }, `and ${whole(words.length - MAX_LISTED)} more`)
        : null,
      words.length === 0 ? make('li', { class: 'muted none' }, 'No word waits.') : null,
    );
  }

  /** Whether words are taken, and from whom. */
  allow(writing: Writing): void {
    this.#form.allow(writing);
  }
}
