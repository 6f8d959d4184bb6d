/**
 * A log of texts in the order that was agreed upon: the seed's `submit hello world`. Operations are
 *
 *     ["append", text]   {"index": the number of the new entry, from 1 on}
 *     ["entry", index]   {"entry": {"index", "time", "client", "text"}}, or {"entry": null} if it is not retained
 *     ["length"]         {"length": how many there are, "digest": of all of them}
 *
 * The last {@link MAX_ENTRIES} are retained; the digest, a chain of hashes, covers all that ever were. What cannot be
 * done is answered with `{"error": rule}`, one of {@link LOG_RULES}.
 */
import { UserError } from '../../shared/errors.ts';
import { sha256Hex } from '../../shared/ed25519.ts';
import { isJsonObject, jsonOrUndefined } from '../../shared/json.ts';
import { isoTime } from '../../shared/time.ts';
import type { Application, OperationContext, StateMachine } from '../core/application.ts';
import { describeAnswer, isText, readOperation, refusal } from './operations.ts';

/** Longest text, in characters as they stand in JSON: so that the entries of a page fit into a page. */
export const MAX_TEXT_LENGTH = 1000;
const PAGE_ENTRIES = 128;
/** Pages of entries are a ring: the page with the oldest takes the next ones. The page before them has the rest. */
const ENTRY_PAGES = 782;
/** A hundred thousand in full pages. */
export const MAX_ENTRIES = ENTRY_PAGES * PAGE_ENTRIES;

/** Why something was not done: one sentence each. */
export const LOG_RULES = {
  'no-operation': 'An operation is append with a text, entry with a number, or length.',
  'bad-text': `A text is 1 to ${MAX_TEXT_LENGTH} characters long.`,
} as const;

interface Entry {
  readonly index: number;
  readonly time: number;
  readonly client: number;
  readonly text: string;
}

/** See the top of this file. Page 0 has the length and the digest. */
export class OrderedLog implements StateMachine {
  readonly pageCount = 1 + ENTRY_PAGES;
  /** Entry `index` stands at `(index - 1) % MAX_ENTRIES`, where it replaces one that is no longer retained. */
  private readonly ring: (Entry | undefined)[] = new Array<Entry | undefined>(MAX_ENTRIES).fill(undefined);
  private readonly changed = new Set<number>();
  private length = 0;
  private digest = '';

  check(operation: string): string | undefined {
    const read = readLog(operation);
    return 'rule' in read ? LOG_RULES[read.rule] : undefined;
  }

  execute(text: string, context: OperationContext): string {
    const operation = readLog(text);
    if ('rule' in operation) return refusal(operation.rule);
    switch (operation.verb) {
      case 'append':
        return this.append(operation.text, context);
      case 'entry':
        return JSON.stringify({ entry: this.entry(operation.index) });
      case 'length':
        return JSON.stringify({ length: this.length, digest: this.digest });
    }
  }

  page(index: number): string {
    if (index === 0) return this.length === 0 ? '' : JSON.stringify([this.length, this.digest]);
    const first = firstOf(index);
    const entries = this.ring.slice(first, first + PAGE_ENTRIES).filter((entry) => entry !== undefined);
    return entries.length === 0 ? '' : textOf(entries);
  }

  restore(index: number, text: string): void {
    if (index === 0) {
      const [length, digest] = parseHead(text);
      this.length = length;
      this.digest = digest;
      return;
    }
    const first = firstOf(index);
    const entries = parseEntries(first, text);
    for (let slot = 0; slot < PAGE_ENTRIES; slot++) this.ring[first + slot] = entries[slot];
  }

  takeChanged(): readonly number[] {
    const changed = [...this.changed];
    this.changed.clear();
    return changed;
  }

  private append(text: string, { client, time }: OperationContext): string {
    const entry = { index: this.length + 1, time, client, text };
    this.length = entry.index;
    this.digest = sha256Hex(JSON.stringify([this.digest, ...partsOf(entry)]));
    this.ring[placeOf(entry.index)] = entry;
    this.changed.add(0);
    this.changed.add(1 + Math.floor(placeOf(entry.index) / PAGE_ENTRIES));
    return JSON.stringify({ index: entry.index });
  }

  private entry(index: number): Entry | null {
    const entry = this.ring[placeOf(index)];
    return entry?.index === index ? entry : null;
  }
}

