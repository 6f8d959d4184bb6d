/**
 * Replicas send each other their status now and then, and whoever is further on sends what the other one lacks:
 * nothing else repairs what the network has lost. It is also how one that was away learns what was decided meanwhile.
 */
import { RateLimit } from '../../../core/bounded.ts';
import type { Gauge } from '../../../core/engine.ts';
import type { ReplicaView } from './interface.ts';
import { HELPED_PER_ROUND, HELP_BURST, HELP_PER_SECOND, IDLE_ROUNDS, ROUNDS_PER_TIMEOUT } from './limits.ts';
import type { Batch, Status, Vote } from './messages.ts';
import { isDecision } from './new-view.ts';
import type { Replica } from './replica.ts';

export const ROUND_TIMER = 'round';

/** What it needs of a replica. */
type Parts = Pick<
  Replica,
  | 'changes'
  | 'checkpoints'
  | 'client'
  | 'context'
  | 'execution'
  | 'intake'
  | 'journal'
  | 'log'
  | 'ordering'
  | 'pool'
  | 'position'
  | 'transfer'
>;

export class CatchUp {
  private readonly replica: Parts;
  /** What others last reported of themselves, and when anything was last heard of them. */
  private readonly statuses = new Map<number, Status>();
  private readonly heardAt = new Map<number, number>();
  private readonly helped: RateLimit;
  private rounds = 0;

  constructor(replica: Parts) {
    this.replica = replica;
    this.helped = new RateLimit({
      ...{ perSecond: HELP_PER_SECOND, burst: HELP_BURST },
      // For STATUS and for batches.
      maxKeys: 2 * replica.context.replicas,
    });
  }

  measure(report: Gauge): void {
    const { replicas } = this.replica.context;
    report('statuses', this.statuses.size, replicas);
    report('replicas heard', this.heardAt.size, replicas);
    this.helped.measure('replicas helped', report);
  }

  /** Whether so many say that they are further on that one of them is correct. */
  get isBehind(): boolean {
    return this.isBehindBy(1);
  }

  /**
   * Whether we are behind by more than is under way at any time. Somebody is always a little ahead, and together with f
   * liars that must not make us patient for ever with a primary that leaves something out.
   */
  get isFarBehind(): boolean {
    return this.isBehindBy(this.replica.context.config.pipeline + 1);
  }

  get others(): ReplicaView[] {
    const { context } = this.replica;
    return context.others.map((replica) => {
      const status = this.statuses.get(replica);
      const heardAt = this.heardAt.get(replica);
      return {
        replica,
        view: status?.view ?? 0,
        changing: status?.changing ?? false,
        executed: status?.executed ?? 0,
        stable: status?.stable ?? 0,
        silence: heardAt === undefined ? null : context.now - heardAt,
        offences: context.offences[replica] ?? 0,
      };
    });
  }

  /** Replicas that have not reported to be in that view, or beyond it: others need no view change for it. */
  outside(view: number): number[] {
    return this.replica.context.others.filter((replica) => {
      const status = this.statuses.get(replica);
      return status === undefined || status.view < view || (status.view === view && status.changing);
    });
  }

  begin(): void {
    this.report();
    this.setTimer();
  }

  onHeard(from: number): void {
    this.heardAt.set(from, this.replica.context.now);
  }

  onRound(): void {
    const { intake, changes, transfer, journal } = this.replica;
    if (this.isBusy || ++this.rounds % IDLE_ROUNDS === 0) this.report();
    changes.onRound();
    intake.onRound();
    transfer.onRound();
    this.fetchMissing();
    journal.flush();
    this.setTimer();
  }

  onStatus(from: number, status: Status): void {
    const { context, position, log, execution, checkpoints, changes } = this.replica;
    this.statuses.set(from, status);
    const late = status.view < position.view || (status.view === position.view && status.changing);
    if (late && !position.changing) changes.report(from);
    if (!this.helped.take(String(from), context.now)) {
      context.count('limit.help');
      return;
    }
    checkpoints.repeat(from, status.stable);
    const { certificate } = checkpoints;
    // Also to one that has executed all of it: it may have missed the votes, and have no room without them.
    if (status.stable < log.low && certificate.length > 0)
      context.send(from, { type: 'STABLE', certificate });
    if (status.executed < log.low) return;
    const inView = status.view === position.view && !status.changing && !position.changing;
    const last = Math.min(status.executed + HELPED_PER_ROUND, log.high);
    for (let sequence = status.executed + 1; sequence <= last; sequence++) {
      const slot = log.get(sequence);
      if (slot === undefined) continue;
      const batch = slot.decided && slot.body(slot.decided.digest);
      if (batch !== undefined && slot.decided !== undefined && sequence <= execution.executed) {
        context.send(from, { type: 'DECIDED', batch, commits: slot.decided.commits });
      } else if (inView) {
        this.replica.ordering.repeat(from, slot);
      }
    }
  }

  /** A batch that a quorum has decided, whatever became of the messages that led to it. */
  onDecided(from: number, batch: Batch, commits: readonly Vote[]): void {
    const { context, log, journal, execution } = this.replica;
    const [first] = commits;
    if (first === undefined) return;
    const { view, sequence, digest } = first;
    if (!log.isWithin(sequence) || sequence <= execution.executed) return;
    const slot = log.at(sequence);
    if (slot.decided !== undefined && slot.body(digest) !== undefined) return;
    if (context.signing.digestOf(batch) !== digest || !isDecision(context, commits)) {
      context.offend(from, 'decision');
      return;
    }
    context.count('decided.taken');
    slot.decided = { view, digest, commits };
    journal.body(slot, digest, batch, slot.keep(digest, batch));
    this.replica.ordering.skipTo(sequence);
    execution.run();
  }

  onFetchBatch(from: number, sequence: number, digest: string): void {
    const { context, log } = this.replica;
    const batch = log.get(sequence)?.body(digest);
    if (batch === undefined || !this.helped.take(`batch ${from}`, context.now)) return;
    context.send(from, { type: 'BATCH', sequence, batch });
  }

  /** Asks for batches of which we know only the digest. */
  fetchMissing(): void {
    const { context, log } = this.replica;
    let left = HELPED_PER_ROUND;
    for (const { sequence, missing } of log.all()) {
      if (missing === undefined) continue;
      if (left-- === 0) return;
      context.broadcast({ type: 'FETCH_BATCH', sequence, digest: missing });
    }
  }

  /** Whether something is under way that needs the others. */
  private get isBusy(): boolean {
    const { pool, position, client, transfer, ordering, execution } = this.replica;
    return (
      pool.size > 0 ||
      client.outstanding > 0 ||
      position.changing ||
      transfer.active ||
      ordering.proposed > execution.executed ||
      this.isBehind
    );
  }

  private isBehindBy(distance: number): boolean {
    const { execution, context, transfer } = this.replica;
    if (transfer.active) return true;
    const least = execution.executed + distance;
    const ahead = [...this.statuses.values()].filter(({ executed }) => executed >= least);
    return ahead.length > context.faulty;
  }

  private report(): void {
    const { context, position, log, execution } = this.replica;
    const status = { ...position, stable: log.low, executed: execution.executed };
    context.broadcast({ type: 'STATUS', status });
  }

  private setTimer(): void {
    const { context } = this.replica;
    context.timer(ROUND_TIMER, context.config.viewChangeTimeout / ROUNDS_PER_TIMEOUT);
  }
}
