/** Seeds of campaigns that once failed; what was wrong with the engine has tests of its own as well. */
import { it } from 'vitest';

import { readPlan } from '../../peer/simulator/plan.ts';
import { engineNamed, expectHeld } from './harness.ts';

/** As `npm run campaign` and `npm run campaign:pbft` have them. */
const CAMPAIGNS = {
  pow: { faults: 'mixed', nodes: '3..6', hours: '0.5', 'block-interval': '10..60' },
  pbft: { faults: 'mixed', nodes: '4..7', hours: '0.05' },
};

it.each([
  ['pow', 16859, 'one who promises a long chain and serves half of it, slowly, held up the others'],
  ['pow', 14453, 'only one who answers late told a node of the longest chain'],
  [
    'pbft',
    1976,
    'one that had lost its store showed a view change that it had signed before, and was accused',
  ],
  ['pbft', 2510, 'the same, with no other one in its store'],
] as const)('%s: seed %i holds, in which %s', (name, seed, _) => {
  const engine = engineNamed(name);
  const simulation = engine.simulate(seed, readPlan(engine, CAMPAIGNS[name]));
  while (!simulation.advance(100_000));
  expectHeld(simulation.report());
});
