/**
 * Exactly once for those who ask, whatever happens on the way. Replicas execute each request once, but somebody who has no
 * answer, because the connection or the replica was lost, can't know whether there was a request. With an id that he
 * has chosen, he may ask again, at any replica:
 *
 *     ["once", id, operation]   the answer to the operation, which is executed the first time only
 *
 * The answers are part of the state that the replicas have in common, beside that of the application. They are stored
 * for each replica by itself, so that none can have those of another forgotten: the ids that came by way of a replica
 * fill {@link PAGES} pages in turn. An id is remembered until three pages are full of later ones: 1,536 of them, or
 * fewer if answers are long.
 */
import { sha256Hex } from '../../shared/ed25519.ts';
import { jsonOrUndefined } from '../../shared/json.ts';
import type { Language, OperationContext, StateMachine } from '../core/application.ts';
import { readOperation, refusal } from './operations.ts';

/** What an id is made of: it stands in addresses as it is. */
export const ID_PATTERN = /^[A-Za-z0-9._~-]{1,128}$/;
/** Pages of each replica, and how many ids and UTF-16 code units one holds: the longest answer fits, all of it escaped. */
const PAGES = 4;
const PAGE_IDS = 512;
const PAGE_LENGTH = 131_072;

const VERB = 'once';
const REUSED = 'id-reused';

/** An operation under an id. */
export interface OnceOperation {
  readonly id: string;
  readonly operation: string;
}

/** Puts an operation under an id. */
export function onceOf({ id, operation }: OnceOperation): string {
  return JSON.stringify([VERB, id, operation]);
}

/** The parts of such an operation; undefined if it is another one. */
export function readOnce(text: string): OnceOperation | undefined {
  // Most are not, and need not be parsed.
  if (!text.startsWith(`["${VERB}",`)) return undefined;
  const [, id, operation, ...rest] = readOperation(text);
  if (typeof id !== 'string' || !ID_PATTERN.test(id)) return undefined;
  return typeof operation === 'string' && rest.length === 0 ? { id, operation } : undefined;
}

/** The language of an application whose operations may be put under ids: those are chosen by programs, not typed. */
export function languageOfOnce(language: Language): Language {
  return {
    hint: language.hint,
    parse: (line) => language.parse(line),
    describe: (result) =>
      isReused(result)
        ? 'The id stands for another operation that was executed before; give each operation an id of its own.'
        : language.describe(result),
  };
}

/** Whether an answer says that the id stands for another operation, which came by way of the same replica. */
export function isReused(result: string): boolean {
  return result === refusal(REUSED);
}

interface Entry {
  readonly id: string;
  /** Of the operation. */
  readonly digest: string;
  readonly result: string;
}

interface Page {
  /** Counts the pages that were begun before it. */
  readonly turn: number;
  readonly entries: Entry[];
  /** Length of the entries' texts, all together. */
  length: number;
}

/** The ids that came by way of one replica. */
class Table {
  /** Each at the place that its turn has. */
  readonly pages: (Page | undefined)[] = new Array<Page | undefined>(PAGES).fill(undefined);
  #byId = new Map<string, Entry>();

  get(id: string): Entry | undefined {
    return this.#byId.get(id);
  }

  /** @returns the place of the page that it stands in */
  add(entry: Entry): number {
    const length = textOf(entry).length;
    let page = this.#inOrder().at(-1);
    if (page === undefined || page.entries.length === PAGE_IDS || page.length + length > PAGE_LENGTH) {
      page = { turn: page === undefined ? 0 : page.turn + 1, entries: [], length: 0 };
      this.replace(page.turn % PAGES, page);
    }
    page.entries.push(entry);
    page.length += length;
    this.#byId.set(entry.id, entry);
    return page.turn % PAGES;
  }

  replace(place: number, page: Page | undefined): void {
    this.pages[place] = page;
    // From all pages anew, so that it depends on nothing that happened before: a restored replica must know the same ids.
    this.#byId = new Map(this.#inOrder().flatMap(({ entries }) => entries.map((entry) => [entry.id, entry])));
  }

  #inOrder(): Page[] {
    return this.pages.filter((page) => page !== undefined).sort((one, other) => one.turn - other.turn);
  }
}

