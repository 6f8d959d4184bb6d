import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { EventQueue } from '../../peer/simulator/queue.ts';

describe('the queue of events', () => {
  it('gives what a list does that is sorted by time, and first in, first out within a time', () => {
    // Few times, so that many are the same; undefined stands for taking one out.
    const step = fc.option(fc.oneof(fc.integer({ min: 0, max: 5 }), fc.double({ noNaN: true })), {
      nil: undefined,
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const queue = new EventQueue<number>();
        const list: { at: number; item: number }[] = [];
        steps.forEach((at, item) => {
          if (at === undefined) {
            const first = list.shift();
            expect(queue.pop()).toBe(first?.item);
            if (first !== undefined) expect(queue.time).toBe(first.at);
          } else {
            queue.push(at, item);
            const place = list.findIndex((other) => other.at > at);
            list.splice(place < 0 ? list.length : place, 0, { at, item });
          }
          expect(queue.size).toBe(list.length);
          expect(queue.next).toBe(list[0]?.at ?? Infinity);
        });
      }),
    );
  });

  it('grows far beyond its first room', () => {
    const queue = new EventQueue<number>();
    const count = 10_000;
    for (let i = 0; i < count; i++) queue.push((i * 7_919) % count, i);
    const times = Array.from({ length: count }, () => {
      queue.pop();
      return queue.time;
    });
    expect(times).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(queue.pop()).toBeUndefined();
  });
});
