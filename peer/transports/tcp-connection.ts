import type { Socket } from 'node:net';

import type { Address } from '../../shared/address.ts';
import { systemCodeOf } from '../../shared/errors.ts';
import { MAC_BYTES } from './frame-mac.ts';
import { FrameReader, LENGTH_BYTES, framed, writeLength } from './frames.ts';
import {
  Handshake,
  MAX_HANDSHAKE_FRAME,
  type HandshakeFault,
  type HandshakeHost,
  type Session,
} from './handshake.ts';
import type { TcpLimits } from './tcp-limits.ts';

/** What an item is for. */
export const ITEM_KINDS = {
  /** What an engine sends. */
  message: 0,
  /** A signed address, see address-record.ts. */
  address: 1,
  /** Nothing: the sender lives. */
  ping: 2,
} as const;
/**
 * After the handshake a frame is one item or several, and a code for all of them (see frame-mac.ts): to make a code costs
 * about the same for one small item as for ten. An item is its kind (a byte), the length of its body (four bytes, the most
 * significant first) and its body.
 */
const ITEM_HEAD = 5;
/** Longest body that is copied into a frame with others, in bytes; a longer one is a frame by itself and not copied. */
const SMALL = 4 * 1024;
/** Longest frame of several items, in bytes: what a socket takes at once, and what is handled without a pause. */
export const MAX_BATCH = 16 * 1024;
/** Where frames are put together, one after the other, until there is no room for the next one. */
const CHUNK = 2 * MAX_BATCH;
const NOTHING = new Uint8Array();

/** Why a connection that was established has ended: one sentence each. Besides these there are the system's codes. */
export const END_RULES = {
  closed: 'The other side closed it.',
  'bad-mac': 'A frame was changed, repeated, left out or moved on its way.',
  malformed: 'An authentic frame is none that a member sends.',
  oversize: 'A frame is longer than the limit.',
  'half-frame': 'A frame has begun and was not finished in time.',
  silent: 'Nothing was heard for too long.',
  replaced: 'There is a better connection with the member.',
  disconnected: 'The member misbehaved, says whoever uses the transport.',
  blocked: 'The member is cut off on purpose.',
  shutdown: 'This side closes.',
} as const;

export type EndReason = keyof typeof END_RULES;

/** What a connection asks of the transport. */
export interface ConnectionHost extends HandshakeHost {
  /** Whether a connection with a member is wanted, see {@link Admit}. */
  admit(connection: TcpConnection, member: number): HandshakeFault | undefined;
  /** A handshake failed, or the connection before it (a system's code). The connection has ended. */
  failed(connection: TcpConnection, fault: HandshakeFault | (string & {}), reported: boolean): void;
  /** Both sides have proven who they are. */
  established(connection: TcpConnection, member: number): void;
  /** A message has come. */
  message(connection: TcpConnection, body: Uint8Array): void;
  /** An address has come; false if no correct member sends it. */
  address(connection: TcpConnection, body: Uint8Array): boolean;
  /** The next address, or else the next message, that is to be sent on this connection. */
  nextAddress(connection: TcpConnection): Uint8Array | undefined;
  nextMessage(connection: TcpConnection): Uint8Array | undefined;
  /** An established connection has ended. */
  ended(connection: TcpConnection, reason: EndReason | (string & {})): void;
}

/** What a connection knows of itself. */
export interface ConnectionIdentity {
  /** Whether we have dialled. */
  readonly dialled: boolean;
  /** A number that is higher than that of everything that happened before it was opened. */
  readonly opened: number;
  /** The other end, as the system sees it. */
  readonly remote: Address;
}

type State = 'handshake' | 'up' | 'retiring' | 'ended';

/** One connection, from its beginning. It proves who is at its ends and moves frames; it knows of no other connection. */
export class TcpConnection {
  readonly dialled: boolean;
  readonly opened: number;
  readonly remote: Address;

  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #limits: TcpLimits;
  readonly #handshake: Handshake;
  readonly #reader = new FrameReader(MAX_HANDSHAKE_FRAME);
  #session: Session | undefined;
  #state: State = 'handshake';
  #flushing: NodeJS.Immediate | undefined;
  /** Where small frames are put together. Before `#frameStart` all is handed over; there the frame begins that is open. */
  #chunk = Buffer.alloc(0);
  #frameStart = 0;
  #frameEnd = 0;
  /** Ticks since the state began, since something was received and sent, and with the frame that is being read. */
  #age = 0;
  #silence = 0;
  #idle = 0;
  #frameAge = 0;
  #framesBefore = 0;

