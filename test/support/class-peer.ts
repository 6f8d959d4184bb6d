/**
 * A peer as students of the class wrote it: speaks the protocol over real UDP sockets, serves the chain it is given,
 * and has, as switches, the quirks that were observed in the implementations of the class network. It shares no code
 * with the programs under test.
 */
import { randomUUID } from 'node:crypto';
import type { RemoteInfo, Socket } from 'node:dgram';

import { addressKey, type Address } from '../../shared/address.ts';
import { integerNonce, type PlainBlock } from './chains.ts';
import { seededRandom } from './random.ts';
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

/** How a class peer departs from the protocol. What is left out follows it. */
export interface Quirks {
  /** Share of datagrams lost, in each direction, from 0 to 1. */
  readonly loss?: number;
  /** Replies leave from a new socket each. */
  readonly ephemeralReplies?: boolean;
  /** Every reply comes that often. */
  readonly copies?: number;
  /** Milliseconds before each reply. */
  readonly delay?: number;
  /** Fields that are added to everything sent. */
  readonly extraKeys?: boolean;

  readonly gossipReply?:
    | 'standard'
    /** Its type is written with a hyphen. */
    | 'hyphen'
    /** "post" instead of "port". */
    | 'post'
    /** Names the address of whoever receives it. */
    | 'names-recipient'
    /** Goes to the sender's UDP address instead of the address in the message. */
    | 'to-sender'
    | 'none';
  readonly gossipId?: 'fresh' | 'constant' | 'missing' | 'integer';
  /** The port in our gossip is decimal text. */
  readonly textPort?: boolean;
  /** Never gossips of its own accord. */
  readonly mute?: boolean;

  readonly statsReply?:
    | 'standard'
    /** No type, but our host and port. */
    | 'untyped'
    | 'text-height'
    | 'float-height'
    /** The height of the last block instead of their number. */
    | 'off-by-one'
    /** Goes to all known peers, not to the asker alone. */
    | 'to-all';
  /** What the first STATS are answered with, before the real answer. */
  readonly busyStats?: 'doing-consensus' | 'message' | 'null' | 'silent';
  /** How many STATS are answered as busy. */
  readonly busyFor?: number;
  readonly emptyStats?: 'zero' | 'null' | 'minus-one' | 'silent';

  readonly unknownBlock?:
    | 'null'
    | 'None'
    /** Only the type and a null height. */
    | 'bare-null'
    | 'error-array'
    /** Messages and a timestamp of now, the rest null. */
    | 'half-null'
    | 'busy-hash'
    | 'silent';
  /** Never serves block 0. */
  readonly withoutGenesis?: boolean;
  readonly blockType?: 'standard' | 'none' | 'ANNOUNCE';
  readonly blockHeight?: 'number' | 'text' | 'float' | 'missing';
  readonly nonce?: 'text' | 'integer';
  readonly timestamp?: 'integer' | 'float' | 'text';
  readonly minerKey?: 'minedBy' | 'mined_by' | 'minedBy:' | 'miner_name';
  /** Everything in ASCII with \\u escapes, as Python's json.dumps writes it. */
  readonly asciiJson?: boolean;
}

/** How a class peer lies. */
export interface Lie {
  /** What its STATS claim, whatever it serves. */
  readonly claim: Claim;
  /** What it answers a GET_BLOCK with: bytes, an object, or nothing at all. */
  serve(height: number): JsonObject | string | Uint8Array | undefined;
}

export interface ClassPeerPlan {
  readonly chain?: readonly PlainBlock[];
  readonly quirks?: Quirks;
  readonly lie?: Lie;
  /** Peers that it gossips to, as to well-known hosts. */
  readonly join?: readonly Address[];
  readonly name?: string;
  /** The address that it lives on. */
  readonly host?: string;
  /** Decides what is lost. */
  readonly seed?: number;
  /** The listening ports of the programs under test. */
  readonly subjects: () => readonly number[];
}

/** Gossip repeats, and is passed on, to this many peers. */
const FAN_OUT = 3;
/** Class peers gossip every 15 to 60 s; tests can't wait for that. */
const GOSSIP_EVERY = 500;

