/**
 * A process of its own that runs test files with a mutant in place, as it is asked to by `trial.ts`. Vitest stays up
 * between runs; a mutant that hangs or crashes takes only this process with it.
 */
import { join } from 'node:path';

import { createVitest, type TestModule, type Vitest } from 'vitest/node';

/** What to run: a test file, by its path from the root, with another text in the place of a source file. */
export interface Job {
  readonly test: string;
  readonly mutant?: { readonly file: string; readonly text: string } | undefined;
}

/** How it went: `failure` is the name of the first test that failed. */
export interface Verdict {
  readonly failure?: string;
  readonly milliseconds: number;
}

let mutant: Job['mutant'];

async function start(root: string): Promise<Vitest> {
  return createVitest(
    'test',
    {
      root,
      config: false,
      watch: false,
      pool: 'threads',
      maxWorkers: 1,
      bail: 1,
      reporters: [{}],
      include: ['test/**/*.test.ts'],
      testTimeout: 60_000,
      hookTimeout: 60_000,
    },
    {
      plugins: [
        {
          name: 'mutant',
          enforce: 'pre',
          transform: (_code, id) =>
            mutant !== undefined && id === join(root, mutant.file) ? { code: mutant.text, map: null } : null,
        },
      ],
    },
  );
}

function failureOf(module: TestModule | undefined): string {
  for (const test of module?.children.allTests('failed') ?? []) return test.fullName;
  return module?.errors()[0]?.message.split('\n')[0] ?? 'an error outside of any test';
}

async function run(vitest: Vitest, root: string, job: Job): Promise<Verdict> {
  for (const changed of [mutant, job.mutant])
    if (changed !== undefined) vitest.invalidateFile(join(root, changed.file));
  mutant = job.mutant;
  const start = performance.now();
  const specification = vitest.getRootProject().createSpecification(join(root, job.test));
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications([specification]);
  const milliseconds = performance.now() - start;
  const failed =
    unhandledErrors.length > 0 || testModules.length === 0 || testModules.some((one) => !one.ok());
  return { ...(failed && { failure: failureOf(testModules[0]) }), milliseconds };
}

const root = process.argv[2] ?? process.cwd();
const vitest = start(root);
process.on('message', (job: Job) => {
  void vitest
    .then((ready) => run(ready, root, job))
    .then((verdict) => {
      process.send?.(verdict);
    });
});
process.on('disconnect', () => {
  process.exit();
});