  constructor(socket: Socket, host: ConnectionHost, limits: TcpLimits, identity: ConnectionIdentity) {
    this.#socket = socket;
    this.#host = host;
    this.#limits = limits;
    this.dialled = identity.dialled;
    this.opened = identity.opened;
    this.remote = identity.remote;
    this.#handshake = new Handshake(this.dialled ? 'initiator' : 'responder', host, (member) =>
      host.admit(this, member),
    );
    if (this.dialled) socket.once('connect', () => socket.write(framed(this.#handshake.hello())));
    socket.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
    });
    socket.on('drain', () => {
      this.wake();
    });
    // `close` follows.
    socket.on('error', (error) => {
      this.end(systemCodeOf(error) ?? 'unknown');
    });
    socket.on('close', () => {
      this.end('closed');
    });
  }

  /** Who is at the other end; undefined before that is proven. */
  get member(): number | undefined {
    return this.#session?.member;
  }

  /** Who the other end claims to be. */
  get claimed(): number | undefined {
    return this.#handshake.claimed;
  }

  /** Our nonce in the handshake. */
  get nonce(): string | undefined {
    return this.#handshake.nonce;
  }

  /** Ticks since the handshake was finished. */
  get age(): number {
    return this.#age;
  }

  /** Our own address, as the other end sees it unless it is translated on the way. */
  get localHost(): string | undefined {
    return this.#socket.localAddress;
  }

