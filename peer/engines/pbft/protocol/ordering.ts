/** The three phases of a view that is in force: pre-prepare, prepare, commit. Source: PBFT, section 4.2. */
import type { Gauge } from '../../../core/engine.ts';
import { MAX_BATCH, MAX_BATCH_LENGTH, MAX_EARLY_VOTES, TIME_TOLERANCE } from './limits.ts';
import type { Check } from './inspection.ts';
import type { Beginning } from './journal.ts';
import type { Slot } from './log.ts';
import type { Batch, ClientRequest, Header, Vote } from './messages.ts';
import { isSame, nameOf } from './new-view.ts';
import type { Replica } from './replica.ts';

type Phase = 'prepare' | 'commit';

/** What it needs of a replica. */
type Parts = Pick<Replica, 'context' | 'execution' | 'inspection' | 'journal' | 'log' | 'pool' | 'position'>;

export class Ordering {
  private readonly replica: Parts;
  /** The sequence number that the primary gives out next. */
  private next = 1;
  /** Votes that came before the view that they are for, by replica. */
  private readonly early = new Map<number, { readonly phase: Phase; readonly vote: Vote }[]>();

  constructor(replica: Parts) {
    this.replica = replica;
  }

  /** The highest sequence number that the primary gave out, or that we have seen. */
  get proposed(): number {
    return this.next - 1;
  }

  measure(report: Gauge): void {
    const { context } = this.replica;
    let votes = 0;
    for (const list of this.early.values()) votes += list.length;
    report('early votes', votes, MAX_EARLY_VOTES * context.replicas);
  }

  /** Gives sequence numbers to what waits, as far as watermarks and pipeline let it. */
  propose(): void {
    const { context, log, execution, position } = this.replica;
    if (position.changing || context.primary(position.view) !== context.self) return;
    const { pipeline } = context.config;
    while (this.next - 1 - Math.max(execution.executed, log.low) < pipeline) {
      if (this.next > log.high) {
        context.count('limit.watermark');
        return;
      }
      const requests = this.takeWaiting();
      if (requests.length === 0) return;
      this.lead({ time: context.wall, requests });
    }
  }

  onPrePrepare(from: number, header: Header, batch: Batch): void {
    const { context, log, journal } = this.replica;
    const { signing } = context;
    const { view, sequence, digest } = header;
    if (!this.isExpected(from, view)) {
      context.count('pre-prepare.ignored');
      return;
    }
    if (!log.isWithin(sequence)) {
      context.count('pre-prepare.outside');
      return;
    }
    const slot = log.at(sequence);
    const { header: accepted } = slot;
    if (accepted !== undefined) {
      if (accepted.digest !== digest) {
        if (signing.isHeader(header)) context.offend(from, 'equivocation');
      } else if (slot.body(digest) === undefined) {
        this.onBatch(from, sequence, batch);
      }
      return;
    }
    if (!signing.isHeader(header)) {
      context.offend(from, 'pre-prepare-signature');
      return;
    }
    if (slot.decided !== undefined && slot.decided.digest !== digest) {
      // A primary that has not heard of a later view proposes in good faith what was decided otherwise there.
      if (slot.decided.view > view) context.count('pre-prepare.overtaken');
      else context.accuse(from, 'pre-prepare-decided');
      return;
    }
    const verdict = this.replica.inspection.look({
      ...{ subject: batch, from, name: `${sequence} ${digest}` },
      begin: () => this.check(from, header, batch),
      again: () => {
        this.onPrePrepare(from, header, batch);
      },
    });
    if (verdict === undefined) return;
    if (verdict.fault !== undefined) {
      context.offend(from, verdict.fault);
      return;
    }
    const difference = Math.abs(batch.time - context.wall);
    if (difference > TIME_TOLERANCE) {
      // One of the two clocks is wrong, and it may be ours.
      context.count('pre-prepare.time');
      context.notify({ kind: 'time-refused', primary: from, difference });
      return;
    }
    this.next = Math.max(this.next, sequence + 1);
    slot.header = header;
    slot.acceptedAt = context.now;
    journal.body(slot, digest, batch, slot.keep(digest, batch));
    for (const request of batch.requests) this.replica.execution.expect(request);
    this.vote(slot);
    this.advance(slot);
  }

  onVote(phase: Phase, from: number, vote: Vote): void {
    const { context, position, log } = this.replica;
    if (vote.replica !== from || (phase === 'prepare' && from === context.primary(vote.view))) {
      context.count(`${phase}.ignored`);
      return;
    }
    if (vote.view > position.view || (vote.view === position.view && position.changing)) {
      this.keepEarly(phase, vote);
      return;
    }
    if (vote.view < position.view || !log.isWithin(vote.sequence)) {
      context.count(`${phase}.outside`);
      return;
    }
    const slot = log.at(vote.sequence);
    const votes = phase === 'prepare' ? slot.prepares : slot.commits;
    const known = votes.get(from);
    if (known !== undefined) {
      if (known.digest !== vote.digest) this.onContradiction(phase, known, vote);
      return;
    }
    votes.set(from, vote);
    this.advance(slot);
  }

