import { describe, expect, it } from 'vitest';

import { NodeClock } from '../../peer/simulator/node.ts';

/** What a clock that is right shows at the start, in milliseconds since 1970. */
const START = new NodeClock(0, 1).wall(0);
/** Microseconds in a second. */
const SECOND = 1_000_000;

describe('the clock of a node', () => {
  it('shows the true time, which is counted in microseconds, in milliseconds', () => {
    const clock = new NodeClock(0, 1);
    expect(new Date(START).getUTCFullYear()).toBe(2023);
    expect(clock.wall(90 * SECOND) - START).toBe(90_000);
    expect(clock.wall(1_500) - START).toBe(1.5);
  });

  it('is wrong by its skew all the time', () => {
    const clock = new NodeClock(-250, 1);
    for (const now of [0, SECOND, 3_600 * SECOND]) expect(clock.wall(now) - START).toBe(now / 1_000 - 250);
  });

  it('drifts the further the longer it goes', () => {
    const fast = new NodeClock(0, 1.01);
    expect(fast.rate).toBe(1.01);
    expect(fast.wall(100 * SECOND) - START).toBeCloseTo(101_000, 3);
    expect(fast.wall(1_000 * SECOND) - START).toBeCloseTo(1_010_000, 3);
    expect(new NodeClock(0, 0.99).wall(100 * SECOND) - START).toBeCloseTo(99_000, 3);
  });

  it('jumps by so much as it is set, forth and back, from then on', () => {
    const clock = new NodeClock(100, 1);
    clock.jump(5_000);
    expect(clock.wall(SECOND) - START).toBe(6_100);
    clock.jump(-8_000);
    expect(clock.wall(SECOND) - START).toBe(-1_900);
    expect(clock.wall(2 * SECOND) - START).toBe(-900);
  });

  it('is measured by another one, which nobody sets, and which stands still while the machine sleeps', () => {
    const clock = new NodeClock(100, 2);
    clock.jump(5_000);
    expect(clock.steady(SECOND) - START).toBe(2_100);
    clock.sleep(0.5 * SECOND);
    expect(clock.steady(SECOND) - START).toBe(1_100);
    expect(clock.wall(SECOND) - START).toBe(7_100);
    // A program that starts knows only what people see.
    clock.restart();
    expect(clock.steady(SECOND) - START).toBe(7_100);
  });
});
