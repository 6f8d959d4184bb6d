/** Executes what is decided, strictly in the order of the sequence numbers, and answers the clients. */
import { EXECUTED_PER_STEP, SETTLED_PER_BATCH } from './limits.ts';
import type { Slot } from './log.ts';
import type { ExecutedRequest, PhaseTimes } from './interface.ts';
import type { Batch, ClientRequest, Reply } from './messages.ts';
import type { Replica } from './replica.ts';

/** What it needs of a replica. */
type Parts = Pick<
  Replica,
  | 'changes'
  | 'checkpoints'
  | 'client'
  | 'context'
  | 'log'
  | 'ordering'
  | 'pool'
  | 'position'
  | 'state'
  | 'transfer'
>;

export class Execution {
  /** The last sequence number that is executed. */
  executed = 0;
  private readonly replica: Parts;
  private running = false;

  constructor(replica: Parts) {
    this.replica = replica;
  }

  /** A request stands in a pre-prepare: it is to be executed before long, whoever brought it. */
  expect(request: ClientRequest): void {
    const { pool, state } = this.replica;
    if (state.look(request.client, request.timestamp) !== 'new') return;
    pool.add(request, this.replica.context.now);
    const waiting = pool.get(request);
    if (waiting !== undefined) waiting.proposed = true;
  }

  /** Executes as much as can be; the rest in steps to come. */
  run(): void {
    const { context, log, state, ordering, checkpoints, transfer } = this.replica;
    // Checkpoints lead back to here, and a state that is being replaced is not built upon.
    if (this.running || transfer.active) return;
    this.running = true;
    let left = EXECUTED_PER_STEP;
    for (;;) {
      const slot = log.get(this.executed + 1);
      const batch = slot?.decided && slot.body(slot.decided.digest);
      if (slot === undefined || batch === undefined) break;
      if (left-- === 0) {
        context.goOn();
        break;
      }
      this.execute(slot, batch);
      // Hashed shortly before a checkpoint, pages that change often are hashed once, and not all in one step.
      const { checkpointInterval } = context.config;
      if (2 * (this.executed % checkpointInterval) > checkpointInterval) state.settle(SETTLED_PER_BATCH);
      if (this.executed % checkpointInterval !== 0) continue;
      checkpoints.take(this.executed);
      // It may have shown that our state is not that of the others.
      if (transfer.isActive()) break;
    }
    this.running = false;
    ordering.propose();
  }

  /** Sends a client the answers to its requests. */
  answer(client: number, results: Reply['results']): void {
    const { context, position } = this.replica;
    const reply = { view: position.view, replica: context.self, client, results };
    context.send(client, { type: 'REPLY', reply: context.signing.reply(reply) });
  }

  private execute(slot: Slot, { time, requests }: Batch): void {
    const { context, state, pool, client } = this.replica;
    const done: ExecutedRequest[] = [];
    state.advanceTime(time);
    for (const { client: from, timestamp, operation } of requests) {
      const execution = state.execute(from, timestamp, operation);
      pool.onExecuted(from, timestamp, state.floor(from));
      if (execution.kind === 'executed') {
        done.push({ client: from, timestamp, operation, result: execution.result });
      } else {
        context.count('execution.repeated');
      }
    }
    this.executed = slot.sequence;
    for (const [member, results] of byClient(done)) {
      if (member === context.self) client.onExecuted(slot.sequence, results);
      else this.answer(member, results);
    }
    if (done.length > 0) this.replica.changes.onProgress();
    context.notify({
      kind: 'executed',
      sequence: slot.sequence,
      view: slot.decided?.view ?? 0,
      digest: slot.decided?.digest ?? '',
      requests: done,
      phases: phasesOf(slot, context.now),
    });
  }
}

function byClient(requests: readonly ExecutedRequest[]): Map<number, [number, string][]> {
  const results = new Map<number, [number, string][]>();
  for (const { client, timestamp, result } of requests) {
    const list = results.get(client) ?? [];
    results.set(client, list);
    list.push([timestamp, result]);
  }
  return results;
}

function phasesOf({ acceptedAt, preparedAt }: Slot, now: number): PhaseTimes | undefined {
  if (acceptedAt === undefined || preparedAt === undefined) return undefined;
  return { prepare: preparedAt - acceptedAt, commit: now - preparedAt, total: now - acceptedAt };
}
