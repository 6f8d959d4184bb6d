/**
 * A network of proof-of-work engines in one process, on a virtual clock: deterministic from its seed, with loss,
 * delay and scripted peers. Messages go through the codec, as over a socket.
 */
import { addressKey, type Address } from '../../shared/address.ts';
import type { Block } from '../../shared/block.ts';
import { Chain } from '../../peer/engines/pow/protocol/chain.ts';
import { powCodec } from '../../peer/engines/pow/protocol/codec.ts';
import type { PowConfig, PowRequest, PowResult } from '../../peer/engines/pow/protocol/interface.ts';
import type { PowMessage } from '../../peer/engines/pow/protocol/messages.ts';
import type { PowTypes } from '../../peer/engines/pow/protocol/types.ts';
import { PowEngine } from '../../peer/engines/pow/protocol/pow.ts';
import { MemoryStore } from '../../peer/storage/memory.ts';
import { seededRandom } from './random.ts';
import { EngineRig } from './engine-rig.ts';

/** A datagram: a message as it is encoded, a raw text or raw bytes. */
export type Datagram = PowMessage | string | Uint8Array;

export function toBytes(what: Datagram): Uint8Array {
  if (typeof what === 'string') return Buffer.from(what);
  return what instanceof Uint8Array ? what : powCodec.encode(what);
}

/** Sends a message, a raw text or raw bytes as from a scripted peer; `port` stands for another socket of its own. */
export type Send = (to: Address, what: Datagram, port?: number) => void;

/** A scripted peer. */
export type Script = (message: PowMessage, from: Address, send: Send) => void;

interface Happening {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export interface Faults {
  /** Share of datagrams lost, 0 to 1. */
  loss: number;
  /** Delay of each datagram, in milliseconds, between these two. */
  delay: [number, number];
}

/** Fills a store with a chain, as a peer that had it before would have left it. */
export function storeWith(blocks: readonly Block[], difficulty: number): MemoryStore {
  const store = new MemoryStore();
  const chain = new Chain(store, difficulty);
  for (const block of blocks) {
    const fault = chain.faultOf(block);
    if (fault !== undefined) throw new Error(`not a valid chain: ${fault} at ${block.height}`);
    store.write(chain.append(block));
  }
  return store;
}

/** A real engine in the virtual network. */
export class VirtualNode extends EngineRig<PowTypes> {
  readonly address: Address;
  engine: PowEngine;
  private readonly network: VirtualNetwork;
  private readonly config: PowConfig;

  constructor(network: VirtualNetwork, config: PowConfig, store: MemoryStore) {
    super(network, store);
    this.network = network;
    this.config = config;
    this.address = config.self;
    this.engine = this.newEngine();
  }

  get height(): number {
    return this.engine.status().height;
  }

  get tip(): string | null {
    return this.engine.status().hash;
  }

  /** The chain as an independent reader of the store finds it. */
  blocks(): Block[] {
    const chain = new Chain(this.store, this.config.difficulty);
    return Array.from({ length: chain.height }, (_, height) => {
      const block = chain.block(height);
      if (block === undefined) throw new Error(`block ${height} is missing`);
      return block;
    });
  }

  request(request: PowRequest): PowResult {
    const reply = this.ask(request);
    if (reply === undefined) throw new Error('no reply');
    return reply;
  }

  /** Starts again from what is stored. */
  restart(): void {
    this.engine = this.newEngine();
    this.start();
  }

  start(): void {
    this.run(this.engine);
  }

  protected send(to: readonly Address[], message: PowMessage): void {
    for (const peer of to) this.network.deliver(this.address, peer, powCodec.encode(message));
  }

  private newEngine(): PowEngine {
    return new PowEngine(this.config, { view: this.store, entropy: this.network.entropy() });
  }
}

export class VirtualNetwork {
  now = 1_000;
  readonly faults: Faults = { loss: 0, delay: [1, 5] };
  /** Every datagram that left a real engine. */
  readonly sent: { from: Address; to: Address; bytes: Uint8Array }[] = [];
  readonly random: () => number;
  private readonly nodes = new Map<string, VirtualNode>();
  private readonly scripts = new Map<string, Script>();
  private readonly sockets = new Map<string, (bytes: Uint8Array, from: Address) => void>();
  private happenings: Happening[] = [];
  private order = 0;

  constructor(seed = 1) {
    this.random = seededRandom(seed);
  }

  entropy(): Uint8Array {
    return Uint8Array.from({ length: 16 }, () => Math.floor(this.random() * 256));
  }

