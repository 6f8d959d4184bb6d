import type { Block } from '../../../../shared/block.ts';

/** A peer says that it is there. */
export interface Gossip {
  readonly type: 'GOSSIP';
  readonly host: string;
  readonly port: number;
  /** Undefined where an implementation leaves it out: such a gossip is answered but never passed on. */
  readonly id: string | undefined;
  readonly name: string;
  /** The message as it arrived, because a gossip is passed on unchanged. */
  readonly raw?: string;
}

export interface GossipReply {
  readonly type: 'GOSSIP_REPLY';
  readonly host: string;
  readonly port: number;
  readonly name: string;
  /** The id of the GOSSIP that is answered: our addition, which one implementation wants and the others pass over. */
  readonly id?: string | undefined;
}

/** Asks for the block at a height; undefined stands for a height that no block can have. */
export interface GetBlock {
  readonly type: 'GET_BLOCK';
  readonly height: number | undefined;
}

/** The block asked for, or null if there is none (or the answer makes no sense as a block). */
export interface GetBlockReply {
  readonly type: 'GET_BLOCK_REPLY';
  readonly block: Block | null;
  /** The block's JSON where it comes from our store: it is sent as it is. */
  readonly json?: string;
}

export interface Stats {
  readonly type: 'STATS';
}

/** The number of blocks and the hash of the last; 0 and null while there is no chain. */
export interface StatsReply {
  readonly type: 'STATS_REPLY';
  readonly height: number;
  readonly hash: string | null;
  /** Where one implementation says who it is; it leaves the type out instead. */
  readonly claims?: { readonly host: string; readonly port: number };
}

export interface Announce {
  readonly type: 'ANNOUNCE';
  readonly block: Block;
}

export interface ConsensusCall {
  readonly type: 'CONSENSUS';
}

export interface NewWord {
  readonly type: 'NEW_WORD';
  readonly word: string;
}

/** A message of the class network, decoded. */
export type PowMessage =
  Gossip | GossipReply | GetBlock | GetBlockReply | Stats | StatsReply | Announce | ConsensusCall | NewWord;
