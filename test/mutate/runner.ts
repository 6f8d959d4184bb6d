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
      pool: 'forks',
      maxWorkers: 1,
      bail: 1,
      reporters: [{}],
      include: ['test/**/*.test.ts'],
      // How long a test file may take is for us to say.
      testTimeout: 0,
      hookTimeout: 0,
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

function failureOf(modules: readonly TestModule[], errors: readonly unknown[]): string | undefined {
  for (const module of modules) for (const test of module.children.allTests('failed')) return test.fullName;
  if (modules.length > 0 && errors.length === 0 && modules.every((module) => module.ok())) return undefined;
  // They come from another process, as plain objects.
  for (const error of [...modules.flatMap((module) => module.errors()), ...errors])
    if (typeof error === 'object' && error !== null && 'message' in error)
      return String(error.message).split('\n')[0];
  return 'an error outside of any test';
}

async function run(vitest: Vitest, root: string, job: Job): Promise<Verdict> {
  for (const changed of [mutant, job.mutant])
    if (changed !== undefined) vitest.invalidateFile(join(root, changed.file));
  mutant = job.mutant;
  // Vitest remembers what has failed, and would stop at it.
  vitest.state.filesMap.clear();
  vitest.state.idMap.clear();
  const start = performance.now();
  const specification = vitest.getRootProject().createSpecification(join(root, job.test));
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications([specification]);
  const milliseconds = performance.now() - start;
  const failure = failureOf(testModules, unhandledErrors);
  return failure === undefined ? { milliseconds } : { failure, milliseconds };
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
  // With the processes of the tests, which may hang: all are of the group that was made for us.
  process.kill(-process.pid, 'SIGKILL');
});
