/** Requests that wait to be executed, those of all clients, in the order in which they came. */
import type { Gauge } from '../engine.ts';
import type { ClientRequest } from './messages.ts';

/** A request that waits. */
export interface Waiting {
  readonly request: ClientRequest;
  /** Whether it stands in a pre-prepare of the view that is in force. */
  proposed: boolean;
}

export class RequestPool {
  private readonly requests = new Map<string, Waiting>();
  /** How many of each client wait. */
  private readonly counts: number[];
  private readonly share: number;

  /** @param share of each client */
  constructor(clients: number, share: number) {
    this.counts = Array.from({ length: clients }, () => 0);
    this.share = share;
  }

  get size(): number {
    return this.requests.size;
  }

  /** The key of the one that has waited longest. */
  get oldest(): string | undefined {
    return this.requests.keys().next().value;
  }

  measure(tell: Gauge): void {
    tell('waiting requests', this.requests.size, this.share * this.counts.length);
  }

  /** Whether this very request waits: then its signature is right. */
  has(request: ClientRequest): boolean {
    const known = this.get(request)?.request;
    return known?.signature === request.signature && known.operation === request.operation;
  }

  get({ client, timestamp }: Pick<ClientRequest, 'client' | 'timestamp'>): Waiting | undefined {
    return this.requests.get(keyOf(client, timestamp));
  }

  /** @returns whether it waits now; not if its client has too many waiting, or another one under that timestamp */
  add(request: ClientRequest): boolean {
    const { client, timestamp } = request;
    const count = this.counts[client] ?? this.share;
    if (count >= this.share || this.get(request) !== undefined) return false;
    this.counts[client] = count + 1;
    this.requests.set(keyOf(client, timestamp), { request, proposed: false });
    return true;
  }

  /** Whatever waits under that timestamp does no more. */
  remove(client: number, timestamp: number): void {
    if (this.requests.delete(keyOf(client, timestamp))) this.counts[client] = (this.counts[client] ?? 1) - 1;
  }

  /** Takes out those for which `test` is false. */
  keepWhere(test: (request: ClientRequest) => boolean): void {
    for (const { request } of [...this.requests.values()]) {
      if (!test(request)) this.remove(request.client, request.timestamp);
    }
  }

  /** Oldest first. */
  all(): Iterable<Waiting> {
    return this.requests.values();
  }

  /** A new view: nothing of what waits is proposed in it. */
  forgetProposals(): void {
    for (const waiting of this.requests.values()) waiting.proposed = false;
  }
}

function keyOf(client: number, timestamp: number): string {
  return `${client} ${timestamp}`;
}
