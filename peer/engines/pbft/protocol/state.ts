/**
 * The state that the replicas have in common: what the clients were answered, the time agreed upon and the application.
 * It lies in pages. Each has a digest, groups of page digests have one, and the digest over the groups stands for the whole
 * state: two replicas have the same state just if they have the same digest, and a replica that lacks something finds
 * out what, group by group and page by page, and checks each piece that others send.
 */
import type { Application, Paged } from '../../../core/application.ts';
import { sha256Hex } from '../../../../shared/ed25519.ts';
import type { Gauge } from '../../../core/engine.ts';
import { CLIENT_WINDOW, ClientTables, type Known } from './clients.ts';

/** Pages in a group. */
export const GROUP_SIZE = 64;

/**
 * Snapshots that are kept: no replica executes beyond two checkpoint intervals after the stable one, whose snapshot
 * others may be fetching; one more is for a stable one that is just being given up.
 */
export const MAX_SNAPSHOTS = 4;

/** The state after a sequence number. The texts are shared with later states as long as they stay the same. */
export interface Snapshot {
  readonly sequence: number;
  /** Stands for the whole: {@link rootOf} the page digests. */
  readonly digest: string;
  readonly pageDigests: readonly string[];
  readonly pages: readonly string[];
}

/** A page and its text; the empty text stands for a page with nothing in it, which needs not be stored. */
export interface PageText {
  readonly index: number;
  readonly text: string;
}

/** What became of a request: its answer, and whether it was executed just now or before; no answer if it is too old. */
export type Execution =
  | { readonly kind: 'executed'; readonly result: string }
  | { readonly kind: 'repeated'; readonly result: string }
  | { readonly kind: 'old' };

/** See the top of this file. Pages: one for each client, one for the time, those of the application. */
export class ReplicatedState {
  readonly pageCount: number;
  private readonly application: Application;
  private readonly clients: ClientTables;
  private readonly clock = new Clock();
  private readonly parts: readonly { readonly first: number; readonly paged: Paged }[];
  /** As of when each page was last looked at; those changed since then are in `waiting`. */
  private readonly pages: string[];
  private readonly pageDigests: string[];
  private readonly groups: string[];
  private readonly waiting = new Set<number>();
  private readonly staleGroups = new Set<number>();
  /** Oldest first. */
  private snapshots: Snapshot[] = [];

  /**
   * @param application in its first state
   * @param clients how many members may ask for something
   * @param window how many requests of each are remembered
   */
  constructor(application: Application, clients: number, window = CLIENT_WINDOW) {
    this.application = application;
    this.clients = new ClientTables(clients, window);
    let first = 0;
    this.parts = [this.clients, this.clock, application].map((paged) => {
      const part = { first, paged };
      first += paged.pageCount;
      return part;
    });
    this.pageCount = first;
    this.pages = new Array<string>(first).fill('');
    this.pageDigests = new Array<string>(first).fill(EMPTY_PAGE_DIGEST);
    this.groups = groupDigests(this.pageDigests);
    // What an application begins with, if it is not nothing.
    for (let index = 0; index < application.pageCount; index++) {
      this.waiting.add(this.clients.pageCount + this.clock.pageCount + index);
    }
  }

  /** The time agreed upon, in milliseconds since 1970; 0 at first. */
  get time(): number {
    return this.clock.time;
  }

  /** Sets the time for the operations that follow: a safe integer. It never goes back: an earlier one changes nothing. */
  advanceTime(time: number): void {
    this.clock.advance(time);
  }

  /** What is known of a request of a client. */
  look(client: number, timestamp: number): Known {
    return this.clients.look(client, timestamp);
  }

  /** All timestamps of a client up to this one are old. */
  floor(client: number): number {
    return this.clients.floor(client);
  }

  /** The last timestamp of a client of which anything is known; 0 if nothing is. */
  latest(client: number): number {
    return this.clients.latest(client);
  }

  /** Executes a request, unless that was done before or it is too old. */
  execute(client: number, timestamp: number, operation: string): Execution {
    const known = this.clients.look(client, timestamp);
    if (known === 'old') return { kind: 'old' };
    if (known !== 'new') return { kind: 'repeated', result: known.result };
    const result = this.application.execute(operation, { client, time: this.clock.time });
    this.clients.record(client, timestamp, result);
    return { kind: 'executed', result };
  }

  /**
   * Hashes pages that changed, to have less to do at the next checkpoint.
   *
   * @param most how many at most
   * @returns how many are still to be done
   */
  settle(most: number): number {
    this.collectChanged();
    for (const index of this.waiting) {
      if (most-- <= 0) break;
      this.settlePage(index);
    }
    return this.waiting.size;
  }

  /** @returns how long the page is */
  private settlePage(index: number): number {
    this.waiting.delete(index);
    const { first, paged } = this.partOf(index);
    const text = paged.page(index - first);
    this.setPage(index, text);
    return text.length;
  }

  /** The digest of the state as it is now. */
  digest(): string {
    this.settle(Infinity);
    for (const group of this.staleGroups) {
      const from = group * GROUP_SIZE;
      this.groups[group] = groupDigest(group, this.pageDigests.slice(from, from + GROUP_SIZE));
    }
    this.staleGroups.clear();
    return rootOfGroups(this.groups);
  }

  /**
   * The same, if the pages that have to be hashed for it are about this long at the most, all together, in UTF-16 code units;
   * undefined if they are longer: then some of them are done.
   */
  digestWithin(length: number): string | undefined {
    this.collectChanged();
    for (const index of this.waiting) {
      if (length < 0) return undefined;
      length -= this.settlePage(index);
    }
    return this.digest();
  }

