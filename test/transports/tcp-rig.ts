/** Clusters on loopback, time that passes when a test says so, and somebody who speaks the protocol by hand. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import type { Address } from '../../shared/address.ts';
import { generateKeyPair, verifierOf, type KeyPair } from '../../shared/ed25519.ts';
import { silentLog, type Log } from '../../shared/log.ts';
import { MAC_BYTES } from '../../peer/transports/frame-mac.ts';
import { FrameReader, framed } from '../../peer/transports/frames.ts';
import {
  Handshake,
  decodeHandshake,
  type HandshakeHost,
  type Session,
} from '../../peer/transports/handshake.ts';
import { ITEM_KINDS } from '../../peer/transports/tcp-connection.ts';
import { openTcpMesh, type TcpMesh, type TcpOptions } from '../../peer/transports/tcp.ts';
import type { Timers } from '../../peer/transports/timers.ts';

export const LOOPBACK = '127.0.0.1';
export const CLUSTER = 'test';

/** Waits, turn by turn of the event loop, for what sockets do in their own time. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** Gives sockets the time to do what they can do now, as a test that nothing happens must. */
export async function settle(turns = 30): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Time that stands still until it is told to pass. */
export class ManualTimers implements Timers {
  #now = 0;
  #next = 0;
  readonly #waiting = new Map<number, { at: number; every: number | undefined; action: () => void }>();

  /** Timers that are set. */
  get size(): number {
    return this.#waiting.size;
  }

  after(milliseconds: number, action: () => void): () => void {
    return this.#set(milliseconds, undefined, action);
  }

  every(milliseconds: number, action: () => void): () => void {
    return this.#set(milliseconds, milliseconds, action);
  }

  #set(milliseconds: number, every: number | undefined, action: () => void): () => void {
    const id = this.#next++;
    this.#waiting.set(id, { at: this.#now + milliseconds, every, action });
    return () => this.#waiting.delete(id);
  }

  /** Lets time pass, and everything happen that is due, in order. */
  pass(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (;;) {
      const [first] = [...this.#waiting]
        .filter(([, { at }]) => at <= end)
        .sort(([, a], [, b]) => a.at - b.at);
      if (first === undefined) break;
      const [id, { at, every, action }] = first;
      this.#now = at;
      if (every === undefined) this.#waiting.delete(id);
      else this.#waiting.set(id, { at: at + every, every, action });
      action();
    }
    this.#now = end;
  }
}

/** A member, and what it has heard. */
export interface Replica {
  readonly mesh: TcpMesh;
  readonly timers: ManualTimers;
  /** `<member>:<text>` for each message. */
  readonly heard: string[];
  /** `<member> up` or `<member> down`. */
  readonly events: string[];
  readonly errors: Error[];
  /** The members that are connected. */
  up(): number[];
}

export type ReplicaOptions = Partial<TcpOptions> & { readonly onMessage?: (from: number) => void };

/** The keys of a cluster, and what is open in it. */
export class Cluster {
  readonly keys: readonly KeyPair[];
  readonly #open: (() => unknown)[] = [];

  constructor(size: number) {
    this.keys = Array.from({ length: size }, generateKeyPair);
  }

  key(member: number): KeyPair {
    const key = this.keys[member];
    if (key === undefined) throw new Error(`there is no member ${member}`);
    return key;
  }

  onClose(close: () => unknown): void {
    this.#open.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#open.splice(0)) await close();
  }

