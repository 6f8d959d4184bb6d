import { defineConfig } from 'vitest/config';

/**
 * Rooms whose tests start no program and leave nothing behind in their process. The files of such a room share one, which
 * saves them from loading the same modules again: a second each.
 */
const SHARING = ['applications', 'core', 'engines/*/protocol', 'engines/*/node/mining'].map(
  (room) => `test/${room}/**/*.test.ts`,
);

export default defineConfig({
  test: {
    // Two cores are the reference machine: tests that start processes must not starve each other.
    maxWorkers: 2,
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
