import type { Lab } from '../lab.ts';
import type { Rule } from '../rule.ts';
import { ALWAYS_RULES } from './always.ts';
import { ANNOUNCE_RULES } from './announce.ts';
import { BLOCK_RULES, ODD_HEIGHT_RULES } from './blocks.ts';
import { CONSENSUS_RULES, PERIODIC_RULES } from './consensus.ts';
import { GOSSIP_RULES, KEEP_ALIVE_RULES } from './gossip.ts';
import { ODD_RULES } from './odd.ts';

/** What a peer is held to, in the order in which it is tried: what others need first, what waits last. */
export const PEER_RULES: readonly Rule<Lab>[] = [
  ...GOSSIP_RULES,
  ...BLOCK_RULES,
  ...ANNOUNCE_RULES,
  ...CONSENSUS_RULES,
  ...KEEP_ALIVE_RULES,
  // Rules that have killed peers come after all that need a living one.
  ...ODD_HEIGHT_RULES,
  ...ODD_RULES,
  ...PERIODIC_RULES,
  ...ALWAYS_RULES,
];
