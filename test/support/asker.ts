/** Asks peers what they have, over UDP as everybody in the network does: the eyes of the end-to-end tests. */
import { randomUUID } from 'node:crypto';
import type { RemoteInfo, Socket } from 'node:dgram';

import {
  DatagramRules,
  LOOPBACK,
  openSocket,
  readDatagram,
  readWireBlock,
  type Claim,
  type JsonObject,
  type WireBlock,
} from './wire.ts';

/** How long an answer may take before the question is asked again. */
const RETRY_AFTER = 250;
/** How long to go on asking before a peer counts as dead: generous, because test machines stall. */
const PATIENCE = 20_000;
/** GET_BLOCKs under way at once: small, so that none is lost in a receive buffer. */
const WINDOW = 8;

type Listener = (message: JsonObject, port: number) => void;

/** Pauses between two looks at something that another process changes. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/**
 * Looks again and again until `look` gives something else than undefined or false.
 *
 * @param what said in the error when it has not happened in time
 * @param patience milliseconds until it is given up
 * @throws Error when the time is over
 */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  patience = 40_000,
): Promise<T> {
  const deadline = performance.now() + patience;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > deadline) throw new Error(`not within ${patience} ms: ${what}`);
    await pause(40);
  }
}

/**
 * A well-behaved participant without a chain. It introduces itself to the peers that it asks, because peers limit
 * what strangers may ask, and from then on also receives what they announce.
 */
export class Asker {
  readonly #socket: Socket;
  readonly #listeners = new Set<Listener>();
  readonly rules: DatagramRules;
  /** Every valid-looking block that was announced to us, in order of arrival. */
  readonly announced: { readonly block: WireBlock; readonly port: number }[] = [];

  private constructor(socket: Socket, subjects: () => readonly number[]) {
    this.#socket = socket;
    this.rules = new DatagramRules(subjects);
    socket.on('message', (bytes, from) => {
      this.#receive(bytes, from);
    });
  }

  /** @param subjects the listening ports of the programs under test, to check where datagrams come from */
  static async open(subjects: () => readonly number[]): Promise<Asker> {
    return new Asker(await openSocket(), subjects);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  close(): void {
    this.#socket.close();
  }

  /** Sends an object as JSON, or bytes and text as they are. */
  send(port: number, message: JsonObject | Uint8Array | string): void {
    const bytes =
      typeof message === 'string' || message instanceof Uint8Array ? message : JSON.stringify(message);
    this.#socket.send(bytes, port, LOOPBACK, () => undefined);
  }

  /** Waits for the next message that passes `test`; undefined if there is none in time. */
  next(
    test: Listener | ((message: JsonObject, port: number) => boolean),
    within: number,
  ): Promise<JsonObject | undefined> {
    return new Promise((resolve) => {
      const listener: Listener = (message, port) => {
        if (test(message, port) !== true) return;
        finish(message);
      };
      const finish = (message: JsonObject | undefined): void => {
        clearTimeout(timer);
        this.#listeners.delete(listener);
        resolve(message);
      };
      const timer = setTimeout(finish, within, undefined);
      this.#listeners.add(listener);
    });
  }

  /**
   * Hears every message from now on.
   *
   * @returns ends it
   */
  listen(listener: (message: JsonObject, port: number) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Sends `question` again and again until an answer passes `test`. */
  async ask(
    port: number,
    question: JsonObject,
    test: (message: JsonObject) => boolean,
    patience = PATIENCE,
  ): Promise<JsonObject> {
    const deadline = performance.now() + patience;
    while (performance.now() < deadline) {
      const answer = this.next((message, from) => from === port && test(message), RETRY_AFTER);
      this.send(port, question);
      const message = await answer;
      if (message !== undefined) return message;
    }
    throw new Error(`port ${port} did not answer ${JSON.stringify(question)} within ${patience} ms`);
  }

  /** Makes ourselves known to a peer. */
  async introduce(port: number, patience = PATIENCE): Promise<void> {
    const gossip = (): JsonObject => ({
      type: 'GOSSIP',
      host: LOOPBACK,
      port: this.port,
      id: randomUUID(),
      name: 'asker',
    });
    const deadline = performance.now() + patience;
    while (performance.now() < deadline) {
      const answer = this.next(
        (message, from) => from === port && message['type'] === 'GOSSIP_REPLY',
        RETRY_AFTER,
      );
      this.send(port, gossip());
      if ((await answer) !== undefined) return;
    }
    throw new Error(`port ${port} did not answer a GOSSIP within ${patience} ms`);
  }

  /** The length and tip hash of a peer's chain. */
  async stats(port: number, patience = PATIENCE): Promise<Claim> {
    const reply = await this.ask(
      port,
      { type: 'STATS' },
      (message) => message['type'] === 'STATS_REPLY',
      patience,
    );
    const { height, hash } = reply;
    if (typeof height !== 'number' || (typeof hash !== 'string' && hash !== null))
      throw new Error(`a STATS_REPLY with wrong types: ${JSON.stringify(reply)}`);
    return { height, hash };
  }

  /** A block of a peer's chain. */
  async block(port: number, height: number): Promise<WireBlock> {
    const reply = await this.ask(
      port,
      { type: 'GET_BLOCK', height },
      (message) => message['type'] === 'GET_BLOCK_REPLY' && message['height'] === height,
    );
    const block = readWireBlock(reply);
    if (block === undefined)
      throw new Error(`block ${height} came with wrong types: ${JSON.stringify(reply)}`);
    return block;
  }

  /** All blocks of a peer's chain, from the genesis on, up to `length` or what its STATS say. */
  async chain(port: number, length?: number): Promise<WireBlock[]> {
    const count = length ?? (await this.stats(port)).height;
    const blocks: WireBlock[] = [];
    for (let start = 0; start < count; start += WINDOW) {
      const heights = Array.from({ length: Math.min(WINDOW, count - start) }, (_, index) => start + index);
      blocks.push(...(await Promise.all(heights.map((height) => this.block(port, height)))));
    }
    return blocks;
  }

  #receive(bytes: Uint8Array, from: RemoteInfo): void {
    if (!this.rules.check(bytes, from.port)) return;
    const message = readDatagram(bytes);
    if (message === undefined) return;
    switch (message['type']) {
      case 'GOSSIP':
        if (typeof message['port'] === 'number' && message['port'] > 0 && message['port'] < 65536)
          this.send(message['port'], {
            type: 'GOSSIP_REPLY',
            host: LOOPBACK,
            port: this.port,
            name: 'asker',
          });
        break;
      case 'STATS':
        this.send(from.port, { type: 'STATS_REPLY', height: 0, hash: null });
        break;
      case 'ANNOUNCE': {
        const block = readWireBlock(message);
        if (block !== undefined) this.announced.push({ block, port: from.port });
        break;
      }
    }
    for (const listener of [...this.#listeners]) listener(message, from.port);
  }
}
