import { relative } from 'node:path';

import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Rooms whose tests start no program and leave nothing behind in their process. The files of such a room share one, which
 * saves them from loading the same modules again: a second each.
 */
const SHARING = [
  ...['applications', 'core', 'cli', 'node', 'transports'].map((room) => `${room}/**/*`),
  ...['protocol', 'simulation'].map((room) => `engines/*/${room}/**/*`),
  ...['pow/face/*', 'pow/page/*', 'pow/node/mining/*', 'pow/node/{named-hosts,report,self}'].map(
    (tests) => `engines/${tests}`,
  ),
  ...['pbft/face/{api,metrics}', 'pbft/node/{answers,quorum-watch,report}'].map(
    (tests) => `engines/${tests}`,
  ),
  'web/{access,events,format,metrics,newest,server}',
  'simulator/{chance,compliance,faults,golden,late-seeds,network,node,peers,plan,queue}',
  'simulator/{report-text,seeds-*,settings,store,trace,vectors}',
  'shared/{address,block,ed25519,escape,json,json-stream,mining-wire,record,signature-text,suggest}',
  'miner/{client,keys,orders,reference,screen,task,terminal}',
  'storage/{data-dir,folder,lmdb-check,store}',
].map((tests) => `test/${tests}.test.ts`);

/** Files that take longest, in this order; all others take less than half a minute. */
const LONG = [
  ...['web/page', 'e2e/damage', 'engines/pbft/face/page', 'e2e/class-network', 'e2e/pack', 'simulator/html'],
  ...['e2e/pbft', 'e2e/network-command', 'web/network-page', 'e2e/check', 'commands/simulate', 'e2e/lossy'],
  ...['e2e/network', 'miner/program', 'e2e/kill', 'mutate/mutate', 'dummy/page', 'web/proxy'],
].map((tests) => `test/${tests}.test.ts`);

/** Long files first, also where nobody has timed them yet: one that begins last keeps the other worker waiting. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const place = LONG.indexOf(relative(import.meta.dirname, moduleId));
      return place < 0 ? LONG.length : place;
    };
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
  }
}

export default defineConfig({
  test: {
    // Two cores are the reference machine: tests that start processes must not starve each other.
    maxWorkers: 2,
    sequence: { sequencer: LongFirst },
    // They end what hangs, and nothing else: on a loaded machine a test may take many times as long as on a quiet one.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    reporters: ['default', ['json', { outputFile: 'test/output/results.json' }]],
    projects: [
      {
        extends: true,
        test: { name: 'alone', include: ['test/**/*.test.ts'], exclude: [...SHARING, '**/node_modules/**'] },
      },
      { extends: true, test: { name: 'sharing', include: SHARING, isolate: false } },
    ],
  },
});
