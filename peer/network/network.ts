/** A network of real peers and miners on this machine, each a process of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { UserError } from '../../shared/errors.ts';
import type { Log, LogLevel } from '../../shared/log.ts';
import { takeFolder } from '../storage/data-dir.ts';
import type { FolderLock } from '../storage/lock.ts';
import type { NodesJson } from '../web/schemas.ts';
import { Warden } from './child.ts';
import { MAX_WAITING, STARTING_AT_ONCE } from './limits.ts';
import { NetworkNode, type NodeKind, type NodeSurroundings } from './node.ts';
import { takePorts, type NodePorts, type Ports } from './ports.ts';

/** Where a network is. */
export interface NetworkPlace {
  /** Of each node. */
  readonly ports: readonly NodePorts[];
  /** The folder for all data; it need not exist yet. */
  readonly folder: string;
}

export interface NetworkOptions {
  /** 1 to MAX_NODES. */
  readonly nodes: number;
  /** What runs in the nodes. */
  readonly kind: (place: NetworkPlace) => NodeKind;
  /** Where the data is kept; undefined for a folder that goes with the network. */
  readonly dataDir: string | undefined;
  /** The first port; any free ones if undefined. */
  readonly basePort: number | undefined;
  /** How much of what the programs log is passed on. */
  readonly logLevel: LogLevel;
  readonly log: Log;
  /** What is run for a peer; our own program if undefined. */
  readonly script?: string | undefined;
}

/** Why a change is not made: there is no such node, the groups are none, it is not in the state for it, or too many wait. */
export type Refusal = 'unknown' | 'malformed' | 'conflict' | 'busy';

/** A change that is not made; the message is one sentence for people. */
export class NetworkError extends UserError {
  override name = 'NetworkError';
  readonly refusal: Refusal;

  constructor(refusal: Refusal, message: string) {
    super(message);
    this.refusal = refusal;
  }
}

/** Every change waits for those before it, so each finds the network in order. */
export class Network {
  readonly nodes: readonly NetworkNode[];
  readonly #ports: Ports;
  readonly #warden: Warden;
  /** The folder that goes with the network, if there is one. */
  readonly #folder: string | undefined;
  /** Keeps other networks out of a folder that stays. */
  readonly #lock: FolderLock | undefined;
  readonly #log: Log;
  /** The group of each node, by name; undefined while all are one network. */
  #groups: ReadonlyMap<string, number> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #closing: Promise<void> | undefined;

