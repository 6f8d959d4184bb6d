/**
 * What the replicas remember of their clients, so that each request is executed exactly once although it comes again,
 * and although a client has many under way that may be executed in another order than it sent them.
 */
import { jsonOrUndefined } from '../../../../shared/json.ts';
import type { Paged } from '../../../core/application.ts';

/**
 * How many of a client's executed requests are remembered, unless a cluster says otherwise. A client must not make this
 * many more while an older one has no answer yet: the older one could fall below the floor.
 */
export const CLIENT_WINDOW = 256;

/** The widest window: so that the text of a table, with {@link MAX_KEPT_RESULTS}, fits into a page. */
export const MAX_CLIENT_WINDOW = 4096;

/**
 * How long the answers that are retained for one client may be, all together, in UTF-16 code units of their JSON
 * strings. Beyond that the oldest answers go; that their requests were executed is still remembered.
 */
export const MAX_KEPT_RESULTS = 131_072;

/** One client's executed requests: all up to the floor are done with, those above it are listed. */
interface Table {
  floor: number;
  /** In the order of their timestamps. */
  entries: Entry[];
  /** Sum of the lengths of the answers that are retained, as JSON strings. */
  kept: number;
}

interface Entry {
  readonly timestamp: number;
  /** Null once it is no longer retained. */
  result: string | null;
}

/**
 * What is known of a request: it is new, it was executed with that answer, or it is old: it was executed or missed its
 * time, must not be executed now, and has no answer any more.
 */
export type Known = 'new' | 'old' | { readonly result: string };

/** The tables of all clients, each a page: the page's number is the client's. */
export class ClientTables implements Paged {
  readonly pageCount: number;
  private readonly window: number;
  private readonly tables: Table[];
  private readonly changed = new Set<number>();

  /**
   * @param clients how many there are
   * @param window at most {@link MAX_CLIENT_WINDOW}
   */
  constructor(clients: number, window = CLIENT_WINDOW) {
    if (!(window >= 1 && window <= MAX_CLIENT_WINDOW)) throw new RangeError(`a window of ${window} requests`);
    this.pageCount = clients;
    this.window = window;
    this.tables = Array.from({ length: clients }, () => ({ floor: 0, entries: [], kept: 0 }));
  }

  /** What is known of a request of a client. A timestamp is a safe integer, at least 1. */
  look(client: number, timestamp: number): Known {
    const { floor, entries } = this.table(client);
    if (timestamp <= floor) return 'old';
    const entry = entries[placeOf(entries, timestamp)];
    if (entry?.timestamp !== timestamp) return 'new';
    return entry.result === null ? 'old' : { result: entry.result };
  }

  /** Takes in that a request that was new has been executed with that answer. */
  record(client: number, timestamp: number, result: string): void {
    const table = this.table(client);
    table.entries.splice(placeOf(table.entries, timestamp), 0, { timestamp, result });
    table.kept += keptLength(result);
    const smallest = table.entries.length > this.window ? table.entries.shift() : undefined;
    if (smallest !== undefined) {
      table.floor = smallest.timestamp;
      table.kept -= keptLength(smallest.result);
    }
    for (const entry of table.entries) {
      if (table.kept <= MAX_KEPT_RESULTS) break;
      table.kept -= keptLength(entry.result);
      entry.result = null;
    }
    this.changed.add(client);
  }

  /** All timestamps up to this one are old. */
  floor(client: number): number {
    return this.table(client).floor;
  }

  /** The last timestamp of which anything is known; 0 if nothing is. */
  latest(client: number): number {
    const { floor, entries } = this.table(client);
    return entries.at(-1)?.timestamp ?? floor;
  }

  page(client: number): string {
    return textOf(this.table(client));
  }

  restore(client: number, text: string): void {
    const table = parseTable(text);
    if (table === undefined || table.entries.length > this.window || table.kept > MAX_KEPT_RESULTS) {
      throw new Error('This is no table of a client.');
    }
    this.table(client);
    this.tables[client] = table;
  }

  takeChanged(): readonly number[] {
    const changed = [...this.changed];
    this.changed.clear();
    return changed;
  }

  private table(client: number): Table {
    const table = this.tables[client];
    if (table === undefined) throw new RangeError(`no client ${client}`);
    return table;
  }
}

/** Where in the list a timestamp stands or belongs. Most are younger than all before. */
function placeOf(entries: readonly Entry[], timestamp: number): number {
  return entries.findLastIndex((entry) => entry.timestamp < timestamp) + 1;
}

function keptLength(result: string | null): number {
  return result === null ? 0 : JSON.stringify(result).length;
}

/** `[floor, [[timestamp, answer or null], …]]`, or nothing for a client that has not been heard. */
function textOf({ floor, entries }: Table): string {
  if (floor === 0 && entries.length === 0) return '';
  return JSON.stringify([floor, entries.map(({ timestamp, result }) => [timestamp, result])]);
}

/** @returns undefined if {@link textOf} never gives such a text */
function parseTable(text: string): Table | undefined {
  const table: Table = { floor: 0, entries: [], kept: 0 };
  if (text === '') return table;
  const parsed = jsonOrUndefined(text);
  if (!Array.isArray(parsed) || !isTimestamp(parsed[0], -1) || !Array.isArray(parsed[1])) return undefined;
  table.floor = parsed[0];
  let last = table.floor;
  for (const item of parsed[1] as unknown[]) {
    if (!Array.isArray(item)) return undefined;
    const [timestamp, result] = item as unknown[];
    if (!isTimestamp(timestamp, last) || !isResult(result)) return undefined;
    last = timestamp;
    table.entries.push({ timestamp, result });
    table.kept += keptLength(result);
  }
  return textOf(table) === text ? table : undefined;
}

function isTimestamp(value: unknown, after: number): value is number {
  return Number.isSafeInteger(value) && (value as number) > after;
}

function isResult(value: unknown): value is string | null {
  return value === null || (typeof value === 'string' && value.isWellFormed());
}
