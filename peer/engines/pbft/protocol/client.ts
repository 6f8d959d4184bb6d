/** Our own client: what a user of this peer has asked for, until f + 1 replicas have given the same answer. */
import type { Gauge } from '../../../core/engine.ts';
import { MAX_OPERATION_LENGTH } from '../../../core/application.ts';
import type { Known } from './clients.ts';
import type { Context } from './context.ts';
import type { PbftResult } from './interface.ts';
import type { Journal } from './journal.ts';
import { RESENT_PER_ROUND, RESERVED_TIMESTAMPS } from './limits.ts';
import type { ClientRequest, Reply } from './messages.ts';

/** The answer to what is too old to be executed by now: nobody knows whether it was. */
const TOO_OLD = JSON.stringify({
  error: 'It came too late, or it was executed and the answer is no longer known.',
});

/** A request that has no answer yet. */
interface Outstanding {
  /** Of the engine's request, which is answered with it. */
  readonly id: number;
  readonly request: ClientRequest;
  /** How many were issued before it in this life. */
  readonly number: number;
  readonly submittedAt: number;
  sentAt: number;
  /** What each replica has answered. */
  readonly answers: Map<number, string>;
  /** The sequence number under which we have executed it ourselves. */
  executedAt: number | undefined;
}

export class Client {
  private readonly context: Context;
  private readonly journal: Journal;
  private readonly window: number;
  /** By timestamp, in the order of their timestamps. */
  private readonly requests = new Map<number, Outstanding>();
  private issued = 0;
  private last: number;
  private reserved: number;

  /**
   * @param window of the clients' tables: an older request is not to fall out of it
   * @param reserved timestamps that an earlier life may have used
   */
  constructor(context: Context, journal: Journal, window: number, reserved: number) {
    this.context = context;
    this.journal = journal;
    this.window = window;
    this.last = reserved;
    this.reserved = reserved;
  }

  get outstanding(): number {
    return this.requests.size;
  }

  measure(report: Gauge): void {
    report('outstanding requests', this.requests.size, this.window);
  }

  /**
   * Signs a request, or says why none is taken.
   *
   * @param id of the engine's request that is answered once there is an answer
   * @param latest the last timestamp of ours that the replicas know of: an earlier life, whose store is lost, may have had
   *   a clock that was ahead, and what is not later than what it asked for would be taken for old
   */
  submit(
    id: number,
    operation: string,
    latest: number,
  ): { readonly request: ClientRequest } | { readonly refusal: PbftResult } {
    if (operation.length > MAX_OPERATION_LENGTH) {
      return refuse(`The operation is longer than ${MAX_OPERATION_LENGTH} characters.`);
    }
    if (!operation.isWellFormed()) return refuse('The operation is no well-formed text.');
    const [oldest] = this.requests.values();
    if (oldest !== undefined && this.issued - oldest.number >= this.window) {
      return refuse('Too many requests have no answer yet; try again in a moment.');
    }
    this.last = Math.max(this.last, latest);
    return { request: this.sign(id, operation) };
  }

  /** Whether a reply says something that is not known yet. */
  awaits({ replica, results }: Reply): boolean {
    return results.some(([timestamp]) => this.requests.get(timestamp)?.answers.has(replica) === false);
  }

  /** Takes a replica's answers; the signature is right. */
  onReply({ replica, results }: Pick<Reply, 'replica' | 'results'>): void {
    for (const [timestamp, result] of results) {
      const outstanding = this.requests.get(timestamp);
      if (outstanding === undefined || outstanding.answers.has(replica)) continue;
      outstanding.answers.set(replica, result);
      const same = [...outstanding.answers.values()].filter((answer) => answer === result).length;
      if (same > this.context.faulty) this.answer(timestamp, outstanding, result);
    }
  }

  /** We have executed requests of our own ourselves, under that sequence number. */
  onExecuted(sequence: number, results: Reply['results']): void {
    for (const [timestamp] of results) {
      const outstanding = this.requests.get(timestamp);
      if (outstanding !== undefined) outstanding.executedAt = sequence;
    }
    this.onReply({ replica: this.context.self, results });
  }

  /** A quorum has the same state as we have, answers included: nobody need send us those again. */
  onStable(sequence: number): void {
    for (const [timestamp, outstanding] of [...this.requests]) {
      const own = outstanding.answers.get(this.context.self);
      if (outstanding.executedAt !== undefined && outstanding.executedAt <= sequence && own !== undefined) {
        this.answer(timestamp, outstanding, own);
      }
    }
  }

  /**
   * The state was replaced by that of a quorum, with all that it has answered.
   *
   * @param look returns what is known of a request of ours
   */
  onReplaced(look: (timestamp: number) => Known): void {
    for (const [timestamp, outstanding] of [...this.requests]) {
      const known = look(timestamp);
      if (known === 'new') continue;
      this.answer(timestamp, outstanding, known === 'old' ? TOO_OLD : known.result);
    }
  }

  /** Answers what has become too old to be executed, and was not executed here in this life: nobody else will answer it. */
  dropOld(look: (timestamp: number) => Known): void {
    for (const [timestamp, outstanding] of [...this.requests]) {
      if (outstanding.executedAt === undefined && look(timestamp) === 'old') {
        this.answer(timestamp, outstanding, TOO_OLD);
      }
    }
  }

  /** Requests that have waited for longer than `patience`, in milliseconds, since they were last sent. */
  takeOverdue(patience: number): ClientRequest[] {
    const overdue: ClientRequest[] = [];
    for (const outstanding of this.requests.values()) {
      if (overdue.length >= RESENT_PER_ROUND) break;
      if (this.context.now - outstanding.sentAt < patience) continue;
      outstanding.sentAt = this.context.now;
      overdue.push(outstanding.request);
    }
    return overdue;
  }

  private sign(id: number, operation: string): ClientRequest {
    const { context } = this;
    const { self: client, now } = context;
    // A clock gives timestamps that grow even after the store was lost, unless it was set back.
    const timestamp = Math.max(this.last + 1, context.wall);
    this.last = timestamp;
    if (timestamp > this.reserved) {
      this.reserved = timestamp + RESERVED_TIMESTAMPS;
      this.journal.reserve(this.reserved);
    }
    const request = context.signing.request({ client, timestamp, operation });
    const answers = new Map<number, string>();
    const number = this.issued++;
    this.requests.set(timestamp, {
      ...{ id, request, number, submittedAt: now, sentAt: now, answers },
      executedAt: undefined,
    });
    return request;
  }

  private answer(timestamp: number, { id, submittedAt }: Outstanding, result: string): void {
    this.requests.delete(timestamp);
    const waited = this.context.now - submittedAt;
    this.context.reply(id, { status: 'answered', timestamp, result, waited });
  }
}

export function refuse(reason: string): { readonly refusal: PbftResult } {
  return { refusal: { status: 'rejected', reason } };
}