/** The log, as users know it. */
export const orderedLog: Application = {
  name: 'log',
  create: () => new OrderedLog(),
  language: {
    hint: 'a text, /entry 1 or /length',
    parse(line: string): string {
      const [, number] = /^\/entry (\d{1,15})$/.exec(line) ?? [];
      if (number !== undefined) return JSON.stringify(['entry', Number(number)]);
      if (line === '/length') return JSON.stringify(['length']);
      const [, text = line] = /^\/append (.*)$/su.exec(line) ?? [];
      if (text === line && line.startsWith('/')) {
        throw new UserError('after / stands entry <number>, length, or append and a text that begins with /');
      }
      if (!isLogText(text)) throw new UserError(LOG_RULES['bad-text']);
      return JSON.stringify(['append', text]);
    },
    describe(result: string): string {
      return describeAnswer(result, LOG_RULES, ({ index, entry, length, digest }) => {
        if (typeof index === 'number') return `entry ${index}`;
        if (typeof length === 'number') return `${length} entries, digest ${String(digest)}`;
        if (entry === null) return 'there is no such entry';
        if (!isJsonObject(entry) || !isTime(entry['time'])) return undefined;
        const when = isoTime(entry['time']);
        return `entry ${String(entry['index'])}, ${when}, by ${String(entry['client'])}: ${String(entry['text'])}`;
      });
    },
  },
};

type Operation =
  | { readonly verb: 'append'; readonly text: string }
  | { readonly verb: 'entry'; readonly index: number }
  | { readonly verb: 'length' };

/** What an operation says, or the rule that it breaks. */
function readLog(operation: string): Operation | { readonly rule: keyof typeof LOG_RULES } {
  const [verb, argument, ...rest] = readOperation(operation);
  if (rest.length > 0) return { rule: 'no-operation' };
  if (verb === 'length' && argument === undefined) return { verb };
  if (verb === 'entry' && isCount(argument)) return { verb, index: argument };
  if (verb !== 'append' || argument === undefined) return { rule: 'no-operation' };
  return isLogText(argument) ? { verb, text: argument } : { rule: 'bad-text' };
}

function isLogText(value: unknown): value is string {
  return value !== '' && isText(value, MAX_TEXT_LENGTH);
}

/** Where in the ring an entry stands. */
function placeOf(index: number): number {
  return (index - 1) % MAX_ENTRIES;
}

/** Where in the ring a page of entries begins. */
function firstOf(page: number): number {
  if (!(page >= 1 && page <= ENTRY_PAGES)) throw new RangeError(`no page ${page}`);
  return (page - 1) * PAGE_ENTRIES;
}

function partsOf({ index, time, client, text }: Entry): readonly [number, number, number, string] {
  return [index, time, client, text];
}

function textOf(entries: readonly Entry[]): string {
  return JSON.stringify(entries.map(partsOf));
}

/** @throws Error if it is no length and digest that a page may have */
function parseHead(text: string): [number, string] {
  if (text === '') return [0, ''];
  const head = jsonOrUndefined(text);
  const [length, digest] = Array.isArray(head) ? (head as unknown[]) : [];
  const right = isCount(length) && length > 0 && typeof digest === 'string' && /^[0-9a-f]{64}$/.test(digest);
  if (!right || JSON.stringify([length, digest]) !== text) throw new Error('This is no head of a log.');
  return [length, digest];
}

/** @throws Error if they are no entries that the page which begins there may have */
function parseEntries(first: number, text: string): readonly Entry[] {
  if (text === '') return [];
  const parsed = jsonOrUndefined(text);
  const entries = Array.isArray(parsed) ? parsed.map(readEntry) : [undefined];
  if (
    !entries.every((entry) => entry !== undefined) ||
    !fillsPage(first, entries) ||
    textOf(entries) !== text
  ) {
    throw new Error('This is no page of a log.');
  }
  return entries;
}

function readEntry(parts: unknown): Entry | undefined {
  const [index, time, client, text] = Array.isArray(parts) ? (parts as unknown[]) : [];
  if (!isCount(index) || !isCount(time) || !isCount(client)) return undefined;
  return isLogText(text) ? { index, time, client, text } : undefined;
}

/**
 * Whether entries fill a page from its begin on as they do when they are appended: in the first round of the ring there may
 * be some, later it is full, and those that the round has not replaced are of the one before.
 */
function fillsPage(first: number, entries: readonly Entry[]): boolean {
  const rounds = entries.map(({ index }) => Math.floor((index - 1) / MAX_ENTRIES));
  const newest = rounds[0] ?? -1;
  const replaced = rounds.lastIndexOf(newest) + 1;
  return (
    entries.every(({ index }, slot) => placeOf(index) === first + slot) &&
    rounds.every((round, slot) => round === (slot < replaced ? newest : newest - 1)) &&
    (entries.length === PAGE_ENTRIES || (newest === 0 && entries.length < PAGE_ENTRIES))
  );
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Whether a date can be shown. */
function isTime(value: unknown): value is number {
  return isCount(value) && value <= 8.64e15;
}
