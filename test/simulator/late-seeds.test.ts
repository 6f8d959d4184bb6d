/** Seeds of a campaign in which the honest nodes once agreed too late; what was wrong has tests of its own as well. */
import { it } from 'vitest';

import { findEngine, readPlan } from '../../peer/simulator/plan.ts';
import { expectHeld } from './harness.ts';

/** As `npm run campaign` has it. */
const OPTIONS = { faults: 'mixed', nodes: '3..6', hours: '0.5', 'block-interval': '10..60' };

it.each([
  [16859, 'one who promises a long chain and serves half of it, slowly, held up the others'],
  [14453, 'only one who answers late told a node of the longest chain'],
])('seed %i holds, in which %s', (seed) => {
  const engine = findEngine('pow');
  const simulation = engine.simulate(seed, readPlan(engine, OPTIONS));
  while (!simulation.advance(100_000));
  expectHeld(simulation.report());
});
