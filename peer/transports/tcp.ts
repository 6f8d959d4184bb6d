/**
 * Frames over TCP between members of a cluster, each of which has a key: who a message is from is proven, and everybody
 * is connected with everybody.
 *
 * - A connection begins with a handshake in which both sides prove who they are (handshake.ts); after it each frame is
 *   authenticated (frame-mac.ts). Nothing is encrypted: what engines send is signed where it must hold for others, and
 *   none of it is secret.
 * - A node needs the address of one other. Connected members tell each other the addresses of all, each signed by the
 *   member itself (address-record.ts), and everybody dials whom it is not connected with.
 * - Frames for a member that is not connected are dropped and counted, as are the newest when too many wait: engines
 *   send again what matters. Frames of one connection arrive in order, each once, or the connection ends.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import { addressKey, type Address } from '../../shared/address.ts';
import { verifierOf, type KeyPair, type Verifier } from '../../shared/ed25519.ts';
import { UserError, messageOf, systemCodeOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import {
  decodeAddress,
  encodeAddress,
  isSignedAddress,
  isTellable,
  signAddress,
  type AddressRecord,
} from './address-record.ts';
import { RateLimit, TokenBucket } from '../core/bounded.ts';
import { FrameQueue } from './frame-queue.ts';
import { CLUSTER_PATTERN, HANDSHAKE_RULES, type HandshakeFault, type KnownMember } from './handshake.ts';
import { checkBind, listenError } from './listening.ts';
import { HostResolver, type HostAnswer, type Resolve } from './names.ts';
import { TcpConnection, type ConnectionHost, type EndReason } from './tcp-connection.ts';
import { DEFAULT_TCP_LIMITS, type TcpLimits } from './tcp-limits.ts';
import type { Transport, TransportHandlers } from './transport.ts';

/** Frames that may wait for one peer if nothing else is said: the seed's figure. */
export const DEFAULT_BUFFER_FRAMES = 1_000;
/** Highest sequence of an address of ours from an earlier life that is answered with a higher one; times are far below. */
const MAX_SEQUENCE = 2 ** 52;
/** Other addresses at which a member was met, besides the one that it tells; the last ones are kept. */
const MAX_ALIASES = 4;

/** What lets time pass; tests have their own. Each gives a function that calls it off. */
export interface Timers {
  after(milliseconds: number, action: () => void): () => void;
  every(milliseconds: number, action: () => void): () => void;
}

const SYSTEM_TIMERS: Timers = {
  after: (milliseconds, action) => {
    const timer = setTimeout(action, milliseconds);
    return () => {
      clearTimeout(timer);
    };
  },
  every: (milliseconds, action) => {
    const timer = setInterval(action, milliseconds);
    return () => {
      clearInterval(timer);
    };
  },
};

/** A member of the cluster. */
export interface TcpMember {
  /** 64 lower-case hexadecimal digits. */
  readonly publicKey: string;
  /** Where it is, as far as that is known beforehand. */
  readonly address?: Address;
}

export interface TcpOptions {
  /** The IPv4 address to listen on; `0.0.0.0` for all of this machine's. */
  readonly bind: string;
  /** 0 to 65535; 0 takes any free port. */
  readonly port: number;
  /**
   * Where others are told that we are. By default where we listen; if that is every address of the machine, then the one
   * that a connection shows us to have.
   */
  readonly advertise?: Address;
  /** What the members have in common; connections within another cluster are refused. 1 to 128 printable characters. */
  readonly cluster: string;
  /** What a person is told to see to where the cluster of another member is not ours. */
  readonly clusterRemedy?: string;
  /** Our own place among the members, from 0. */
  readonly self: number;
  /** What people call a member; its number by default. */
  readonly nameOf?: (member: number) => string;
  readonly key: KeyPair;
  readonly members: readonly TcpMember[];
  /** Addresses of members, it is not known of which. */
  readonly bootstrap: readonly Address[];
  /** Frames that may wait for one peer. */
  readonly bufferFrames: number;
  readonly log: Log;
  readonly limits?: Partial<TcpLimits>;
  readonly timers?: Timers;
  /** Wall clock in milliseconds. */
  readonly now?: () => number;
  /** A number from 0 up to 1. */
  readonly random?: () => number;
  /** Finds the addresses of host names; asks the system by default. */
  readonly resolve?: Resolve;
}

