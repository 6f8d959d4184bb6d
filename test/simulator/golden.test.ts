import { expect, it } from 'vitest';

import { digestNow, readCases } from './golden-cases.ts';

const cases = readCases();

it.each(cases)('a run has the digest that is written down: $engine, seed $seed, $options', (one) => {
  // If a simulation was changed on purpose: npm run build && node dist/test/simulator/golden.js --write
  expect(digestNow(one)).toBe(one.digest);
});

it('are all different', () => {
  expect(new Set(cases.map(({ digest }) => digest)).size).toBe(cases.length);
});
