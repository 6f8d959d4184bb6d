/**
 * A bad network between real processes, without rights that only an administrator has.
 *
 * UDP: every peer listens on 127.0.0.1 and tells others (`--host`) that it lives on a loopback address of its own,
 * 127.0.0.2 and so on, at the same port. There a socket of the proxy listens. A datagram that comes to the socket of
 * B from the real address of A is passed on to B from the socket of A. So each peer sees the others at the very
 * addresses that they tell in GOSSIP, answers to the sender and to the address in the message reach the same peer,
 * and no byte of a message is touched: as behind routers that map each machine to an address of its own.
 *
 * TCP: a port in front of a peer's port for miners, which can be slow, silent or cut.
 *
 * All faults are drawn from seeds, one for each direction between two peers, so that the fate of the n-th datagram
 * on a way does not depend on what happens on others.
 */
import type { Socket as UdpSocket } from 'node:dgram';
import { createSocket } from 'node:dgram';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import { addressKey, type Address } from '../../shared/address.ts';
import { seededRandom } from './random.ts';
import { LOOPBACK } from './wire.ts';

/** What a way does to datagrams. */
export interface Conditions {
  /** Share of datagrams that are lost, 0 to 1. */
  readonly loss: number;
  /** Share of datagrams that come twice, each with a delay of its own. */
  readonly duplication: number;
  /** Share of datagrams that are held back until the next one has gone, or for {@link HOLD} milliseconds. */
  readonly reordering: number;
  /** Draws the milliseconds that a datagram is under way; where they differ, datagrams overtake each other. */
  readonly delay: (random: () => number) => number;
  /** Bytes a second; what comes faster waits its turn. */
  readonly bandwidth: number;
  /** Nothing gets through. */
  readonly blocked: boolean;
}

/** A network without faults. */
export const PERFECT: Conditions = {
  loss: 0,
  duplication: 0,
  reordering: 0,
  delay: () => 0,
  bandwidth: Infinity,
  blocked: false,
};

/** Longest time, in milliseconds, that a datagram is held back for one that is to overtake it. */
export const HOLD = 100;
/** Datagrams under way on one way; more are lost, as in the queue of a router. */
const MOST_UNDER_WAY = 1024;

/** Delays evenly spread between two, in milliseconds. */
export function uniformDelay(least: number, most: number): Conditions['delay'] {
  return (random) => least + random() * (most - least);
}

/** Delays as networks have them: most short, a few long. In milliseconds, on top of `least`, cut at `most`. */
export function exponentialDelay(least: number, mean: number, most: number): Conditions['delay'] {
  return (random) => Math.min(most, least - mean * Math.log(1 - random()));
}

/** What became of the datagrams on a way. */
export interface WayCounters {
  readonly taken: number;
  /** Copies that were delivered. */
  readonly delivered: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly heldBack: number;
  readonly blocked: number;
  readonly overflowed: number;
}

/** One direction between two ends. */
export class Way {
  conditions: Conditions = PERFECT;
  readonly #counters = {
    taken: 0,
    delivered: 0,
    lost: 0,
    duplicated: 0,
    heldBack: 0,
    blocked: 0,
    overflowed: 0,
  };
  readonly #random: () => number;
  readonly #deliver: (bytes: Uint8Array) => void;
  readonly #timers = new Set<NodeJS.Timeout>();
  #underWay = 0;
  /** Monotonic time at which all that waits for bandwidth has gone out. */
  #free = 0;
  /** Lets the datagram that is held back go. */
  #release: (() => void) | undefined;

  /** @param deliver takes what arrives */
  constructor(seed: number, deliver: (bytes: Uint8Array) => void) {
    this.#random = seededRandom(seed);
    this.#deliver = deliver;
  }

  get counters(): WayCounters {
    return this.#counters;
  }

  /** Sends a datagram on its way. */
  send(bytes: Uint8Array): void {
    const { loss, duplication, reordering, blocked } = this.conditions;
    this.#counters.taken++;
    // Drawn for every datagram, whatever the conditions are: the fate of the later ones must not depend on that.
    const [lost, twice, late] = [
      this.#random() < loss,
      this.#random() < duplication,
      this.#random() < reordering,
    ];
    const release = this.#release;
    if (blocked) {
      this.#counters.blocked++;
      return;
    }
    if (lost) {
      this.#counters.lost++;
      return;
    }
    if (late && release === undefined) {
      this.#counters.heldBack++;
      const go = (): void => {
        this.#release = undefined;
        clearTimeout(timer);
        this.#timers.delete(timer);
        this.#carry(bytes);
      };
      const timer = setTimeout(go, HOLD);
      this.#timers.add(timer);
      this.#release = go;
    } else {
      this.#carry(bytes);
      release?.();
    }
    if (twice) {
      this.#counters.duplicated++;
      this.#carry(bytes);
    }
  }

  /** Forgets what is under way; may be called again. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#release = undefined;
  }

  #carry(bytes: Uint8Array): void {
    const { delay, bandwidth } = this.conditions;
    const wait = delay(this.#random) + this.#queue(bytes.length, bandwidth);
    if (wait <= 0) {
      this.#counters.delivered++;
      this.#deliver(bytes);
      return;
    }
    if (this.#underWay >= MOST_UNDER_WAY) {
      this.#counters.overflowed++;
      return;
    }
    this.#underWay++;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#underWay--;
      // What was on its way when the network was torn apart does not arrive either.
      if (this.conditions.blocked) {
        this.#counters.blocked++;
        return;
      }
      this.#counters.delivered++;
      this.#deliver(bytes);
    }, wait);
    this.#timers.add(timer);
  }

  /** Milliseconds until so many bytes have gone out behind those that wait already. */
  #queue(bytes: number, bandwidth: number): number {
    if (bandwidth === Infinity) return 0;
    const now = performance.now();
    this.#free = Math.max(this.#free, now) + (bytes / bandwidth) * 1000;
    return this.#free - now;
  }
}

