/** Requests that wait to be executed, those of all clients, in the order in which they came. */
import type { Gauge } from '../../../core/engine.ts';
import type { ClientRequest } from './messages.ts';

/** A request that waits. */
export interface Waiting {
  readonly request: ClientRequest;
  /** When it came, in milliseconds. */
  readonly since: number;
  /** Whether it stands in a pre-prepare of the view that is in force. */
  proposed: boolean;
}

/** That a client waits, and nothing has been executed since that a correct primary would execute first. */
interface ClientWait {
  readonly client: number;
}

/**
 * A client has a share of the pool. Of a client that has asked for more, the lowest timestamps are held, by every
 * replica alike: so the primary has, or takes once it is passed on, what any backup waits for before it gives the
 * primary up, and nobody can have a correct primary given up by sending it one thing and a backup another.
 */
export class RequestPool {
  private readonly requests = new Map<string, Waiting>();
  /** The timestamps of each client's that wait. */
  private readonly timestamps: Set<number>[];
  /** Clients that wait; the one that has waited longest first. */
  private readonly waits = new Map<number, ClientWait>();
  private readonly share: number;

  /** @param share of each client */
  constructor(clients: number, share: number) {
    this.timestamps = Array.from({ length: clients }, () => new Set());
    this.share = share;
  }

  get size(): number {
    return this.requests.size;
  }

  /** The client that has waited longest; the same object until something of it is executed. */
  get longest(): ClientWait | undefined {
    return this.waits.values().next().value;
  }

  measure(report: Gauge): void {
    report('waiting requests', this.requests.size, this.share * this.timestamps.length);
  }

  /** Whether this very request waits: then its signature is right. */
  has(request: ClientRequest): boolean {
    const known = this.get(request)?.request;
    return known?.signature === request.signature && known.operation === request.operation;
  }

  get({ client, timestamp }: Pick<ClientRequest, 'client' | 'timestamp'>): Waiting | undefined {
    return this.requests.get(keyOf(client, timestamp));
  }

  /** Whether a request would be taken: not if its client has as many waiting, or another one under that timestamp. */
  hasRoomFor(request: ClientRequest): boolean {
    const waiting = this.timestamps[request.client];
    if (waiting === undefined || waiting.has(request.timestamp)) return false;
    return waiting.size < this.share || this.givingWay(request) !== undefined;
  }

  /**
   * @param now in milliseconds
   * @returns whether it waits now, see {@link hasRoomFor}
   */
  add(request: ClientRequest, now: number): boolean {
    const { client, timestamp } = request;
    const waiting = this.timestamps[client];
    if (waiting === undefined || waiting.has(timestamp)) return false;
    if (waiting.size >= this.share) {
      const other = this.givingWay(request);
      if (other === undefined) return false;
      this.delete(client, other);
    }
    waiting.add(timestamp);
    this.requests.set(keyOf(client, timestamp), { request, since: now, proposed: false });
    if (!this.waits.has(client)) this.waits.set(client, { client });
    return true;
  }

  /**
   * A request was executed: it waits no more, nor does whatever else there is under its timestamp, or has become too old.
   *
   * @param floor up to which all timestamps of the client are old by now
   */
  onExecuted(client: number, timestamp: number, floor: number): void {
    const waiting = this.timestamps[client];
    if (waiting === undefined || waiting.size === 0) return;
    const first = lowest(waiting);
    this.delete(client, timestamp);
    if (first <= floor) for (const other of [...waiting]) if (other <= floor) this.delete(client, other);
    // What is executed out of turn is no progress for what waits before it.
    if (timestamp > first && first > floor) return;
    this.waitAnew(client);
  }

  /** Takes out those for which `test` is false: much has been executed without us. */
  keepWhere(test: (request: ClientRequest) => boolean): void {
    for (const { request } of [...this.requests.values()]) {
      if (test(request)) continue;
      this.delete(request.client, request.timestamp);
      this.waitAnew(request.client);
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

  private waitAnew(client: number): void {
    this.waits.delete(client);
    if ((this.timestamps[client]?.size ?? 0) > 0) this.waits.set(client, { client });
  }

  private delete(client: number, timestamp: number): void {
    if (!this.requests.delete(keyOf(client, timestamp))) return;
    const waiting = this.timestamps[client];
    waiting?.delete(timestamp);
    if (waiting?.size === 0) this.waits.delete(client);
  }

  /** The timestamp of the client's last request, where that is later than this one and not proposed yet. */
  private givingWay({ client, timestamp }: ClientRequest): number | undefined {
    let last = timestamp;
    for (const other of this.timestamps[client] ?? []) {
      if (other > last && this.requests.get(keyOf(client, other))?.proposed === false) last = other;
    }
    return last > timestamp ? last : undefined;
  }
}

function lowest(timestamps: Iterable<number>): number {
  let least = Infinity;
  for (const timestamp of timestamps) if (timestamp < least) least = timestamp;
  return least;
}

function keyOf(client: number, timestamp: number): string {
  return `${client} ${timestamp}`;
}
