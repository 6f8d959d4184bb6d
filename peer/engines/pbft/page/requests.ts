/** The requests that were executed last, and the forms that submit one. */
import type { AnswerJson, PendingJson, RequestJson, RequestsJson, StatusJson } from '../face/schemas.ts';
import type { Writing } from '../../../web/schemas.ts';
import { postJson } from '../../../web/page/api.ts';
import { byId, foreign, make, setText } from '../../../web/page/dom.ts';
import { counted, latency, replicaName, timeOfDay, whole } from '../../../web/page/format.ts';
import { PostForm } from '../../../web/page/post-form.ts';
import { Table } from '../../../web/page/table.ts';

/** Answers that stay on the page. */
const MAX_ANSWERS = 8;
/** What can be typed, by application. */
const HINTS: Readonly<Record<string, string>> = {
  kv: 'put key value',
  log: 'a text, /entry 1 or /length',
};
/** Characters shown of a text. */
const SHOWN = 200;

function cut(text: string): string {
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN - 1)}…`;
}

export class Requests {
  readonly #table = new Table<RequestJson>(byId('requests'), {
    caption: 'Requests that were executed last',
    columns: [
      {
        name: 'Batch',
        numeric: true,
        cell: ({ sequence }) => whole(sequence),
        key: ({ sequence, timestamp }) => sequence * 2 ** 20 + (timestamp % 2 ** 20),
      },
      { name: 'Time', cell: ({ at }) => timeOfDay(Date.parse(at)), key: ({ at }) => Date.parse(at) },
      { name: 'Client', cell: ({ client }) => replicaName(client), key: ({ client }) => client },
      {
        name: 'Operation',
        cell: ({ operation }) => foreign(cut(operation), 'cut mono'),
        key: ({ operation }) => operation,
      },
      { name: 'Answer', cell: ({ text }) => foreign(cut(text), 'cut'), key: ({ text }) => text },
    ],
    id: ({ client, timestamp }) => `${client} ${timestamp}`,
    sort: 0,
    descending: true,
    empty: 'Nothing was executed yet.',
  });

  update({ requests, executed }: RequestsJson): void {
    this.#table.update(requests);
    setText(byId('requests-count'), executed === 0 ? '' : `${counted(executed, 'request')} since the start`);
  }
}

export class Submissions {
  readonly #base: string;
  readonly #done: () => void;
  readonly #forms: readonly PostForm[];
  /** What has no answer yet, by its id. */
  readonly #pending = new Map<string, HTMLElement>();

  /** @param done called when something was executed */
  constructor(base: string, done: () => void) {
    this.#base = base;
    this.#done = done;
    this.#forms = [
      new PostForm('line', (line, id) => this.#submit({ line, id })),
      // A key may have any characters.
      new PostForm('key', (key) => this.#submit({ line: `get ${JSON.stringify(key)}` })),
    ];
  }

  /** Whether operations are taken, and from whom. */
  allow(writing: Writing): void {
    for (const form of this.#forms) form.allow(writing);
  }

  update({ application }: StatusJson): void {
    byId('key-form').hidden = application !== 'kv';
    byId('line', HTMLInputElement).placeholder = HINTS[application] ?? '';
  }

  /** The answer to something that was submitted here, or on another page, and took long. */
  answered(answer: AnswerJson): void {
    const item = this.#pending.get(answer.id);
    if (item === undefined) return;
    this.#pending.delete(answer.id);
    item.replaceWith(answerItem(answer));
    this.#done();
  }

  async #submit(request: { readonly line: string; readonly id?: string }): Promise<string> {
    const answer = await postJson<AnswerJson | PendingJson>(`${this.#base}/requests`, request);
    const item = answerItem(answer);
    const list = byId('answers');
    list.prepend(item);
    while (list.children.length > MAX_ANSWERS) list.lastElementChild?.remove();
    this.#done();
    if ('result' in answer) return `${cut(answer.text)} (${latency(answer.waitedMs)})`;
    this.#pending.set(answer.id, item);
    return `No answer yet after ${latency(answer.waitedMs)}; it is shown below when it comes.`;
  }
}

function answerItem(answer: AnswerJson | PendingJson): HTMLLIElement {
  const answered = 'result' in answer;
  return make(
    'li',
    {},
    make('span', { class: 'muted count' }, answered ? latency(answer.waitedMs) : '…'),
    make(
      'span',
      {},
      foreign(cut(answer.operation), 'mono'),
      ' ',
      answered ? foreign(cut(answer.text), 'answer') : make('span', { class: 'muted' }, 'has no answer yet'),
    ),
  );
}
