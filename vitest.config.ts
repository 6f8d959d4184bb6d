import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Two cores are the reference machine: tests that start processes must not starve each other.
    maxWorkers: 2,
    // They end what hangs, and nothing else: on a loaded machine a test may take many times as long as on a quiet one.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    reporters: ['default', ['json', { outputFile: 'test/output/results.json' }]],
  },
});
