/** Runs seeds of the simulator for tests. */
import { expect, it } from 'vitest';

import { ENGINES, simulatedEngines } from '../../peer/engines/registry.ts';
import type { SimulatedEngine } from '../../peer/simulator/offer.ts';
import { findEngine } from '../../peer/simulator/plan.ts';
import { passed, type RunReport } from '../../peer/simulator/report.ts';
import type { Plan } from '../../peer/simulator/settings.ts';

/** Every engine that there is. */
export const SIMULATED_ENGINES = await simulatedEngines(ENGINES);

export function engineNamed(name: string): SimulatedEngine {
  return findEngine(name, SIMULATED_ENGINES);
}

/** Runs one seed to its end. */
export function run(
  engine: SimulatedEngine,
  seed: number,
  asked: Readonly<Record<string, number>>,
  plan: Partial<Plan> = {},
): RunReport {
  const ranges = Object.fromEntries(
    Object.entries(asked).map(([name, value]) => [name, { least: value, most: value }]),
  );
  const simulation = engine.simulate(seed, { faults: 'none', ranges, byzantineKinds: [], ...plan });
  while (!simulation.advance(100_000));
  return simulation.report();
}

/** Fails with what was violated and how to see it again. */
export function expectHeld(report: RunReport): void {
  const { engine, seed, settings, violations } = report;
  if (!passed(report)) throw new Error(JSON.stringify({ engine, seed, violations, settings }, null, 2));
  expect(report.verdicts.every(({ result }) => result === 'held')).toBe(true);
}

/** How large and how long a run of mixed faults is: of any size, unless messages grow with the square of the nodes. */
const SIZES: Readonly<Record<string, Plan['ranges']>> = {
  pow: { hours: { least: 0.3, most: 0.3 } },
  pbft: { nodes: { least: 4, most: 7 }, hours: { least: 0.06, most: 0.06 } },
};

/** Has every engine go through mixed faults with each of these seeds. */
export function expectSeedsHold(first: number, last: number): void {
  for (const engine of SIMULATED_ENGINES) {
    it(`holds with seeds ${first} to ${last} of mixed faults: ${engine.name}`, { timeout: 600_000 }, () => {
      let events = 0;
      for (let seed = first; seed <= last; seed++) {
        const ranges = SIZES[engine.name] ?? {};
        const report = run(engine, seed, {}, { faults: 'mixed', ranges });
        expectHeld(report);
        events += report.events;
      }
      expect(events).toBeGreaterThan(1_000 * (last - first));
    });
  }
}
