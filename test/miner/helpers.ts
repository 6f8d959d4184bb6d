/** What the tests of the miner have in common. */
import { createServer, type AddressInfo, type Server } from 'node:net';

import { silentLog, type Log, type LogData } from '../../shared/log.ts';
import { TestClient } from '../engines/pow/node/mining/helpers.ts';
import { requireBuild } from '../support/built.ts';

/** The compiled worker: Node 20 can't run TypeScript in a worker. */
export const WORKER = new URL('../../dist/miner/search.js', import.meta.url);
requireBuild();

/** A peer that does what its test tells it: a TCP server that keeps what miners send. */
export class ScriptedPeer {
  readonly miners: TestClient[] = [];
  readonly #server: Server;

  private constructor(server: Server, greet: (miner: TestClient) => void) {
    this.#server = server;
    server.on('connection', (socket) => {
      const miner = new TestClient(socket);
      this.miners.push(miner);
      greet(miner);
    });
  }

  /** @param greet what it does with each miner that connects */
  static async start(greet: (miner: TestClient) => void = () => undefined, port = 0): Promise<ScriptedPeer> {
    const server = createServer();
    const peer = new ScriptedPeer(server, greet);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, '127.0.0.1', resolve);
    });
    return peer;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const miner of this.miners) miner.socket.destroy();
    await closed;
  }
}

/** A log that keeps its lines, as `level message data`. */
export function recordingLog(): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const keep = (level: string) => (message: string, data?: LogData) => {
    lines.push(`${level} ${message} ${JSON.stringify(data ?? {})}`);
  };
  const log = { error: keep('error'), warn: keep('warn'), info: keep('info'), debug: keep('debug') };
  return { log: { ...silentLog, ...log }, lines };
}