/** Text in which every character beyond ASCII is escaped. */
function escapeNonAscii(json: string): string {
  return json.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A block as a reply with the quirks has it. */
export function blockFields(block: PlainBlock, quirks: Quirks = {}): JsonObject {
  const heights = {
    number: block.height,
    text: String(block.height),
    // JSON.stringify can't write "3.0"; writing is patched in `toJson`.
    float: `float:${block.height}.0`,
    missing: undefined,
  };
  const timestamps = {
    integer: block.timestamp,
    float: block.timestamp + 0.5,
    text: String(block.timestamp),
  };
  return {
    hash: block.hash,
    height: heights[quirks.blockHeight ?? 'number'],
    messages: block.messages,
    [quirks.minerKey ?? 'minedBy']: block.minedBy,
    nonce: quirks.nonce === 'integer' ? integerNonce(block) : block.nonce,
    timestamp: timestamps[quirks.timestamp ?? 'integer'],
  };
}

/** JSON as Python writes it: floats without fraction end in ".0". */
function toJson(message: unknown, quirks: Quirks): string {
  const json = JSON.stringify(message).replace(/"float:(\d+\.\d+)"/g, '$1');
  return quirks.asciiJson === true ? escapeNonAscii(json) : json;
}

export class ClassPeer {
  readonly name: string;
  readonly rules: DatagramRules;
  /** How many messages of each type came from programs under test. */
  readonly received = new Map<string, number>();
  /** Blocks that were announced to us. */
  readonly announced: WireBlock[] = [];
  /** The peers that it tracks, by host and port. */
  readonly tracked = new Map<string, Address>();
  readonly host: string;
  chain: readonly PlainBlock[];
  readonly #quirks: Quirks;
  readonly #lie: Lie | undefined;
  readonly #join: readonly Address[];
  readonly #subjects: () => readonly number[];
  readonly #socket: Socket;
  readonly #random: () => number;
  readonly #id = randomUUID();
  readonly #seen = new Set<unknown>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #round = 0;
  #busyFor: number;
  #closed = false;

  private constructor(socket: Socket, plan: ClassPeerPlan) {
    this.#socket = socket;
    this.host = socket.address().address;
    this.#subjects = plan.subjects;
    this.rules = new DatagramRules(plan.subjects);
    this.chain = plan.chain ?? [];
    this.#quirks = plan.quirks ?? {};
    this.#lie = plan.lie;
    this.#join = plan.join ?? [];
    this.name = plan.name ?? `class peer ${this.port}`;
    this.#random = seededRandom(plan.seed ?? 1);
    this.#busyFor = this.#quirks.busyFor ?? 3;
    socket.on('message', (bytes, from) => {
      this.#receive(bytes, from);
    });
    if (this.#quirks.mute !== true) {
      this.#gossip();
      const timer = setInterval(() => {
        this.#gossip();
      }, GOSSIP_EVERY);
      this.#timers.add(timer);
    }
  }

  static async open(plan: ClassPeerPlan): Promise<ClassPeer> {
    return new ClassPeer(await openSocket(plan.host), plan);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Ends it; may be called again. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#socket.close();
  }

  /** How many messages of a type came from programs under test. */
  count(type: string): number {
    return this.received.get(type) ?? 0;
  }

  /** Whether it tracks a peer. */
  knows(address: Address): boolean {
    return this.tracked.has(addressKey(address));
  }

  /** Tells everybody that it tracks, or only some, of a block, as its miner does. */
  announce(block: PlainBlock, to: Iterable<Address> = this.tracked.values()): void {
    const message = { type: 'ANNOUNCE', ...blockFields(block, this.#quirks) };
    for (const address of to) this.#send(address, message);
  }

  #gossip(): void {
    const { gossipId, textPort } = this.#quirks;
    const ids = { fresh: randomUUID(), constant: this.#id, integer: this.port * 1000 + ++this.#round };
    const message = {
      type: 'GOSSIP',
      host: this.host,
      port: textPort === true ? String(this.port) : this.port,
      name: this.name,
      ...(gossipId === 'missing' ? {} : { id: ids[gossipId ?? 'fresh'] }),
    };
    this.#seen.add(message.id);
    const some = [...this.tracked.values()].slice(0, FAN_OUT);
    const targets = new Map([...this.#join, ...some].map((address) => [addressKey(address), address]));
    for (const address of targets.values()) this.#send(address, message);
  }

  #receive(bytes: Uint8Array, from: RemoteInfo): void {
    if (!this.rules.check(bytes, from.port)) return;
    if (this.#random() < (this.#quirks.loss ?? 0)) return;
    const sender = { host: from.address, port: from.port };
    const message = readDatagram(bytes);
    const type = message?.['type'];
    if (message === undefined || typeof type !== 'string') return;
    if (this.#subjects().includes(from.port)) this.received.set(type, this.count(type) + 1);
    switch (type) {
      case 'GOSSIP':
        this.#answerGossip(message, sender);
        break;
      case 'GOSSIP_REPLY':
        this.#track(message);
        break;
      case 'STATS':
        this.#answerStats(sender);
        break;
      case 'GET_BLOCK':
        this.#answerGetBlock(message['height'], sender);
        break;
      case 'ANNOUNCE': {
        const block = readWireBlock(message);
        if (block !== undefined) this.announced.push(block);
        break;
      }
    }
  }

  /** Tracks the peer whose address is in a message; undefined if there is no good address in it. */
  #track({ host, port }: JsonObject): Address | undefined {
    if (typeof host !== 'string' || !host.startsWith('127.')) return undefined;
    if (typeof port !== 'number' || !(port > 0 && port < 65536)) return undefined;
    const address = { host, port };
    if (addressKey(address) === addressKey(this)) return undefined;
    this.tracked.set(addressKey(address), address);
    return address;
  }

  #answerGossip(message: JsonObject, sender: Address): void {
    const origin = this.#track(message);
    if (origin === undefined) return;
    const style = this.#quirks.gossipReply ?? 'standard';
    if (style !== 'none') {
      const named = style === 'names-recipient' ? origin : this;
      this.#reply(style === 'to-sender' ? sender : origin, {
        type: style === 'hyphen' ? 'GOSSIP-REPLY' : 'GOSSIP_REPLY',
        host: named.host,
        [style === 'post' ? 'post' : 'port']: named.port,
        name: this.name,
      });
    }
    const { id } = message;
    if (id === undefined || this.#seen.has(id)) return;
    this.#seen.add(id);
    const not = new Set([addressKey(origin), addressKey(sender)]);
    const others = [...this.tracked].filter(([key]) => !not.has(key));
    for (const [, other] of others.slice(0, FAN_OUT)) this.#send(other, message);
  }

  #answerStats(asker: Address): void {
    const { busyStats, statsReply, emptyStats } = this.#quirks;
    if (busyStats !== undefined && this.#busyFor > 0) {
      this.#busyFor--;
      if (busyStats === 'doing-consensus')
        this.#reply(asker, { type: 'STATS_REPLY', height: '0', hash: 'doing conensus' });
      if (busyStats === 'message')
        this.#reply(asker, { type: 'STATS_REPLY', message: 'CURRENTLY RUNNING CONSENSUS' });
      if (busyStats === 'null') this.#reply(asker, { type: 'STATS_REPLY', height: null, hash: null });
      return;
    }
    const tip = this.chain.at(-1);
    const claim: Claim = this.#lie?.claim ?? { height: this.chain.length, hash: tip?.hash ?? null };
    const { hash } = claim;
    if (hash === null) {
      if (emptyStats === 'silent') return;
      const shown = emptyStats === 'null' ? null : emptyStats === 'minus-one' ? -1 : 0;
      this.#reply(asker, { type: 'STATS_REPLY', height: shown, hash });
      return;
    }
    const height = statsReply === 'off-by-one' ? claim.height - 1 : claim.height;
    const shown =
      statsReply === 'text-height'
        ? String(height)
        : statsReply === 'float-height'
          ? `float:${height}.0`
          : height;
    if (statsReply === 'untyped') {
      this.#reply(asker, { host: this.host, port: this.port, height: shown, hash });
      return;
    }
    const targets = statsReply === 'to-all' ? this.tracked.values() : [asker];
    for (const target of targets) this.#reply(target, { type: 'STATS_REPLY', height: shown, hash });
  }

  #answerGetBlock(height: unknown, asker: Address): void {
    if (typeof height !== 'number') return;
    if (this.#lie !== undefined) {
      const answer = this.#lie.serve(height);
      if (answer !== undefined) this.#reply(asker, answer);
      return;
    }
    const block = this.#quirks.withoutGenesis === true && height === 0 ? undefined : this.chain[height];
    const { blockType } = this.#quirks;
    if (block !== undefined) {
      const type = blockType === 'ANNOUNCE' ? 'ANNOUNCE' : 'GET_BLOCK_REPLY';
      this.#reply(asker, {
        ...(blockType === 'none' ? {} : { type }),
        ...blockFields(block, this.#quirks),
      });
      return;
    }
    const unknown = unknownBlock(this.#quirks.unknownBlock ?? 'null');
    if (unknown !== undefined) this.#reply(asker, unknown);
  }

  /** Sends an answer the way this peer answers: late, often, from another port. */
  #reply(to: Address, message: JsonObject | unknown[] | string | Uint8Array): void {
    const { delay, copies } = this.#quirks;
    const send = (): void => {
      for (let copy = 0; copy < (copies ?? 1); copy++) this.#send(to, message);
    };
    if (delay === undefined) {
      send();
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      send();
    }, delay);
    this.#timers.add(timer);
  }

  #send(to: Address, message: JsonObject | unknown[] | string | Uint8Array): void {
    if (this.#closed || this.#random() < (this.#quirks.loss ?? 0)) return;
    let bytes: string | Uint8Array;
    if (typeof message === 'string' || message instanceof Uint8Array) bytes = message;
    else if (this.#quirks.extraKeys === true && !Array.isArray(message))
      bytes = toJson({ ...message, previous_hash: 'x', consensus: true, addr: [LOOPBACK, 1] }, this.#quirks);
    else bytes = toJson(message, this.#quirks);
    if (this.#quirks.ephemeralReplies !== true) {
      this.#socket.send(bytes, to.port, to.host, () => undefined);
      return;
    }
    void openSocket(this.host).then((socket) => {
      socket.send(bytes, to.port, to.host, () => {
        socket.close();
      });
    });
  }
}

/** What implementations answer when asked for a block that they do not have. */
export function unknownBlock(style: NonNullable<Quirks['unknownBlock']>): JsonObject | unknown[] | undefined {
  const all = (value: unknown): JsonObject => ({
    hash: value,
    height: value,
    messages: value,
    minedBy: value,
    nonce: value,
    timestamp: value,
  });
  switch (style) {
    case 'null':
      return { type: 'GET_BLOCK_REPLY', ...all(null) };
    case 'None':
      return { type: 'GET_BLOCK_REPLY', ...all('None') };
    case 'bare-null':
      return { type: 'GET_BLOCK_REPLY', height: null };
    case 'error-array':
      return ['error: no such block'];
    case 'half-null':
      return { type: 'GET_BLOCK_REPLY', ...all(null), messages: [], timestamp: 1_700_000_000 };
    case 'busy-hash':
      return {
        type: 'GET_BLOCK_REPLY',
        ...all(null),
        hash: 'Busy doing some other operation right now',
      };
    case 'silent':
      return undefined;
  }
}

/** A plausible reply with a block, for lies. */
export function blockReply(block: PlainBlock | undefined): JsonObject | undefined {
  return block === undefined
    ? (unknownBlock('null') as JsonObject)
    : { type: 'GET_BLOCK_REPLY', ...blockFields(block) };
}

/** Claims the length and tip of `claimed` and serves `served`. */
export function serveInstead(claimed: readonly PlainBlock[], served: readonly PlainBlock[]): Lie {
  return { claim: claimOf(claimed), serve: (height) => blockReply(served[height]) };
}

/** What an honest peer with `chain` says in STATS. */
export function claimOf(chain: readonly PlainBlock[]): Claim {
  return { height: chain.length, hash: chain.at(-1)?.hash ?? null };
}