  /** A batch that we asked for, or that a pre-prepare sent again brings along. */
  onBatch(from: number, sequence: number, batch: Batch): void {
    const { context, log, journal, execution } = this.replica;
    const slot = log.get(sequence);
    const digest = slot?.missing;
    if (slot === undefined || digest === undefined) return;
    if (context.signing.digestOf(batch) !== digest) {
      context.count('batch.another');
      return;
    }
    context.count(
      `batch.from-${from === context.primary(this.replica.position.view) ? 'primary' : 'backup'}`,
    );
    journal.body(slot, digest, batch, slot.keep(digest, batch));
    for (const request of batch.requests) execution.expect(request);
    if (slot.header?.digest === digest && !this.replica.position.changing) {
      this.vote(slot);
      this.advance(slot);
    }
    execution.run();
  }

  /**
   * A new view is in force: what it carries over is prepared again, the rest of the log is as if it had never been.
   *
   * @param first the first sequence number that is free
   */
  onNewView(headers: readonly Header[], first: number): void {
    const { context, log, journal, execution } = this.replica;
    const { signing } = context;
    for (const slot of log.all()) slot.leaveView();
    this.next = first;
    const carried: Slot[] = [];
    for (const header of headers) {
      if (!log.isWithin(header.sequence)) continue;
      const slot = log.at(header.sequence);
      slot.header = header;
      slot.acceptedAt = context.now;
      const known = header.digest === signing.nothing ? EMPTY : slot.body(header.digest);
      if (known === undefined) journal.slot(slot);
      else journal.body(slot, header.digest, known, slot.keep(header.digest, known));
      for (const request of known?.requests ?? []) execution.expect(request);
      carried.push(slot);
    }
    // All of it is written before the first of these is sent.
    for (const slot of carried) {
      if (slot.missing === undefined) this.vote(slot);
    }
    for (const slot of carried) this.advance(slot);
    const early = [...this.early.values()].flat();
    this.early.clear();
    for (const { phase, vote } of early) this.onVote(phase, vote.replica, vote);
    this.propose();
  }

  /**
   * After a restart: takes up what was under way.
   *
   * @param beginning of the view that we are in; undefined in the first one
   */
  resume(beginning: Beginning | undefined): void {
    const { log, position, context } = this.replica;
    this.next = log.certified + 1;
    if (beginning !== undefined) {
      // We may have been stopped before all that it carries over was in the log.
      this.next = Math.max(this.next, beginning.stable + 1);
      for (const header of beginning.newView.headers) {
        if (log.isWithin(header.sequence)) log.at(header.sequence).header ??= header;
        this.next = Math.max(this.next, header.sequence + 1);
      }
    }
    for (const slot of log.all()) {
      if (slot.header !== undefined || slot.decided !== undefined) {
        this.next = Math.max(this.next, slot.sequence + 1);
      }
    }
    if (position.changing) return;
    for (const slot of log.all()) {
      if (slot.header === undefined || slot.missing !== undefined) continue;
      slot.acceptedAt = context.now;
      this.castOwn(slot);
      this.advance(slot);
    }
  }

  /** Up to there the sequence numbers are taken: others have gone on without us. */
  skipTo(sequence: number): void {
    this.next = Math.max(this.next, sequence + 1);
  }

  /** Sends a replica our messages of this view for a slot. */
  repeat(to: number, slot: Slot): void {
    const { context } = this.replica;
    const { header } = slot;
    const batch = header && slot.body(header.digest);
    if (header !== undefined && batch !== undefined && context.primary(header.view) === context.self) {
      context.send(to, { type: 'PRE_PREPARE', header, batch });
    }
    const prepare = slot.prepares.get(context.self);
    if (prepare !== undefined) context.send(to, { type: 'PREPARE', vote: prepare });
    const commit = slot.commits.get(context.self);
    if (commit !== undefined) context.send(to, { type: 'COMMIT', vote: commit });
  }

  /** The next batch, of what has waited longest. */
  private takeWaiting(): ClientRequest[] {
    const { context, pool } = this.replica;
    const requests: ClientRequest[] = [];
    let length = 0;
    for (const waiting of pool.all()) {
      if (waiting.proposed) continue;
      length += waiting.request.operation.length;
      if (requests.length > 0 && length > MAX_BATCH_LENGTH) break;
      waiting.proposed = true;
      requests.push(waiting.request);
      if (requests.length >= Math.min(context.config.batchSize, MAX_BATCH)) break;
    }
    return requests;
  }

  /** The primary begins a batch. */
  private lead(batch: Batch): void {
    const { context, position, log, journal } = this.replica;
    const digest = context.signing.digestOf(batch);
    const header = context.signing.header({ view: position.view, sequence: this.next++, digest });
    const slot = log.at(header.sequence);
    slot.header = header;
    slot.acceptedAt = context.now;
    journal.body(slot, digest, batch, slot.keep(digest, batch));
    context.broadcast({ type: 'PRE_PREPARE', header, batch });
    this.advance(slot);
  }