  private constructor(options: NetworkOptions, ports: Ports, warden: Warden, lock: FolderLock | undefined) {
    this.#ports = ports;
    this.#lock = lock;
    this.#log = options.log;
    this.#warden = warden;
    if (options.dataDir === undefined) {
      this.#folder = mkdtempSync(join(tmpdir(), 'gossip-network-'));
      this.#warden.owns(this.#folder);
    }
    const folder = resolve(this.#folder ?? options.dataDir ?? '');
    const surroundings: NodeSurroundings = {
      kind: options.kind({ ports: ports.nodes, folder }),
      ...{ logLevel: options.logLevel, log: options.log, warden: this.#warden, script: options.script },
    };
    this.nodes = ports.nodes.map((own, index) => new NetworkNode(index, own, surroundings));
  }

  /**
   * A network whose programs do not run yet.
   *
   * @throws UserError if it can't have its ports or its folder, or its files can't be written
   */
  static async create(options: NetworkOptions): Promise<Network> {
    const ports = await takePorts(options.nodes, options.basePort);
    const warden = new Warden();
    let lock: FolderLock | undefined;
    try {
      if (options.dataDir !== undefined) lock = await takeFolder(options.dataDir);
      return new Network(options, ports, warden, lock);
    } catch (error) {
      lock?.release();
      ports.release();
      await warden.close();
      throw error;
    }
  }

  /**
   * Starts all programs; fulfilled when every peer takes part, or the network is closed.
   *
   * @throws UserError if one does not come up
   */
  async start(): Promise<void> {
    await this.#change(async () => {
      for (let first = 0; first < this.nodes.length && !this.#isClosing(); first += STARTING_AT_ONCE) {
        await Promise.all(
          this.nodes.slice(first, first + STARTING_AT_ONCE).map((node) => this.#startNode(node)),
        );
      }
    });
  }

  get partitioned(): boolean {
    return this.#groups !== undefined;
  }

  /** The group of a node, from 0; null while the network is not partitioned. */
  groupOf(node: NetworkNode): number | null {
    return this.#groups?.get(node.name) ?? null;
  }

  view(): NodesJson {
    return {
      nodes: this.nodes.map((node) => ({
        name: node.name,
        api: `/nodes/${node.name}/api`,
        address: node.address,
        state: node.state,
        group: this.groupOf(node),
        miners: node.miners,
      })),
      partitioned: this.partitioned,
    };
  }

  /** @throws NetworkError if there is none of that name */
  find(name: string): NetworkNode {
    const node = this.nodes.find((one) => one.name === name);
    if (node === undefined) throw new NetworkError('unknown', `There is no node "${name}".`);
    return node;
  }

  /** Kills the peer of a node, as a crash would. @throws NetworkError */
  kill(name: string): Promise<void> {
    return this.#change(async () => {
      const node = this.find(name);
      if (node.state === 'down') throw new NetworkError('conflict', `${name} is down already.`);
      await node.kill();
    });
  }

  /** Starts a node that is down, on the data that it has. @throws UserError */
  startNode(name: string): Promise<void> {
    return this.#change(async () => {
      const node = this.find(name);
      if (node.state !== 'down') throw new NetworkError('conflict', `${name} is ${node.state}, not down.`);
      await this.#startNode(node);
    });
  }

  /** Has a node stand still, without being gone. @throws NetworkError */
  pause(name: string): Promise<void> {
    return this.#change(() => {
      const node = this.find(name);
      if (process.platform === 'win32') {
        throw new NetworkError('conflict', 'This system has no signal that pauses a process (SIGSTOP).');
      }
      if (node.state !== 'running')
        throw new NetworkError('conflict', `${name} is ${node.state}, not running.`);
      node.pause();
    });
  }

  /** Has a paused node go on. @throws NetworkError */
  resume(name: string): Promise<void> {
    return this.#change(() => {
      const node = this.find(name);
      if (node.state !== 'paused')
        throw new NetworkError('conflict', `${name} is ${node.state}, not paused.`);
      node.resume();
    });
  }

  /**
   * Parts the network; fulfilled when no datagram gets from one group to another.
   *
   * @param groups names of nodes; those left out are a group of their own
   * @throws NetworkError
   */
  partition(groups: readonly (readonly string[])[]): Promise<void> {
    return this.#change(async () => {
      const of = new Map<string, number>();
      for (const [group, names] of groups.entries()) {
        for (const name of names) {
          if (!this.nodes.some((node) => node.name === name)) {
            throw new NetworkError('malformed', `There is no node "${name}" to put into a group.`);
          }
          if (of.has(name)) throw new NetworkError('malformed', `${name} can only be in one group.`);
          of.set(name, group);
        }
      }
      for (const { name } of this.nodes) if (!of.has(name)) of.set(name, groups.length);
      if (new Set(of.values()).size < 2) {
        throw new NetworkError('malformed', 'A partition has two groups at the least.');
      }
      this.#groups = of;
      await this.#block();
    });
  }

  /** Lets all nodes reach each other again. @throws NetworkError */
  heal(): Promise<void> {
    return this.#change(async () => {
      if (this.#groups === undefined) throw new NetworkError('conflict', 'The network is not partitioned.');
      this.#groups = undefined;
      await this.#block();
    });
  }

  /** Ends every program, and removes the data that goes with the network. May be called again. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.end()));
    if (this.#folder !== undefined) {
      rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    }
    this.#lock?.release();
    this.#ports.release();
    await this.#warden.close();
  }

  #isClosing(): boolean {
    return this.#closing !== undefined;
  }

  async #startNode(node: NetworkNode): Promise<void> {
    try {
      await node.start();
    } catch (error) {
      // What is being ended may well not have come up.
      if (!this.#isClosing()) throw error;
    }
  }

  async #block(): Promise<void> {
    const group = (node: NetworkNode): number | undefined => this.#groups?.get(node.name);
    await Promise.all(
      this.nodes.map((node) =>
        node.block(this.nodes.filter((one) => group(one) !== group(node)).map(({ index }) => index)),
      ),
    );
    this.#log.info(this.partitioned ? 'the network is partitioned' : 'the network is healed');
  }

  /** Does something when everything before it is done. */
  async #change(work: () => void | Promise<void>): Promise<void> {
    if (this.#waiting >= MAX_WAITING) throw new NetworkError('busy', 'Too many changes wait already.');
    this.#waiting++;
    const result = this.#last.then(() => {
      if (this.#isClosing()) throw new NetworkError('busy', 'The network is being ended.');
      return work();
    });
    this.#last = result.catch(() => undefined).finally(() => this.#waiting--);
    await result;
  }
}
