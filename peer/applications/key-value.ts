/**
 * A store of texts under keys. Operations are
 *
 *     ["get", key]                    {"value": text or null}
 *     ["put", key, value]             {"stored": true}
 *     ["delete", key]                 {"deleted": whether it was there}
 *     ["cas", key, expected, value]   {"swapped": true}, or {"swapped": false, "value": what is there}
 *
 * where `cas`, compare and swap, puts the value only if the expected one is there, null for none. What cannot be done is
 * answered with `{"error": rule}`, one of {@link KEY_VALUE_RULES}.
 */
import { UserError } from '../../shared/errors.ts';
import { jsonOrUndefined } from '../../shared/json.ts';
import { MAX_PAGE_LENGTH, type Application } from './application.ts';
import {
  describeAnswer,
  isText,
  lengthInJson,
  readOperation,
  refusal,
  wordsOf,
  type Word,
} from './operations.ts';

/** Longest key and value, in characters as they stand in JSON; so that each operation and answer has room for them. */
export const MAX_KEY_LENGTH = 256;
export const MAX_VALUE_LENGTH = 8000;
export const MAX_KEYS = 1_000_000;
/** How long all pages together may be: a replica has each of them twice in memory, once in a snapshot. */
export const MAX_TOTAL_LENGTH = 134_217_728;
/** So that a page has two dozen keys where there are a hundred thousand, and a list of all digests fits in a message. */
export const PAGES = 4096;

/** Why something was not done: one sentence each. */
export const KEY_VALUE_RULES = {
  'no-operation': 'An operation is get, put, delete or cas, with a key and the values that it takes.',
  'bad-key': `A key is a text of at most ${MAX_KEY_LENGTH} characters.`,
  'bad-value': `A value is a text of at most ${MAX_VALUE_LENGTH} characters.`,
  full: `There is no room: at most ${MAX_KEYS.toLocaleString('en')} keys are kept, and as much as fits into the pages.`,
} as const;

const USAGE = 'get <key>, put <key> <value>, delete <key> or cas <key> <expected or absent> <value>';

/** How much is kept at most: the same at every replica. */
export interface KeyValueLimits {
  readonly keys: number;
  readonly totalLength: number;
}

interface Page {
  readonly values: Map<string, string>;
  /** Of its text. */
  length: number;
}

/** See the top of this file. */
export class KeyValueStore implements Application {
  readonly name = 'kv';
  readonly pageCount = PAGES;
  private readonly pages: Page[] = Array.from({ length: PAGES }, () => ({ values: new Map(), length: 0 }));
  private readonly changed = new Set<number>();
  private keys = 0;
  private totalLength = 0;
  private readonly limits: KeyValueLimits;

  constructor(limits: KeyValueLimits = { keys: MAX_KEYS, totalLength: MAX_TOTAL_LENGTH }) {
    this.limits = limits;
  }

  execute(operation: string): string {
    const [verb, key, ...values] = readOperation(operation);
    if (typeof verb !== 'string' || VALUES_OF.get(verb) !== values.length) return refusal('no-operation');
    const [first, second] = values;
    if (!isText(key, MAX_KEY_LENGTH)) return refusal('bad-key');
    switch (verb) {
      case 'get':
        return JSON.stringify({ value: this.get(key) });
      case 'delete':
        return JSON.stringify({ deleted: this.delete(key) });
      case 'put':
        return isValue(first) ? this.put(key, first, { stored: true }) : refusal('bad-value');
      default:
        if (!(first === null || isValue(first)) || !isValue(second)) return refusal('bad-value');
        return this.compareAndSwap(key, first, second);
    }
  }

  page(index: number): string {
    return textOf(this.pageAt(index).values);
  }

  restore(index: number, text: string): void {
    const page = this.pageAt(index);
    const values = parsePage(index, text);
    if (values === undefined) throw new Error('This is no page of a key-value store.');
    this.keys += values.size - page.values.size;
    this.totalLength += text.length - page.length;
    this.pages[index] = { values, length: text.length };
  }

  takeChanged(): readonly number[] {
    const changed = [...this.changed];
    this.changed.clear();
    return changed;
  }

  parse(line: string): string {
    const [verb, ...args] = wordsOf(line);
    const wanted = verb === undefined ? undefined : VALUES_OF.get(verb.text);
    if (verb === undefined || wanted === undefined)
      throw new UserError(`what is to be done? As in: ${USAGE}`);
    const [key, ...values] = args;
    if (key === undefined || values.length !== wanted) {
      throw new UserError(
        `${verb.text} takes ${WORDS_OF[wanted] ?? ''}, as in: ${USAGE}; quotes keep words together`,
      );
    }
    if (!isText(key.text, MAX_KEY_LENGTH)) throw new UserError(KEY_VALUE_RULES['bad-key']);
    if (!values.every(({ text }) => isValue(text))) throw new UserError(KEY_VALUE_RULES['bad-value']);
    return JSON.stringify([verb.text, key.text, ...values.map(valueOf(verb.text))]);
  }