  /** Keeps the state as it is now under a sequence number, greater than those before; the oldest kept may give way. */
  checkpoint(sequence: number): Snapshot {
    const digest = this.digest();
    const snapshot = { sequence, digest, pageDigests: [...this.pageDigests], pages: [...this.pages] };
    this.snapshots = [...this.snapshots.slice(1 - MAX_SNAPSHOTS), snapshot];
    return snapshot;
  }

  /** The snapshot that was taken at a sequence number, if it is still kept. */
  snapshot(sequence: number): Snapshot | undefined {
    return this.snapshots.find((snapshot) => snapshot.sequence === sequence);
  }

  /** Drops all snapshots before a sequence number. */
  dropBefore(sequence: number): void {
    this.snapshots = this.snapshots.filter((snapshot) => snapshot.sequence >= sequence);
  }

  /** The pages whose digests are others than those of a list: what to fetch to get there from here. */
  differing(pageDigests: readonly string[]): number[] {
    this.settle(Infinity);
    return differingPages(this.pageDigests, pageDigests);
  }

  /**
   * Replaces a page, by one from the store or one from others that {@link isPage} says is right. Once all are in place,
   * {@link digest} says whether they are what they should be. Snapshots stay as they are.
   *
   * @throws Error if there is no such page; nothing is changed
   */
  restore(index: number, text: string): void {
    const { first, paged } = this.partOf(index);
    paged.restore(index - first, text);
    this.setPage(index, text);
    this.waiting.delete(index);
  }

  /** Empties all pages that are not, and drops the snapshots: to begin anew, from the store or from others. */
  clear(): void {
    this.settle(Infinity);
    for (const [index, text] of this.pages.entries()) if (text !== '') this.restore(index, '');
    this.snapshots = [];
  }

  measure(tell: Gauge): void {
    tell('snapshots', this.snapshots.length, MAX_SNAPSHOTS);
  }

  private collectChanged(): void {
    for (const { first, paged } of this.parts) {
      for (const index of paged.takeChanged()) this.waiting.add(first + index);
    }
  }

  private setPage(index: number, text: string): void {
    if (text === this.pages[index]) return;
    this.pages[index] = text;
    this.pageDigests[index] = pageDigest(index, text);
    this.staleGroups.add(Math.floor(index / GROUP_SIZE));
  }

  private partOf(index: number): { readonly first: number; readonly paged: Paged } {
    const part = this.parts.findLast(({ first }) => index >= first);
    if (part === undefined || index >= this.pageCount) throw new RangeError(`no page ${index}`);
    return part;
  }
}

/** The time that the replicas agreed upon, as a page. */
class Clock implements Paged {
  readonly pageCount = 1;
  time = 0;
  private changed = false;

  advance(time: number): void {
    if (time <= this.time) return;
    this.time = time;
    this.changed = true;
  }

  page(): string {
    return this.time === 0 ? '' : String(this.time);
  }

  restore(_index: number, text: string): void {
    const time = Number(text);
    if (text !== '' && !(Number.isSafeInteger(time) && time > 0 && String(time) === text)) {
      throw new Error('This is no time.');
    }
    this.time = time;
  }

  takeChanged(): readonly number[] {
    const { changed } = this;
    this.changed = false;
    return changed ? [0] : [];
  }
}

/** The digest of a page with nothing in it. */
export const EMPTY_PAGE_DIGEST = sha256Hex('gossip-peer/pbft/empty page');

/** The digest of a page. The number is in it, so that no page stands for another one. */
export function pageDigest(index: number, text: string): string {
  return text === '' ? EMPTY_PAGE_DIGEST : sha256Hex(`gossip-peer/pbft/page ${index}\n${text}`);
}

/** Whether a text from elsewhere is the one of that page and digest. */
export function isPage(index: number, text: string, digest: string): boolean {
  // Different texts that are not well-formed have the same bytes as UTF-8, and so the same hash.
  return text.isWellFormed() && pageDigest(index, text) === digest;
}

/** The digest of a whole state from those of all its pages. */
export function rootOf(pageDigests: readonly string[]): string {
  return rootOfGroups(groupDigests(pageDigests));
}

/** The digest of a whole state from those of its groups of pages. */
export function rootOfGroups(groups: readonly string[]): string {
  return sha256Hex(`gossip-peer/pbft/state\n${JSON.stringify(groups)}`);
}

/** The digests of all groups of {@link GROUP_SIZE} pages; the last one may be smaller. */
export function groupDigests(pageDigests: readonly string[]): string[] {
  const groups: string[] = [];
  for (let from = 0; from < pageDigests.length; from += GROUP_SIZE) {
    groups.push(groupDigest(groups.length, pageDigests.slice(from, from + GROUP_SIZE)));
  }
  return groups;
}

/** The digest of a group from those of its pages. */
export function groupDigest(group: number, pageDigests: readonly string[]): string {
  return sha256Hex(`gossip-peer/pbft/group ${group}\n${JSON.stringify(pageDigests)}`);
}

/** The places at which two lists of digests, of as many pages, are not the same. */
export function differingPages(ours: readonly string[], theirs: readonly string[]): number[] {
  const differing: number[] = [];
  for (const [index, digest] of theirs.entries()) if (digest !== ours[index]) differing.push(index);
  return differing;
}

/**
 * The pages in which a snapshot is not like an older one: what to write to a store that holds the older one, or, if
 * there is none, to an empty store.
 */
export function changedPages(snapshot: Snapshot, older: Snapshot | undefined): PageText[] {
  const before = older?.pageDigests ?? new Array<string>(snapshot.pages.length).fill(EMPTY_PAGE_DIGEST);
  return differingPages(before, snapshot.pageDigests).map((index) => ({
    index,
    text: snapshot.pages[index] ?? '',
  }));
}
