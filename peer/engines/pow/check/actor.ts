/** Those of ours who play the network, what they hear, and what they say of themselves. */
import type { Address } from '../../../../shared/address.ts';
import { isHash, readInteger, type Block } from '../../../../shared/block.ts';
import type { Port } from './ground.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** A datagram that came from the peer. */
export interface Heard {
  readonly at: number;
  /** Whose socket it came to. */
  readonly actor: Actor;
  readonly from: Address;
  readonly text: string;
  readonly bytes: number;
  /** Undefined if it is no JSON object. */
  readonly message: Fields | undefined;
}

/** What a STATS_REPLY says, read as liberally as the network does. */
export interface Claim {
  readonly height: number;
  readonly hash: string | null;
}

/** A GOSSIP of one of ours. Both its id and its name are its own, so that it is known again whatever becomes of one. */
export interface Introduction extends Fields {
  readonly host: string;
  readonly port: number;
  readonly id: string;
  readonly name: string;
}

/** One of our peers. */
export class Actor {
  readonly name: string;
  readonly port: Port;
  /** What it has. */
  chain: readonly Block[] = [];
  /** What its STATS claim, if not the chain it has. */
  claim: Claim | undefined;
  /** What it serves, if not the chain it has; undefined stands for no answer. */
  serve: ((height: number) => Block | null | undefined) | undefined;
  /** Share of datagrams lost in each direction. */
  loss = 0;
  /** Milliseconds before it answers STATS and GET_BLOCK. */
  delay = 0;
  /** Called when it is asked for something. */
  asked: (() => void) | undefined;
  /** Whether it does nothing by itself. */
  passive = false;

  constructor(name: string, port: Port) {
    this.name = name;
    this.port = port;
  }

  get address(): Address {
    return this.port.address;
  }
}

/** What a STATS_REPLY claims, typed or not; undefined if the message is none. */
export function claimOf(message: Fields | undefined): Claim | undefined {
  if (message === undefined || !('height' in message) || !('hash' in message) || 'messages' in message)
    return undefined;
  const { hash } = message;
  const height = readInteger(message['height']);
  if (height === undefined || !isHash(hash)) return { height: 0, hash: null };
  return { height, hash };
}

/** Whose turn it is, of several. */
export function turn<T>(all: readonly T[], number: number): T {
  const one = all[number % all.length];
  if (one === undefined) throw new Error('there is nobody');
  return one;
}
