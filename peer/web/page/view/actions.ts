/** The actions of a view: a form for each. */
import type { FieldJson, ViewJson, Writing } from '../../schemas.ts';
import { ApiError, postJson } from '../api.ts';
import { byId, make, setText } from '../dom.ts';

type ActionJson = ViewJson['actions'][number];

/** Longest text of a field, in characters: what a body takes is bounded by the node. */
const MAX_LENGTH = 4_000;

interface Field {
  readonly field: FieldJson;
  readonly input: HTMLInputElement;
}

export class Actions {
  readonly #base: string;
  readonly #done: () => void;
  readonly #drawn = new Set<string>();
  #writing: Writing = 'open';

  /**
   * @param base path of the API of the node
   * @param done called when something was done
   */
  constructor(base: string, done: () => void) {
    this.#base = base;
    this.#done = done;
  }

  /** Whether anything is taken, and from whom. */
  allow(writing: Writing): void {
    this.#writing = writing;
    this.#drawAllowed();
  }

  update({ actions }: ViewJson): void {
    byId('actions').hidden = actions.length === 0;
    for (const action of actions.filter(({ name }) => !this.#drawn.has(name))) {
      this.#drawn.add(action.name);
      byId('actions').append(this.#form(action));
      this.#drawAllowed();
    }
  }

  #drawAllowed(): void {
    const off = this.#writing === 'off';
    byId('actions-off').hidden = !off;
    for (const control of byId('actions').querySelectorAll<HTMLInputElement | HTMLButtonElement>(
      'input, button',
    ))
      control.disabled = off;
  }

  #form({ name, title, help, fields }: ActionJson): HTMLFormElement {
    const inputs = fields.map((field): Field => ({ field, input: inputOf(name, field) }));
    const result = make('p', { id: `${name}-result`, class: 'result', role: 'status' });
    const form = make(
      'form',
      { class: 'post-form', 'aria-label': title },
      make('p', { class: 'muted small' }, help),
      ...inputs.map(({ field, input }) =>
        make('div', { class: 'field' }, make('label', { for: input.id }, field.title), input),
      ),
      make('div', { class: 'field' }, make('button', { 'data-primary': true }, title)),
      result,
    );
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#send(name, inputs, result);
    });
    return form;
  }

  async #send(name: string, inputs: readonly Field[], result: HTMLElement): Promise<void> {
    const body = Object.fromEntries(inputs.flatMap(({ field, input }) => entryOf(field, input)));
    try {
      const { text } = await postJson<{ text: string }>(`${this.#base}/actions/${name}`, body);
      setText(result, text);
      result.classList.remove('problem');
      this.#done();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setText(result, error.message);
      result.classList.add('problem');
    }
  }
}

function inputOf(action: string, { name, kind, required, initial }: FieldJson): HTMLInputElement {
  const isNumber = kind === 'integer' || kind === 'number';
  return make('input', {
    id: `${action}-${name}`,
    type: kind === 'boolean' ? 'checkbox' : isNumber ? 'number' : 'text',
    step: kind === 'number' ? 'any' : null,
    autocomplete: 'off',
    required: required && kind !== 'boolean',
    value: kind === 'boolean' ? null : initial,
    checked: kind === 'boolean' && initial === 'true',
    maxlength: kind === 'text' ? MAX_LENGTH : null,
    'aria-describedby': `${action}-result`,
  });
}

/** What a field adds to the body: nothing if it was left as it is if nothing is said. */
function entryOf({ name, kind, required, initial }: FieldJson, input: HTMLInputElement): [string, unknown][] {
  if (kind === 'boolean') {
    const untouched = String(input.checked) === (initial ?? 'false');
    return untouched && !required ? [] : [[name, input.checked]];
  }
  if (input.value === '') return [];
  return [[name, kind === 'text' ? input.value : Number(input.value)]];
}
