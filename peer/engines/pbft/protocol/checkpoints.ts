/** The replicas compare their states now and then; what a quorum has in common needs no log any more. */
import type { Gauge } from '../../../core/engine.ts';
import { MAX_CHECKPOINTS_KEPT, WINDOW } from './limits.ts';
import type { Certificate, CheckpointVote } from './messages.ts';
import { isCertificate } from './new-view.ts';
import type { Replica } from './replica.ts';
import type { Snapshot } from '../../../core/paged-state.ts';

/** What it needs of a replica. */
type Parts = Pick<
  Replica,
  'client' | 'context' | 'execution' | 'journal' | 'log' | 'ordering' | 'state' | 'transfer'
>;

export class Checkpoints {
  /** Certificate of the last stable checkpoint; empty at the beginning. */
  certificate: Certificate = [];
  /** Certificate of the highest checkpoint known to be stable, which we may not have got to yet. */
  highest: Certificate = [];
  private readonly replica: Parts;
  /** The last votes of each replica, oldest first. */
  private readonly votes: CheckpointVote[][];

  constructor(replica: Parts) {
    this.replica = replica;
    this.votes = Array.from({ length: replica.context.replicas }, () => []);
  }

  measure(report: Gauge): void {
    const { length } = this.votes;
    report('checkpoint votes', this.votes.flat().length, MAX_CHECKPOINTS_KEPT * length);
  }

  /** Everything up to there is executed: takes a snapshot of the state, and votes for it. */
  take(sequence: number): void {
    const { context, state, journal, transfer } = this.replica;
    const snapshot = state.checkpoint(sequence);
    journal.pages(snapshot);
    const vote = this.voteFor(snapshot);
    context.broadcast({ type: 'CHECKPOINT', vote });
    this.enter(vote);
    transfer.onTaken(sequence);
  }

  /** After a restart, with the state of that sequence number. */
  resume(sequence: number): void {
    const { state, log } = this.replica;
    const snapshot = state.snapshot(sequence);
    if (snapshot !== undefined && sequence > log.certified) this.enter(this.voteFor(snapshot));
  }

  /** Sends a replica, whose stable checkpoint is that, our votes for later ones. */
  repeat(to: number, stable: number): void {
    const { context } = this.replica;
    for (const vote of this.votes[context.self] ?? []) {
      if (vote.sequence > stable) context.send(to, { type: 'CHECKPOINT', vote });
    }
  }

  onVote(from: number, vote: CheckpointVote): void {
    const { context, log } = this.replica;
    if (vote.replica !== from) {
      context.count('checkpoint.ignored');
      return;
    }
    if (vote.sequence % context.config.checkpointInterval !== 0) {
      context.offend(from, 'checkpoint-interval');
      return;
    }
    if (vote.sequence <= log.certified) return;
    this.enter(vote);
  }

  /** Somebody shows that a checkpoint is stable. */
  onCertificate(from: number, certificate: Certificate): void {
    const { context, log } = this.replica;
    const [first] = certificate;
    if (first === undefined || first.sequence <= log.certified) return;
    if (isCertificate(context, certificate)) this.settle(certificate, from);
    else context.offend(from, 'certificate');
  }

  /**
   * A checkpoint is stable. What we have executed up to it is done with; if we have not got there yet, we are behind.
   *
   * @param from who has reported it, if it was one replica
   */
  settle(certificate: Certificate, from?: number): void {
    const { log, state, execution, transfer, context, journal } = this.replica;
    const [first] = certificate;
    if (first === undefined || first.sequence <= log.low) return;
    const { sequence, digest } = first;
    const own = state.snapshot(sequence);
    // After a restart only the last snapshot is there; the next checkpoint compares what rests on this one.
    const past = own === undefined && execution.executed >= sequence && !transfer.active;
    if (past || own?.digest === digest) {
      this.stabilise(certificate);
      return;
    }
    if (sequence > log.certified && sequence <= log.low + WINDOW * context.config.checkpointInterval) {
      // Within a few batches we may get there by ourselves; until then the log reaches further.
      log.certified = sequence;
      this.highest = certificate;
      journal.certified(certificate);
    }
    if (own === undefined) {
      transfer.want(certificate, from);
    } else {
      context.notify({ kind: 'diverged', sequence, digest });
      transfer.begin(certificate);
    }
  }

  /** Everything up to a checkpoint, which is part of our state, is given up. */
  stabilise(certificate: Certificate): void {
    const { log, journal, state, context, client, ordering, transfer } = this.replica;
    const [first] = certificate;
    if (first === undefined || first.sequence <= log.low) return;
    const { sequence, digest } = first;
    this.replace(certificate);
    journal.stable(certificate, log.dropTo(sequence));
    state.dropBefore(sequence);
    client.onStable(sequence);
    ordering.skipTo(sequence);
    transfer.onStable(sequence);
    context.notify({ kind: 'checkpoint', sequence, digest });
    for (const list of this.votes) {
      while (list[0] !== undefined && list[0].sequence <= sequence) list.shift();
    }
    ordering.propose();
  }

  /** A checkpoint is where the log begins now. */
  replace(certificate: Certificate): void {
    this.certificate = certificate;
    if ((certificate[0]?.sequence ?? 0) >= (this.highest[0]?.sequence ?? 0)) this.highest = certificate;
  }

  private voteFor({ sequence, digest }: Snapshot): CheckpointVote {
    const { context } = this.replica;
    return context.signing.checkpoint({ sequence, digest, replica: context.self });
  }

  private enter(vote: CheckpointVote): void {
    const { context } = this.replica;
    const list = this.votes[vote.replica];
    if (list === undefined) return;
    const known = list.find(({ sequence }) => sequence === vote.sequence);
    if (known !== undefined) {
      if (known.digest !== vote.digest) context.count('checkpoint.contradicted');
      return;
    }
    list.push(vote);
    list.sort((one, other) => one.sequence - other.sequence);
    if (list.length > MAX_CHECKPOINTS_KEPT) list.splice(1, 1);
    this.count(vote);
  }

  /** Whether a quorum agrees with a vote. */
  private count({ sequence, digest }: CheckpointVote): void {
    const { context } = this.replica;
    const agreeing = this.votes.flat().filter((vote) => vote.sequence === sequence && vote.digest === digest);
    if (agreeing.length < context.quorum) return;
    const certificate = agreeing.filter((vote) => context.signing.isCheckpoint(vote));
    if (certificate.length >= context.quorum) {
      this.settle(certificate.slice(0, context.quorum));
      return;
    }
    for (const vote of agreeing) {
      if (certificate.includes(vote)) continue;
      const list = this.votes[vote.replica];
      list?.splice(list.indexOf(vote), 1);
      context.offend(vote.replica, 'checkpoint-signature');
    }
  }
}
