/** What the tests of the peer's and the miner's side of the wire have in common. */
import { connect, type Socket } from 'node:net';

import { hashBlock, meetsDifficulty } from '../../../../../shared/block.ts';
import { JsonObjectStream } from '../../../../../shared/json-stream.ts';
import type { WorkTemplate } from '../../../../../shared/work.ts';

/** Waits until `condition` holds; fails with `what` after half a minute. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const end = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`it never happened that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** A plain TCP client that collects the objects it is sent. */
export class TestClient {
  readonly received: Record<string, unknown>[] = [];
  closed = false;
  readonly socket: Socket;
  #read = 0;

  constructor(socket: Socket) {
    this.socket = socket;
    const stream = new JsonObjectStream();
    socket.on('data', (chunk: Buffer) => {
      for (const text of stream.push(chunk).objects)
        this.received.push(JSON.parse(text) as Record<string, unknown>);
    });
    // A reset is one of the ways in which a server ends a connection.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
    });
  }

  static async connect(port: number): Promise<TestClient> {
    const socket = connect(port, '127.0.0.1');
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject);
    });
    return new TestClient(socket);
  }

  /** The next object that was not asked for yet. */
  async next(): Promise<Record<string, unknown>> {
    const at = this.#read++;
    await until(`object ${at} comes`, () => this.received.length > at || this.closed);
    const object = this.received[at];
    if (object === undefined) throw new Error(`the connection was closed before object ${at}`);
    return object;
  }

  send(value: unknown): void {
    this.socket.write(typeof value === 'string' ? value : JSON.stringify(value));
  }

  /** Waits for the other side to end the connection. */
  async end(): Promise<void> {
    await until('the connection is closed', () => this.closed);
  }
}

/** Mines a job as it came over the wire, as the seed's miner does: integer nonces, one process. */
export function mine(
  job: Record<string, unknown>,
  timestamp: number,
): Record<string, unknown> & { nonce: number; hash: string } {
  const { height, messages, minedBy, previous_hash, difficulty } = job as {
    height: number;
    messages: string[];
    minedBy: string;
    previous_hash: string;
    difficulty: number;
  };
  for (let nonce = 0; ; nonce++) {
    const hash = hashBlock({ height, messages, minedBy, timestamp, nonce: String(nonce) }, previous_hash);
    if (meetsDifficulty(hash, difficulty))
      return { height, messages, previous_hash, minedBy, timestamp, nonce, hash };
  }
}

/** Work at height `height`, on a block whose hash ends in it. */
export function workAt(
  height: number,
  messages: readonly string[] = ['hello'],
  difficulty = 2,
): WorkTemplate {
  const previousHash = height === 0 ? '' : `${'ab'.repeat(28)}${String(height).padStart(8, '0')}`;
  return { height, previousHash, messages, minedBy: 'tester', difficulty };
}
