/**
 * Replicas within another program: `import { NodeBuilder } from 'gossip-peer/pbft'`.
 *
 *     const node = new NodeBuilder(8000).withIndex(0, 4).withBootstrapPeer('127.0.0.1:8001').build();
 *     await node.start();
 *     const { text } = await node.submit('hello world');    // "entry 1"
 *     await node.stop();
 */
/// <reference types="node" preserve="true" />
import { EventEmitter } from 'node:events';

import type { Address } from '../../../shared/address.ts';
import type { KeyPair } from '../../../shared/ed25519.ts';
import { UserError } from '../../../shared/errors.ts';
import { silentLog, type Log } from '../../../shared/log.ts';
import { hostPort } from '../../../shared/options.ts';
import { ID_PATTERN } from '../../applications/once.ts';
import type { PbftConfig, PbftNotice, PbftRequest, PbftResult, PbftStatus } from './protocol/interface.ts';
import {
  MAX_MEMBERS,
  MIN_MEMBERS,
  demonstrationCluster,
  demonstrationKey,
  memberOf,
  type Cluster,
} from './node/members.ts';
import { configOf } from './node/config.ts';
import {
  checkPbftNode,
  openPbftNode,
  REPLICA_WORDS,
  type PbftNode,
  type PbftNodeOptions,
} from './node/open.ts';
import { openDataDir, type DataDir } from '../../storage/data-dir.ts';
import { MemoryStore } from '../../storage/memory.ts';
import type { TcpPeer } from '../../transports/tcp.ts';

export { generateKeyPair, keyPairOf, type KeyPair } from '../../../shared/ed25519.ts';
export { UserError } from '../../../shared/errors.ts';
export { createLog, silentLog, type Log } from '../../../shared/log.ts';
export {
  DEFAULT_PBFT_CONFIG,
  type ExecutedRequest,
  type PbftConfig,
  type PbftNotice,
  type PbftStatus,
} from './protocol/interface.ts';
export { parseMembers, readMembersFile, type Cluster } from './node/members.ts';
export { readKeyFile, writeKeyFile } from '../../storage/key-file.ts';
export { type TcpPeer } from '../../transports/tcp.ts';
export { SubmitError } from './node/subject.ts';

/** A request as applications read it: a verb and what it takes. */
export class Request {
  /** JSON. */
  readonly operation: string;

  /** @param operation as the application reads it */
  constructor(operation: string) {
    this.operation = operation;
  }

  /** For example `Request.of('put', 'key', 'value')`. */
  static of(verb: string, ...args: readonly unknown[]): Request {
    return new Request(JSON.stringify([verb, ...args]));
  }
}

/** What a cluster has answered: f + 1 replicas say the same. */
export interface Answer {
  /** JSON. */
  readonly result: string;
  /** The result's content: an object of the application's. */
  readonly value: unknown;
  /** The result in words for people. */
  readonly text: string;
}

/** What a node emits: the notice of that kind. */
export interface NodeEvents {
  /** The answer to an operation that was submitted here. */
  answered: [Extract<PbftResult, { status: 'answered' }> & { readonly operation: string }];
  executed: [Extract<PbftNotice, { kind: 'executed' }>];
  'view-change-started': [Extract<PbftNotice, { kind: 'view-change-started' }>];
  'view-entered': [Extract<PbftNotice, { kind: 'view-entered' }>];
  checkpoint: [Extract<PbftNotice, { kind: 'checkpoint' }>];
  /** Every notice there is. */
  notice: [PbftNotice];
  /** The node can't go on; it is still to be stopped. */
  failed: [Error];
}

interface NodePlan extends PbftNodeOptions {
  /** Undefined for a node that stores nothing. */
  readonly dataDir: string | undefined;
  readonly log: Log;
}

/** A replica; made by {@link NodeBuilder.build}. */
export class Node extends EventEmitter<NodeEvents> {
  /** Its number among the members. */
  readonly self: number;
  readonly #plan: NodePlan;
  #node: PbftNode | undefined;
  #dataDir: DataDir | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  /** @throws UserError if the key is not that of a member */
  constructor(plan: NodePlan) {
    super();
    this.#plan = plan;
    this.self = memberOf(plan.cluster, plan.key);
  }

