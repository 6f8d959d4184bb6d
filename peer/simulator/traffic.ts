/** What is on its way between nodes: it is sent, measured, counted and dropped here, and a connection ends. */
import type { Decoded, EngineTypes } from '../core/engine.ts';
import type { Chance } from './chance.ts';
import { CODES } from './codes.ts';
import type { Course } from './course.ts';
import type { DropReason, Network } from './network.ts';
import type { SimNode, TypeCounter } from './node.ts';
import type { PeerTable } from './peers.ts';
import type { Subject } from './subject.ts';
import { MS, SECOND } from './units.ts';

/** How long it takes until two nodes are connected again of which one has ended the connection. */
const RECONNECT_DELAY = 1_000 * MS;

/** A message, or its bytes where a run encodes them. */
export type Payload<T extends EngineTypes> = T['message'] | Uint8Array;

interface Modules<T extends EngineTypes> {
  readonly nodes: readonly SimNode<T>[];
  /** A site for each node, and one for everywhere outside. */
  readonly network: Network;
  readonly peers: PeerTable<T['peer']>;
  readonly subject: Pick<Subject<T>, 'codec' | 'maxMessage'>;
  /** Whether messages travel as bytes. */
  readonly encoded: boolean;
  /** What becomes of messages from outside: apart, so that they don't change the luck of those between nodes. */
  readonly outsideChance: Chance;
}

export class Traffic<T extends EngineTypes> {
  sent = 0;
  delivered = 0;
  malformed = 0;
  /** How many datagrams were dropped, by the reason. */
  readonly dropped = new Map<DropReason, number>();
  readonly types = new Map<string, TypeCounter>();
  private readonly course: Course<T>;
  private readonly modules: Modules<T>;
  /** Pairs of nodes whose connection was ended a moment ago. */
  private readonly disconnected = new Set<number>();
  /** The message that was last measured. */
  private measured: { readonly payload: T['message'] | undefined; readonly size: number } = {
    payload: undefined,
    size: 0,
  };

  constructor(course: Course<T>, modules: Modules<T>) {
    this.course = course;
    this.modules = modules;
  }

  /** What counts messages of a type. */
  counter(type: string): TypeCounter {
    let counter = this.types.get(type);
    if (counter === undefined) {
      this.types.set(type, (counter = { type, code: this.types.size, sent: 0, delivered: 0 }));
    }
    return counter;
  }

  encode(message: T['message']): Payload<T> {
    return this.modules.encoded ? this.modules.subject.codec.encode(message) : message;
  }

  decode(bytes: Uint8Array): Decoded<T['message']> {
    this.course.digest.sample(bytes);
    return this.modules.subject.codec.decode(bytes);
  }

  /** Sends a message of a node to others. */
  broadcast(to: readonly T['peer'][], node: SimNode<T>, message: T['message']): void {
    const payload = this.encode(message);
    const counter = this.counter(message.type);
    for (const peer of to) this.transmit(node, node.peer, peer, payload, counter, 0);
  }

  /**
   * @param node who sends, undefined for somebody outside
   * @param delay in microseconds
   */
  transmit(
    node: SimNode<T> | undefined,
    from: T['peer'],
    to: T['peer'],
    payload: Payload<T>,
    counter: TypeCounter,
    delay: number,
  ): void {
    const { course, modules } = this;
    const { network, nodes } = modules;
    const { type } = counter;
    this.sent++;
    if (node !== undefined) node.sent++;
    counter.sent++;
    const index = modules.peers.find(to);
    const target = index === undefined ? undefined : nodes[index];
    if (target === undefined) {
      this.drop('nobody there', node, 'to', to, type);
      return;
    }
    const size = network.settings.bandwidth > 0 || payload instanceof Uint8Array ? this.sizeOf(payload) : 0;
    if (size > modules.subject.maxMessage) {
      this.drop('oversize', node, 'to', to, type);
      return;
    }
    const start = course.now + delay;
    const reason =
      node === undefined
        ? network.send(nodes.length, target.index, size, start, modules.outsideChance)
        : network.send(node.index, target.index, size, start);
    if (reason !== undefined) {
      this.drop(reason, node, 'to', to, type);
      return;
    }
    if (course.traced) {
      course.trace(node, 'sent', {
        to: modules.peers.label(to),
        ...(from !== node?.peer && { as: modules.peers.label(from) }),
        type,
        arrives: network.arrivals.map((at) => at / SECOND),
      });
    }
    for (const at of network.arrivals)
      course.queue.push(at, { kind: 'delivery', node: target, from, payload, sent: counter });
  }

  /** A datagram to, or from, a peer is lost on its way out of, or into, a node; undefined stands for the outside. */
  drop(
    reason: DropReason,
    node: SimNode<T> | undefined,
    way: 'to' | 'from',
    peer: T['peer'],
    type?: string,
  ): void {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + 1);
    if (!this.course.traced) return;
    this.course.trace(node, 'dropped', { reason, [way]: this.modules.peers.label(peer), type });
  }

  /** What has come to a node cannot be decoded. */
  onMalformed(node: SimNode<T>, from: T['peer'], fault: string): void {
    this.malformed++;
    this.course.trace(node, 'malformed', { from: this.modules.peers.label(from), fault });
  }

  /**
   * A message has come to a node.
   *
   * @param sent what counted it when it was sent, maybe as bytes
   * @returns what counts messages of its type
   */
  onDelivered(node: SimNode<T>, from: T['peer'], message: T['message'], sent: TypeCounter): TypeCounter {
    this.delivered++;
    node.received++;
    const counter = sent.type === message.type ? sent : this.counter(message.type);
    counter.delivered++;
    if (this.course.traced)
      this.course.trace(node, message.type, { from: this.modules.peers.label(from), message });
    return counter;
  }

  /** For a moment two nodes do not hear each other; what is on its way arrives. */
  disconnect(node: SimNode<T>, peer: T['peer']): void {
    const { course } = this;
    const { network, nodes, peers } = this.modules;
    const other = peers.find(peer);
    if (other === undefined) return;
    const [low, high] = [Math.min(node.index, other), Math.max(node.index, other)];
    const pair = low * nodes.length + high;
    if (this.disconnected.has(pair)) return;
    course.digest.pair(CODES.disconnected, node.index);
    const ways = [
      [low, high],
      [high, low],
    ] as const;
    this.disconnected.add(pair);
    course.trace(node, 'disconnected', { from: peers.label(peer) });
    network.wall(ways, true);
    course.call(course.now + RECONNECT_DELAY, () => {
      this.disconnected.delete(pair);
      network.wall(ways, false);
    });
  }

  /** In bytes. What goes to several nodes, one after the other, is measured once. */
  private sizeOf(payload: Payload<T>): number {
    if (payload instanceof Uint8Array) return payload.length;
    if (payload !== this.measured.payload) {
      this.measured = { payload, size: this.modules.subject.codec.encode(payload).length };
    }
    return this.measured.size;
  }
}
