/** A form that sends what was typed, where the peer takes it. */
import type { Writing } from '../schemas.ts';
import { ApiError } from './api.ts';
import { byId, setText } from './dom.ts';

export class PostForm {
  readonly #input: HTMLInputElement;
  readonly #button: HTMLButtonElement;
  readonly #result: HTMLElement;
  readonly #off: HTMLElement;

  /**
   * @param name of its input; the ids of its other parts are this with -form, -send, -result and -off
   * @param send takes what was typed; gives what is said of it
   */
  constructor(name: string, send: (text: string) => Promise<string>) {
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

  async #send(send: (text: string) => Promise<string>): Promise<void> {
    const text = this.#input.value;
    // Emptied at once: the next may be typed while the answer is awaited.
    this.#input.value = '';
    try {
      this.#say(await send(text), false);
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
