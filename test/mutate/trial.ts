/** Puts a mutant before the tests that reach it, the most promising first, until one of them fails. */
import { fork, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { isJsonObject } from '../../shared/json.ts';
import { UserError } from '../../shared/errors.ts';
import type { Reach } from './reach.ts';
import type { Job, Verdict } from './runner.ts';

/** A test file that has not been timed yet is taken to need this long, in milliseconds. */
const UNTIMED = 2000;
/** With a mutant it may take so many times longer than without, and a little: other programs run too. */
const LIMIT_FACTOR = 4;
const LIMIT_EXTRA = 10_000;
/** The same for a test file that has not been timed yet. */
const UNTIMED_LIMIT = 60_000;

/** How near the test is that bears the name of the source. */
const NAMESAKE = 0.2;

/** Compiled also when we are not: Node 20 runs no TypeScript. */
const RUNNER = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../../dist/test/mutate/runner.js' : './runner.js',
    import.meta.url,
  ),
);

/** The process that runs tests. It is replaced when a mutant has hung or crashed it. */
export class Runner {
  readonly #root: string;
  readonly #stop: AbortSignal | undefined;
  #child: ChildProcess | undefined;

  /** @param stop ends the process at once, and whatever it runs */
  constructor(root: string, stop?: AbortSignal) {
    this.#root = root;
    this.#stop = stop;
    stop?.addEventListener('abort', () => {
      this.end();
    });
  }

  get stopped(): boolean {
    return this.#stop?.aborted === true;
  }

  /** A failure to answer is one of the mutant: `timeout` or `crash`. */
  run(job: Job, limit: number): Promise<Verdict> {
    if (this.stopped) return Promise.resolve({ failure: 'stopped', milliseconds: 0 });
    const child = (this.#child ??= this.#start());
    return new Promise((resolve) => {
      const finish = (verdict: Verdict): void => {
        clearTimeout(timer);
        child.removeAllListeners();
        resolve(verdict);
      };
      const fail = (failure: string): void => {
        finish({ failure, milliseconds: limit });
        this.end();
      };
      const timer = setTimeout(fail, limit, 'timeout');
      child.once('message', (verdict: Verdict) => {
        finish(verdict);
      });
      child.once('exit', () => {
        fail('crash');
      });
      child.send(job);
    });
  }

  /** Ends the process and whatever the tests have started. */
  end(): void {
    const { pid, exitCode, signalCode } = this.#child ?? {};
    this.#child = undefined;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It has ended by itself at this moment.
    }
  }

  #start(): ChildProcess {
    // A group of its own, so that all of it can be ended, and Ctrl-C reaches only us.
    return fork(RUNNER, [this.#root], {
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      execArgv: ['--max-old-space-size=2048'],
      env: { ...process.env, VITEST: undefined, NODE_ENV: 'test' },
    });
  }
}

/** How long each test file takes without a mutant, from one run of the program to the next. */
export class Times {
  readonly #file: string;
  readonly #times: Map<string, number>;

