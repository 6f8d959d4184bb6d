/**
 * What a replica stores, so that after a restart, at any point, it never contradicts what it has sent.
 * Everything is written before the message that rests on it is sent. What others can send us again is written when
 * something else is: that a batch was decided, say.
 */
import type { StoreView, StoreWrite } from '../../../core/store.ts';
import type { Context } from './context.ts';
import type { PbftMembership, Settings } from './interface.ts';
import type { Decision, Slot, SlotLog } from './log.ts';
import type { Batch, Certificate, Header, NewView, PreparedProof, ViewChange } from './messages.ts';
import { changedPages, type Snapshot } from '../../../core/paged-state.ts';
import type { ReplicatedState } from './state.ts';

/** The view that a replica is in, or wants to get to. */
export interface Position {
  view: number;
  /** Whether it has given up the view before and waits for this one to begin. */
  changing: boolean;
}

/** What began a view. The view changes that it names are in the store. */
export interface Beginning {
  readonly newView: NewView;
  /** The highest stable checkpoint that one of them proves, 0 for the beginning. */
  readonly stable: number;
}

const KEYS = {
  /** Whose store this is: {@link owner}. */
  owner: 'pbft/owner',
  /** What the owner's cluster is, for people. */
  settings: 'pbft/settings',
  position: 'pbft/position',
  viewChange: 'pbft/view-change',
  newView: 'pbft/new-view',
  stable: 'pbft/stable',
  certified: 'pbft/certified',
  /** The sequence number whose state the pages are. */
  pages: 'pbft/pages',
  timestamp: 'pbft/timestamp',
} as const;

/** How a slot is stored, but for its batches. */
interface StoredSlot {
  readonly header?: Header;
  readonly prepared?: PreparedProof;
  readonly decided?: Decision;
  /** The digests of the batches that are stored. */
  readonly bodies: readonly string[];
}

/** What was in the store when the engine was made. */
export interface Restored {
  readonly position: Position;
  /** Our own, if we wait for a new view. */
  readonly viewChange: ViewChange | undefined;
  /** Beginning of the view we are in; undefined for the first one. */
  readonly beginning: Beginning | undefined;
  readonly certificate: Certificate;
  /** Certificate of the highest checkpoint known to be stable. */
  readonly highest: Certificate;
  /** The sequence number of the pages that were restored: what was decided after it is to be executed again. */
  readonly pages: number;
  readonly timestamp: number;
}

/** The store is not ours: that of another member or cluster, or of this one with other settings. */
export class ForeignStore extends Error {
  override name = 'ForeignStore';
  /** Every setting that is not as it was; none if the store does not say what they were. */
  readonly changes: readonly { readonly name: string; readonly before: string; readonly now: string }[];

  constructor(before: Settings, now: Settings) {
    super('the store is that of another member or cluster, or was begun with other settings');
    const names = new Set([...Object.keys(before), ...Object.keys(now)]);
    this.changes = [...names]
      .map((name) => ({ name, before: String(before[name]), now: String(now[name]) }))
      .filter(({ before, now }) => before !== now);
  }
}

export class Journal {
  private readonly context: Context;
  private readonly view: StoreView;
  private readonly owner: string;
  private readonly settings: Settings;
  /** The snapshot that the pages in the store are those of. */
  private written: Snapshot | undefined;
  /** Slots that were decided since something was last written. */
  private readonly decided = new Set<Slot>();

  constructor(context: Context, view: StoreView, { cluster, self, settings = {} }: PbftMembership) {
    this.context = context;
    this.view = view;
    this.owner = `${cluster} ${self}`;
    this.settings = settings;
  }

  /**
   * Reads what an earlier life has left: fills the log and the state.
   *
   * @throws ForeignStore if the store is of another member or cluster, or of ours with other settings
   * @throws Error if it is damaged
   */
  restore(log: SlotLog, state: ReplicatedState): Restored {
    const owner = this.view.get(KEYS.owner);
    if (owner !== undefined && owner !== this.owner) {
      const before = this.read<Settings>(KEYS.settings);
      throw new ForeignStore(before ?? this.settings, this.settings);
    }
    const position = this.read<Position>(KEYS.position) ?? { view: 0, changing: false };
    const certificate = this.read<Certificate>(KEYS.stable) ?? [];
    const pages = this.read<number>(KEYS.pages) ?? 0;
    const low = certificate[0]?.sequence ?? 0;
    const highest = this.read<Certificate>(KEYS.certified) ?? [];
    log.dropTo(low);
    log.certified = Math.max(low, highest[0]?.sequence ?? 0);
    for (let sequence = low + 1; sequence <= log.high; sequence++) {
      const stored = this.read<StoredSlot>(slotKey(sequence));
      if (stored !== undefined) this.restoreSlot(log.at(sequence), stored, position);
    }
    for (let index = 0; index < state.pageCount; index++) {
      const text = this.view.get(pageKey(index));
      if (text !== undefined) state.restore(index, text);
    }
    if (pages > 0) this.written = state.checkpoint(pages);
    return {
      position,
      viewChange: position.changing ? this.read<ViewChange>(KEYS.viewChange) : undefined,
      beginning: position.changing ? undefined : this.read<Beginning>(KEYS.newView),
      certificate,
      highest: log.certified > low ? highest : certificate,
      pages,
      timestamp: this.read<number>(KEYS.timestamp) ?? 0,
    };
  }

