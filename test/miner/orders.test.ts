import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { messageOrders } from '../../miner/orders.ts';

const messageLists = fc.array(fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 5 }), {
  maxLength: 10,
});

describe('the orders of messages', () => {
  it('are permutations that read differently, the given one first, and at most 66', () => {
    fc.assert(
      fc.property(messageLists, (messages) => {
        const orders = messageOrders(messages);
        expect(orders[0]).toEqual(messages);
        expect(orders.length).toBeLessThanOrEqual(66);
        expect(new Set(orders.map((order) => order.join(''))).size).toBe(orders.length);
        for (const order of orders) expect(order.toSorted()).toEqual(messages.toSorted());
      }),
    );
  });

  it('are all there are of up to four messages', () => {
    const letters = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'];
    const counts = letters.map((_, i) => messageOrders(letters.slice(0, i + 1)).length);
    expect(counts).toEqual([1, 2, 6, 24, 66, 66, 66, 66, 66, 66]);
    expect(messageOrders(['a', 'a', 'b', 'b'])).toHaveLength(6);
    expect(messageOrders(letters.map(() => 'same'))).toHaveLength(1);
    expect(messageOrders([])).toEqual([[]]);
  });

  it('change the first messages first', () => {
    const orders = messageOrders(['a', 'b', 'c', 'd', 'e']);
    expect(orders.slice(0, 2).every((order) => order.slice(2).join('') === 'cde')).toBe(true);
    expect(orders.slice(0, 6).every((order) => order.slice(3).join('') === 'de')).toBe(true);
    expect(orders.slice(0, 24).every((order) => order[4] === 'e')).toBe(true);
  });
});
