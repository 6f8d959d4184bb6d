/**
 * Runs whose digests are written down: the same on every version of Node, and the same tomorrow as today, unless
 * somebody has changed what a simulation does, and then on purpose.
 *
 * No second source can exist for a digest of a whole run: that would be a second engine. What it is made with has one
 * (vectors.test.ts), and so has what the runs of proof of work end in: the second reader of the chains.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { ENGINES, simulatedEngines } from '../../peer/engines/registry.ts';
import { findEngine, readPlan, type Wording } from '../../peer/simulator/plan.ts';

/** One run, and its digest when it was last written down. */
export interface GoldenCase {
  readonly engine: string;
  readonly seed: number;
  readonly options: Wording;
  readonly digest: string;
}

/** The file stands beside the source, also of the compiled program. */
const FILE = fileURLToPath(
  new URL(
    import.meta.url.includes('/dist/test/') ? '../../../test/simulator/golden.json' : './golden.json',
    import.meta.url,
  ),
);

export function readCases(): GoldenCase[] {
  return JSON.parse(readFileSync(FILE, 'utf8')) as GoldenCase[];
}

export function writeCases(cases: readonly GoldenCase[]): void {
  writeFileSync(FILE, `${JSON.stringify(cases, null, 2)}\n`);
}

const engines = await simulatedEngines(ENGINES);

/** The digest of that run now. */
export function digestNow({ engine: name, seed, options }: Omit<GoldenCase, 'digest'>): string {
  const engine = findEngine(name, engines);
  const simulation = engine.simulate(seed, readPlan(engine, options));
  while (!simulation.advance(100_000));
  return simulation.report().digest;
}