  /** Opens a member that knows the addresses of these; its time passes by itself only if `timers` is undefined. */
  async replica(member: number, known: readonly Replica[], options: ReplicaOptions = {}): Promise<Replica> {
    const heard: string[] = [];
    const events: string[] = [];
    const errors: Error[] = [];
    const timers = new ManualTimers();
    const { onMessage, ...rest } = options;
    const mesh = await openTcpMesh(
      {
        bind: LOOPBACK,
        port: 0,
        cluster: CLUSTER,
        self: member,
        key: this.key(member),
        members: this.keys.map(({ publicKey }) => ({ publicKey })),
        bootstrap: known.map(({ mesh: { local } }) => local),
        bufferFrames: 1_000,
        log: silentLog,
        timers,
        ...rest,
      },
      {
        onMessage: (bytes, from) => {
          heard.push(`${from}:${Buffer.from(bytes).toString()}`);
          onMessage?.(from);
        },
        onPeer: (peer, state) => events.push(`${peer} ${state}`),
        onError: (error) => errors.push(error),
      },
    );
    this.onClose(() => mesh.close());
    const up = (): number[] => mesh.peers().flatMap((peer) => (peer.state === 'up' ? [peer.member] : []));
    return { mesh, timers, heard, events, errors, up };
  }

  /** What a handshake by hand needs. */
  handshakeHost(key: KeyPair, cluster = CLUSTER): HandshakeHost {
    return {
      cluster,
      key,
      find: (publicKey) => {
        const member = this.keys.findIndex((one) => one.publicKey === publicKey);
        return member < 0 ? undefined : { member, verifier: verifierOf(publicKey) };
      },
      isOwnNonce: () => false,
    };
  }

  /** Dials a member by hand. */
  async dial({ mesh }: Replica, key: KeyPair): Promise<Hand> {
    const socket = connect({ host: LOOPBACK, port: mesh.local.port, noDelay: true });
    this.onClose(() => socket.destroy());
    await new Promise((resolve) => socket.once('connect', resolve));
    return new Hand(socket, new Handshake('initiator', this.handshakeHost(key), () => undefined));
  }

  /** Waits at an address for a member that dials, and speaks with it by hand. */
  async listen(key: KeyPair): Promise<{ readonly address: Address; readonly dialled: Hand[] }> {
    const dialled: Hand[] = [];
    const server = createServer({ noDelay: true }, (socket) => {
      this.onClose(() => socket.destroy());
      dialled.push(new Hand(socket, new Handshake('responder', this.handshakeHost(key), () => undefined)));
    });
    await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
    this.onClose(() => server.close());
    return { address: { host: LOOPBACK, port: (server.address() as AddressInfo).port }, dialled };
  }
}

/** What stands in a frame for one message, or something else. */
export function item(body: string | Uint8Array, kind: number = ITEM_KINDS.message): Buffer {
  const head = Buffer.from([kind, 0, 0, 0, 0]);
  head.writeUInt32BE(Buffer.byteLength(body), 1);
  return Buffer.concat([head, Buffer.from(body)]);
}

/** One end of a connection, whose every byte a test decides. */
export class Hand {
  readonly socket: Socket;
  readonly handshake: Handshake;
  /** Frames that came after the handshake, verified: messages as texts, and how many of each other kind. */
  readonly messages: string[] = [];
  readonly addresses: string[] = [];
  pings = 0;
  /** Frames of the handshake that came, and those that were answered. */
  readonly said: Buffer[] = [];
  readonly answered: Buffer[] = [];
  /** Whether it goes on with the handshake by itself. */
  answers = true;
  session: Session | undefined;
  fault: string | undefined;
  closed = false;
  /** Frames that came and whose code was wrong. */
  forged = 0;
  readonly #reader = new FrameReader(64 * 1024 * 1024);