  describe(result: string): string {
    return describeAnswer(result, KEY_VALUE_RULES, ({ value, stored, deleted, swapped }) => {
      if (stored === true) return 'stored';
      if (typeof deleted === 'boolean') return deleted ? 'deleted' : 'there was nothing to delete';
      if (swapped === true) return 'swapped';
      if (value === undefined) return undefined;
      const there = value === null ? 'absent' : JSON.stringify(value);
      return swapped === false ? `not swapped: it is ${there}` : there;
    });
  }

  private get(key: string): string | null {
    return this.pageAt(pageOf(key)).values.get(key) ?? null;
  }

  /** @returns the answer: `done`, or that there is no room */
  private put(key: string, value: string, done: object): string {
    const index = pageOf(key);
    const page = this.pageAt(index);
    const before = page.values.get(key);
    if (before !== value) {
      const growth =
        before === undefined ? entryLength(key, value) : lengthInJson(value) - lengthInJson(before);
      if (before === undefined && this.keys >= this.limits.keys) return refusal('full');
      if (growth > 0 && !this.hasRoom(page, growth)) return refusal('full');
      page.values.set(key, value);
      if (before === undefined) this.keys++;
      this.grow(index, page, growth);
    }
    return JSON.stringify(done);
  }

  private delete(key: string): boolean {
    const index = pageOf(key);
    const page = this.pageAt(index);
    const before = page.values.get(key);
    if (before === undefined) return false;
    page.values.delete(key);
    this.keys--;
    this.grow(index, page, -entryLength(key, before));
    return true;
  }

  private compareAndSwap(key: string, expected: string | null, value: string): string {
    const found = this.get(key);
    if (found !== expected) return JSON.stringify({ swapped: false, value: found });
    return this.put(key, value, { swapped: true });
  }

  private hasRoom(page: Page, growth: number): boolean {
    return page.length + growth < MAX_PAGE_LENGTH && this.totalLength + growth < this.limits.totalLength;
  }

  /** Takes in by how much the entries of a page are longer than before. */
  private grow(index: number, page: Page, growth: number): void {
    const { length } = page;
    page.length = page.values.size === 0 ? 0 : length + growth + (length === 0 ? 1 : 0);
    this.totalLength += page.length - length;
    this.changed.add(index);
  }

  private pageAt(index: number): Page {
    const page = this.pages[index];
    if (page === undefined) throw new RangeError(`no page ${index}`);
    return page;
  }
}

/** How many values each verb takes after the key. */
const VALUES_OF: ReadonlyMap<string, number> = new Map([
  ['get', 0],
  ['put', 1],
  ['delete', 0],
  ['cas', 2],
]);
const WORDS_OF = ['a key', 'a key and a value', 'a key and two values'];

/** `absent`, not in quotes, is what cas expects where there is nothing. */
function valueOf(verb: string): (word: Word, place: number) => string | null {
  return ({ text, quoted }, place) =>
    verb === 'cas' && place === 0 && !quoted && text === 'absent' ? null : text;
}

function isValue(value: unknown): value is string {
  return isText(value, MAX_VALUE_LENGTH);
}

/** The page of a key: FNV-1a (32 bits) over its UTF-16 code units, both halves of which count. */
function pageOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let place = 0; place < key.length; place++) hash = Math.imul(hash ^ key.charCodeAt(place), 0x01000193);
  return ((hash >>> 16) ^ hash) & (PAGES - 1);
}

/** How much longer an entry makes the text of a page that has others: `["key","value"]` and a comma. */
function entryLength(key: string, value: string): number {
  return lengthInJson(key) + lengthInJson(value) + 8;
}

/** `[[key, value], …]` in the order of the keys' UTF-16 code units; nothing if there are none. */
function textOf(values: ReadonlyMap<string, string>): string {
  if (values.size === 0) return '';
  return JSON.stringify(
    Array.from(values.keys())
      .sort()
      .map((key) => [key, values.get(key)]),
  );
}

/** @returns undefined if {@link textOf} never gives such a text for that page */
function parsePage(index: number, text: string): Map<string, string> | undefined {
  const values = new Map<string, string>();
  if (text === '') return values;
  if (text.length > MAX_PAGE_LENGTH) return undefined;
  const entries = jsonOrUndefined(text);
  if (!Array.isArray(entries)) return undefined;
  for (const entry of entries as unknown[]) {
    const [key, value] = Array.isArray(entry) ? (entry as unknown[]) : [];
    if (!isText(key, MAX_KEY_LENGTH) || !isValue(value) || pageOf(key) !== index) return undefined;
    values.set(key, value);
  }
  return textOf(values) === text ? values : undefined;
}
