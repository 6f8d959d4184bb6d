import { expect, it } from 'vitest';

import { readPlan } from '../../peer/simulator/plan.ts';
import { powSubject } from '../../peer/engines/pow/simulation/subject.ts';
import { draw } from '../../peer/simulator/settings.ts';
import { Simulation } from '../../peer/simulator/simulation.ts';
import { readStoredChain } from '../support/store-reader.ts';
import { engineNamed } from './harness.ts';
import { digestNow, readCases } from './golden-cases.ts';

const cases = readCases();
const ofEngine = (name: string): typeof cases => cases.filter(({ engine }) => engine === name);

// If a simulation was changed on purpose: npm run build && node dist/test/simulator/golden.js --write
it.each(ofEngine('pbft'))(
  'a run has the digest that is written down: $engine, seed $seed, $options',
  (one) => {
    expect(digestNow(one)).toBe(one.digest);
  },
);

it.each(ofEngine('pow'))(
  'a run has the digest that is written down, and a second reader finds its chains whole: seed $seed, $options',
  ({ engine, seed, options, digest }) => {
    const drawn = draw(seed, readPlan(engineNamed(engine), options), powSubject);
    const simulation = new Simulation(powSubject, seed, drawn);
    expect(simulation.finish().digest).toBe(digest);
    const chains = simulation.nodes.map(({ store }) => readStoredChain((key) => store.get(key)));
    expect(chains.some(({ blocks }) => blocks.length > 1)).toBe(true);
    // Stand-ins for hashes are no hashes.
    if (drawn.values['stub'] !== 1)
      expect(chains.map(({ fault }) => fault)).toEqual(chains.map(() => undefined));
  },
);

it('are all different', () => {
  expect(new Set(cases.map(({ digest }) => digest)).size).toBe(cases.length);
});
