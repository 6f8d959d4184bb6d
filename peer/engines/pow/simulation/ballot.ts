/** The votes of a consensus as they can be seen from outside the node that counts them. */
import { addressKey, type Address } from '../../../../shared/address.ts';
import type { ChainClaim } from '../protocol/interface.ts';
import type { StatsReply } from '../protocol/messages.ts';

/** A chain, and how many votes it has. */
export interface Candidate extends ChainClaim {
  readonly votes: number;
}

/**
 * Whether one chain is better than another: the longer one, of two that are equally long the one with more votes, and
 * where these are equal as well the one with the lower hash.
 */
export function beats(one: Candidate, other: Candidate): boolean {
  if (one.height !== other.height) return one.height > other.height;
  return one.votes === other.votes ? one.hash < other.hash : one.votes > other.votes;
}

/**
 * What a node was answered since its last consensus began, until it counted. Which answers it takes from others than
 * those it asked is its own affair, but an answer from just where it asked counts in any case, and of several from one
 * address the last one. Nobody here says in a STATS_REPLY that he is somebody else.
 */
export class Ballot {
  private asked: ReadonlySet<string> = new Set();
  private readonly answers = new Map<string, ChainClaim | undefined>();
  private open = false;

  /** A consensus begins, in which these are asked. */
  begin(asked: readonly Address[]): void {
    this.asked = new Set(asked.map((address) => addressKey(address)));
    this.answers.clear();
    this.open = true;
  }

  add({ height, hash }: StatsReply, from: Address): void {
    if (this.open) this.answers.set(addressKey(from), hash === null ? undefined : { height, hash });
  }

  /** The votes have been counted: what comes now comes too late. */
  close(): void {
    this.open = false;
  }

  /** The chains that were claimed by those who were asked, with the votes that each must have had at the least. */
  get claimed(): readonly Candidate[] {
    const candidates: { height: number; hash: string; votes: number }[] = [];
    for (const [from, claim] of this.answers) {
      if (claim === undefined || !this.asked.has(from)) continue;
      const { height, hash } = claim;
      // There are few different ones.
      const known = candidates.find((candidate) => candidate.hash === hash && candidate.height === height);
      if (known === undefined) candidates.push({ height, hash, votes: 1 });
      else known.votes++;
    }
    return candidates;
  }

  /** Another chain, with the votes that it can have had at the most. */
  most({ height, hash }: ChainClaim): Candidate {
    let votes = 0;
    // Some count heights from 0.
    for (const claim of this.answers.values()) if (claim?.hash === hash) votes++;
    return { height, hash, votes };
  }

  /** The node's own chain, with the votes that it must have had at the least, its own among them. */
  ownLeast({ height, hash }: ChainClaim): Candidate {
    let votes = 1;
    for (const [from, claim] of this.answers) if (claim?.hash === hash && this.asked.has(from)) votes++;
    return { height, hash, votes };
  }

  /** The node's own chain, with the votes that it can have had at the most. */
  ownMost({ height, hash }: ChainClaim): Candidate {
    let votes = 1;
    for (const claim of this.answers.values()) if (claim?.hash === hash) votes++;
    return { height, hash, votes };
  }
}
