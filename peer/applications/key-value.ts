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
import { MAX_PAGE_LENGTH, type Application, type StateMachine } from '../core/application.ts';
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
  full: 'There is no room: at most a million keys are kept, and as much as fits into the pages.',
} as const;

const USAGE = 'get <key>, put <key> <value>, delete <key> or cas <key> <expected or absent> <value>';

/** How much is stored at most: the same at every replica. */
export interface KeyValueLimits {
  readonly keys: number;
  readonly totalLength: number;
}

interface Page {
  /** In the order in which they are written, unless a key was added since that came to stand at the wrong place. */
  values: Map<string, string>;
  ordered: boolean;
  /** Of its text. */
  length: number;
}

type Operation =
  | { readonly verb: 'get' | 'delete'; readonly key: string }
  | { readonly verb: 'put'; readonly key: string; readonly value: string }
  | { readonly verb: 'cas'; readonly key: string; readonly expected: string | null; readonly value: string };

/** See the top of this file. */
export class KeyValueStore implements StateMachine {
  readonly pageCount = PAGES;
  /** None for a page that nothing was ever put on. */
  private readonly pages = new Array<Page | undefined>(PAGES).fill(undefined);
  private readonly changed = new Set<number>();
  private keys = 0;
  private totalLength = 0;
  private readonly limits: KeyValueLimits;

  constructor(limits: KeyValueLimits = { keys: MAX_KEYS, totalLength: MAX_TOTAL_LENGTH }) {
    this.limits = limits;
  }

  check(operation: string): string | undefined {
    const read = readKeyValue(operation);
    return 'rule' in read ? KEY_VALUE_RULES[read.rule] : undefined;
  }

  execute(text: string): string {
    const operation = readKeyValue(text);
    if ('rule' in operation) return refusal(operation.rule);
    switch (operation.verb) {
      case 'get':
        return JSON.stringify({ value: this.get(operation.key) });
      case 'delete':
        return JSON.stringify({ deleted: this.delete(operation.key) });
      case 'put':
        return this.put(operation.key, operation.value, { stored: true });
      case 'cas':
        return this.compareAndSwap(operation.key, operation.expected, operation.value);
    }
  }

  page(index: number): string {
    const page = this.pages[index];
    if (page === undefined) return '';
    if (!page.ordered) page.values = inOrder(page.values);
    page.ordered = true;
    return textOf(page.values);
  }

  restore(index: number, text: string): void {
    const before = this.pages[index];
    const values = parsePage(index, text);
    if (values === undefined) throw new Error('This is no page of a key-value store.');
    this.keys += values.size - (before?.values.size ?? 0);
    this.totalLength += text.length - (before?.length ?? 0);
    this.pages[index] = pageOf(values, text.length);
  }

  takeChanged(): readonly number[] {
    const changed = [...this.changed];
    this.changed.clear();
    return changed;
  }

  private get(key: string): string | null {
    return this.pages[placeOf(key)]?.values.get(key) ?? null;
  }

  /** @returns the answer: `done`, or that there is no room */
  private put(key: string, value: string, done: object): string {
    const index = placeOf(key);
    const page = (this.pages[index] ??= pageOf(new Map(), 0));
    const before = page.values.get(key);
    if (before !== value) {
      const growth =
        before === undefined ? entryLength(key, value) : lengthInJson(value) - lengthInJson(before);
      if (before === undefined && this.keys >= this.limits.keys) return refusal('full');
      if (growth > 0 && !this.hasRoom(page, growth)) return refusal('full');
      page.values.set(key, value);
      if (before === undefined) {
        this.keys++;
        page.ordered = false;
      }
      this.grow(index, page, growth);
    }
    return JSON.stringify(done);
  }

  private delete(key: string): boolean {
    const index = placeOf(key);
    const page = this.pages[index];
    const before = page?.values.get(key);
    if (page === undefined || before === undefined) return false;
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
}

/** The key-value store, as users know it. */
export const keyValue: Application = {
  name: 'kv',
  create: () => new KeyValueStore(),
  language: {
    hint: 'put key value',
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
    },
    describe(result: string): string {
      return describeAnswer(result, KEY_VALUE_RULES, ({ value, stored, deleted, swapped }) => {
        if (stored === true) return 'stored';
        if (typeof deleted === 'boolean') return deleted ? 'deleted' : 'there was nothing to delete';
        if (swapped === true) return 'swapped';
        if (value === undefined) return undefined;
        const there = value === null ? 'absent' : JSON.stringify(value);
        return swapped === false ? `not swapped: it is ${there}` : there;
      });
    },
  },
};

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

/** What an operation says, or the rule that it breaks. */
function readKeyValue(operation: string): Operation | { readonly rule: keyof typeof KEY_VALUE_RULES } {
  const [verb, key, ...values] = readOperation(operation);
  if (typeof verb !== 'string' || VALUES_OF.get(verb) !== values.length) return { rule: 'no-operation' };
  if (!isText(key, MAX_KEY_LENGTH)) return { rule: 'bad-key' };
  if (verb === 'get' || verb === 'delete') return { verb, key };
  const [expected, value] = verb === 'put' ? [null, ...values] : values;
  if (!(expected === null || isValue(expected)) || !isValue(value)) return { rule: 'bad-value' };
  return verb === 'put' ? { verb, key, value } : { verb: 'cas', key, expected, value };
}

function isValue(value: unknown): value is string {
  return isText(value, MAX_VALUE_LENGTH);
}

/** The page of a key: FNV-1a (32 bits) over its UTF-16 code units, both halves of which count. */
function placeOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let place = 0; place < key.length; place++) hash = Math.imul(hash ^ key.charCodeAt(place), 0x01000193);
  return ((hash >> 16) ^ hash) & (PAGES - 1);
}

/** How much longer an entry makes the text of a page that has others: both in quotes, each with a comma. */
function entryLength(key: string, value: string): number {
  return lengthInJson(key) + lengthInJson(value) + 6;
}

function pageOf(values: Map<string, string>, length: number): Page {
  return { values, ordered: true, length };
}

/** In the order of the keys' UTF-16 code units. */
function inOrder(values: ReadonlyMap<string, string>): Map<string, string> {
  const keys = Array.from(values.keys()).sort();
  return new Map(keys.map((key) => [key, values.get(key) ?? '']));
}

/** `[key, value, key, value, …]`, or nothing if there are none. */
function textOf(values: ReadonlyMap<string, string>): string {
  const parts: string[] = [];
  for (const [key, value] of values) parts.push(key, value);
  return parts.length === 0 ? '' : JSON.stringify(parts);
}

/** @returns undefined if no such text is ever written for that page */
function parsePage(index: number, text: string): Map<string, string> | undefined {
  const values = new Map<string, string>();
  if (text === '') return values;
  const parts = text.length > MAX_PAGE_LENGTH ? undefined : jsonOrUndefined(text);
  if (!Array.isArray(parts)) return undefined;
  for (let place = 0; place < parts.length; place += 2) {
    const [key, value] = [parts[place], parts[place + 1]] as unknown[];
    if (!isText(key, MAX_KEY_LENGTH) || !isValue(value) || placeOf(key) !== index) return undefined;
    values.set(key, value);
  }
  return textOf(inOrder(values)) === text ? values : undefined;
}