export interface TcpHandlers extends TransportHandlers<number> {
  /**
   * A member is connected, before any message of it, or is not any more. A member that has come back on another
   * connection before we noticed that it was away is `down` and then `up`.
   */
  onPeer?(member: number, state: 'up' | 'down'): void;
}

/** What a TCP transport has done so far. Frames and bytes are those of messages, without anything around them. */
export interface TcpCounters {
  readonly received: number;
  readonly receivedBytes: number;
  /** Handed to a socket. */
  readonly sent: number;
  readonly sentBytes: number;
  /**
   * Messages not sent, by reason: `too-long`, `no-such-member`, `not-connected`, `queue-full`, `connection-lost` (they
   * waited when it was), `blocked`, `closed`.
   */
  readonly dropped: Readonly<Record<string, number>>;
  /** Handshakes that both sides finished. */
  readonly established: number;
  /**
   * Connections that did not get that far, by reason (see `HANDSHAKE_RULES`), by `told-` and the reason if the other side
   * said so, by the system's code as `ECONNREFUSED`, or by what is wrong with the host (`HostFault` in names.ts).
   */
  readonly failed: Readonly<Record<string, number>>;
  /** Established connections that ended, by reason (see `END_RULES`) or the system's code. */
  readonly ended: Readonly<Record<string, number>>;
  /** Addresses of members from others: taken, known before, of nobody, or more than one member may have in a time. */
  readonly addresses: Readonly<Record<'new' | 'old' | 'unknown' | 'too-many', number>>;
}

/** What is known of another member. */
export interface TcpPeer {
  readonly member: number;
  /** `paused` for a while after misbehaviour. */
  readonly state: 'up' | 'down' | 'blocked' | 'paused';
  /** Where it is, as far as we know: text from the network. */
  readonly address: Address | null;
  /** Wall clock in milliseconds. */
  readonly connectedSince: number | null;
  /** Messages that wait to be sent. */
  readonly queued: number;
  /** Messages and their bytes, of all connections. */
  readonly received: number;
  readonly receivedBytes: number;
  readonly sent: number;
  readonly sentBytes: number;
}

/** Connects a member with all others. Peers are named by their place among the members. */
export interface TcpMesh extends Transport<number> {
  readonly counters: TcpCounters;
  /** Sends a message. `bytes` are not copied: they must not be changed later. */
  send(bytes: Uint8Array, to: number): void;
  /** Ends the connection with a member that misbehaved; there is none for a while, longer each time. */
  disconnect(member: number, reason: string): void;
  /**
   * Cuts these members off, and no others any more: how a network on one machine is partitioned. Their connections end
   * and new ones are refused.
   */
  block(members: readonly number[]): void;
  /** All other members, in order. */
  peers(): TcpPeer[];
}

/**
 * Listens, and connects with all members that can be found.
 *
 * @throws UserError if it can't listen there, or if the key, the cluster's name or our address is not what it must be
 */
