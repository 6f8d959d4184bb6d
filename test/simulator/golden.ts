/**
 * Checks that the runs of golden.json have the digests that stand there; `--write` writes down what they have now.
 * Run from the compiled tree:
 *
 *     node dist/test/simulator/golden.js [--write]
 */
import { digestNow, readCases, writeCases } from './golden-cases.ts';

const cases = readCases().map((one) => ({ before: one.digest, now: { ...one, digest: digestNow(one) } }));
const changed = cases.filter(({ before, now }) => before !== now.digest);
for (const { before, now } of changed) {
  console.log(
    `${now.engine}, seed ${now.seed}, ${JSON.stringify(now.options)}: ${now.digest}, it was ${before}`,
  );
}
console.log(
  `Node ${process.version}: ${cases.length - changed.length} of ${cases.length} digests as written down`,
);
if (process.argv.includes('--write')) writeCases(cases.map(({ now }) => now));
else if (changed.length > 0) process.exitCode = 1;
