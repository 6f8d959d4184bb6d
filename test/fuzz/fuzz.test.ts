/** The short mode of the fuzzer: every target with a thousand inputs that are always the same; `npm run fuzz` takes others. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { BUILT_IN } from './corpus.ts';
import { defineTarget } from './target.ts';
import { fuzzTargets } from './targets.ts';

const SEED = 1;
const RUNS = 1_000;
/** A life of the engine is dozens of events, thousands where it is flooded. */
const ENGINE_RUNS = 100;
const runsOf = (target: string): number => (target.endsWith('engine') ? ENGINE_RUNS : RUNS);

describe('for hostile inputs', () => {
  it.each(fuzzTargets(BUILT_IN).map((target) => ({ ...target, title: `${target.name}: ${target.claim}` })))(
    '$title',
    async ({ name, run }) => {
      const { inputs, failure } = await run({ seed: SEED, runs: runsOf(name) });
      expect(failure).toBeUndefined();
      expect(inputs).toBe(runsOf(name));
    },
  );
});

describe('the fuzzer', () => {
  const below = (limit: number): ReturnType<typeof defineTarget> =>
    defineTarget({
      name: 'below',
      claim: 'numbers are small',
      share: 1,
      inputs: fc.nat(10_000),
      check: (number) => {
        if (number >= limit) throw new Error(`${number} is too large`);
        return undefined;
      },
    });

  it('finds the smallest input that fails, and replays it', async () => {
    const { failure } = await below(777).run({ seed: 5, runs: 5_000 });
    expect(failure).toMatchObject({
      input: '[777]',
      error: expect.stringContaining('777 is too large') as string,
    });
    const { seed = 0, path, replay } = failure ?? {};
    expect(replay).toBe(`npm run fuzz -- --target below --seed ${seed} --path ${path}`);
    const again = await below(777).run({ seed, path, runs: 1 });
    expect(again.failure).toMatchObject({ input: '[777]' });
  });

  it('takes another seed for every batch, and as many inputs as it is asked for', async () => {
    const seen: number[] = [];
    const target = defineTarget({
      name: 'seen',
      claim: '',
      share: 1,
      inputs: fc.maxSafeNat(),
      check: (number) => {
        seen.push(number);
        return undefined;
      },
    });
    const { inputs, failure } = await target.run({ seed: 1, runs: 4_500 });
    expect([inputs, failure, seen.length]).toEqual([4_500, undefined, 4_500]);
    expect(seen.slice(0, 100)).not.toEqual(seen.slice(2_000, 2_100));
  });

  it('calls an input slow that is slow twice in a row, and no other', async () => {
    const slow = (times: readonly number[]): ReturnType<typeof defineTarget> => {
      const left = [...times];
      return defineTarget({
        name: 'slow',
        claim: '',
        share: 1,
        inputs: fc.constant(0),
        check: () => left.shift() ?? 0,
      });
    };
    const once = await slow([1, 300, 1]).run({ seed: 1, runs: 5, timeLimit: 250 });
    expect(once).toMatchObject({ slowest: 300, failure: undefined });
    const twice = await slow([1, 300, 400]).run({ seed: 1, runs: 5, timeLimit: 250 });
    expect(twice.failure?.error).toContain('took 300 ms, then 400 ms');
  });
});
