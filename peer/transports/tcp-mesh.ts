/** The connections of a member with all others: which are made, which are let in, and which of two stays. */
import { connect, type AddressInfo, type Server, type Socket } from 'node:net';

import { addressKey, type Address } from '../../shared/address.ts';
import type { KeyPair } from '../../shared/ed25519.ts';
import { messageOf, systemCodeOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import { FrameQueue } from './frame-queue.ts';
import type { HandshakeFault, KnownMember } from './handshake.ts';
import { HostResolver } from './names.ts';
import { AddressBook } from './tcp-addresses.ts';
import { Admission } from './tcp-admission.ts';
import { numericHost, TcpConnection, type ConnectionHost, type EndReason } from './tcp-connection.ts';
import { Dialler } from './tcp-dialler.ts';
import type { TcpCounters, TcpHandlers, TcpMesh, TcpOptions, TcpPeer } from './tcp-interface.ts';
import { DEFAULT_TCP_LIMITS, type TcpLimits } from './tcp-limits.ts';
import { Member, type Target } from './tcp-member.ts';
import { Notices } from './tcp-notices.ts';
import { SYSTEM_TIMERS } from './timers.ts';

function count(counters: Record<string, number>, name: string): void {
  counters[name] = (counters[name] ?? 0) + 1;
}

export class Mesh implements TcpMesh, ConnectionHost {
  readonly local: Address;
  readonly cluster: string;
  readonly key: KeyPair;
  readonly #server: Server;
  readonly #handlers: TcpHandlers;
  readonly #log: Log;
  readonly #limits: TcpLimits;
  readonly #now: () => number;
  readonly #dialler: Dialler;
  readonly #addresses: AddressBook;
  readonly #notices: Notices;
  readonly #members: readonly Member[];
  readonly #byKey: ReadonlyMap<string, Member>;
  readonly #self: Member;
  /** Every socket that is not closed, so that closing can wait for them. */
  readonly #sockets = new Set<Socket>();
  /** Connections whose handshake is not finished, with the target if we dialled, oldest first. */
  readonly #pending = new Map<TcpConnection, Target | undefined>();
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
  readonly #admission: Admission;
  /** Numbers events, so that it is known which was first. */
  #order = 0;
  #ticks = 0;
  readonly #stopTicks: () => void;
  #closing = false;
  #closed: Promise<void> | undefined;

  constructor(server: Server, options: TcpOptions, handlers: TcpHandlers) {
    const { self, members, bootstrap, bufferFrames, advertise, log } = options;
    const { timers = SYSTEM_TIMERS, now = Date.now, random = Math.random, resolve } = options;
    this.#server = server;
    this.#handlers = handlers;
    this.cluster = options.cluster;
    this.key = options.key;
    this.#log = log;
    this.#limits = { ...DEFAULT_TCP_LIMITS, ...options.limits };
    this.#admission = new Admission(this.#limits);
    this.#now = now;
    this.#members = members.map((member, index) => {
      return new Member(index, member, new FrameQueue(bufferFrames, this.#limits.queueBytes));
    });
    this.#byKey = new Map(this.#members.map((member, index) => [members[index]?.publicKey ?? '', member]));
    const own = this.#members[self];
    if (own === undefined) throw new RangeError(`there is no member ${self}`);
    this.#self = own;
    const { address: host, port } = server.address() as AddressInfo;
    this.local = { host, port };
    this.#notices = new Notices({
      ...{ log, self: own, nameOf: options.nameOf, clusterRemedy: options.clusterRemedy },
    });
    this.#dialler = new Dialler({
      ...{ limits: this.#limits, timers, random, hosts: new HostResolver(resolve ? { resolve } : {}) },
      connect: (target, remote) => {
        const socket = connect({ ...remote, noDelay: true });
        this.#add(socket, { dialled: true, remote }, target);
      },
      onFault: (fault) => {
        count(this.#counters.failed, fault);
      },
    });
    this.#addresses = new AddressBook({
      ...{ cluster: this.cluster, key: this.key, self: own, members: this.#members, byKey: this.#byKey },
      ...{ dialler: this.#dialler, now, local: this.local, advertise, counters: this.#counters.addresses },
    });

    server.on('connection', (socket) => {
      this.#accept(socket);
    });
    server.on('error', (error) => {
      // As when the system has no more descriptors; those that are connected go on.
      count(this.#counters.failed, systemCodeOf(error) ?? 'unknown');
      this.#log.debug('tcp: a connection could not be accepted', { error: messageOf(error) });
    });
    this.#stopTicks = timers.every(this.#limits.tick, () => {
      this.#tick();
    });
    this.#refill();
    this.#addresses.begin();
    for (const address of new Map(bootstrap.map((one) => [addressKey(one), one])).values())
      this.#dialler.addBootstrap(address);
    for (const { target } of this.#others()) this.#dialler.plan(target, 0);
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

  /** Queues a message, or returns why it can't. */
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
    this.#log.debug('tcp: a member is disconnected', { member: this.#notices.nameOf(index), reason });
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
        this.#dialler.planAfresh(member.target);
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
    this.#dialler.close(this.#members);
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
    if (this.#ticks % this.#limits.warningTicks === 0)
      this.#notices.forget([...this.#dialler.bootstraps, ...this.#members.map(({ target }) => target)]);

    for (const connection of this.#connections()) connection.tick();
    for (const member of this.#others()) {
      if (member.paused > 0 && --member.paused === 0) this.#dialler.plan(member.target, 0);
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

  // Connections

  #accept(socket: Socket): void {
    if (this.#closing) {
      socket.destroy();
      return;
    }
    const remote = { host: numericHost(socket.remoteAddress), port: socket.remotePort ?? 0 };
    this.#admission.makeRoom(remote.host, this.#pending.keys());
    this.#add(socket, { dialled: false, remote }, undefined);
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
      if (target !== undefined) this.#dialler.dropBootstrap(target);
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

  #mayShake(host: string): boolean {
    // Not by the clock, which may be set back.
    const now = this.#ticks * this.#limits.tick;
    return this.#admission.mayShake(host, now, () => this.#knownAt(host) !== undefined);
  }

  /** The first other member that is known to be at a host. */
  #knownAt(host: string): Member | undefined {
    return this.#others().find((member) => member.isAt(host));
  }

  failed(connection: TcpConnection, fault: string, reported: boolean): void {
    const target = this.#pending.get(connection);
    this.#pending.delete(connection);
    const { host, port } = connection.remote;
    if (!this.#closing) {
      count(this.#counters.failed, reported ? `told-${fault}` : fault);
      this.#log.debug('tcp: no connection', { host, port, fault, reported });
      this.#notices.onFault(fault, reported, connection.remote, () => target ?? this.#knownAt(host)?.target);
    }
    if (target === undefined) return;
    target.busy = false;
    this.#identify(target, connection.claimed);
    this.#dialler.planAgain(target);
  }

  /** It is known now who is at an address. */
  #identify(target: Target, index: number | undefined): void {
    const member = index === undefined ? undefined : this.#members[index];
    if (member !== undefined && member !== this.#self) this.#dialler.identify(target, member);
  }

  established(connection: TcpConnection, index: number): void {
    const target = this.#pending.get(connection);
    this.#pending.delete(connection);
    const member = this.#members[index];
    if (member === undefined) return;
    this.#counters.established++;
    if (target !== undefined) {
      this.#dialler.settled(target);
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
      this.#addresses.onConnected(member, connection);
      connection.wake();
      member.target.callOff();
      if (other === undefined || stale) {
        if (stale) {
          this.#notices.onReplacement(member);
          this.#handlers.onPeer?.(index, 'down');
        }
        this.#notices.line(member, 'member connected', { host: connection.remote.host });
        this.#handlers.onPeer?.(index, 'up');
      }
    }
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
    this.#notices.line(member, 'member lost', { reason });
    this.#dialler.planAgain(member.target);
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

  nextAddress(connection: TcpConnection): Uint8Array | undefined {
    const member = this.#memberOf(connection);
    return member === undefined ? undefined : this.#addresses.next(member);
  }

  address(connection: TcpConnection, body: Uint8Array): boolean {
    return this.#addresses.take(connection, body);
  }
}
