/** One node of a network: a peer that can be killed, started again, paused and cut off, and its miner. */
import { setTimeout as patience } from 'node:timers/promises';

import type { Address } from '../../shared/address.ts';
import { UserError } from '../../shared/errors.ts';
import type { Log, LogLevel } from '../../shared/log.ts';
import type { NodesJson } from '../web/schemas.ts';
import { Child, type Warden } from './child.ts';
import type { Control, Report } from './control.ts';
import { ANSWER_PATIENCE, START_PATIENCE } from './limits.ts';
import { LOOPBACK, type NodePorts } from './ports.ts';

export type NodeState = NodesJson['nodes'][number]['state'];

/** What an engine's nodes are: how their programs are started, and how they are cut off from each other. */
export interface NodeKind {
  /** What a node is called: a word, a hyphen and a number. */
  name(index: number): string;
  /** Arguments of the peer of a node. */
  peer(index: number): readonly string[];
  /** Arguments of the miner that works for it, if one does. */
  miner(index: number): readonly string[] | undefined;
  /** The order to a node to cut off these others. */
  block(others: readonly number[]): BlockOrder;
}

/** An order to a peer, without its number. */
export type Order<T extends Control = Control> = T extends Control ? Omit<T, 'id'> : never;
export type BlockOrder = Extract<Order, { type: 'block' | 'block-members' }>;
/** An answer to an order. */
export type Answer = Exclude<Report, { type: 'up' }>;

/** What all nodes of a network have in common. */
export interface NodeSurroundings {
  readonly kind: NodeKind;
  readonly logLevel: LogLevel;
  readonly log: Log;
  readonly warden: Warden;
  /** What is run for a peer; our own program if undefined. */
  readonly script?: string | undefined;
}

export class NetworkNode {
  readonly name: string;
  readonly address: Address;
  readonly httpPort: number;
  /** The node's place in the network, from 0. */
  readonly index: number;
  readonly #surroundings: NodeSurroundings;
  /** Called with what the running peer answers to the order of that id. */
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #blocked: readonly number[] = [];
  #state: NodeState = 'down';
  #peer: Child | undefined;
  #miner: Child | undefined;
  #orders = 0;

  constructor(index: number, ports: NodePorts, surroundings: NodeSurroundings) {
    this.index = index;
    this.name = surroundings.kind.name(index);
    this.address = { host: LOOPBACK, port: ports.port };
    this.httpPort = ports.httpPort;
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
    const { kind, log, logLevel, warden, script } = this.#surroundings;
    const { name, index } = this;
    let isUp: () => void = () => undefined;
    const up = new Promise<undefined>((resolve) => {
      isUp = () => {
        resolve(undefined);
      };
    });
    const peer = new Child({
      ...{ program: 'peer', script, args: kind.peer(index), name, log, logLevel, warden },
      onReport: (report) => {
        if (report.type === 'up') isUp();
        else this.#waiting.get(report.id)?.(report);
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

  /** Cuts it off from these others, and from no more than these; also when it is started again. */
  async block(others: readonly number[]): Promise<void> {
    this.#blocked = others;
    const peer = this.#peer;
    if (peer?.alive !== true) return;
    const done = this.#tellBlocked(peer);
    // A paused one obeys when it goes on, before it reads what came meanwhile from those who are not cut off.
    if (this.#state === 'running') await within(ANSWER_PATIENCE, done);
  }

  /**
   * Has its peer do something.
   *
   * @param patience in milliseconds
   * @throws UserError if it refuses, can't answer, or does not in time
   */
  async ask(order: Order, patience: number): Promise<Answer> {
    const peer = this.#peer;
    if (peer?.alive !== true || this.#state !== 'running') {
      throw new UserError(`${this.name} is ${this.#state}`);
    }
    const answer = await within(patience, this.#order(peer, order));
    if (answer === undefined) throw new UserError(`${this.name} gives no answer`);
    if (answer.type === 'refused') throw new UserError(answer.reason);
    return answer;
  }

  /** Ends everything in order. */
  async end(): Promise<void> {
    const children = [this.#miner, this.#peer].filter((child) => child !== undefined);
    this.#peer = undefined;
    this.#miner = undefined;
    await Promise.all(children.map((child) => child.end()));
    this.#state = 'down';
  }

  #tellBlocked(peer: Child): Promise<unknown> {
    return this.#order(peer, this.#surroundings.kind.block(this.#blocked));
  }

  /** Sends a peer an order; fulfilled with what it answers, or with nothing when it has ended. */
  #order(peer: Child, order: Order): Promise<Answer | undefined> {
    const id = this.#orders++;
    return new Promise((resolve) => {
      const settle = (answer?: Answer): void => {
        this.#waiting.delete(id);
        resolve(answer);
      };
      this.#waiting.set(id, settle);
      void peer.ended.then(() => {
        settle();
      });
      peer.report({ ...order, id });
    });
  }

  #startMiner(): void {
    const { kind, log, logLevel, warden } = this.#surroundings;
    const args = kind.miner(this.index);
    if (args === undefined || this.#miner?.alive === true) return;
    const miner = new Child({
      ...{ program: 'miner', args, name: `miner of ${this.name}`, log, logLevel, warden },
    });
    this.#miner = miner;
    void miner.ended.then((how) => {
      if (this.#miner === miner) log.warn(`the miner of ${this.name} has ended by itself`, { how });
    });
  }
}

/** What becomes of something within so many milliseconds; undefined if it takes longer. */
async function within<T>(milliseconds: number, work: Promise<T>): Promise<T | undefined> {
  const late = new AbortController();
  try {
    return await Promise.race([
      work,
      patience(milliseconds, undefined, { signal: late.signal }).catch(() => undefined),
    ]);
  } finally {
    late.abort();
  }
}
