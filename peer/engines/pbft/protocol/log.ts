/** What a replica knows of each sequence number between the watermarks. */
import type { Gauge } from '../../../core/engine.ts';
import { MAX_OTHER_BATCHES, WINDOW } from './limits.ts';
import type { Batch, Header, PreparedProof, Vote } from './messages.ts';

/** That a batch was decided: commits of a quorum for it, in one view. */
export interface Decision {
  readonly view: number;
  readonly digest: string;
  readonly commits: readonly Vote[];
}

/** One sequence number. */
export class Slot {
  readonly sequence: number;
  /** The pre-prepare that was accepted in the view that is in force. */
  header: Header | undefined;
  /** Votes in that view, by replica: the first of each counts. Their signatures are verified once they may decide. */
  readonly prepares = new Map<number, Vote>();
  readonly commits = new Map<number, Vote>();
  /** The proof of the highest view in which it was prepared here. */
  prepared: PreparedProof | undefined;
  decided: Decision | undefined;
  /** When the pre-prepare was accepted, and when it was prepared in this view, in milliseconds; undefined if it was not. */
  acceptedAt: number | undefined;
  preparedAt: number | undefined;
  private readonly bodies = new Map<string, Batch>();

  constructor(sequence: number) {
    this.sequence = sequence;
  }

  /** The batch of that digest, if we have it. */
  body(digest: string): Batch | undefined {
    return this.bodies.get(digest);
  }

  /** Digests of the batches that we have. */
  get digests(): readonly string[] {
    return [...this.bodies.keys()];
  }

  /** The digest of a batch that this needs and has not. */
  get missing(): string | undefined {
    const digest = this.decided?.digest ?? this.header?.digest;
    return digest === undefined || this.bodies.has(digest) ? undefined : digest;
  }

  /** Whether a batch was prepared in this view. */
  preparedIn(view: number): boolean {
    return this.prepared?.header.view === view;
  }

  /**
   * Stores a batch, and retains others that something here still names or that were stored last: somebody may show
   * later that one was prepared for which we have voted, and then we must be able to send it.
   *
   * @returns the digests of those that were given up
   */
  keep(digest: string, batch: Batch): string[] {
    this.bodies.set(digest, batch);
    const named = [digest, this.header?.digest, this.prepared?.header.digest, this.decided?.digest];
    const others = this.digests.filter((other) => !named.includes(other));
    const dropped = this.decided === undefined ? others.slice(0, -MAX_OTHER_BATCHES) : others;
    for (const other of dropped) this.bodies.delete(other);
    return dropped;
  }

  /** Puts back a batch that was in the store. */
  restoreBody(digest: string, batch: Batch): void {
    this.bodies.set(digest, batch);
  }

  /** Another view: what was sent in the one before counts no more, but for proofs. */
  leaveView(): void {
    this.header = undefined;
    this.prepares.clear();
    this.commits.clear();
    this.acceptedAt = undefined;
    this.preparedAt = undefined;
  }
}

export class SlotLog {
  /** The low watermark: the last stable checkpoint. */
  low = 0;
  /** The highest checkpoint that is known to be stable, which may be above the low watermark while we are behind. */
  certified = 0;
  private readonly interval: number;
  private readonly slots = new Map<number, Slot>();

  /** @param interval of checkpoints */
  constructor(interval: number) {
    this.interval = interval;
  }

  /** The high watermark: nothing above it is taken. */
  get high(): number {
    return this.certified + WINDOW * this.interval;
  }

  measure(report: Gauge): void {
    report('log', this.slots.size, 2 * WINDOW * this.interval);
  }

  isWithin(sequence: number): boolean {
    return sequence > this.low && sequence <= this.high;
  }

  get(sequence: number): Slot | undefined {
    return this.slots.get(sequence);
  }

  /** The slot of a sequence number within the watermarks, made if need be. */
  at(sequence: number): Slot {
    let slot = this.slots.get(sequence);
    if (slot === undefined) this.slots.set(sequence, (slot = new Slot(sequence)));
    return slot;
  }

  /** By sequence number. */
  all(): Slot[] {
    return [...this.slots.values()].sort((one, other) => one.sequence - other.sequence);
  }

  /** Raises the low watermark. */
  dropTo(low: number): Slot[] {
    this.low = Math.max(this.low, low);
    this.certified = Math.max(this.certified, low);
    const dropped = this.all().filter(({ sequence }) => sequence <= this.low);
    for (const { sequence } of dropped) this.slots.delete(sequence);
    return dropped;
  }
}
