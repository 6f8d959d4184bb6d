/**
 * State that lies in pages, as a whole. Each page has a digest, groups of page digests have one, and the root over the groups
 * stands for the whole state: two nodes have the same state just if they have the same root, and a node that lacks
 * something finds out what, group by group and page by page, and checks each piece that others send.
 *
 * It can be taken back: an engine that may leave a fork marks the state after each block, and rewinds to the mark of the block
 * from which it goes on.
 */
import { sha256Hex } from '../../shared/ed25519.ts';
import type { Paged } from './application.ts';
import type { Gauge } from './bounded.ts';

/** Pages in a group. */
export const GROUP_SIZE = 64;

/** Bounds of a state, each the most that it holds. */
export interface PagedStateLimits {
  readonly snapshots: number;
  /** None if nobody goes back. */
  readonly marks?: number;
}

/** The state at a moment. The texts are shared with later states as long as they stay the same. */
export interface Snapshot {
  /** Under which it was taken: greater than those before. */
  readonly sequence: number;
  /** Stands for the whole: the root over the page digests. */
  readonly digest: string;
  readonly pageDigests: readonly string[];
  readonly pages: readonly string[];
}

/** A page and its text; the empty text stands for a page with nothing in it, which needs not be stored. */
export interface PageText {
  readonly index: number;
  readonly text: string;
}

/** How digests are made: those of different chains or protocols must never be the same. */
export interface Digests {
  /** That of a page with nothing in it. */
  readonly empty: string;
  /** That of a page. The number is in it, so that no page stands for another one. */
  page(index: number, text: string): string;
  /** Whether a text from elsewhere is the one of that page and digest. */
  isPage(index: number, text: string, digest: string): boolean;
  /** That of a group from those of its pages. */
  group(group: number, pageDigests: readonly string[]): string;
  /** Those of all groups of {@link GROUP_SIZE} pages; the last one may be smaller. */
  groups(pageDigests: readonly string[]): string[];
  /** That of a whole state from those of all its pages. */
  root(pageDigests: readonly string[]): string;
  /** That of a whole state from those of its groups. */
  rootOfGroups(groups: readonly string[]): string;
}

/** @param domain what every hashed text begins with, as in `gossip-peer/ledger` */
export function digestsOf(domain: string): Digests {
  const empty = sha256Hex(`${domain}/empty page`);
  const page = (index: number, text: string): string =>
    text === '' ? empty : sha256Hex(`${domain}/page ${index}\n${text}`);
  const group = (index: number, pageDigests: readonly string[]): string =>
    sha256Hex(`${domain}/group ${index}\n${JSON.stringify(pageDigests)}`);
  const groups = (pageDigests: readonly string[]): string[] =>
    Array.from({ length: Math.ceil(pageDigests.length / GROUP_SIZE) }, (_, index) =>
      group(index, pageDigests.slice(index * GROUP_SIZE, (index + 1) * GROUP_SIZE)),
    );
  const rootOfGroups = (all: readonly string[]): string =>
    sha256Hex(`${domain}/state\n${JSON.stringify(all)}`);
  return {
    ...{ empty, page, group, groups, rootOfGroups },
    // Different texts that are not well-formed have the same bytes as UTF-8, and so the same hash.
    isPage: (index, text, digest) => text.isWellFormed() && page(index, text) === digest,
    root: (pageDigests) => rootOfGroups(groups(pageDigests)),
  };
}

/** The way back to a mark. */
interface Undo {
  readonly mark: number;
  /** What the pages held then that were changed since, until the next mark. */
  readonly before: Map<number, string>;
}

/** See the top of this file. */
export class PagedState {
  readonly pageCount: number;
  private readonly parts: readonly { readonly first: number; readonly paged: Paged }[];
  private readonly digests: Digests;
  private readonly limits: PagedStateLimits;
  /** As of when each page was last looked at; those changed since then are in `waiting`. */
  private readonly pages: string[];
  private readonly pageDigests: string[];
  private readonly groups: string[];
  private readonly waiting = new Set<number>();
  private readonly staleGroups = new Set<number>();
  /** Oldest first. */
  private snapshots: Snapshot[] = [];
  private undo: Undo[] = [];
  private marks = 0;

