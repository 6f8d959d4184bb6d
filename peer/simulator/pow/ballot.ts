/** The votes of a consensus as they can be told from outside the node that counts them. */
import { addressKey, type Address } from '../../../shared/address.ts';
import type { ChainClaim } from '../../engines/pow/interface.ts';
import type { StatsReply } from '../../engines/pow/messages.ts';

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

  /** How many votes another chain can have had at the most. */
  most({ height, hash }: ChainClaim): number {
    let votes = 0;
    for (const claim of this.answers.values()) if (claim?.hash === hash && claim.height === height) votes++;
    return votes;
  }

  /** How many votes the node's own chain must have had at the least, with its own. */
  least(hash: string): number {
    let votes = 1;
    for (const [from, claim] of this.answers) if (claim?.hash === hash && this.asked.has(from)) votes++;
    return votes;
  }
}
