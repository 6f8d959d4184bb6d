/** A terminal for tests: a real one, made by util-linux's `script`, where that is at hand. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';

import { until } from '../engines/pow/node/mining/helpers.ts';
import { ROOT, requireBuild } from './built.ts';

const version = spawnSync('script', ['--version']);
/** What the names of tests that need a terminal end in: they are skipped where there is none. */
export const terminalNote =
  version.error === undefined && version.stdout.includes('util-linux')
    ? ''
    : " (skipped: util-linux's script is not installed)";

export interface TerminalSurroundings {
  readonly prepare?: string | undefined;
  readonly env?: Readonly<Record<string, string>>;
}

/** One of our programs with a terminal of its own. */
export class Terminal {
  /** All that was written to the terminal. */
  screen = '';
  readonly ended: Promise<number | null>;
  readonly #script: ChildProcess;

  /**
   * @param command the program and its arguments
   * @param surroundings.prepare shell commands before it: `exec` or its like is the last word of them
   */
  constructor(
    command: string,
    { prepare = 'echo "pid=$$"; exec', env: more = {} }: TerminalSurroundings = {},
  ) {
    requireBuild();
    const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('GOSSIP_')));
    this.#script = spawn(
      'script',
      ['-qec', `stty cols 200 rows 50; ${prepare} ${process.execPath} ${command}`, '/dev/null'],
      {
        cwd: ROOT,
        env: { ...env, SHELL: '/bin/sh', NO_COLOR: '1', ...more },
        stdio: ['pipe', 'pipe', 'ignore'],
      },
    );
    this.#script.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.screen += text;
    });
    // Keys that come after the end.
    this.#script.stdin?.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      this.#script.once('close', resolve);
    });
  }

  /** The process id that the shell has told. */
  get pid(): number | undefined {
    const reported = /pid=(\d+)/.exec(this.screen)?.[1];
    return reported === undefined ? undefined : Number(reported);
  }

  press(keys: string): void {
    this.#script.stdin?.write(keys);
  }

  /** Waits until something is written that was not there before `from`. */
  async shows(text: string, from = 0): Promise<void> {
    await until(`the terminal shows "${text}"`, () => this.screen.includes(text, from)).catch(
      (error: unknown) => {
        throw new Error(`${String(error)}; it shows ${JSON.stringify(this.screen.slice(-1500))}`);
      },
    );
  }

  /** Presses keys and waits until they have brought this about. */
  async pressing(keys: string, text: string): Promise<void> {
    const from = this.screen.length;
    this.press(keys);
    await this.shows(text, from);
  }

  /** Ends the terminal: what runs in it hangs up. */
  close(): void {
    this.#script.kill('SIGKILL');
  }
}
