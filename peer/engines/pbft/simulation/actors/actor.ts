/** What a kind of Byzantine replica is, what it has to work with, and what several kinds do alike. */
import type { PbftConfig, PbftMembership, PbftStatus } from '../../protocol/interface.ts';
import type { PbftEngine } from '../../protocol/pbft.ts';
import type { PbftMessage } from '../../protocol/messages.ts';
import type { Signing } from '../../protocol/signing.ts';
import type { MemoryStore } from '../../../../storage/memory.ts';
import type { Body as AnyBody, Corruption as AnyCorruption } from '../../../../simulator/subject.ts';
import type { PbftTypes } from '../../protocol/types.ts';

export type Body = AnyBody<PbftTypes>;
export type Corruption = AnyCorruption<PbftTypes>;

/** What Byzantine replicas need besides their bodies. */
export interface Means extends PbftMembership {
  readonly config: PbftConfig;
  readonly quorum: number;
  /** Signs as this member, whatever it is. */
  readonly signing: Signing;
  /** The other digest under a view and sequence number, as `view sequence`: shared by all that work together. */
  readonly plot: Map<string, string>;
  status: () => PbftStatus | undefined;
  /** What its clock shows. */
  localNow: () => number;
  /** An engine with the same key and a store of its own, which outlives crashes. */
  secondLife: () => { readonly store: MemoryStore; readonly engine: PbftEngine };
}

/** A kind of Byzantine replica. */
export interface Actor {
  readonly description: string;
  corrupt(body: Body, means: Means): Corruption;
}

/** Mean times between two lies, in milliseconds. */
export const OFTEN = 300;
export const SELDOM = 2_000;
/** How many messages of others an actor stores that uses them. */
export const REMEMBERED = 500;
/** How far ahead a liar claims to be. */
export const FAR = 1_000_000;

/** Changes what its engine sends; undefined stands for nothing. */
export function changing(
  body: Body,
  change: (message: PbftMessage, to: number) => PbftMessage | undefined,
): Corruption {
  return {
    onSend(to, message) {
      const changed = change(message, to);
      if (changed !== undefined) body.send(to, changed);
    },
  };
}

/** Somebody to pester. */
export function anybody(body: Body): number {
  return body.chance.pick(body.others());
}
