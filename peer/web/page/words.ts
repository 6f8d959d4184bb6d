/** The words that wait to be mined, and the form that adds one. */
import type { StatusJson, WordsJson } from '../schemas.ts';
import { ApiError, postJson } from './api.ts';
import { byId, fill, foreign, make, setText } from './dom.ts';
import { whole } from './format.ts';

/** Words listed; the others are counted. */
const MAX_LISTED = 60;

export class Words {
  readonly #base: string;
  readonly #input = byId('word', HTMLInputElement);
  readonly #token = byId('token', HTMLInputElement);
  readonly #button = byId('word-add', HTMLButtonElement);
  readonly #result = byId('word-result');
  words: readonly string[] = [];

  /** @param added called when a word was queued */
  constructor(base: string, added: () => void) {
    this.#base = base;
    byId('word-form').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#add(added);
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
  allow(writing: StatusJson['writing']): void {
    const off = writing === 'off';
    this.#input.disabled = off;
    this.#button.disabled = off;
    byId('token-row').hidden = writing !== 'token';
    byId('word-off').hidden = !off;
  }

  async #add(added: () => void): Promise<void> {
    const word = this.#input.value;
    this.#button.disabled = true;
    try {
      await postJson(`${this.#base}/words`, { word }, this.#token.value);
      this.#say(`“${word}” waits for the next block.`, false);
      this.#input.value = '';
      added();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#say(error.message, true);
    } finally {
      this.#button.disabled = false;
    }
  }

  #say(text: string, failed: boolean): void {
    setText(this.#result, text);
    this.#result.classList.toggle('problem', failed);
    this.#input.setAttribute('aria-invalid', String(failed));
  }
}