  /**
   * Starts it; fulfilled when it listens. It finds the others by and by. A node starts once.
   *
   * @throws UserError if it can't be started
   */
  start(): Promise<void> {
    if (this.#stopping !== undefined) throw new UserError('the node was stopped; build another one');
    return (this.#starting ??= this.#start());
  }

  /** Where it listens. @throws UserError if it does not run */
  get address(): Address {
    return this.#running().address;
  }

  /** @throws UserError if it does not run */
  status(): PbftStatus {
    return this.#running().status();
  }

  /** What is known of the connections to all others. @throws UserError if it does not run */
  peers(): readonly TcpPeer[] {
    return this.#running().peers();
  }

  /**
   * Has something executed by the cluster, and waits for the answer; may be called from within an event.
   *
   * @param options.id under which it is executed once, whatever happens on the way: where there is no answer, it may be
   *   submitted again, by way of any member. 1 to 128 letters, digits, `.`, `_`, `~` and `-`
   * @param request a text is read as a line that a person typed, as after `submit` on the command line
   * @throws SubmitError if it is not taken, or the node is stopped before there is an answer
   * @throws UserError if the line says nothing that can be done, or the node does not run
   */
  async submit(request: Request | string, { id }: { readonly id?: string } = {}): Promise<Answer> {
    if (id !== undefined && !ID_PATTERN.test(id)) {
      throw new UserError('an id is 1 to 128 letters, digits, and . _ ~ -');
    }
    const node = this.#running();
    const { application } = node;
    const operation = typeof request === 'string' ? application.parse(request) : request.operation;
    const result = await node.submit(operation, id);
    return { result, value: JSON.parse(result) as unknown, text: application.describe(result) };
  }

  /** Ends it in order. May be called again. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  async #start(): Promise<void> {
    const { dataDir, log, ...options } = this.#plan;
    const warn = (message: string): void => {
      log.warn(message);
    };
    this.#dataDir =
      dataDir === undefined
        ? undefined
        : await openDataDir(dataDir, { words: REPLICA_WORDS, secret: true, warn });
    try {
      const node = await openPbftNode(options, {
        ...{ store: this.#dataDir?.store ?? new MemoryStore(), log, bar: false },
        onFailure: (error) => {
          this.emit('failed', error);
        },
      });
      this.#node = node;
      node.observe({
        onNotice: (notice) => {
          this.#report(notice);
        },
        onReply: (request, result) => {
          // Of this engine, as its node gives them.
          const [{ operation }, answer] = [request as PbftRequest, result as PbftResult];
          if (answer.status === 'answered') this.emit('answered', { ...answer, operation });
        },
      });
    } catch (error) {
      await this.#dataDir?.close();
      throw error;
    }
  }

  async #stop(): Promise<void> {
    await this.#starting?.catch(() => undefined);
    const node = this.#node;
    this.#node = undefined;
    await node?.close();
    await this.#dataDir?.close();
  }

  #report(notice: PbftNotice): void {
    this.emit('notice', notice);
    switch (notice.kind) {
      case 'executed':
        this.emit('executed', notice);
        break;
      case 'view-change-started':
        this.emit('view-change-started', notice);
        break;
      case 'view-entered':
        this.emit('view-entered', notice);
        break;
      case 'checkpoint':
        this.emit('checkpoint', notice);
        break;
      default:
        break;
    }
  }

  #running(): PbftNode {
    if (this.#node === undefined) throw new UserError('the node does not run');
    return this.#node;
  }
}

/** Says step by step what a node is to be. */
export class NodeBuilder {
  readonly #port: number;
  readonly #bootstrap: Address[] = [];
  #cluster: Cluster | undefined;
  #key: KeyPair | undefined;
  #application = 'log';
  #config: Partial<PbftConfig> = {};
  #bind = '127.0.0.1';
  #dataDir: string | undefined;
  #log = silentLog;

  /** @param port TCP port to listen on; 0 takes any free one */
  constructor(port: number) {
    this.#port = port;
  }

  /**
   * Adds a member that may be reached there; one is enough to find all.
   *
   * @param address host:port
   * @throws UserError if it is none
   */
  withBootstrapPeer(address: string): this {
    try {
      this.#bootstrap.push(hostPort(address));
    } catch {
      throw new UserError(`"${address}" is not host:port, for example 127.0.0.1:8000`);
    }
    return this;
  }

  /** Names the members of the cluster, and our key, which says which of them we are. */
  withMembers(cluster: Cluster, key: KeyPair): this {
    this.#cluster = cluster;
    this.#key = key;
    return this;
  }

  /**
   * Makes it a member of a demonstration cluster, the keys of which everybody knows.
   *
   * @param index from 0
   * @param nodes how many members there are, 4 to 64
   */
  withIndex(index: number, nodes: number): this {
    if (!(Number.isInteger(nodes) && nodes >= MIN_MEMBERS && nodes <= MAX_MEMBERS)) {
      throw new UserError(`a cluster has ${MIN_MEMBERS} to ${MAX_MEMBERS} members, not ${nodes}`);
    }
    if (!(Number.isInteger(index) && index >= 0 && index < nodes)) {
      throw new UserError(`the members of a cluster of ${nodes} are numbered 0 to ${nodes - 1}`);
    }
    return this.withMembers(demonstrationCluster(nodes), demonstrationKey(index));
  }

  /** What the members agree on: `log`, which is the default, or `kv`. */
  withApplication(name: string): this {
    this.#application = name;
    return this;
  }

  /** What is to be other than in `DEFAULT_PBFT_CONFIG`. */
  withConfig(config: Partial<PbftConfig>): this {
    this.#config = { ...this.#config, ...config };
    return this;
  }

  /** The IPv4 address to listen on: 127.0.0.1 by default; 0.0.0.0 for all. */
  withBind(address: string): this {
    this.#bind = address;
    return this;
  }

  /**
   * Stores the state in a folder. Without, a node that ends has lost it, and counts as faulty for a while.
   *
   * @throws UserError if the name is empty
   */
  withDataDir(folder: string): this {
    if (folder === '') throw new UserError('the name of the data folder is empty');
    this.#dataDir = folder;
    return this;
  }

  /** Has it say what happens; `createLog` makes a log on standard error. */
  withLog(log: Log): this {
    this.#log = log;
    return this;
  }

  /** @throws UserError if something is missing or wrong, as far as that can be seen before anything is opened */
  build(): Node {
    if (this.#cluster === undefined || this.#key === undefined) {
      throw new UserError('which member is it? Say withMembers(…), or withIndex(…) for a demonstration');
    }
    const plan = {
      ...{ port: this.#port, bind: this.#bind, bootstrap: [...this.#bootstrap] },
      ...{ cluster: this.#cluster, key: this.#key, application: this.#application },
      http: undefined,
      ...{
        config: configOf(this.#config, this.#cluster.members.length),
        dataDir: this.#dataDir,
        log: this.#log,
      },
    };
    checkPbftNode(plan);
    return new Node(plan);
  }
}