/** A peer as the proxy knows it. */
interface Member {
  /** Where it listens. */
  readonly real: Address;
  /** Where the others know it. */
  readonly shown: Address;
  readonly socket: UdpSocket;
}

/** The network between peers. */
export class LossyNetwork {
  readonly #seed: number;
  readonly #members: Member[] = [];
  /** By real addresses of sender and receiver. */
  readonly #ways = new Map<string, Way>();
  #usual: Conditions = PERFECT;
  #closed = false;
  /** Datagrams from senders that are not of the network; there must be none. */
  strangers = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /**
   * Takes in a peer that listens, or will, on a port of 127.0.0.1.
   *
   * @returns the address by which the others must know it: its `--host`, and what they `--join`
   * @throws Error if the system has no more loopback addresses, or the port is taken there
   */
  async add(port: number): Promise<Address> {
    const real = { host: LOOPBACK, port };
    const shown = { host: `127.0.0.${2 + this.#members.length}`, port };
    const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ ...{ port, address: shown.host }, exclusive: true }, () => {
        socket.off('error', reject);
        resolve();
      });
    });
    // A send to a peer that was killed comes back as an error on some systems.
    socket.on('error', () => undefined);
    const member: Member = { real, shown, socket };
    socket.on('message', (bytes, from) => {
      const sender = this.#members.find(
        (one) => addressKey(one.real) === addressKey({ host: from.address, port: from.port }),
      );
      if (sender === undefined) this.strangers++;
      else this.#way(sender, member).send(bytes);
    });
    this.#members.push(member);
    return shown;
  }

  /** Sets how all ways are, also those between peers that come later. A partition ends by that. */
  setAll(conditions: Partial<Conditions>): void {
    this.#usual = { ...PERFECT, ...conditions };
    for (const way of this.#ways.values()) way.conditions = this.#usual;
  }

  /** Changes the way from one peer to another, by the ports at which they listen. */
  set(from: number, to: number, conditions: Partial<Conditions>): void {
    const way = this.#way(this.#member(from), this.#member(to));
    way.conditions = { ...way.conditions, ...conditions };
  }

  /** Lets nothing get from one group to the other, nor back. */
  partition(one: readonly number[], other: readonly number[]): void {
    this.partitionOneWay(one, other);
    this.partitionOneWay(other, one);
  }

  /** Lets nothing get from one group to the other; the way back stays as it is. */
  partitionOneWay(from: readonly number[], to: readonly number[]): void {
    for (const sender of from) for (const receiver of to) this.set(sender, receiver, { blocked: true });
  }

  /** Ends every partition; the other faults stay. */
  heal(): void {
    for (const way of this.#ways.values()) way.conditions = { ...way.conditions, blocked: false };
  }

  /** What became of all datagrams so far. */
  counters(): WayCounters {
    const sum = { taken: 0, delivered: 0, lost: 0, duplicated: 0, heldBack: 0, blocked: 0, overflowed: 0 };
    for (const { counters } of this.#ways.values())
      for (const name of Object.keys(sum) as (keyof WayCounters)[]) sum[name] += counters[name];
    return sum;
  }

  /** Ends it; may be called again. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const way of this.#ways.values()) way.close();
    for (const { socket } of this.#members) socket.close();
  }

  #member(port: number): Member {
    const member = this.#members.find(({ real }) => real.port === port);
    if (member === undefined) throw new Error(`no peer with port ${port} is in the network`);
    return member;
  }

  #way(sender: Member, receiver: Member): Way {
    const key = `${addressKey(sender.real)} ${addressKey(receiver.real)}`;
    let way = this.#ways.get(key);
    if (way === undefined) {
      // Ports differ from run to run, the order in which peers came does not.
      const number = this.#members.indexOf(sender) * 256 + this.#members.indexOf(receiver);
      way = new Way(this.#seed * 65_536 + number, (bytes) => {
        if (!this.#closed) sender.socket.send(bytes, receiver.real.port, receiver.real.host, () => undefined);
      });
      way.conditions = this.#usual;
      this.#ways.set(key, way);
    }
    return way;
  }
}

/** What a TCP proxy does to connections. */
export interface StreamConditions {
  /** Draws the milliseconds that each piece is under way; the order of bytes stays. */
  readonly delay: (random: () => number) => number;
  /** Bytes a second in each direction of each connection. */
  readonly bandwidth: number;
  /**
   * Nothing gets to the client, not even that the server has gone: a half-open connection. What was sent comes when
   * that ends, as TCP would repeat it.
   */
  readonly silentToClient: boolean;
  /** The same towards the server. */
  readonly silentToServer: boolean;
  /** New connections are closed at once. */
  readonly refusing: boolean;
}

const PERFECT_STREAM: StreamConditions = {
  delay: () => 0,
  bandwidth: Infinity,
  silentToClient: false,
  silentToServer: false,
  refusing: false,
};

/** Bytes that a direction of a connection holds before it stops reading. */
const MOST_HELD = 64 * 1024;

/** What holds for one direction of a connection now. */
type StreamState = Pick<StreamConditions, 'delay' | 'bandwidth'> & { readonly silent: boolean };

/** One direction of a connection: passes on, in order, what it reads, and then that there is no more. */
class Stream {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #state: () => StreamState;
  readonly #random: () => number;
  /** What waits, in order, with the monotonic time at which it is due. */
  readonly #queue: { readonly due: number; readonly bytes: number; readonly go: () => void }[] = [];
  #held = 0;
  /** When the last of what was read is due. */
  #free = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket, state: () => StreamState, random: () => number) {
    this.#from = from;
    this.#to = to;
    this.#state = state;
    this.#random = random;
    from.on('data', (bytes: Buffer) => {
      this.#push(bytes.length, () => {
        if (to.writable) to.write(bytes);
      });
    });
    from.on('end', () => {
      this.#push(0, () => to.end());
    });
    from.once('close', () => {
      this.#push(0, () => to.destroy());
    });
  }

  /** Passes on what is due; to be called when the conditions have changed. */
  pump(): void {
    clearTimeout(this.#timer);
    while (!this.#state().silent) {
      const [first] = this.#queue;
      if (first === undefined) break;
      const wait = first.due - performance.now();
      if (wait > 0) {
        this.#timer = setTimeout(() => {
          this.pump();
        }, wait);
        break;
      }
      this.#queue.shift();
      this.#held -= first.bytes;
      first.go();
    }
    if (this.#held > MOST_HELD) this.#from.pause();
    else this.#from.resume();
  }

  /** Ends both sides at once. */
  cut(): void {
    clearTimeout(this.#timer);
    this.#queue.length = 0;
    this.#from.resetAndDestroy();
    this.#to.resetAndDestroy();
  }

  #push(bytes: number, go: () => void): void {
    const { delay, bandwidth } = this.#state();
    const start = Math.max(this.#free, performance.now() + delay(this.#random));
    this.#free = start + (bytes / bandwidth) * 1000;
    this.#held += bytes;
    this.#queue.push({ due: this.#free, bytes, go });
    this.pump();
  }
}

/** A TCP port in front of another. */
export class StreamProxy {
  /** Connections that were made. */
  connections = 0;
  #conditions: StreamConditions = PERFECT_STREAM;
  readonly #server: Server;
  readonly #random: () => number;
  readonly #target: Address;
  readonly #streams = new Set<Stream>();

  private constructor(seed: number, target: Address, server: Server) {
    this.#random = seededRandom(seed);
    this.#target = target;
    this.#server = server;
    server.on('connection', (client) => {
      this.#accept(client);
    });
  }

  /** Opens a port of its own in front of `target`, which need not be there yet. */
  static async open(seed: number, target: Address): Promise<StreamProxy> {
    const server = createServer({ noDelay: true, allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, LOOPBACK, resolve);
    });
    return new StreamProxy(seed, target, server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Changes how connections are, also those that are open. */
  set(conditions: Partial<StreamConditions>): void {
    this.#conditions = { ...this.#conditions, ...conditions };
    for (const stream of this.#streams) stream.pump();
  }

  /** Cuts every connection, as when a router restarts: both sides hear of it by a reset. */
  cut(): void {
    for (const stream of this.#streams) stream.cut();
  }

  /** Ends it, with all connections; may be called again. */
  close(): void {
    this.#server.close();
    this.cut();
  }

  #accept(client: Socket): void {
    client.on('error', () => undefined);
    if (this.#conditions.refusing) {
      client.resetAndDestroy();
      return;
    }
    this.connections++;
    const server = connect({ ...this.#target, noDelay: true, allowHalfOpen: true });
    server.on('error', () => undefined);
    const streams = [
      new Stream(
        client,
        server,
        () => ({ ...this.#conditions, silent: this.#conditions.silentToServer }),
        this.#random,
      ),
      new Stream(
        server,
        client,
        () => ({ ...this.#conditions, silent: this.#conditions.silentToClient }),
        this.#random,
      ),
    ];
    let closed = 0;
    for (const stream of streams) this.#streams.add(stream);
    for (const socket of [client, server])
      socket.once('close', () => {
        if (++closed === 2) for (const stream of streams) this.#streams.delete(stream);
      });
  }
}
