/** A miner that remembers what it was told: which blocks a peer has acknowledged, and so must never lose. */
import { connect, type Socket } from 'node:net';

import { mineBlock, type PlainBlock } from './chains.ts';
import { LOOPBACK, readDatagram, type JsonObject } from './wire.ts';

/** Peers take a miner that hands in more for a flood, in milliseconds. */
const SUBMIT_EVERY = 12;

/** Speaks the miner's side of the TCP protocol as its description has it: jobs in, answers out, results in. */
export class AcknowledgedMiner {
  /** Blocks that the peer said are in its chain, oldest first. */
  readonly acknowledged: PlainBlock[] = [];
  /** Number of blocks handed in. */
  handedIn = 0;
  /** Called after every block that is handed in. */
  onHandIn: (handedIn: number) => void = () => undefined;
  readonly #socket: Socket;
  readonly #waiting = new Map<unknown, PlainBlock>();
  #job: JsonObject | undefined;
  readonly #timer: NodeJS.Timeout;
  #closed = false;

  /** @param port the peer's TCP port for miners */
  constructor(port: number) {
    this.#socket = connect({ host: LOOPBACK, port, noDelay: true });
    // Its peer is about to be killed.
    this.#socket.on('error', () => undefined);
    this.#socket.write('{"type":"HELLO","agent":"test","processes":1}\n');
    let rest = '';
    this.#socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#take(readDatagram(Buffer.from(line)) ?? {});
    });
    this.#timer = setInterval(() => {
      this.#mine();
    }, SUBMIT_EVERY);
  }

  /** Ends it, after it has read everything that has arrived; may be called again. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#socket.closed) {
      const ended = new Promise((resolve) => this.#socket.once('close', resolve));
      this.#socket.destroySoon();
      await ended;
    }
  }

  #take(message: JsonObject): void {
    switch (message['type']) {
      case undefined:
        this.#job = message;
        break;
      case 'RESULT': {
        const block = this.#waiting.get(message['job']);
        if (message['status'] === 'accepted' && block !== undefined) this.acknowledged.push(block);
        break;
      }
      case 'WAIT':
        this.#job = undefined;
    }
  }

  #mine(): void {
    const job = this.#job;
    if (job === undefined) return;
    this.#job = undefined;
    const { height, previous_hash: hash, messages, minedBy, difficulty } = job;
    if (typeof height !== 'number' || typeof hash !== 'string' || typeof difficulty !== 'number') return;
    if (typeof minedBy !== 'string' || !Array.isArray(messages)) return;
    const timestamp = Math.floor(Date.now() / 1000);
    const plan = { difficulty, minedBy, messages: messages.map(String), timestamp };
    const block = mineBlock(height === 0 ? null : { height: height - 1, hash }, plan);
    this.#waiting.set(job['job'], block);
    this.#socket.write(`${JSON.stringify({ ...block, previous_hash: hash, difficulty, job: job['job'] })}\n`);
    this.onHandIn(++this.handedIn);
  }
}
