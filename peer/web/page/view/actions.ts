/** The actions of a view: a form for each, and what came of what was done last. */
import type { DoneJson, FieldJson, PendingJson, ViewJson, Writing } from '../../schemas.ts';
import { ApiError, postJson } from '../api.ts';
import { byId, foreign, make, setText } from '../dom.ts';
import { latency } from '../format.ts';

type ActionJson = ViewJson['actions'][number];

/** Longest text of a field, in characters: what a body takes is bounded by the node. */
const MAX_LENGTH = 20_000;
/** Answers that stay on the page, and characters shown of each text. */
const MAX_ANSWERS = 8;
const SHOWN = 200;

interface Field {
  readonly field: FieldJson;
  readonly input: HTMLInputElement;
}

interface Form {
  readonly action: ActionJson;
  readonly fields: readonly Field[];
  readonly result: HTMLElement;
  /** What was sent without an answer, and its id: sent again, it is done once. */
  unanswered?: { readonly body: string; readonly id: string };
}

function cut(text: string): string {
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN - 1)}…`;
}

export class Actions {
  readonly #base: string;
  readonly #drawn = new Set<string>();
  readonly #answers = make('ol', { id: 'answers', class: 'events', tabindex: 0, 'aria-label': 'Answers' });
  /** What has no answer yet, by its id. */
  readonly #pending = new Map<string, HTMLElement>();
  #writing: Writing = 'open';

  /** @param base path of the API of the node */
  constructor(base: string) {
    this.#base = base;
    byId('actions').append(this.#answers);
  }

  /** Whether anything is taken, and from whom. */
  allow(writing: Writing): void {
    this.#writing = writing;
    this.#drawAllowed();
  }

  update({ actions }: Pick<ViewJson, 'actions'>): void {
    byId('actions').hidden = actions.length === 0;
    for (const action of actions.filter(({ name }) => !this.#drawn.has(name))) {
      this.#drawn.add(action.name);
      this.#answers.before(this.#form(action, this.#drawn.size === 1));
      this.#drawAllowed();
    }
  }

  /** The answer to something that was asked for here, or on another page, and took long. */
  answered(answer: DoneJson): void {
    const item = this.#pending.get(answer.id);
    if (item === undefined) return;
    this.#pending.delete(answer.id);
    item.replaceChildren(...partsOf(item.dataset['asked'] ?? '', answer));
  }

  #drawAllowed(): void {
    const off = this.#writing === 'off';
    byId('actions-off').hidden = !off;
    for (const control of byId('actions').querySelectorAll<HTMLInputElement | HTMLButtonElement>(
      'input, button',
    ))
      control.disabled = off;
  }

  #form(action: ActionJson, first: boolean): HTMLFormElement {
    const { name, title, help, fields: declared, hint } = action;
    const fields = declared.map((field, at): Field => {
      return { field, input: inputOf(name, field, at === 0 ? hint : null) };
    });
    const result = make('p', { id: `${name}-result`, class: 'result', role: 'status' });
    const button = make('button', { 'data-primary': first }, title);
    const form = make(
      'form',
      { class: 'post-form', 'aria-label': title },
      ...(fields.length === 0 ? [make('p', { class: 'muted small' }, help)] : []),
      ...fields.flatMap(({ field, input }, at) => [
        make('label', { for: input.id }, field.title),
        make('div', { class: 'field' }, input, at === fields.length - 1 ? button : null),
      ]),
      fields.length === 0 ? button : null,
      result,
    );
    const made: Form = { action, fields, result };
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#send(made);
    });
    return form;
  }

  async #send(form: Form): Promise<void> {
    const { action, fields } = form;
    const typed = fields.map(({ input }) => input.value);
    const asked = typed.filter((text) => text !== '').join(' ');
    const body = Object.fromEntries(fields.flatMap(({ field, input }) => entryOf(field, input)));
    const text = JSON.stringify(body);
    const sent = form.unanswered?.body === text ? form.unanswered : { body: text, id: newId() };
    form.unanswered = sent;
    // Emptied at once: the next may be typed while the answer is awaited.
    for (const { field, input } of fields) if (field.kind === 'text') input.value = field.initial ?? '';
    try {
      const answer = await postJson<DoneJson | PendingJson>(this.#base + action.path, {
        ...body,
        id: sent.id,
      });
      delete form.unanswered;
      this.#list(asked === '' ? action.title : asked, answer);
      const waited = latency(answer.waitedMs);
      this.#say(
        form,
        'text' in answer
          ? `${cut(answer.text)} (${waited})`
          : `No answer yet after ${waited}; it is shown below when it comes.`,
      );
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#say(form, error.message, true);
      for (const [at, { input }] of fields.entries()) if (input.value === '') input.value = typed[at] ?? '';
    }
  }

  #say({ result, fields }: Form, text: string, failed = false): void {
    setText(result, text);
    result.classList.toggle('problem', failed);
    for (const { input } of fields) input.setAttribute('aria-invalid', String(failed));
  }

  #list(asked: string, answer: DoneJson | PendingJson): void {
    const item = make('li', { 'data-asked': asked }, ...partsOf(asked, answer));
    this.#answers.prepend(item);
    while (this.#answers.children.length > MAX_ANSWERS) this.#answers.lastElementChild?.remove();
    if (!('text' in answer)) this.#pending.set(answer.id, item);
  }
}

/** What is listed of an answer: how long it took, what was asked for, and what came of it. */
function partsOf(asked: string, answer: DoneJson | PendingJson): HTMLElement[] {
  const came =
    'text' in answer
      ? foreign(cut(answer.text), 'answer')
      : make('span', { class: 'muted' }, 'has no answer yet');
  return [
    make('span', { class: 'muted count' }, 'text' in answer ? latency(answer.waitedMs) : '…'),
    make('span', {}, foreign(cut(asked), 'mono'), ' ', came),
  ];
}

function inputOf(
  action: string,
  { name, kind, required, initial }: FieldJson,
  hint: string | null,
): HTMLInputElement {
  const isNumber = kind === 'integer' || kind === 'number';
  return make('input', {
    id: `${action}-${name}`,
    type: kind === 'boolean' ? 'checkbox' : isNumber ? 'number' : 'text',
    step: kind === 'number' ? 'any' : null,
    autocomplete: 'off',
    autocapitalize: 'off',
    spellcheck: 'false',
    placeholder: hint,
    required: required && kind !== 'boolean',
    value: kind === 'boolean' ? null : initial,
    checked: kind === 'boolean' && initial === 'true',
    maxlength: kind === 'text' ? MAX_LENGTH : null,
    'aria-describedby': `${action}-result`,
  });
}

/** What a field adds to the body: nothing if it was left at its default. */
function entryOf({ name, kind, required, initial }: FieldJson, input: HTMLInputElement): [string, unknown][] {
  if (kind === 'boolean') {
    const untouched = String(input.checked) === (initial ?? 'false');
    return untouched && !required ? [] : [[name, input.checked]];
  }
  if (input.value === '') return [];
  return [[name, kind === 'text' ? input.value : Number(input.value)]];
}

/** Random enough that no other is the same; `randomUUID` is not there on pages without TLS. */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('.');
}