  constructor(file: string) {
    this.#file = file;
    const read: unknown = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
    this.#times = new Map(
      Object.entries(isJsonObject(read) ? read : {}).flatMap(([test, time]) =>
        typeof time === 'number' ? [[test, time] as const] : [],
      ),
    );
  }

  of(test: string): number | undefined {
    return this.#times.get(test);
  }

  set(test: string, milliseconds: number): void {
    this.#times.set(test, Math.round(milliseconds));
  }

  save(): void {
    mkdirSync(dirname(this.#file), { recursive: true });
    writeFileSync(this.#file, `${JSON.stringify(Object.fromEntries([...this.#times].sort()), null, 1)}\n`);
  }
}

/** What the tests made of a mutant. */
export interface Outcome {
  /** The test file and the test that failed; undefined if the mutant survived. */
  readonly killer?: { readonly test: string; readonly name: string };
  /** Test files that were run, and those that reach it: fewer were run if the time was up. */
  readonly run: number;
  readonly reaching: number;
}

export class Trials {
  readonly #runner: Runner;
  readonly #times: Times;
  /** Test files that pass without a mutant; what fails anyway proves nothing. */
  readonly #sound = new Map<string, boolean>();
  /** How often a test file has killed a mutant of a file. */
  readonly #kills = new Map<string, number>();

  constructor(runner: Runner, times: Times) {
    this.#runner = runner;
    this.#times = times;
  }

  /**
   * @param budget milliseconds of tests, as long as they take without a mutant; those of the source's own room are run in
   *     any case, and the least promising of the others are left out
   * @param onTest called before each test file
   */
  async try(
    mutant: { readonly file: string; readonly text: string },
    reaching: readonly Reach[],
    budget: number,
    onTest: (test: string, index: number) => void = () => undefined,
  ): Promise<Outcome> {
    const [own, others] = this.#inOrder(mutant.file, reaching);
    let left = budget;
    let run = 0;
    for (const [index, { test }] of [...own, ...others].entries()) {
      left -= this.#times.of(test) ?? UNTIMED;
      if (left < 0 && index >= own.length) break;
      onTest(test, run);
      run += 1;
      const failure = await this.#failure(test, mutant);
      if (failure === undefined) continue;
      const key = `${mutant.file} ${test}`;
      this.#kills.set(key, (this.#kills.get(key) ?? 0) + 1);
      return { killer: { test, name: failure }, run, reaching: reaching.length };
    }
    return { run, reaching: reaching.length };
  }

  async #failure(test: string, mutant: Job['mutant']): Promise<string | undefined> {
    const { failure, milliseconds } = await this.#runner.run({ test, mutant }, this.#limit(test));
    if (failure === undefined) {
      if (this.#times.of(test) === undefined) this.#times.set(test, milliseconds);
      return undefined;
    }
    if (this.#runner.stopped) return failure;
    const sound = this.#sound.get(test) ?? (await this.#isSound(test));
    this.#sound.set(test, sound);
    return sound ? failure : undefined;
  }

  async #isSound(test: string): Promise<boolean> {
    const { failure, milliseconds } = await this.#runner.run({ test }, this.#limit(test));
    if (failure === undefined) this.#times.set(test, milliseconds);
    else process.stderr.write(`${test} fails without a mutant, and proves nothing: ${failure}\n`);
    return failure === undefined;
  }

  #limit(test: string): number {
    return LIMIT_EXTRA + LIMIT_FACTOR * (this.#times.of(test) ?? UNTIMED_LIMIT);
  }

  /** The tests of the source's own room, then the others; of both those first that are near, quick and known to kill. */
  #inOrder(file: string, reaching: readonly Reach[]): readonly [own: Reach[], others: Reach[]] {
    const cost = ({ test, distance }: Reach): number =>
      ((this.#times.of(test) ?? UNTIMED) * (nameOf(test) === nameOf(file) ? NAMESAKE : distance)) /
      (1 + 4 * (this.#kills.get(`${file} ${test}`) ?? 0));
    const ordered = [...reaching].sort((a, b) => cost(a) - cost(b));
    const isOwn = ({ test }: Reach): boolean => roomOf(file).startsWith(roomOf(test));
    return [ordered.filter(isOwn), ordered.filter((reach) => !isOwn(reach))];
  }
}

/** `engines/pow` both of `peer/engines/pow/protocol/chain.ts` and of its test. */
function roomOf(file: string): string {
  return file.replace(/^(?:peer|test)\//, '').replace(/[^/]+$/, '');
}

function nameOf(file: string): string {
  return file.slice(file.lastIndexOf('/') + 1).replace(/(?:\.test)?\.ts$/, '');
}

/** Refuses a tree without what the tests need. */
export function requireTests(root: string): void {
  for (const needed of ['test', 'node_modules/vitest', 'tsconfig.json'])
    if (!existsSync(join(root, needed))) throw new UserError(`there is no ${needed} in ${root}`);
}
