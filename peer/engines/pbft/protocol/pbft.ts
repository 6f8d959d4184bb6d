/**
 * The PBFT engine: a fixed set of replicas, of which f may do anything, executes the same requests in the same order.
 * A deterministic state machine; see `../../../core/engine.ts`. Source of the rules: Castro and Liskov, "Practical Byzantine Fault
 * Tolerance" (OSDI '99), whose names are used; a file for each of its protocols.
 *
 * A replica that has lost its store counts as faulty until it has the state of a checkpoint beyond everything that it
 * voted for: it can't know what it has promised.
 */
import type { StateMachine } from '../../../core/application.ts';
import type { StoreView } from '../../../core/store.ts';
import type { Engine, EngineEvent, Gauge } from '../../../core/engine.ts';
import { ROUND_TIMER } from './catch-up.ts';
import { Client } from './client.ts';
import { Context, type PbftEffect } from './context.ts';
import type { PbftConfig, PbftMembership, PbftStatus, Signatures } from './interface.ts';
import { Journal } from './journal.ts';
import { SETTLED_PER_STATUS, clientWindowOf } from './limits.ts';
import { SlotLog } from './log.ts';
import type { PbftMessage } from './messages.ts';
import { Replica } from './replica.ts';
import { RequestPool } from './requests.ts';
import { Signing } from './signing.ts';
import { ReplicatedState } from './state.ts';
import type { PbftTypes } from './types.ts';

type PbftEvent = EngineEvent<PbftTypes>;

/** What the engine is given besides its configuration. */
export interface PbftModules {
  /** What it has stored in earlier lives. */
  readonly view: StoreView;
  readonly signatures: Signatures;
  /** What executes operations, in its first state. */
  readonly machine: StateMachine;
}

export class PbftEngine implements Engine<PbftTypes> {
  private readonly replica: Replica;
  private readonly signing: Signing;

  /**
   * @throws ForeignStore if the store is of another member or cluster, or of ours with other settings
   * @throws Error if it is damaged
   */
  constructor(config: PbftConfig, membership: PbftMembership, modules: PbftModules) {
    const { view, signatures, machine } = modules;
    const { replicas } = membership;
    this.signing = new Signing(membership, signatures);
    const context = new Context(config, membership, this.signing);
    const window = clientWindowOf(config.messageBuffer, replicas);
    const log = new SlotLog(config.checkpointInterval);
    const state = new ReplicatedState(machine, replicas, window);
    const journal = new Journal(context, view, membership);
    const restored = journal.restore(log, state);
    const client = new Client(context, journal, window, restored.timestamp);
    const pool = new RequestPool(replicas, window);
    const { position } = restored;
    this.replica = new Replica({ context, position, log, state, pool, journal, client });
    const { checkpoints, execution, changes } = this.replica;
    checkpoints.replace(restored.certificate);
    checkpoints.highest = restored.highest;
    execution.executed = restored.pages;
    changes.restore(restored.beginning, restored.viewChange);
  }

  step(event: PbftEvent): readonly PbftEffect[] {
    const { context, changes, inspection } = this.replica;
    context.now = event.now;
    inspection.beginStep();
    switch (event.type) {
      case 'started':
        this.start();
        break;
      case 'message':
        this.replica.catchUp.onHeard(event.from);
        context.count(`${event.message.type.toLowerCase().replaceAll('_', '-')}.received`);
        this.onMessage(event.from, event.message);
        break;
      case 'malformed':
        context.accuse(event.from, event.fault);
        break;
      case 'timer':
        if (event.timer === ROUND_TIMER) this.replica.catchUp.onRound();
        else changes.onTimer(event.timer);
        break;
      case 'clock':
        context.ahead = event.ahead;
        break;
      case 'continue':
        inspection.onContinue();
        this.replica.execution.run();
        break;
      case 'request':
        this.replica.intake.submit(event.id, event.request.operation);
        break;
    }
    changes.watch();
    return context.takeEffects();
  }

  measure(report: Gauge): void {
    const {
      log,
      pool,
      client,
      state,
      intake,
      ordering,
      checkpoints,
      changes,
      transfer,
      catchUp,
      inspection,
    } = this.replica;
    const parts = [log, pool, client, state, intake, ordering, checkpoints, changes, transfer, catchUp];
    for (const part of [...parts, inspection, this.signing]) part.measure(report);
  }

  status(): PbftStatus {
    const { context, position, log, state, pool, client, ordering, execution, changes, transfer, catchUp } =
      this.replica;
    return {
      self: context.self,
      replicas: context.replicas,
      faulty: context.faulty,
      quorum: context.quorum,
      view: position.view,
      primary: context.primary(position.view),
      phase: transfer.active ? 'fetching state' : position.changing ? 'changing view' : 'normal',
      proposed: ordering.proposed,
      executed: execution.executed,
      digest: (transfer.active ? undefined : state.digestWithin(SETTLED_PER_STATUS)) ?? null,
      low: log.low,
      high: log.high,
      waiting: pool.size,
      outstanding: client.outstanding,
      timeout: changes.timeout,
      viewChanges: changes.count,
      others: catchUp.others,
      counters: context.counters,
    };
  }

  private start(): void {
    const { journal, transfer, execution, ordering, catchUp, checkpoints, changes, log } = this.replica;
    journal.claim();
    if (log.low > execution.executed) transfer.begin(checkpoints.certificate);
    else if (checkpoints.highest !== checkpoints.certificate) transfer.want(checkpoints.highest);
    checkpoints.resume(execution.executed);
    ordering.resume(changes.beginning);
    execution.run();
    catchUp.begin();
  }

  private onMessage(from: number, message: PbftMessage): void {
    const { intake, ordering, checkpoints, changes, transfer, catchUp } = this.replica;
    switch (message.type) {
      case 'REQUEST':
        intake.onRequests(from, message.requests);
        break;
      case 'PRE_PREPARE':
        ordering.onPrePrepare(from, message.header, message.batch);
        break;
      case 'PREPARE':
        ordering.onVote('prepare', from, message.vote);
        break;
      case 'COMMIT':
        ordering.onVote('commit', from, message.vote);
        break;
      case 'REPLY':
        intake.onReply(from, message.reply);
        break;
      case 'CHECKPOINT':
        checkpoints.onVote(from, message.vote);
        break;
      case 'VIEW_CHANGE':
        changes.onViewChange(from, message.change);
        break;
      case 'NEW_VIEW':
        changes.onNewView(from, message.newView);
        break;
      case 'FETCH_VIEW_CHANGE':
        changes.onFetch(from, message);
        break;
      case 'STATUS':
        catchUp.onStatus(from, message.status);
        break;
      case 'DECIDED':
        catchUp.onDecided(from, message.batch, message.commits);
        break;
      case 'FETCH_BATCH':
        catchUp.onFetchBatch(from, message.sequence, message.digest);
        break;
      case 'BATCH':
        ordering.onBatch(from, message.sequence, message.batch);
        break;
      case 'STABLE':
        checkpoints.onCertificate(from, message.certificate);
        break;
      case 'FETCH_INDEX':
        transfer.onFetchIndex(from, message.sequence);
        break;
      case 'INDEX':
        transfer.onIndex(from, message.sequence, message.digests);
        break;
      case 'FETCH_PAGES':
        transfer.onFetchPages(from, message.sequence, message.pages);
        break;
      case 'PAGES':
        transfer.onPages(from, message.sequence, message.pages);
        break;
    }
  }
}
