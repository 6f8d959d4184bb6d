import { describe, expect, it } from 'vitest';

import { Chance } from '../../peer/simulator/chance.ts';

const COUNT = 100_000;

function sample(draw: (chance: Chance) => number, label = 'test'): number[] {
  const chance = new Chance(1, label);
  return Array.from({ length: COUNT }, () => draw(chance));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
}

describe('a stream of random numbers', () => {
  it('is the same for the same seed and label', () => {
    expect(sample((chance) => chance.next())).toEqual(sample((chance) => chance.next()));
  });

  it('has nothing to do with those of other labels and seeds', () => {
    const one = sample((chance) => chance.unit());
    const other = new Chance(2, 'test');
    const others = [sample((chance) => chance.unit(), 'other'), one.map(() => other.unit())];
    for (const values of others) {
      const products = values.map((value, place) => (value - 0.5) * ((one[place] ?? 0) - 0.5));
      // The correlation of independent samples is about 1 / √count.
      expect(Math.abs(mean(products) * 12)).toBeLessThan(0.01);
    }
  });

  it('is uniform from 0 to 1', () => {
    const values = sample((chance) => chance.unit());
    expect(Math.min(...values.slice(0, 10_000))).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values.slice(0, 10_000))).toBeLessThan(1);
    expect(mean(values)).toBeCloseTo(0.5, 2);
    expect(deviation(values)).toBeCloseTo(1 / Math.sqrt(12), 2);
  });

  it('happens as often as is said, and draws nothing for what is certain', () => {
    expect(mean(sample((chance) => (chance.happens(0.3) ? 1 : 0)))).toBeCloseTo(0.3, 2);
    const chance = new Chance(1, 'test');
    expect([chance.happens(0), chance.happens(1)]).toEqual([false, true]);
    expect(chance.next()).toBe(new Chance(1, 'test').next());
  });

  it('gives whole numbers up to both ends', () => {
    const counts = new Map<number, number>();
    for (const value of sample((chance) => chance.integer(-1, 2)))
      counts.set(value, (counts.get(value) ?? 0) + 1);
    expect([...counts.keys()].sort((one, other) => one - other)).toEqual([-1, 0, 1, 2]);
    for (const count of counts.values()) expect(count / COUNT).toBeCloseTo(0.25, 2);
  });

  it('is exponential: its mean is its deviation, and its share below x is 1 - e^-x', () => {
    const values = sample((chance) => chance.exponential(1));
    expect(mean(values)).toBeCloseTo(1, 2);
    expect(deviation(values)).toBeCloseTo(1, 1);
    for (const x of [0.1, 1, 3]) {
      expect(values.filter((value) => value < x).length / COUNT).toBeCloseTo(1 - Math.exp(-x), 2);
    }
  });

  it('has a logarithm as exact as that of the machine', () => {
    // An exponential number is the logarithm of a uniform one.
    const uniform = new Chance(1, 'test');
    for (const value of sample((chance) => chance.exponential(1)).slice(0, 20_000)) {
      const exact = -Math.log((uniform.next() + 1) / 0x1_0000_0000);
      expect(Math.abs(value - exact)).toBeLessThan(1e-11);
    }
  });

  it('has a heavy tail that follows a power, with the mean that is asked for', () => {
    const values = sample((chance) => chance.heavyTailed(10));
    expect(Math.min(...values.slice(0, 10_000))).toBeGreaterThanOrEqual(5);
    // P(X > x) = (5 / x)² for a Pareto distribution of exponent 2.
    for (const x of [10, 20, 50]) {
      expect(values.filter((value) => value > x).length / COUNT).toBeCloseTo((5 / x) ** 2, 2);
    }
    expect(mean(values)).toBeGreaterThan(9);
    expect(mean(values)).toBeLessThan(11);
  });
});
