import { EventEmitter } from 'node:events';
import { connect, type Socket } from 'node:net';

import type { Address } from '../shared/address.ts';
import { systemCodeOf } from '../shared/errors.ts';
import { JsonObjectStream } from '../shared/json-stream.ts';
import {
  MINING_STREAM_LIMITS,
  SUBMIT_INTERVAL_MS,
  decodePeerMessage,
  encodeAnswer,
  encodeHello,
  encodeRate,
  type FoundBlock,
  type MinerHello,
  type MiningJob,
  type MiningResult,
} from '../shared/mining-wire.ts';

/** First and longest pause before the peer is tried again, in milliseconds; it doubles with every failure. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;
/** How long a connection may take to be made, in milliseconds: a few retransmissions of the first packet. */
const CONNECT_TIMEOUT = 10_000;
/** After so much silence the system asks whether the peer is still there, in milliseconds. */
const KEEP_ALIVE = 30_000;
/** How long the peer may take to read our last words, in milliseconds. */
const LAST_WORDS = 500;
/** Most bytes that wait for the peer to read them; our answers have a few hundred. */
const WRITE_LIMIT = 64 * 1024;

/** Why a connection ended, or could not be made, in the miner's own words. */
export type LossReason =
  | 'the peer closed the connection'
  | 'the peer did not answer'
  | 'the peer sent no JSON objects'
  | 'the peer does not read'
  | `${string} (${string})`;

/** What people are shown when the system can't make a connection, or loses it, by its code. */
const SYSTEM_FAULTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens at that address',
  ECONNRESET: 'the peer closed the connection',
  EHOSTUNREACH: 'no way leads to that host',
  ENETUNREACH: 'no way leads to that host',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name of the host could not be looked up',
};

export interface ClientEvents {
  connected: [];
  /** Work. `modern` says whether the peer speaks our additions. */
  job: [job: MiningJob, modern: boolean];
  /** There is nothing to mine until the next job. */
  wait: [];
  result: [result: MiningResult];
  /** A message that could not be understood; the connection goes on. The text is the rule that it broke. */
  garbled: [fault: string];
  /** The connection ended or could not be made; it is tried again after `pause` milliseconds. */
  lost: [reason: LossReason, wasConnected: boolean, pause: number];
}

export interface ClientOptions {
  readonly peer: Address;
  readonly hello: MinerHello;
  /** Between 0 and 1: spreads the attempts of many miners that lost the same peer. */
  readonly random: () => number;
  /** First pause before another attempt, in milliseconds. */
  readonly firstPause?: number;
  /** Opens a connection, over TCP if nothing else is given. */
  readonly connect?: (peer: Address) => Socket;
}

function connectTo({ host, port }: Address): Socket {
  return connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE });
}

/**
 * The miner's side of the wire: holds a connection to one peer, whatever that does, and sends nothing to a peer that
 * has not shown that it understands it.
 */
export class PeerClient extends EventEmitter<ClientEvents> {
  readonly #options: ClientOptions;
  #socket: Socket | undefined;
  /** Whether HELLO was sent on this connection. */
  #modern = false;
  /** Attempts since the last job. */
  #failures = 0;
  /** Monotonic time before which no block is sent. */
  #nextSubmit = 0;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: ClientOptions) {
    super();
    this.#options = options;
  }

  /** Connects, and connects again whenever the connection is lost, until {@link close}. */
  start(): void {
    const { peer, connect = connectTo } = this.#options;
    const socket = connect(peer);
    const stream = new JsonObjectStream(MINING_STREAM_LIMITS);
    let connected = false;
    let reason: LossReason = 'the peer closed the connection';
    this.#socket = socket;
    this.#modern = false;
    const giveUp = (why: LossReason): void => {
      reason = why;
      socket.destroy();
    };
    socket.setTimeout(CONNECT_TIMEOUT, () => {
      giveUp('the peer did not answer');
    });
    socket.on('connect', () => {
      connected = true;
      // From now on silence is no fault: a block may take hours.
      socket.setTimeout(0);
      this.emit('connected');
    });
    socket.on('error', (error) => {
      const code = systemCodeOf(error) ?? error.name;
      reason = `${SYSTEM_FAULTS[code] ?? 'the system gave it up'} (${code})`;
    });
    socket.on('data', (chunk) => {
      const { objects, fault } = stream.push(chunk);
      for (const object of objects) {
        if (socket.destroyed) return;
        this.#handle(object);
      }
      if (fault !== undefined) giveUp('the peer sent no JSON objects');
      else if (socket.writableLength > WRITE_LIMIT) giveUp('the peer does not read');
    });
    socket.on('close', () => {
      if (this.#closed) return;
      const longest = Math.min(
        LONGEST_PAUSE,
        (this.#options.firstPause ?? FIRST_PAUSE) * 2 ** Math.min(this.#failures, 16),
      );
      const pause = longest * (0.5 + this.#options.random() / 2);
      this.#failures++;
      this.#retry = setTimeout(() => {
        this.start();
      }, pause);
      this.emit('lost', reason, connected, pause);
    });
  }

  /** Hands in a block; it is lost if the connection is. */
  submit(found: FoundBlock): void {
    const now = performance.now();
    const at = Math.max(now, this.#nextSubmit);
    this.#nextSubmit = at + SUBMIT_INTERVAL_MS;
    if (at <= now) {
      this.#socket?.write(encodeAnswer(found));
      return;
    }
    const socket = this.#socket;
    setTimeout(() => {
      if (socket?.writable) socket.write(encodeAnswer(found));
    }, at - now);
  }

  /** Sends the hash rate, if the peer understands it. */
  tellRate(hashesPerSecond: number): void {
    if (this.#modern && this.#socket?.writable) this.#socket.write(encodeRate(hashesPerSecond));
  }

  /** Ends the connection for good. What was written before is still sent, if the peer takes it soon. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    const socket = this.#socket;
    if (socket === undefined || socket.connecting) {
      socket?.destroy();
      return;
    }
    socket.destroySoon();
    setTimeout(() => {
      socket.destroy();
    }, LAST_WORDS).unref();
  }

  #handle(object: string): void {
    const decoded = decodePeerMessage(object);
    if (!decoded.ok) {
      this.emit('garbled', decoded.fault);
      return;
    }
    const { message } = decoded;
    switch (message.type) {
      case 'job':
        this.#failures = 0;
        if (message.job.protocol !== undefined && !this.#modern) {
          this.#modern = true;
          this.#socket?.write(encodeHello(this.#options.hello));
        }
        this.emit('job', message.job, this.#modern);
        return;
      case 'result':
        this.emit('result', message.result);
        return;
      case 'wait':
        this.emit('wait');
    }
  }
}