  /** There is something to send: it is sent, together with all else, when the events of now have been handled. */
  wake(): void {
    if (this.#state === 'up') this.#flushing ??= setImmediate(this.#flush);
  }

  /** A tick has passed. */
  tick(): void {
    const { handshakeTicks, frameTicks, pingTicks, deadTicks } = this.#limits;
    this.#age++;
    if (this.#state === 'handshake') {
      if (this.#age >= handshakeTicks) this.#fail('timed-out');
      return;
    }
    const fresh = this.#reader.pending === 0 || this.#reader.completed !== this.#framesBefore;
    this.#framesBefore = this.#reader.completed;
    this.#frameAge = fresh ? 0 : this.#frameAge + 1;
    if (this.#state === 'retiring') this.#finish();
    else if (this.#frameAge >= frameTicks) this.end('half-frame');
    else if (++this.#silence >= deadTicks) this.end('silent');
    else if (++this.#idle >= pingTicks && this.#state === 'up' && this.#socket.writableLength === 0) {
      this.#write(ITEM_KINDS.ping, NOTHING);
      this.#seal();
    }
  }

  /**
   * Sends nothing more, as another connection takes over. What is on its way in both directions still arrives, if it does
   * so soon. The end is sent to the other side only with a tick: it is to learn of the other connection first.
   */
  retire(): void {
    if (this.#state !== 'up') return;
    this.#state = 'retiring';
    this.#age = 0;
    this.#stopFlushing();
  }

  #finish(): void {
    if (this.#age >= this.#limits.retireTicks) this.end('replaced');
    else if (this.#age === 1) this.#socket.end();
  }

  /** Ends the connection at once. */
  end(reason: EndReason | (string & {})): void {
    if (this.#state === 'ended') return;
    if (this.#state === 'handshake') {
      this.#fail(reason);
      return;
    }
    const replaced = this.#state === 'retiring' && reason === 'closed';
    this.#stop();
    this.#socket.destroy();
    this.#host.ended(this, replaced ? 'replaced' : reason);
  }

  /** Gives up before anybody is known, with a last word for the other side if there is one. */
  #fail(fault: HandshakeFault | (string & {}), lastWord?: Buffer, reported = false): void {
    this.#stop();
    if (lastWord === undefined) {
      this.#socket.destroy();
    } else {
      this.#socket.write(framed(lastWord));
      this.#socket.destroySoon();
    }
    this.#host.failed(this, fault, reported);
  }

  #stop(): void {
    this.#state = 'ended';
    this.#stopFlushing();
  }

  #stopFlushing(): void {
    clearImmediate(this.#flushing);
    this.#flushing = undefined;
  }

  #receive(chunk: Buffer): void {
    if (this.#state === 'ended') return;
    this.#silence = 0;
    if (!this.#reader.push(chunk, this.#onFrame)) this.end('oversize');
  }

  readonly #onFrame = (frame: Uint8Array): boolean => {
    if (this.#session === undefined) this.#shake(frame);
    else this.#open(frame, this.#session);
    return !this.#hasEnded();
  };

  #hasEnded(): boolean {
    return this.#state === 'ended';
  }

  #shake(frame: Uint8Array): void {
    const { send, session, fault, reported } = this.#handshake.receive(frame);
    if (fault !== undefined) {
      this.#fail(fault, send, reported);
      return;
    }
    if (send !== undefined) this.#socket.write(framed(send));
    if (session === undefined) return;
    this.#session = session;
    this.#state = 'up';
    this.#age = 0;
    this.#reader.limit = ITEM_HEAD + this.#limits.frameBytes + MAC_BYTES;
    this.#host.established(this, session.member);
  }

  #open(frame: Uint8Array, { receiving }: Session): void {
    const end = frame.length - MAC_BYTES;
    if (end < 0 || !receiving.accepts(frame.subarray(0, end), frame.subarray(end))) {
      this.end('bad-mac');
      return;
    }
    const view = new DataView(frame.buffer, frame.byteOffset, end);
    let at = 0;
    do {
      const body = at + ITEM_HEAD;
      const next = body <= end ? body + view.getUint32(at + 1) : Infinity;
      // One long item, or several short ones: so nobody can have us busy for long with one frame.
      if (next > end || (next < end && end > MAX_BATCH)) this.end('malformed');
      else this.#handle(view.getUint8(at), frame.subarray(body, next));
      at = next;
    } while (at < end && !this.#hasEnded());
  }

  #handle(kind: number, body: Uint8Array): void {
    switch (kind) {
      case ITEM_KINDS.message:
        this.#host.message(this, body);
        break;
      case ITEM_KINDS.address:
        if (!this.#host.address(this, body)) this.end('malformed');
        break;
      case ITEM_KINDS.ping:
        if (body.length > 0) this.end('malformed');
        break;
      default:
        this.end('malformed');
    }
  }

  /** Hands as much to the socket as it may hold; the rest follows when it has none left. */
  readonly #flush = (): void => {
    this.#flushing = undefined;
    if (this.#state !== 'up') return;
    // Only above this mark the socket reports when it has none left.
    const most = Math.max(this.#limits.socketBytes, this.#socket.writableHighWaterMark);
    this.#socket.cork();
    while (this.#socket.writableLength + this.#frameEnd - this.#frameStart < most) {
      const address = this.#host.nextAddress(this);
      if (address !== undefined) {
        this.#write(ITEM_KINDS.address, address);
        continue;
      }
      const message = this.#host.nextMessage(this);
      if (message === undefined) break;
      this.#write(ITEM_KINDS.message, message);
    }
    this.#seal();
    this.#socket.uncork();
  };

  #write(kind: number, body: Uint8Array): void {
    this.#idle = 0;
    const inFrame = ITEM_HEAD + (body.length <= SMALL ? body.length : 0);
    if (this.#frameEnd + inFrame - this.#frameStart > MAX_BATCH || body.length > SMALL) this.#seal();
    if (this.#frameEnd + LENGTH_BYTES + inFrame + MAC_BYTES > this.#chunk.length) {
      this.#seal();
      this.#chunk = Buffer.allocUnsafeSlow(CHUNK);
      this.#frameStart = 0;
      this.#frameEnd = 0;
    }
    // Its length is written when the frame is sealed.
    if (this.#frameEnd === this.#frameStart) this.#frameEnd += LENGTH_BYTES;
    this.#chunk[this.#frameEnd] = kind;
    this.#frameEnd = this.#chunk.writeUInt32BE(body.length, this.#frameEnd + 1);
    if (body.length > SMALL) {
      this.#seal(body);
    } else {
      this.#chunk.set(body, this.#frameEnd);
      this.#frameEnd += body.length;
    }
  }

  /** Hands over the frame that is open, if there is one; with a body that is not in it. */
  #seal(body: Uint8Array = NOTHING): void {
    if (this.#frameEnd === this.#frameStart || this.#session === undefined) return;
    const begin = this.#frameStart + LENGTH_BYTES;
    const content = this.#chunk.subarray(begin, this.#frameEnd);
    const mac = this.#session.sending.next(content, body);
    writeLength(this.#chunk, this.#frameStart, content.length + body.length + MAC_BYTES);
    if (body.length > 0) {
      this.#handOver();
      this.#socket.write(body);
    }
    this.#chunk.set(mac, this.#frameEnd);
    this.#frameEnd += MAC_BYTES;
    this.#handOver();
  }

  #handOver(): void {
    this.#socket.write(this.#chunk.subarray(this.#frameStart, this.#frameEnd));
    this.#frameStart = this.#frameEnd;
  }
}

/** An IPv4 address as it is usually written. */
export function numericHost(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/, '');
}
