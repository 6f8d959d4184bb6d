/** Messages of a block in different orders, for the kernels to make midstates of (see kernel/layout.ts). */
import { MAX_MIDSTATES } from './kernel/layout.ts';

/** So many messages change places, the first ones. If they differ, five make more orders than kernels have room for. */
const MOVED = 6;

/** All orders of a list, its own first. The later an element stands, the more seldom it changes. */
function* permutations(list: readonly string[]): Generator<string[]> {
  if (list.length === 0) yield [];
  for (let last = list.length - 1; last >= 0; last--)
    for (const before of permutations(list.toSpliced(last, 1)))
      yield [...before, ...list.slice(last, last + 1)];
}

/**
 * At most {@link MAX_MIDSTATES} orders of messages that read differently, the given one first. First come those that
 * change only the first messages: these are the most likely to stand in blocks before the final one.
 */
export function messageOrders(messages: readonly string[]): string[][] {
  /** By all messages in one text, for that is what is hashed. */
  const orders = new Map<string, string[]>();
  for (const first of permutations(messages.slice(0, MOVED))) {
    if (!orders.has(first.join(''))) orders.set(first.join(''), [...first, ...messages.slice(MOVED)]);
    if (orders.size === MAX_MIDSTATES) break;
  }
  return [...orders.values()];
}
