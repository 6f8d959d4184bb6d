/** One node of a network: a peer that can be killed, started again, paused and cut off, and its miner. */
import { join } from 'node:path';
import { setTimeout as patience } from 'node:timers/promises';

import { addressKey, type Address } from '../../shared/address.ts';
import { UserError } from '../../shared/errors.ts';
import type { Log, LogLevel } from '../../shared/log.ts';
import type { NodesJson } from '../web/schemas.ts';
import { Child, type Warden } from './child.ts';
import {
  ANSWER_PATIENCE,
  CONSENSUS_SECONDS,
  GOSSIP_SECONDS,
  PEER_TIMEOUT_SECONDS,
  START_PATIENCE,
} from './limits.ts';
import { LOOPBACK, type NodePorts } from './ports.ts';

export type NodeState = NodesJson['nodes'][number]['state'];

/** What all nodes of a network have in common. */
export interface NodeSurroundings {
  readonly difficulty: number;
  /** Below it each node has a folder of its own. */
  readonly folder: string;
  /** How the miners search, and with how many threads each. */
  readonly kernel: string;
  readonly processes: number;
  readonly logLevel: LogLevel;
  readonly log: Log;
  readonly warden: Warden;
}

/** How one node is to be. */
export interface NodePlan {
  readonly name: string;
  readonly ports: NodePorts;
  /** The addresses of all others. */
  readonly others: readonly Address[];
  /** Whether it founds the network, if nobody has. */
  readonly genesis: boolean;
  /** Whether a miner works for it. */
  readonly mined: boolean;
}

export class NetworkNode {
  readonly name: string;
  readonly address: Address;
  readonly httpPort: number;
  readonly #plan: NodePlan;
  readonly #surroundings: NodeSurroundings;
  /** Called with the id of what the running peer has done. */
  readonly #waiting = new Map<number, () => void>();
  #blocked: readonly Address[] = [];
  #state: NodeState = 'down';
  #peer: Child | undefined;
  #miner: Child | undefined;
  #orders = 0;

  constructor(plan: NodePlan, surroundings: NodeSurroundings) {
    this.name = plan.name;
    this.address = { host: LOOPBACK, port: plan.ports.port };
    this.httpPort = plan.ports.httpPort;
    this.#plan = plan;
    this.#surroundings = surroundings;
  }

  get state(): NodeState {
    return this.#state;
  }

  /** Miner processes that work for it. */
  get miners(): number {
    return this.#miner?.alive === true ? 1 : 0;
  }

  /**
   * Starts its peer, on the data that it has, and its miner; fulfilled when the peer takes part.
   *
   * @throws UserError if it does not come up
   */
  async start(): Promise<void> {
    const { log, logLevel, warden } = this.#surroundings;
    const { name } = this;
    let isUp: () => void = () => undefined;
    const up = new Promise<undefined>((resolve) => {
      isUp = () => {
        resolve(undefined);
      };
    });
    const peer = new Child({
      ...{ program: 'peer', args: this.#peerArguments(), name, log, logLevel, warden },
      onReport: (report) => {
        if (report.type === 'up') isUp();
        else this.#waiting.get(report.id)?.();
      },
    });
    this.#peer = peer;
    // Before it has heard it, the others already lose what it sends, and do not send to it.
    void this.#tellBlocked(peer);
    const late = setTimeout(() => {
      peer.signal('SIGKILL');
    }, START_PATIENCE);
    const end = await Promise.race([up, peer.ended]);
    clearTimeout(late);
    if (end !== undefined) {
      const why = peer.lastLine === '' ? end : peer.lastLine.replace(/^peer: /, '');
      throw new UserError(`${name} did not start: ${why}`);
    }
    if (this.#peer !== peer) throw new UserError(`${name} was ended while it started`);
    this.#state = 'running';
    void peer.ended.then((how) => {
      // Unless we have ended it ourselves.
      if (this.#peer !== peer) return;
      this.#state = 'down';
      log.warn(`${name} has ended by itself`, { how });
    });
    this.#startMiner();
  }

  /** Ends its peer as a crash would. */
  async kill(): Promise<void> {
    const peer = this.#peer;
    this.#peer = undefined;
    await peer?.kill();
    this.#state = 'down';
  }

  pause(): void {
    this.#peer?.signal('SIGSTOP');
    this.#state = 'paused';
  }

  resume(): void {
    this.#peer?.signal('SIGCONT');
    this.#state = 'running';
  }

  /** Cuts it off from these addresses, and from no others any more; also when it is started again. */
  async block(addresses: readonly Address[]): Promise<void> {
    this.#blocked = addresses;
    const peer = this.#peer;
    if (peer?.alive !== true) return;
    const done = this.#tellBlocked(peer);
    // A paused one obeys when it goes on, before it reads what came meanwhile from those who are not cut off.
    if (this.#state !== 'running') return;
    const late = new AbortController();
    await Promise.race([
      done,
      peer.ended,
      patience(ANSWER_PATIENCE, undefined, { signal: late.signal }).catch(() => undefined),
    ]);
    late.abort();
  }

  /** Ends everything in order. */
  async end(): Promise<void> {
    const children = [this.#miner, this.#peer].filter((child) => child !== undefined);
    this.#peer = undefined;
    this.#miner = undefined;
    await Promise.all(children.map((child) => child.end()));
    this.#state = 'down';
  }

  #tellBlocked(peer: Child): Promise<void> {
    const id = this.#orders++;
    return new Promise((resolve) => {
      this.#waiting.set(id, () => {
        this.#waiting.delete(id);
        resolve();
      });
      void peer.ended.then(() => this.#waiting.delete(id));
      peer.tell({ type: 'block', id, peers: [...this.#blocked] });
    });
  }

  #startMiner(): void {
    if (!this.#plan.mined || this.#miner?.alive === true) return;
    const { kernel, processes, log, logLevel, warden } = this.#surroundings;
    const { host, port } = this.address;
    const miner = new Child({
      program: 'miner',
      args: [
        ...['--peer-host', host, '--peer-port', String(port)],
        ...['--processes', String(processes), '--kernel', kernel],
      ],
      name: `miner of ${this.name}`,
      ...{ log, logLevel, warden },
    });
    this.#miner = miner;
    void miner.ended.then((how) => {
      if (this.#miner === miner) log.warn(`the miner of ${this.name} has ended by itself`, { how });
    });
  }

  #peerArguments(): string[] {
    const { name, ports, others, genesis } = this.#plan;
    const { difficulty, folder } = this.#surroundings;
    const port = String(ports.port);
    return [
      ...['--port', port, '--bind', LOOPBACK, '--host', LOOPBACK, '--name', name, '--mined-by', name],
      ...['--miner-port', port, '--miner-bind', LOOPBACK],
      ...['--http-port', String(ports.httpPort), '--http-bind', LOOPBACK],
      ...['--difficulty', String(difficulty), '--data-dir', join(folder, name)],
      ...['--gossip-interval', String(GOSSIP_SECONDS), '--consensus-interval', String(CONSENSUS_SECONDS)],
      ...['--peer-timeout', String(PEER_TIMEOUT_SECONDS)],
      ...others.flatMap((other) => ['--join', addressKey(other)]),
      ...(genesis ? ['--genesis'] : []),
    ];
  }
}