  /** Adds a real engine; it starts with the next {@link run}. */
  addNode(self: Address, config: Partial<PowConfig> = {}, blocks: readonly Block[] = []): VirtualNode {
    const full: PowConfig = {
      self,
      selfHosts: [],
      name: `node-${self.port}`,
      difficulty: 1,
      join: [],
      consensusInterval: 300_000,
      gossipInterval: 30_000,
      peerTimeout: 60_000,
      minedBy: `miner-${self.port}`,
      idleWord: 'idle',
      genesis: false,
      ...config,
    };
    const node = new VirtualNode(this, full, storeWith(blocks, full.difficulty));
    this.nodes.set(addressKey(self), node);
    this.at(this.now, () => {
      node.start();
    });
    return node;
  }

  /** Adds a scripted peer. */
  addScript(self: Address, script: Script): Send {
    this.scripts.set(addressKey(self), script);
    return this.sender(self);
  }

  /** Adds something that takes datagrams as they are; undefined takes it away. */
  setSocket(self: Address, receive: ((bytes: Uint8Array, from: Address) => void) | undefined): void {
    if (receive === undefined) this.sockets.delete(addressKey(self));
    else this.sockets.set(addressKey(self), receive);
  }

  after(delay: number, run: () => void): void {
    this.at(this.now + delay, run);
  }

  at(time: number, run: () => void): void {
    const happening = { at: time, order: this.order++, run };
    // A binary search keeps the list in order of time, then of coming.
    let low = 0;
    let high = this.happenings.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.happenings[middle];
      if (other !== undefined && (other.at > time || (other.at === time && other.order > happening.order))) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    this.happenings.splice(low, 0, happening);
  }

  /** Puts a datagram on its way. */
  deliver(from: Address, to: Address, bytes: Uint8Array): void {
    if (this.nodes.has(addressKey(from))) this.sent.push({ from, to, bytes });
    if (this.random() < this.faults.loss) return;
    const [least, most] = this.faults.delay;
    this.at(this.now + least + this.random() * (most - least), () => {
      this.arrive(from, to, bytes);
    });
  }

  /**
   * Lets time pass until `done` holds.
   *
   * @param limit the most time that may pass, in milliseconds
   * @returns whether it came to hold
   */
  run(limit: number, done: () => boolean = () => false): boolean {
    const end = this.now + limit;
    while (!done()) {
      const next = this.happenings.at(-1);
      if (next === undefined || next.at > end) {
        this.now = end;
        return done();
      }
      this.happenings.pop();
      this.now = next.at;
      next.run();
    }
    return true;
  }

  /**
   * Lets time pass for somebody who awaits what happens in it: after each happening whoever waited for it goes on before
   * the next one.
   */
  async runFor<T>(task: Promise<T>): Promise<T> {
    const state: { over: boolean } = { over: false };
    const end = (): void => {
      state.over = true;
    };
    task.then(end, end);
    for (;;) {
      // All that is awaited here is settled by a happening, so one turn of the loop is enough.
      await new Promise((resolve) => setImmediate(resolve));
      if (state.over) return task;
      const next = this.happenings.pop();
      if (next === undefined) throw new Error('somebody waits for what never happens');
      this.now = next.at;
      next.run();
    }
  }

  private sender(self: Address): Send {
    return (to, what, port) => {
      const from = port === undefined ? self : { host: self.host, port };
      this.deliver(from, to, toBytes(what));
    };
  }

  private arrive(from: Address, to: Address, bytes: Uint8Array): void {
    const socket = this.sockets.get(addressKey(to));
    if (socket !== undefined) {
      socket(bytes, from);
      return;
    }
    const decoded = powCodec.decode(bytes);
    const node = this.nodes.get(addressKey(to));
    const script = this.scripts.get(addressKey(to));
    if (node !== undefined) {
      if (decoded.message === undefined) node.refuse(from, decoded.fault);
      else node.deliver(from, decoded.message);
    } else if (script !== undefined && decoded.message !== undefined) {
      script(decoded.message, from, this.sender(to));
    }
  }
}

/** A scripted peer that gossips and serves `blocks`, honest unless its answers are changed. */
export function servingScript(
  self: Address,
  blocks: readonly Block[],
  change: {
    stats?: { height: number; hash: string };
    block?: (height: number) => Block | null | undefined;
  } = {},
): Script {
  return (message, from, send) => {
    if (message.type === 'GOSSIP') {
      send({ host: message.host, port: message.port }, { type: 'GOSSIP_REPLY', ...self, name: 'script' });
    } else if (message.type === 'STATS') {
      const claim = change.stats ?? { height: blocks.length, hash: blocks.at(-1)?.hash ?? null };
      send(from, { type: 'STATS_REPLY', ...claim });
    } else if (message.type === 'GET_BLOCK' && message.height !== undefined) {
      const { height } = message;
      const block = change.block === undefined ? (blocks[height] ?? null) : change.block(height);
      // Undefined stands for no answer at all.
      if (block !== undefined) send(from, { type: 'GET_BLOCK_REPLY', block });
    }
  };
}