/** A state machine all of whose operations may be put under ids. The pages of the one in it come first. */
export class OnceOnly implements StateMachine {
  readonly pageCount: number;
  private readonly machine: StateMachine;
  private readonly tables: readonly Table[];
  private readonly changed = new Set<number>();

  /** @param clients how many replicas there are, by way of which operations come */
  constructor(machine: StateMachine, clients: number) {
    this.machine = machine;
    this.tables = Array.from({ length: clients }, () => new Table());
    this.pageCount = machine.pageCount + clients * PAGES;
  }

  check(text: string): string | undefined {
    return this.machine.check(readOnce(text)?.operation ?? text);
  }

  execute(text: string, context: OperationContext): string {
    const once = readOnce(text);
    if (once === undefined) return this.machine.execute(text, context);
    const { id, operation } = once;
    const known = this.recall(once);
    if (known !== undefined) return known;
    const table = this.table(context.client);
    if (table.get(id) !== undefined) return refusal(REUSED);
    const result = this.machine.execute(operation, context);
    const place = table.add({ id, digest: sha256Hex(operation), result });
    this.changed.add(this.machine.pageCount + context.client * PAGES + place);
    return result;
  }

  /** What an operation under an id was answered, if it was executed and is remembered. */
  recall({ id, operation }: OnceOperation): string | undefined {
    const digest = sha256Hex(operation);
    return this.answersTo(id).find((entry) => entry.digest === digest)?.result;
  }

  /** All that is remembered under an id: one answer, unless two replicas were given it for different operations. */
  answers(id: string): readonly string[] {
    return this.answersTo(id).map(({ result }) => result);
  }

  page(index: number): string {
    const own = index - this.machine.pageCount;
    if (own < 0) return this.machine.page(index);
    const page = this.table(Math.floor(own / PAGES)).pages[own % PAGES];
    return page === undefined ? '' : pageText(page);
  }

  restore(index: number, text: string): void {
    const own = index - this.machine.pageCount;
    if (own < 0) {
      this.machine.restore(index, text);
      return;
    }
    const table = this.table(Math.floor(own / PAGES));
    table.replace(own % PAGES, text === '' ? undefined : parsePage(own % PAGES, text));
  }

  takeChanged(): readonly number[] {
    const changed = [...this.machine.takeChanged(), ...this.changed];
    this.changed.clear();
    return changed;
  }

  private answersTo(id: string): Entry[] {
    return this.tables.map((table) => table.get(id)).filter((entry) => entry !== undefined);
  }

  private table(client: number): Table {
    const table = this.tables[client];
    if (table === undefined) throw new RangeError(`no client ${client}`);
    return table;
  }
}

function textOf({ id, digest, result }: Entry): string {
  return JSON.stringify([id, digest, result]);
}

function pageText({ turn, entries }: Page): string {
  return `[${turn},[${entries.map(textOf).join()}]]`;
}

/** @throws Error if no page in that place has such a text */
function parsePage(place: number, text: string): Page {
  const parsed = jsonOrUndefined(text);
  const [turn, list] = Array.isArray(parsed) ? (parsed as unknown[]) : [];
  const entries = Array.isArray(list) ? list.map(parseEntry) : [];
  const page = {
    turn: Number(turn),
    entries: entries.filter((entry) => entry !== undefined),
    length: 0,
  };
  for (const entry of page.entries) page.length += textOf(entry).length;
  const fits =
    Number.isSafeInteger(page.turn) &&
    page.turn >= 0 &&
    page.turn % PAGES === place &&
    page.entries.length > 0 &&
    page.entries.length <= PAGE_IDS &&
    page.length <= PAGE_LENGTH &&
    new Set(page.entries.map(({ id }) => id)).size === page.entries.length;
  if (!fits || pageText(page) !== text) throw new Error('This is no page of answers.');
  return page;
}

function parseEntry(value: unknown): Entry | undefined {
  const [id, digest, result] = Array.isArray(value) ? (value as unknown[]) : [];
  const right =
    typeof id === 'string' &&
    ID_PATTERN.test(id) &&
    typeof digest === 'string' &&
    /^[0-9a-f]{64}$/.test(digest) &&
    typeof result === 'string' &&
    result.isWellFormed();
  return right ? { id, digest, result } : undefined;
}
