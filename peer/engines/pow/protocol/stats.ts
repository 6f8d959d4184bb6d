/** STATS: reporting how long our chain is and what it ends in. */
import type { Address } from '../../../../shared/address.ts';
import type { Context } from './context.ts';
import type { ServingLimit } from './get-block.ts';

/**
 * Answers with the number of our blocks and the hash of the last. While there is none the height is 0, never null:
 * at a null one implementation dies.
 */
export function onStats(context: Context, from: Address, limit: ServingLimit): void {
  if (!limit.allows(context, from)) return;
  context.count('stats.answered');
  const { height, tip } = context.chain;
  context.send(from, { type: 'STATS_REPLY', height, hash: tip?.hash ?? null });
}
