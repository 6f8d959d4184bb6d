/** The chains that hostile tests play with, and what is looked at afterwards. */
import type { Block } from '../../../../shared/block.ts';
import { Chain } from '../../../../peer/engines/pow/protocol/chain.ts';
import type { StoreView } from '../../../../peer/core/store.ts';
import { buildChain, extendChain, flipBit, forkChain, type PlainBlock } from '../../../support/chains.ts';

export const DIFFICULTY = 1;
const plan = { difficulty: DIFFICULTY };
const forked = { difficulty: DIFFICULTY, minedBy: 'fork' };

export const OWN: readonly PlainBlock[] = buildChain(60, plan);
const longer = extendChain(OWN, 40, plan);
const fork = forkChain(longer, 30, 90, forked);
const bad = flipBit(extendChain(fork, 30, forked), 95);

/** A chain, a longer one, a fork of it, and a still longer one with a false block in it. */
export const POOLS: readonly (readonly Block[])[] = [OWN, longer, fork, bad];

/** The chain as an independent reader of a store finds it. */
export function storedChain(store: StoreView): Block[] {
  const chain = new Chain(store, DIFFICULTY);
  return Array.from({ length: chain.height }, (_, height) => {
    const block = chain.block(height);
    if (block === undefined) throw new Error(`block ${height} is missing`);
    return block;
  });
}