  /** Whether this replica may propose in this view, now. */
  private isExpected(from: number, view: number): boolean {
    const { context, position } = this.replica;
    return !position.changing && view === position.view && from === context.primary(view);
  }

  /** The rule that a proposed batch breaks. Nobody needs to know it once the view is over. */
  private *check(from: number, { view, digest }: Header, batch: Batch): Check {
    const { context, pool } = this.replica;
    const { requests } = batch;
    if (context.signing.digestOf(batch) !== digest) return 'pre-prepare-digest';
    if (requests.length === 0 || requests.length > MAX_BATCH) return 'pre-prepare-size';
    const length = requests.reduce((sum, { operation }) => sum + operation.length, 0);
    if (requests.length > 1 && length > MAX_BATCH_LENGTH) return 'pre-prepare-size';
    const keys = new Set(requests.map(({ client, timestamp }) => `${client} ${timestamp}`));
    if (keys.size < requests.length) return 'pre-prepare-doubled';
    for (const request of requests) {
      if (request.client >= context.replicas) return 'pre-prepare-client';
      if (pool.has(request)) continue;
      yield;
      if (!this.isExpected(from, view)) return undefined;
      if (!context.signing.isRequest(request)) return 'pre-prepare-request';
    }
    return undefined;
  }

  /** Broadcasts that we have accepted the pre-prepare of a slot. The primary has done so with the pre-prepare. */
  private vote(slot: Slot): void {
    const vote = this.castOwn(slot);
    if (vote !== undefined) this.replica.context.broadcast({ type: 'PREPARE', vote });
  }

  private castOwn(slot: Slot): Vote | undefined {
    const { context } = this.replica;
    const { header } = slot;
    if (header === undefined || context.primary(header.view) === context.self) return undefined;
    const { view, sequence, digest } = header;
    const vote = context.signing.vote('prepare', { view, sequence, digest, replica: context.self });
    slot.prepares.set(context.self, vote);
    return vote;
  }

  /** Looks whether a slot is prepared now, and decided. */
  private advance(slot: Slot): void {
    const { context, journal, execution } = this.replica;
    const { header } = slot;
    if (header === undefined || slot.body(header.digest) === undefined) return;
    const { view, sequence, digest } = header;
    if (slot.preparedAt === undefined) {
      const prepares = this.agreeing('prepare', slot.prepares, header, context.quorum - 1);
      // It may have been prepared in this view before a restart.
      if (prepares !== undefined && !slot.preparedIn(view)) {
        slot.prepared = { header, prepares: prepares.map(nameOf) };
      }
      if (slot.preparedIn(view)) {
        slot.preparedAt = context.now;
        const vote = context.signing.vote('commit', { view, sequence, digest, replica: context.self });
        slot.commits.set(context.self, vote);
        journal.slot(slot);
        context.broadcast({ type: 'COMMIT', vote });
      }
    }
    if (slot.decided !== undefined) return;
    const commits = this.agreeing('commit', slot.commits, header, context.quorum);
    if (commits === undefined) return;
    slot.decided = { view, digest, commits };
    journal.decide(slot);
    execution.run();
  }

  /** So many votes for what a pre-prepare says, all of them verified; undefined while there are fewer. */
  private agreeing(
    phase: Phase,
    votes: Map<number, Vote>,
    header: Header,
    count: number,
  ): Vote[] | undefined {
    const { context } = this.replica;
    const matching = [...votes.values()].filter((vote) => isSame(vote, header));
    if (matching.length < count) return undefined;
    const valid: Vote[] = [];
    for (const vote of matching) {
      if (valid.length === count) break;
      if (context.signing.isVote(phase, vote)) {
        valid.push(vote);
      } else {
        votes.delete(vote.replica);
        context.offend(vote.replica, `${phase}-signature`);
      }
    }
    return valid.length < count ? undefined : valid;
  }

  /** Two votes of one replica that can't both be true. */
  private onContradiction(phase: Phase, known: Vote, vote: Vote): void {
    const { context } = this.replica;
    if (context.signing.isVote(phase, known) && context.signing.isVote(phase, vote)) {
      context.offend(vote.replica, 'equivocation');
    } else {
      context.offend(vote.replica, `${phase}-signature`);
    }
  }

  /** A vote may overtake the new view that it is for; whoever floods us with such votes loses only their own. */
  private keepEarly(phase: Phase, vote: Vote): void {
    const list = this.early.get(vote.replica) ?? [];
    this.early.set(vote.replica, list);
    if (list.length >= MAX_EARLY_VOTES) {
      list.shift();
      this.replica.context.count('limit.early-votes');
    }
    list.push({ phase, vote });
  }
}

/** What a sequence number decides that a new view has nothing for. */
const EMPTY: Batch = { time: 0, requests: [] };
