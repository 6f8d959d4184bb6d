/**
 * A proof-of-work peer within the process of the test: with its sockets, its store and its log as in a process of its own,
 * which would take a hundred times as long to start. For tests of what a peer says; how its process lives and dies is
 * tested with processes.
 */
import { openPowNode, type PowNode } from '../../peer/engines/pow/node/open.ts';
import { openDataDir } from '../../peer/storage/data-dir.ts';
import type { Log, LogData } from '../../shared/log.ts';
import { Peer, type Lab, type PeerPlan } from './processes.ts';
import { LOOPBACK } from './wire.ts';

/** Log lines kept, the newest: enough to explain a failure. */
const KEPT_LINES = 15;

export class InnerPeer extends Peer {
  /** Why it can't go on. */
  failure: Error | undefined;
  readonly #lines: string[] = [];
  #node: PowNode | undefined;

  /** A peer that is not started yet; it ends with the lab. */
  static async create(lab: Lab): Promise<InnerPeer> {
    const peer = await lab.addPeer((...where) => new InnerPeer(...where));
    lab.onClose(() => peer.#close());
    return peer;
  }

  override async start({ join = [], ...plan }: Omit<PeerPlan, 'extra' | 'limits'>): Promise<void> {
    const name = plan.name ?? `peer ${this.port}`;
    const dataDir = await openDataDir(this.dataDir);
    const node = await openPowNode(
      {
        ...{ port: this.port, bind: LOOPBACK, host: LOOPBACK, name, join, difficulty: plan.difficulty },
        ...{ minerPort: this.minerPort, minerBind: LOOPBACK, genesis: plan.genesis ?? false },
        ...{ consensusInterval: 1, gossipInterval: 1, peerTimeout: 20 },
        ...{ minedBy: plan.minedBy ?? name, idleWord: 'idle', http: undefined },
      },
      {
        store: dataDir.store,
        log: this.#log(),
        bar: false,
        onFailure: (error) => {
          this.failure = error;
        },
      },
    );
    this.#node = node;
    this.#close = async () => {
      await node.close();
      await dataDir.close();
    };
  }

  override get alive(): boolean {
    return this.#node !== undefined && this.failure === undefined;
  }

  override explain(): string {
    return [`a peer within the test (${this.failure ?? 'running'})`, ...this.#lines].join('\n  ');
  }

  #close = (): Promise<void> => Promise.resolve();

  #log(): Log {
    const write =
      (level: keyof Log) =>
      (message: string, data: LogData = {}): void => {
        const details = Object.entries(data).map(([key, value]) => ` ${key}=${String(value)}`);
        this.#lines.push(`${level} ${message}${details.join('')}`);
        if (this.#lines.length > KEPT_LINES) this.#lines.shift();
      };
    return { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') };
  }
}
