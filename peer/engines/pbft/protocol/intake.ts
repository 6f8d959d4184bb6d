/** How requests come in: from our own user, from clients, and from replicas that pass them on to the primary. */
import { RateLimit } from '../../../core/bounded.ts';
import type { Gauge } from '../../../core/engine.ts';
import {
  FETCHES_BURST,
  FETCHES_PER_SECOND,
  FORWARDED_PER_ROUND,
  FORWARDED_PER_STEP,
  MAX_REQUESTS,
  ROUNDS_PER_TIMEOUT,
} from './limits.ts';
import type { ClientRequest, Reply } from './messages.ts';
import { refuse } from './client.ts';
import type { Replica } from './replica.ts';

/** What it needs of a replica. */
type Parts = Pick<Replica, 'client' | 'context' | 'execution' | 'ordering' | 'pool' | 'position' | 'state'>;

export class Intake {
  private readonly replica: Parts;
  /** Answers that are given once more. */
  private readonly again: RateLimit;

  constructor(replica: Parts) {
    this.replica = replica;
    this.again = new RateLimit({
      ...{ perSecond: FETCHES_PER_SECOND, burst: FETCHES_BURST },
      maxKeys: replica.context.replicas,
    });
  }

  measure(report: Gauge): void {
    this.again.measure('answers given again', report);
  }

  /** Our own user wants something executed. */
  submit(id: number, operation: string): void {
    const { context, client, pool, state } = this.replica;
    const rule = state.check(operation);
    const submitted =
      rule === undefined ? client.submit(id, operation, state.latest(context.self)) : refuse(rule);
    if ('refusal' in submitted) {
      context.count('submit.rejected');
      context.reply(id, submitted.refusal);
      return;
    }
    const { request } = submitted;
    context.count('submit.accepted');
    pool.add(request, context.now);
    this.pass([request]);
  }

  onRequests(from: number, requests: readonly ClientRequest[]): void {
    const fresh = requests.filter((request) => this.take(from, request));
    // A client that comes to a backup may not reach the primary.
    const own = fresh.filter(({ client }) => client === from);
    if (this.leads) this.replica.ordering.propose();
    else if (own.length > 0) this.pass(own);
  }

  /** A replica answers requests of ours. */
  onReply(from: number, reply: Reply): void {
    const { context, client } = this.replica;
    if (reply.replica !== from || reply.client !== context.self) {
      context.count('reply.ignored');
    } else if (client.awaits(reply)) {
      if (context.signing.isReply(reply)) client.onReply(reply);
      else context.offend(from, 'reply-signature');
    }
  }

  /** Another view: its primary may know nothing of what waits. */
  onNewView(): void {
    this.pass(this.open(Infinity, FORWARDED_PER_STEP));
  }

  /**
   * What waits is passed on to the primary once more: it may not have been connected, or have had no room for more of that
   * client. What has waited too long is sent to everybody: whoever has executed it answers, the others watch the primary.
   */
  onRound(): void {
    const { client, context, state } = this.replica;
    const { viewChangeTimeout } = context.config;
    if (!this.leads) {
      const open = this.open(context.now - viewChangeTimeout / ROUNDS_PER_TIMEOUT, FORWARDED_PER_ROUND);
      context.count('request.passed-again', open.length);
      this.pass(open);
    }
    client.dropOld((timestamp) => state.look(context.self, timestamp));
    const overdue = client.takeOverdue((5 * viewChangeTimeout) / ROUNDS_PER_TIMEOUT);
    if (overdue.length === 0) return;
    context.count('request.resent', overdue.length);
    for (const request of overdue) this.take(context.self, request);
    context.broadcast({ type: 'REQUEST', requests: overdue });
    if (this.leads) this.replica.ordering.propose();
  }

  /**
   * Requests that nobody has proposed, oldest first.
   *
   * @param before only those that came no later, in milliseconds
   */
  private open(before: number, most: number): ClientRequest[] {
    const open: ClientRequest[] = [];
    for (const { request, since, proposed } of this.replica.pool.all()) {
      if (open.length === most || since > before) break;
      if (!proposed) open.push(request);
    }
    return open;
  }

  /** @returns whether it waits now, or did already */
  private take(from: number, request: ClientRequest): boolean {
    const { context, pool, state } = this.replica;
    const { client, timestamp } = request;
    if (client >= context.replicas) {
      context.offend(from, 'request-from-nobody');
      return false;
    }
    const known = state.look(client, timestamp);
    if (known !== 'new') {
      context.count('request.repeated');
      if (known !== 'old' && from === client && this.again.take(String(client), context.now)) {
        this.replica.execution.answer(client, [[timestamp, known.result]]);
      }
      return false;
    }
    if (pool.has(request)) return true;
    // Before its signature is looked at: whoever has too many waiting is not to cost more than a look.
    if (!pool.hasRoomFor(request)) {
      context.count('limit.requests');
      return false;
    }
    if (!context.signing.isRequest(request)) {
      context.offend(from, 'request-signature');
      return false;
    }
    context.count('request.taken');
    return pool.add(request, context.now);
  }

  private get leads(): boolean {
    const { context, position } = this.replica;
    return !position.changing && context.primary(position.view) === context.self;
  }

  /** To the primary, if there is one. */
  private pass(requests: readonly ClientRequest[]): void {
    const { context, position, ordering } = this.replica;
    if (this.leads) {
      ordering.propose();
      return;
    }
    if (position.changing) return;
    for (let from = 0; from < requests.length; from += MAX_REQUESTS) {
      context.send(context.primary(position.view), {
        type: 'REQUEST',
        requests: requests.slice(from, from + MAX_REQUESTS),
      });
    }
  }
}
