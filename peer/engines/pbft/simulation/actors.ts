/**
 * Byzantine replicas. Each is a true one whose messages pass through the hands of somebody who has its key and means ill.
 * They may work together: what one of them has invented the others can look up.
 */
import type { Actor } from './actors/actor.ts';
import { braggart, forger, mixer } from './actors/forgers.ts';
import { flooder, framer, mutineer, replayer } from './actors/pests.ts';
import { twins, twoFacedPrimary, twoFacedVoter } from './actors/two-faced.ts';
import { censor, hoarder, relay, silent, slowPrimary, withholder } from './actors/withholders.ts';

/** In this order chance picks from them: another one would make another run of a seed. */
export const ACTORS = {
  silent,
  'two-faced-primary': twoFacedPrimary,
  'two-faced-voter': twoFacedVoter,
  forger,
  replayer,
  relay,
  withholder,
  hoarder,
  'slow-primary': slowPrimary,
  censor,
  twins,
  flooder,
  framer,
  braggart,
  mutineer,
  mixer,
} as const satisfies Record<string, Actor>;

export type ActorKind = keyof typeof ACTORS;