  /** Writes whose store it is, into one that is new or does not hold it so yet. */
  claim(): void {
    const settings = JSON.stringify(this.settings);
    const writes: StoreWrite[] = [];
    if (this.view.get(KEYS.owner) === undefined) writes.push(put(KEYS.owner, this.owner));
    // Stores of earlier versions have none, and not every setting makes another cluster at once.
    if (settings !== (this.view.get(KEYS.settings) ?? '{}')) writes.push(put(KEYS.settings, settings));
    this.context.store(writes);
  }

  /** A batch has been taken into a slot. */
  body(slot: Slot, digest: string, batch: Batch, dropped: readonly string[]): void {
    this.context.store([
      put(bodyKey(slot.sequence, digest), JSON.stringify(batch)),
      ...dropped.map((other) => remove(bodyKey(slot.sequence, other))),
    ]);
    this.slot(slot);
  }

  /** What is known of a slot has changed, and a message will say so. */
  slot(slot: Slot): void {
    this.decided.delete(slot);
    this.context.store([slotWrite(slot), ...this.waiting()]);
  }

  /** A batch was decided: that is written with whatever is written next, for others can send it again. */
  decide(slot: Slot): void {
    this.decided.add(slot);
  }

  /** Writes what waits to be written. */
  flush(): void {
    this.context.store(this.waiting());
  }

  position(position: Position, viewChange?: ViewChange): void {
    this.context.store([
      put(KEYS.position, JSON.stringify(position)),
      ...(viewChange === undefined ? [] : [put(KEYS.viewChange, JSON.stringify(viewChange))]),
    ]);
  }

  /** A view begins. Of the view changes that an earlier one named, those of replicas that this one names give way. */
  begin(beginning: Beginning, viewChanges: readonly ViewChange[]): void {
    this.context.store([
      put(KEYS.newView, JSON.stringify(beginning)),
      ...viewChanges.map((change) => put(namedKey(change.replica), JSON.stringify(change))),
    ]);
  }

  /** The view change of a replica that the last new view names; undefined if it names none. */
  named(replica: number): ViewChange | undefined {
    return this.read<ViewChange>(namedKey(replica));
  }

  /** Timestamps up to this one may be used by our own client. */
  reserve(timestamp: number): void {
    this.context.store([put(KEYS.timestamp, String(timestamp))]);
  }

  /** The state after a sequence number: what has changed since the one before it is written. */
  pages(snapshot: Snapshot): void {
    this.context.store([
      ...changedPages(snapshot, this.written).map(({ index, text }) =>
        text === '' ? remove(pageKey(index)) : put(pageKey(index), text),
      ),
      put(KEYS.pages, String(snapshot.sequence)),
      ...this.waiting(),
    ]);
    this.written = snapshot;
  }

  /** A checkpoint that we have not got to is stable. */
  certified(certificate: Certificate): void {
    this.context.store([put(KEYS.certified, JSON.stringify(certificate))]);
  }

  /** A checkpoint is stable: slots up to it are given up. */
  stable(certificate: Certificate, dropped: readonly Slot[]): void {
    for (const slot of dropped) this.decided.delete(slot);
    this.context.store([
      put(KEYS.stable, JSON.stringify(certificate)),
      ...dropped.flatMap(({ sequence, digests }) => [
        remove(slotKey(sequence)),
        ...digests.map((digest) => remove(bodyKey(sequence, digest))),
      ]),
      ...this.waiting(),
    ]);
  }

  private waiting(): StoreWrite[] {
    const writes = [...this.decided].map(slotWrite);
    this.decided.clear();
    return writes;
  }

  private restoreSlot(slot: Slot, stored: StoredSlot, position: Position): void {
    const { header, prepared, decided, bodies } = stored;
    if (header?.view === position.view && !position.changing) slot.header = header;
    slot.prepared = prepared;
    slot.decided = decided;
    for (const digest of bodies) {
      const batch = this.read<Batch>(bodyKey(slot.sequence, digest));
      if (batch !== undefined) slot.restoreBody(digest, batch);
    }
  }

  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- it says what we wrote there
  private read<T>(key: string): T | undefined {
    const text = this.view.get(key);
    // Only we have written it, and the store finds out what a disk makes of it.
    return text === undefined ? undefined : (JSON.parse(text) as T);
  }
}

function slotWrite(slot: Slot): StoreWrite {
  const { sequence, header, prepared, decided, digests } = slot;
  const stored: StoredSlot = {
    ...(header !== undefined && { header }),
    ...(prepared !== undefined && { prepared }),
    ...(decided !== undefined && { decided }),
    bodies: digests,
  };
  return put(slotKey(sequence), JSON.stringify(stored));
}

function slotKey(sequence: number): string {
  return `pbft/slot/${sequence}`;
}

/** Within one slot, 160 bits of a digest tell batches apart. */
function bodyKey(sequence: number, digest: string): string {
  return `pbft/b/${sequence}/${digest.slice(0, 40)}`;
}

/** Where the view change of a replica is that a new view names. */
function namedKey(replica: number): string {
  return `pbft/named/${replica}`;
}

function pageKey(index: number): string {
  return `pbft/page/${index}`;
}

function put(key: string, value: string): StoreWrite {
  return { type: 'put', key, value };
}

function remove(key: string): StoreWrite {
  return { type: 'delete', key };
}
