/** A form that sends what was typed, where the peer takes it. */
import type { Writing } from '../schemas.ts';
import { ApiError } from './api.ts';
import { byId, setText } from './dom.ts';

type Send = (text: string, id: string) => Promise<string>;

export class PostForm {
  readonly #input: HTMLInputElement;
  readonly #button: HTMLButtonElement;
  readonly #result: HTMLElement;
  readonly #off: HTMLElement;
  /** What was sent without an answer, and its id: sent again, it is done once. */
  #unanswered: { readonly text: string; readonly id: string } | undefined;

  /**
   * @param name of its input; the ids of its other parts are this with -form, -send, -result and -off
   * @param send takes what was typed, and an id for it; gives what is said of it
   */
  constructor(name: string, send: Send) {
    this.#input = byId(name, HTMLInputElement);
    this.#button = byId(`${name}-send`, HTMLButtonElement);
    this.#result = byId(`${name}-result`);
    this.#off = byId(`${name}-off`);
    byId(`${name}-form`).addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#send(send);
    });
  }

  /** Whether anything is taken, and from whom. */
  allow(writing: Writing): void {
    const off = writing === 'off';
    this.#input.disabled = off;
    this.#button.disabled = off;
    this.#off.hidden = !off;
  }

  async #send(send: Send): Promise<void> {
    const text = this.#input.value;
    // Emptied at once: the next may be typed while the answer is awaited.
    this.#input.value = '';
    const sent = this.#unanswered?.text === text ? this.#unanswered : { text, id: newId() };
    this.#unanswered = sent;
    try {
      this.#say(await send(text, sent.id), false);
      if (this.#unanswered === sent) this.#unanswered = undefined;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#say(error.message, true);
      if (this.#input.value === '') this.#input.value = text;
    }
  }

  /** Says what came of it. */
  #say(text: string, failed: boolean): void {
    setText(this.#result, text);
    this.#result.classList.toggle('problem', failed);
    this.#input.setAttribute('aria-invalid', String(failed));
  }
}

/** Random enough that no other is the same; `randomUUID` is not there on pages without TLS. */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('.');
}