  constructor(socket: Socket, handshake: Handshake) {
    this.socket = socket;
    this.handshake = handshake;
    socket.on('error', () => undefined);
    socket.on('close', () => (this.closed = true));
    socket.on('data', (chunk: Buffer) => {
      this.#reader.push(chunk, (frame) => {
        this.#take(frame);
        return true;
      });
    });
  }

  #take(frame: Uint8Array): void {
    if (this.session === undefined) {
      this.said.push(Buffer.from(frame));
      if (!this.answers) return;
      const step = this.handshake.receive(frame);
      if (step.send !== undefined) {
        this.answered.push(step.send);
        if (!this.socket.destroyed) this.socket.write(framed(step.send));
      }
      this.session = step.session;
      this.fault = step.fault;
      return;
    }
    const content = Buffer.from(frame.subarray(0, frame.length - MAC_BYTES));
    if (!this.session.receiving.accepts(content, frame.subarray(content.length))) {
      this.forged++;
      return;
    }
    for (let at = 0; at < content.length;) {
      const kind = content[at] ?? -1;
      const body = content.subarray(at + 5, at + 5 + content.readUInt32BE(at + 1)).toString();
      at += 5 + content.readUInt32BE(at + 1);
      if (kind === ITEM_KINDS.message) this.messages.push(body);
      else if (kind === ITEM_KINDS.address) this.addresses.push(body);
      else this.pings++;
    }
  }

  /** Begins the handshake and waits for its end; whether it went well. */
  async shake(): Promise<boolean> {
    this.socket.write(framed(this.handshake.hello()));
    await until(() => this.session !== undefined || this.fault !== undefined || this.closed);
    return this.session !== undefined;
  }

  /** A frame of these items as it must be, with its length. */
  seal(...items: readonly Uint8Array[]): Buffer {
    if (this.session === undefined) throw new Error('the handshake is not finished');
    const content = Buffer.concat(items);
    return framed(Buffer.concat([content, this.session.sending.next(content)]));
  }

  say(text: string): void {
    this.socket.write(this.seal(item(text)));
  }

  /** Why the other side refused, as it said. */
  get refusal(): string | undefined {
    const last = this.said.at(-1);
    const message = last && decodeHandshake(last).message;
    return message?.type === 'refuse' ? message.reason : undefined;
  }
}

/** A log that keeps the lines of a level. */
export function keepingLog(level: keyof Log): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = [];
  return { log: { ...silentLog, [level]: (message: string) => void lines.push(message) }, lines };
}

/**
 * A port in front of an address, which lets nothing through until it is told to: a chunk at a time, in one direction of
 * one connection. Connects onwards only with the first chunk.
 */
export class Gate {
  readonly address: Address;
  readonly #ways: Way[] = [];
  #open = false;

  private constructor(address: Address) {
    this.address = address;
  }

  static async of(cluster: Cluster, target: () => Address): Promise<Gate> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
    cluster.onClose(() => server.close());
    const gate = new Gate({ host: LOOPBACK, port: (server.address() as AddressInfo).port });
    server.on('connection', (socket) => {
      let onward: Socket | undefined;
      const there = new Way(() => {
        if (onward === undefined) {
          const connected = connect({ ...target(), noDelay: true });
          onward = connected;
          cluster.onClose(() => connected.destroy());
          back.listen(connected);
        }
        return onward;
      });
      const back = new Way(() => socket);
      there.listen(socket);
      cluster.onClose(() => socket.destroy());
      gate.#ways.push(there, back);
      if (gate.#open) for (const way of [there, back]) way.openUp();
    });
    return gate;
  }

  /** Directions in which something waits. */
  waiting(): Way[] {
    return this.#ways.filter(({ size }) => size > 0);
  }

  /** Lets everything through from now on. */
  openUp(): void {
    this.#open = true;
    for (const way of this.#ways) way.openUp();
  }
}

/** One direction of a connection through a {@link Gate}. */
class Way {
  readonly #target: () => Socket;
  readonly #held: (Buffer | 'end')[] = [];
  #open = false;

  constructor(target: () => Socket) {
    this.#target = target;
  }

  get size(): number {
    return this.#held.length;
  }

  listen(source: Socket): void {
    source.on('error', () => undefined);
    source.on('data', (chunk: Buffer) => {
      this.#held.push(chunk);
      if (this.#open) this.openUp();
    });
    source.on('close', () => {
      this.#held.push('end');
      if (this.#open) this.openUp();
    });
  }

  /** Lets the next chunk through. */
  step(): void {
    const next = this.#held.shift();
    if (next === undefined) return;
    const target = this.#target();
    if (next === 'end') target.end();
    else if (target.writable) target.write(next);
  }

  openUp(): void {
    this.#open = true;
    while (this.#held.length > 0) this.step();
  }
}