  /**
   * @param parts what the state is made of; their pages are numbered through
   * @param digests how those of pages and of the whole are made
   */
  constructor(parts: readonly Paged[], digests: Digests, limits: PagedStateLimits) {
    this.digests = digests;
    this.limits = limits;
    let first = 0;
    this.parts = parts.map((paged) => {
      const part = { first, paged };
      first += paged.pageCount;
      return part;
    });
    this.pageCount = first;
    this.pages = new Array<string>(first).fill('');
    this.pageDigests = new Array<string>(first).fill(digests.empty);
    this.groups = digests.groups(this.pageDigests);
    // What a part begins with, if it is not nothing.
    for (let index = 0; index < first; index++) this.waiting.add(index);
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
      this.groups[group] = this.digests.group(group, this.pageDigests.slice(from, from + GROUP_SIZE));
    }
    this.staleGroups.clear();
    return this.digests.rootOfGroups(this.groups);
  }

  /**
   * The digest, if the pages that have to be hashed for it are about this long at the most, all together, in UTF-16
   * code units; undefined if they are longer: then some of them are done.
   */
  digestWithin(length: number): string | undefined {
    this.collectChanged();
    for (const index of this.waiting) {
      if (length < 0) return undefined;
      length -= this.settlePage(index);
    }
    return this.digest();
  }

  /** Takes a snapshot of the state under a sequence number, greater than those before; the oldest may give way. */
  checkpoint(sequence: number): Snapshot {
    const digest = this.digest();
    const snapshot = { sequence, digest, pageDigests: [...this.pageDigests], pages: [...this.pages] };
    this.snapshots = newest([...this.snapshots, snapshot], this.limits.snapshots);
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
   * Replaces a page, by one from the store or one from others of which the digest says that it is right. Once all are in place,
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

  /** Empties all pages that are not, and drops snapshots and marks: to begin anew, from the store or from others. */
  clear(): void {
    this.settle(Infinity);
    for (const [index, text] of this.pages.entries()) if (text !== '') this.restore(index, '');
    this.snapshots = [];
    this.undo = [];
  }

  /**
   * Marks the state as it is now, to be able to come back. The oldest mark may give way: further than there are marks
   * nobody can go back.
   */
  mark(): number {
    this.settle(Infinity);
    const next = { mark: ++this.marks, before: new Map<number, string>() };
    this.undo = newest([...this.undo, next], this.limits.marks ?? 0);
    return this.marks;
  }

  /**
   * Takes the state back to a mark; those after it are gone, itself stays. Snapshots stay as they are.
   *
   * @throws RangeError if there is no such mark any more; nothing is changed
   */
  rewind(mark: number): void {
    const at = this.undo.findIndex((undo) => undo.mark === mark);
    if (at === -1) throw new RangeError(`no mark ${mark}`);
    this.settle(Infinity);
    // The oldest text of each page counts, as it is the one of the mark.
    const texts = new Map(
      this.undo
        .slice(at)
        .reverse()
        .flatMap(({ before }) => [...before]),
    );
    this.undo = [...this.undo.slice(0, at), { mark, before: new Map() }];
    for (const [index, text] of texts) this.restore(index, text);
    this.undo.at(-1)?.before.clear();
  }

  /** Gives the way back to all marks before this one up: what they marked is final. */
  forgetBefore(mark: number): void {
    this.undo = this.undo.filter((undo) => undo.mark >= mark);
  }

  measure(report: Gauge): void {
    report('snapshots', this.snapshots.length, this.limits.snapshots);
    if (this.limits.marks !== undefined) report('marks', this.undo.length, this.limits.marks);
  }

  private collectChanged(): void {
    for (const { first, paged } of this.parts) {
      for (const index of paged.takeChanged()) this.waiting.add(first + index);
    }
  }

  private setPage(index: number, text: string): void {
    const before = this.pages[index] ?? '';
    if (text === before) return;
    const undo = this.undo.at(-1)?.before;
    if (undo?.has(index) === false) undo.set(index, before);
    this.pages[index] = text;
    this.pageDigests[index] = this.digests.page(index, text);
    this.staleGroups.add(Math.floor(index / GROUP_SIZE));
  }

  private partOf(index: number): { readonly first: number; readonly paged: Paged } {
    const part = this.parts.findLast(({ first }) => index >= first);
    if (part === undefined || index >= this.pageCount) throw new RangeError(`no page ${index}`);
    return part;
  }
}

function newest<T>(all: readonly T[], most: number): T[] {
  return all.slice(Math.max(0, all.length - most));
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
  return snapshot.pages.flatMap((text, index) => {
    const same = older === undefined ? text === '' : older.pageDigests[index] === snapshot.pageDigests[index];
    return same ? [] : [{ index, text }];
  });
}