export async function openTcpMesh(options: TcpOptions, handlers: TcpHandlers): Promise<TcpMesh> {
  const { bind, port, advertise, cluster, self, key, members } = options;
  checkBind(bind);
  if (!CLUSTER_PATTERN.test(cluster)) {
    throw new UserError('the name of a cluster has 1 to 128 printable ASCII characters');
  }
  if (advertise !== undefined && !isTellable(advertise)) {
    throw new UserError(
      `--advertise: "${advertise.host}" is neither an IPv4 address nor a host name that others can be told`,
    );
  }
  if (members[self]?.publicKey !== key.publicKey) {
    throw new UserError(`the key is not that of member ${self} of the cluster`);
  }
  const server = createServer({ noDelay: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(listenError('TCP', error, bind, port));
    });
    server.listen({ host: bind, port, exclusive: true }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
  return new Mesh(server, options, handlers);
}

/** Faults that a person has to do something about. */
const TOLD_FAULTS: ReadonlySet<string> = new Set<HandshakeFault>([
  'wrong-version',
  'wrong-cluster',
  'unknown-member',
  'bad-signature',
]);

/** What a person can do about it. */
const REMEDIES: Readonly<Record<string, string>> = {
  'wrong-version': 'all members must run the same version of this program',
  'wrong-cluster': 'the cluster must be the same at all members',
  'unknown-member': 'the list of members must be the same at all of them',
};

/** So many new connections of a member, each in place of a living one, in an allowance period: nobody restarts so often. */
const MANY_REPLACEMENTS = 3;

/** Somebody to be connected with: a member, or whoever is at an address. */
class Target {
  /** Tried by turns. */
  readonly addresses: () => readonly Address[];
  /** Undefined for an address of which it is not known whose it is. */
  readonly member: Member | undefined;
  /** Attempts since the last success that lasted. */
  attempts = 0;
  /** Calls off the attempt that is planned. */
  cancel: (() => void) | undefined;
  /** An attempt is under way: the name is looked up or the connection made. */
  busy = false;
  /** What people have been told about it lately. */
  readonly told = new Set<string>();

  constructor(addresses: () => readonly Address[], member?: Member) {
    this.addresses = addresses;
    this.member = member;
  }
}

/** Another member, or we ourselves. */
class Member implements KnownMember {
  readonly member: number;
  readonly verifier: Verifier;
  readonly queue: FrameQueue;
  readonly target: Target;
  readonly counters = { received: 0, receivedBytes: 0, sent: 0, sentBytes: 0 };
  /** What it says where it is. */
  record: AddressRecord | undefined;
  /** The connection in use, since when (wall clock), and its place in the order of events. */
  connection: TcpConnection | undefined;
  connectedSince = 0;
  upAt = 0;
  /** A connection that was replaced and has something on its way. */
  retiring: TcpConnection | undefined;
  /** From where it was last connected. */
  host: string | undefined;
  /** Whose addresses are to be sent to it. */
  readonly owed = new Set<Member>();
  blocked = false;
  /** Ticks for which it is still kept out, and how often it misbehaved. */
  paused = 0;
  offences = 0;
  /** What it may still change and cause to be logged until the next allowance. */
  changes = 0;
  lines = 0;
  /** How often since then it has dialled although it was connected. */
  replacements = 0;
  /** Where else it was met. */
  readonly #aliases: Address[] = [];
  readonly #address: Address | undefined;

  constructor(member: number, { publicKey, address }: TcpMember, queue: FrameQueue) {
    this.member = member;
    this.verifier = verifierOf(publicKey);
    this.queue = queue;
    this.#address = address;
    this.target = new Target(() => this.#addresses(), this);
  }

  /** Where it most probably is. */
  get address(): Address | undefined {
    return this.#addresses()[0];
  }

  /** Whether it was met at a host, or says that it is there. */
  isAt(host: string): boolean {
    return this.host === host || this.#addresses().some((address) => address.host === host);
  }

  addAlias(address: Address): void {
    const known = this.#addresses().some((other) => addressKey(other) === addressKey(address));
    if (!known) this.#aliases.unshift(address);
    this.#aliases.splice(MAX_ALIASES);
  }

  #addresses(): Address[] {
    return [this.record, this.#address, ...this.#aliases].filter((address) => address !== undefined);
  }
}

function count(counters: Record<string, number>, name: string): void {
  counters[name] = (counters[name] ?? 0) + 1;
}

class Mesh implements TcpMesh, ConnectionHost {
  readonly local: Address;
  readonly cluster: string;
  readonly key: KeyPair;
  readonly #server: Server;
  readonly #options: TcpOptions;
  readonly #handlers: TcpHandlers;
  readonly #log: Log;
  readonly #limits: TcpLimits;
  readonly #timers: Timers;
  readonly #now: () => number;
  readonly #hosts: HostResolver;
  readonly #members: readonly Member[];
  readonly #byKey: ReadonlyMap<string, Member>;
  readonly #self: Member;
  /** Every socket that is not closed, so that closing can wait for them. */
  readonly #sockets = new Set<Socket>();
  /** Connections whose handshake is not finished, with the target if we dialled, oldest first. */
  readonly #pending = new Map<TcpConnection, Target | undefined>();
  /** Addresses of which it is not known whose they are. */
  readonly #bootstraps = new Set<Target>();
  readonly #counters = {
    received: 0,
    receivedBytes: 0,
    sent: 0,
    sentBytes: 0,
    dropped: {} as Record<string, number>,
    established: 0,
    failed: {} as Record<string, number>,
    ended: {} as Record<string, number>,
    addresses: { new: 0, old: 0, unknown: 0, 'too-many': 0 },
  };
  /** An address of ours that another process has told; it is dialled once, to find out. */
  #twin: Target | undefined;
  /** What people have been told lately about hosts at which nobody is known. */
  readonly #toldOfStrangers = new Set<string>();
  readonly #handshakes: RateLimit;
  readonly #strangers: TokenBucket;
  /** Numbers events, so that it is known which was first. */
  #order = 0;
  #ticks = 0;
  readonly #stopTicks: () => void;
  #closing = false;
  #closed: Promise<void> | undefined;

  constructor(server: Server, options: TcpOptions, handlers: TcpHandlers) {
    const { self, members, bootstrap, bufferFrames, bind, advertise } = options;
    this.#server = server;
    this.#options = options;
    this.#handlers = handlers;
    this.cluster = options.cluster;
    this.key = options.key;
    this.#log = options.log;
    this.#limits = { ...DEFAULT_TCP_LIMITS, ...options.limits };
    const { handshakesPerHost, ratedHosts, strangers } = this.#limits;
    this.#handshakes = new RateLimit({ ...handshakesPerHost, maxKeys: ratedHosts });
    this.#strangers = new TokenBucket(strangers);
    this.#timers = options.timers ?? SYSTEM_TIMERS;
    this.#now = options.now ?? Date.now;
    this.#hosts = new HostResolver(options.resolve ? { resolve: options.resolve } : {});
    this.#members = members.map((member, index) => {
      return new Member(index, member, new FrameQueue(bufferFrames, this.#limits.queueBytes));
    });
    this.#byKey = new Map(this.#members.map((member, index) => [members[index]?.publicKey ?? '', member]));
    const own = this.#members[self];
    if (own === undefined) throw new RangeError(`there is no member ${self}`);
    this.#self = own;
    const { address: host, port } = server.address() as AddressInfo;
    this.local = { host, port };

    server.on('connection', (socket) => {
      this.#accept(socket);
    });
    server.on('error', (error) => {
      // As when the system has no more descriptors; those that are connected go on.
      count(this.#counters.failed, systemCodeOf(error) ?? 'unknown');
      this.#log.debug('tcp: a connection could not be accepted', { error: messageOf(error) });
    });
    this.#stopTicks = this.#timers.every(this.#limits.tick, () => {
      this.#tick();
    });
    this.#refill();
    if (advertise !== undefined) this.#advertise(advertise);
    else if (numericHost(bind) !== '0.0.0.0') this.#advertise(this.local);
    for (const address of new Map(bootstrap.map((one) => [addressKey(one), one])).values()) {
      const target = new Target(() => [address]);
      this.#bootstraps.add(target);
      this.#plan(target, 0);
    }
    for (const { target } of this.#others()) this.#plan(target, 0);
  }

  get counters(): TcpCounters {
    return this.#counters;
  }

  peers(): TcpPeer[] {
    return this.#others().map((other) => {
      const { member, connection, queue, counters, connectedSince, blocked, paused, address } = other;
      const down = blocked ? 'blocked' : paused > 0 ? 'paused' : 'down';
      return {
        member,
        state: connection === undefined ? down : 'up',
        address: address === undefined ? null : { host: address.host, port: address.port },
        connectedSince: connection === undefined ? null : connectedSince,
        queued: queue.length,
        ...counters,
      };
    });
  }

  send(bytes: Uint8Array, to: number): void {
    const member = this.#members[to];
    const fault = this.#sendFault(bytes, member);
    if (fault !== undefined) count(this.#counters.dropped, fault);
    else member?.connection?.wake();
  }

  /** Lets a message wait, or says why it can't. */
  #sendFault(bytes: Uint8Array, member: Member | undefined): string | undefined {
    if (this.#closing) return 'closed';
    if (member === undefined || member === this.#self) return 'no-such-member';
    if (bytes.length > this.#limits.frameBytes) return 'too-long';
    if (member.blocked) return 'blocked';
    if (member.connection === undefined) return 'not-connected';
    return member.queue.push(bytes) ? undefined : 'queue-full';
  }

  disconnect(index: number, reason: string): void {
    const member = this.#members[index];
    if (member === undefined || member === this.#self || this.#closing) return;
    this.#log.debug('tcp: a member is disconnected', { member: this.#nameOf(index), reason });
    this.#pause(member);
    this.#cut(member, 'disconnected', 'paused');
  }

  block(indexes: readonly number[]): void {
    if (this.#closing) return;
    for (const member of this.#others()) {
      const before = member.blocked;
      member.blocked = indexes.includes(member.member);
      if (member.blocked && !before) {
        this.#cut(member, 'blocked', 'blocked');
      } else if (!member.blocked && before) {
        member.target.attempts = 0;
        this.#plan(member.target, 0);
      }
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing = true;
    this.#stopTicks();
    for (const target of [...this.#bootstraps, ...this.#members.map((member) => member.target)]) {
      target.cancel?.();
    }
    const closed = [...this.#sockets].map(
      (socket) => new Promise((resolve) => void socket.once('close', resolve)),
    );
    const serverClosed = new Promise((resolve) => void this.#server.close(resolve));
    for (const connection of this.#connections()) connection.end('shutdown');
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([...closed, serverClosed]);
  }

  #others(): Member[] {
    return this.#members.filter((member) => member !== this.#self);
  }

  #connections(): TcpConnection[] {
    const established = this.#members.flatMap(({ connection, retiring }) => [connection, retiring]);
    return [...this.#pending.keys(), ...established].filter((connection) => connection !== undefined);
  }

  #tick(): void {
    this.#ticks++;
    if (this.#ticks % this.#limits.allowanceTicks === 0) this.#refill();
    if (this.#ticks % this.#limits.warningTicks === 0) this.#forgetTold();
    for (const connection of this.#connections()) connection.tick();
    for (const member of this.#others()) {
      if (member.paused > 0 && --member.paused === 0) this.#plan(member.target, 0);
      const { connection, target } = member;
      if (connection === undefined) continue;
      if (connection.age === this.#limits.lastedTicks) target.attempts = 0;
      if (connection.age === this.#limits.forgiveTicks) member.offences = 0;
    }
  }

  #refill(): void {
    for (const member of this.#members) {
      member.lines = member.changes = this.#limits.changes;
      member.replacements = 0;
    }
  }

  #forgetTold(): void {
    this.#toldOfStrangers.clear();
    for (const { told } of [...this.#bootstraps, ...this.#members.map(({ target }) => target)]) told.clear();
  }

  // Dialling

  /** Lets somebody be dialled after so many milliseconds, unless that is planned or of no use. */
  #plan(target: Target, delay: number): void {
    if (target.busy || target.cancel !== undefined || !this.#isWanted(target)) return;
    target.cancel = this.#timers.after(delay, () => {
      target.cancel = undefined;
      if (this.#isWanted(target)) this.#dial(target);
    });
  }

  /** Dials again, later each time. */
  #planAgain(target: Target): void {
    if (this.#twin === target) this.#twin = undefined;
    if (!this.#isWanted(target)) return;
    const { firstRetry, longestRetry } = this.#limits;
    const { random = Math.random } = this.#options;
    const longest = Math.min(longestRetry, firstRetry * 2 ** Math.min(target.attempts++, 30));
    this.#plan(target, longest * (0.5 + random() / 2));
  }

  #isWanted(target: Target): boolean {
    if (this.#closing) return false;
    const { member } = target;
    if (member === undefined) return this.#bootstraps.has(target) || this.#twin === target;
    const reachable = member.connection === undefined && target.addresses().length > 0;
    return reachable && !member.blocked && member.paused === 0;
  }

  #dial(target: Target): void {
    const addresses = target.addresses();
    const address = addresses[target.attempts % addresses.length];
    if (address === undefined) return;
    target.busy = true;
    const answer = this.#hosts.find(address.host, (later) => {
      this.#dialAt(target, address, later);
    });
    if (answer !== undefined) this.#dialAt(target, address, answer);
  }

  #dialAt(target: Target, { port }: Address, { address: host, fault }: HostAnswer): void {
    target.busy = false;
    if (!this.#isWanted(target)) return;
    if (fault !== undefined) {
      count(this.#counters.failed, fault);
      this.#planAgain(target);
      return;
    }
    target.busy = true;
    const socket = connect({ host, port, noDelay: true });
    this.#add(socket, { dialled: true, remote: { host, port } }, target);
  }

  // Connections

  #accept(socket: Socket): void {
    if (this.#closing) {
      socket.destroy();
      return;
    }
    const remote = { host: numericHost(socket.remoteAddress), port: socket.remotePort ?? 0 };
    this.#makeRoom(remote.host);
    this.#add(socket, { dialled: false, remote }, undefined);
  }

  /** Ends the oldest connection from outside whose handshake is not finished if there are too many. */
  #makeRoom(host: string): void {
    const waiting = [...this.#pending.keys()].filter(({ dialled }) => !dialled);
    const fromHost = waiting.filter(({ remote }) => remote.host === host);
    if (fromHost.length >= this.#limits.pendingPerHost) fromHost[0]?.end('crowded');
    else if (waiting.length >= this.#limits.pending) waiting[0]?.end('crowded');
  }

  #add(
    socket: Socket,
    { dialled, remote }: { readonly dialled: boolean; readonly remote: Address },
    target: Target | undefined,
  ): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    const identity = { dialled, remote, opened: ++this.#order };
    this.#pending.set(new TcpConnection(socket, this, this.#limits, identity), target);
  }

  find(publicKey: string): KnownMember | undefined {
    return this.#byKey.get(publicKey);
  }

  isOwnNonce(nonce: string): boolean {
    for (const [connection, target] of this.#pending) {
      if (!connection.dialled || connection.nonce !== nonce) continue;
      // Our own address is among those to begin with, as in a list that all members are given.
      if (target !== undefined) this.#bootstraps.delete(target);
      return true;
    }
    return false;
  }

  admit(connection: TcpConnection, index: number): HandshakeFault | undefined {
    const member = this.#members[index];
    if (member === undefined) return 'unknown-member';
    if (member.blocked) return 'blocked';
    if (member.paused > 0) return 'paused';
    if (!connection.dialled && !this.#mayShake(connection.remote.host)) return 'too-often';
    // Whoever accepts a connection takes ours for a sign that we have no other: so we have none.
    return connection.dialled && member.connection !== undefined ? 'duplicate' : undefined;
  }

  /** Whether a host may have another handshake. */
  #mayShake(host: string): boolean {
    // Not by the clock, which may be set back.
    const now = this.#ticks * this.#limits.tick;
    return (
      this.#handshakes.take(host, now) && (this.#knownAt(host) !== undefined || this.#strangers.take(now))
    );
  }

  /** The first other member that is known to be at a host. */
  #knownAt(host: string): Member | undefined {
    return this.#others().find((member) => member.isAt(host));
  }

  failed(connection: TcpConnection, fault: string, told: boolean): void {
    const target = this.#pending.get(connection);
    this.#pending.delete(connection);
    const { host, port } = connection.remote;
    if (!this.#closing) {
      count(this.#counters.failed, told ? `told-${fault}` : fault);
      this.#log.debug('tcp: no connection', { host, port, fault, told });
      this.#tellFault(fault, told, connection.remote, target);
    }
    if (target === undefined) return;
    target.busy = false;
    this.#identify(target, connection.claimed);
    this.#planAgain(target);
  }

  /**
   * Tells a person what only a person can mend: once in a while about everybody that we dial or know, and as often about all
   * others together, so that strangers neither fill the log nor keep anything out of it.
   */
  #tellFault(fault: string, told: boolean, { host, port }: Address, dialled: Target | undefined): void {
    if (fault === 'own-key' && !told) {
      this.#tellOnce(this.#self.target.told, fault, () => {
        this.#log.error('tcp: another process runs with the key of this replica', {
          ...{ host, port, remedy: 'stop one of the two: both together are one faulty member' },
        });
      });
    }
    if (!TOLD_FAULTS.has(fault)) return;
    const about = dialled ?? this.#knownAt(host)?.target;
    this.#tellOnce(about?.told ?? this.#toldOfStrangers, told ? `told-${fault}` : fault, () => {
      const rule = HANDSHAKE_RULES[fault as HandshakeFault];
      this.#log.warn(told ? 'tcp: a peer refuses us' : 'tcp: a connection is refused', {
        ...{ fault, host, port, rule: `broken: ${rule}`, remedy: this.#remedy(fault) },
      });
    });
  }

  #tellOnce(before: Set<string>, name: string, tell: () => void): void {
    if (before.has(name)) return;
    before.add(name);
    tell();
  }

  /** Only whoever gave the cluster its name knows what that stands for. */
  #remedy(fault: string): string | undefined {
    return (fault === 'wrong-cluster' ? this.#options.clusterRemedy : undefined) ?? REMEDIES[fault];
  }

  /** It is known now who is at an address. */
  #identify(target: Target, index: number | undefined): void {
    const [address] = target.addresses();
    if (target.member !== undefined || index === undefined || address === undefined) return;
    if (index === this.#self.member) return;
    this.#bootstraps.delete(target);
    this.#members[index]?.addAlias(address);
    const found = this.#members[index]?.target;
    if (found !== undefined) this.#plan(found, this.#limits.firstRetry);
  }

  established(connection: TcpConnection, index: number): void {
    const target = this.#pending.get(connection);
    this.#pending.delete(connection);
    const member = this.#members[index];
    if (member === undefined) return;
    this.#counters.established++;
    if (target !== undefined) {
      target.busy = false;
      if (this.#twin === target) this.#twin = undefined;
      this.#identify(target, index);
    }
    const other = member.connection;
    // Whoever dials has no connection, as far as it knows. If it dialled after ours was established, ours is dead.
    const stale = other !== undefined && !connection.dialled && connection.opened > member.upAt;
    if (other !== undefined && !stale && !this.#isBetter(connection, other)) {
      this.#retire(member, connection);
    } else {
      if (other !== undefined) this.#retire(member, other);
      member.connection = connection;
      member.connectedSince = this.#now();
      member.host = connection.remote.host;
      member.upAt = ++this.#order;
      for (const one of this.#members) if (one.record !== undefined) member.owed.add(one);
      this.#showSelf(connection);
      connection.wake();
      member.target.cancel?.();
      member.target.cancel = undefined;
      if (other === undefined || stale) {
        if (stale) {
          this.#noteReplacement(member);
          this.#handlers.onPeer?.(index, 'down');
        }
        this.#tellLine(member, 'member connected', {
          member: this.#nameOf(index),
          host: connection.remote.host,
        });
        this.#handlers.onPeer?.(index, 'up');
      }
    }
  }

  /** A member that is started again has a new connection once; two processes with its key take it from each other. */
  #noteReplacement(member: Member): void {
    if (++member.replacements < MANY_REPLACEMENTS) return;
    this.#tellOnce(member.target.told, 'replaced', () => {
      this.#log.warn(
        'tcp: connections of a member take the place of each other: do two processes use its key?',
        { member: this.#nameOf(member.member) },
      );
    });
  }

  /**
   * Which of two connections with a member stays that were established at the same time, as each side dialled the other:
   * both sides must choose the same one. It is the one that the lower of the two has dialled.
   */
  #isBetter(one: TcpConnection, other: TcpConnection): boolean {
    if (one.dialled === other.dialled) return one.opened > other.opened;
    const weAreLower = this.#self.member < (one.member ?? 0);
    return one.dialled === weAreLower;
  }

  #retire(member: Member, connection: TcpConnection): void {
    member.retiring?.end('replaced');
    member.retiring = connection;
    connection.retire();
  }

  ended(connection: TcpConnection, reason: EndReason | (string & {})): void {
    const member = connection.member === undefined ? undefined : this.#members[connection.member];
    if (member === undefined) return;
    count(this.#counters.ended, reason);
    if (member.retiring === connection) member.retiring = undefined;
    if (reason === 'malformed' || reason === 'oversize') this.#pause(member);
    if (member.connection !== connection) return;
    member.connection = undefined;
    const lost = member.queue.length;
    if (lost > 0) {
      const { dropped } = this.#counters;
      dropped['connection-lost'] = (dropped['connection-lost'] ?? 0) + lost;
    }
    member.queue.clear();
    member.owed.clear();
    if (this.#closing) return;
    this.#tellLine(member, 'member lost', { member: this.#nameOf(member.member), reason });
    this.#planAgain(member.target);
    this.#handlers.onPeer?.(member.member, 'down');
  }

  /** Keeps a member out for a while. */
  #pause(member: Member): void {
    const { firstPause, longestPause } = this.#limits;
    member.paused = Math.min(longestPause, firstPause * 2 ** Math.min(member.offences++, 30));
  }

  /** Ends every connection with a member, also those whose handshake is not finished. */
  #cut(member: Member, reason: EndReason, fault: HandshakeFault): void {
    member.connection?.end(reason);
    member.retiring?.end(reason);
    for (const connection of this.#pending.keys()) {
      if (connection.claimed === member.member) connection.end(fault);
    }
  }

  #nameOf(member: number): string {
    return this.#options.nameOf?.(member) ?? String(member);
  }

  /** A line for people, unless a member has caused too many. */
  #tellLine(member: Member, text: string, data: Record<string, string | number>): void {
    if (member.lines-- > 0) this.#log.info(text, data);
    else this.#log.debug(text, data);
  }

  // Messages

  message(connection: TcpConnection, body: Uint8Array): void {
    const member = this.#memberOf(connection);
    if (member === undefined) return;
    for (const counters of [this.#counters, member.counters]) {
      counters.received++;
      counters.receivedBytes += body.length;
    }
    this.#handlers.onMessage(body, member.member);
  }

  nextMessage(connection: TcpConnection): Uint8Array | undefined {
    const member = this.#memberOf(connection);
    const message = member?.queue.shift();
    if (member === undefined || message === undefined) return undefined;
    for (const counters of [this.#counters, member.counters]) {
      counters.sent++;
      counters.sentBytes += message.length;
    }
    return message;
  }

  #memberOf({ member }: TcpConnection): Member | undefined {
    return member === undefined ? undefined : this.#members[member];
  }

  // Addresses

  nextAddress(connection: TcpConnection): Uint8Array | undefined {
    const owed = this.#memberOf(connection)?.owed;
    if (owed === undefined) return undefined;
    for (const member of owed) {
      owed.delete(member);
      if (member.record !== undefined) return encodeAddress(member.record);
    }
    return undefined;
  }

  address(connection: TcpConnection, body: Uint8Array): boolean {
    const record = decodeAddress(body);
    if (record === undefined) return false;
    const { addresses } = this.#counters;
    const member = this.#byKey.get(record.key);
    if (member === undefined) {
      addresses.unknown++;
      return true;
    }
    if (member.record !== undefined && record.sequence <= member.record.sequence) {
      addresses.old++;
      return true;
    }
    if (member.changes <= 0) {
      addresses['too-many']++;
      return true;
    }
    // Everybody verifies what it passes on.
    if (!isSignedAddress(this.cluster, record, member.verifier)) return false;
    member.changes--;
    addresses.new++;
    if (member === this.#self) {
      this.#onOwnAddress(record);
      return true;
    }
    this.#publish(member, record, connection);
    member.target.attempts = 0;
    member.target.cancel?.();
    member.target.cancel = undefined;
    this.#plan(member.target, 0);
    return true;
  }

  /**
   * We have signed this: in an earlier life, when our clock was ahead, or another process has our key. Only a higher
   * sequence counts now; whoever is at the other address says which it is.
   */
  #onOwnAddress(told: AddressRecord): void {
    const { record } = this.#self;
    if (record !== undefined && told.sequence < MAX_SEQUENCE) this.#advertise(record, told.sequence + 1);
    if (this.#twin !== undefined || (record !== undefined && addressKey(record) === addressKey(told))) return;
    this.#twin = new Target(() => [told]);
    this.#plan(this.#twin, 0);
  }

  /** Tells everybody where we are. */
  #advertise(address: Address, least = 0): void {
    const sequence = Math.max(least, Math.floor(this.#now()), (this.#self.record?.sequence ?? -1) + 1);
    this.#publish(this.#self, signAddress(this.cluster, this.key, address, sequence));
  }

  #publish(member: Member, record: AddressRecord, from?: TcpConnection): void {
    member.record = record;
    for (const other of this.#others()) {
      if (other === member || other.connection === undefined || other.connection === from) continue;
      other.owed.add(member);
      other.connection.wake();
    }
  }

  /** If we listen at all addresses and none is told, a connection shows one; that of the machine itself is the last. */
  #showSelf({ localHost }: TcpConnection): void {
    const { bind, advertise } = this.#options;
    if (bind !== '0.0.0.0' || advertise !== undefined || localHost === undefined) return;
    const host = numericHost(localHost);
    const { record } = this.#self;
    if (record === undefined || (isLoopback(record.host) && !isLoopback(host))) {
      this.#advertise({ host, port: this.local.port });
    }
  }
}

/** An IPv4 address as it is usually written. */
function numericHost(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/, '');
}

function isLoopback(host: string): boolean {
  return host.startsWith('127.');
}
