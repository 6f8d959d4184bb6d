/** What the proof-of-work engine is given, is asked and emits: everything the rest of the peer sees of it. */
import type { Address } from '../../../../shared/address.ts';
import type { Block } from '../../../../shared/block.ts';
import type { SubmitResult, WorkTemplate } from '../../../../shared/work.ts';

/** All times in milliseconds. */
export interface PowConfig {
  /** The address that we advertise. */
  readonly self: Address;
  /** Every host under which this machine is known: with our port, they all mean ourselves. */
  readonly selfHosts: readonly string[];
  /** Our name in GOSSIP; at most 64 characters. */
  readonly name: string;
  /** Zeros that a hash must end in. */
  readonly difficulty: number;
  /** Well-known peers that we greet at start and in every round of gossip. */
  readonly join: readonly Address[];
  readonly consensusInterval: number;
  readonly gossipInterval: number;
  /** A peer not heard for this long is dropped. */
  readonly peerTimeout: number;
  /** Who signs our blocks. */
  readonly minedBy: string;
  /** The message of a block when no word waits. */
  readonly idleWord: string;
  /** Whether we may found a network, with a genesis of our own, when nobody has a chain. */
  readonly genesis: boolean;
}

export type PowRequest =
  | { readonly kind: 'submit-block'; readonly block: Block }
  | { readonly kind: 'submit-word'; readonly word: string }
  | { readonly kind: 'consensus' };

/** Every request is answered in these terms; for a word or a consensus "accepted" means queued or begun. */
export type PowResult = SubmitResult;

/** The length of a chain and the hash of its last block. */
export interface ChainClaim {
  /** Number of blocks: the height of the last block, plus one. */
  readonly height: number;
  readonly hash: string;
}

/** Notices for the log, the metrics, the page and the miners. */
export type PowNotice =
  /** What is to be mined now; null while there is nothing to mine on (joining, or no chain). */
  | { readonly kind: 'work'; readonly template: WorkTemplate | null }
  | { readonly kind: 'peer-joined'; readonly peer: Address; readonly name: string; readonly peers: number }
  | { readonly kind: 'peer-dropped'; readonly peer: Address; readonly peers: number }
  /** A block was put on top of our chain. */
  | { readonly kind: 'block'; readonly block: Block; readonly source: 'mined' | 'announced' }
  /** A consensus began: everybody is asked for STATS. */
  | { readonly kind: 'consensus-started'; readonly peers: number }
  /** A better chain was claimed; its blocks are being downloaded. */
  | {
      readonly kind: 'sync-started';
      readonly target: ChainClaim;
      /** Height of the last block that their chain and ours have in common, -1 if none. */
      readonly forkPoint: number;
      readonly peers: number;
    }
  /** Sent at most a few times a second. */
  | { readonly kind: 'sync-progress'; readonly verified: number; readonly total: number }
  /** Our chain was replaced, or continued, by a longer one. `depth` is how many of our own blocks left it. */
  | {
      readonly kind: 'chain-adopted';
      readonly height: number;
      readonly hash: string;
      readonly added: number;
      readonly depth: number;
      /** How many words of our own orphaned blocks wait again. */
      readonly returnedWords: number;
    }
  /** A claimed chain was proved false. `fault` is the rule that it broke. */
  | {
      readonly kind: 'false-chain';
      readonly target: ChainClaim;
      readonly claimedBy: readonly Address[];
      readonly fault: string;
    }
  /** A claimed chain was unavailable: nobody who claimed it served it. */
  | { readonly kind: 'chain-unavailable'; readonly target: ChainClaim }
  | {
      readonly kind: 'consensus-finished';
      /** `alone`: nobody answered; `current`: ours is the best; `adopted`: we moved to a better one. */
      readonly outcome: 'alone' | 'current' | 'adopted' | 'failed';
      readonly answers: number;
      readonly height: number;
    }
  /** We have neither a chain nor leave to found one, and nobody has reported one. */
  | { readonly kind: 'waiting' };

/** One tracked peer, as shown to people. */
export interface PeerView {
  readonly address: Address;
  readonly name: string;
  /** Milliseconds since it was last heard. */
  readonly silence: number;
  /** Whether it has answered us itself, rather than only been talked about. */
  readonly verified: boolean;
  /** What it last claimed, in STATS or by announcing a block. */
  readonly claim: ChainClaim | null;
  /** Provable offences. */
  readonly offences: number;
  /** Milliseconds that it took to answer STATS, when that was last known for certain; null if it never was. */
  readonly roundTrip: number | null;
  /** Peers that passed its GOSSIP on to us, as `host:port`, the latest last; at most 8. */
  readonly via: readonly string[];
}

/** The state of the engine, as shown to people. */
export interface PowStatus {
  readonly height: number;
  readonly hash: string | null;
  readonly difficulty: number;
  readonly phase: 'joining' | 'waiting' | 'following' | 'asking' | 'searching' | 'downloading';
  readonly peers: readonly PeerView[];
  readonly words: readonly string[];
  /** How often each outcome was met, as `message.verdict` or `limit.name`. */
  readonly counters: Readonly<Record<string, number>>;
}
