/** The programs of a network as child processes. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { LOG_LEVELS, type Log, type LogData, type LogLevel } from '../../shared/log.ts';
import { TokenBucket } from '../core/bounded.ts';
import { ROOT } from '../web/assets.ts';
import { reportSchema, type Control, type Report } from './control.ts';
import { END_PATIENCE, LINES_BURST, LINES_PER_SECOND, MAX_LINE_LENGTH } from './limits.ts';

/** Options of ours that stand in the environment must not reach the children. */
function childEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GOSSIP_')));
}

/** Ends what is left, and removes the data, if the main process is killed; see warden.ts. */
export class Warden {
  readonly #process: ChildProcess;
  readonly #ended: Promise<void>;

  constructor() {
    const file = import.meta.url.endsWith('.ts') ? './warden.ts' : './warden.js';
    this.#process = spawn(process.execPath, [fileURLToPath(new URL(file, import.meta.url))], {
      // A session of its own: Ctrl-C and a terminal that is closed are for the main process alone.
      detached: true,
      windowsHide: true,
      env: childEnvironment(),
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#ended = new Promise((resolve) => {
      this.#process.once('error', () => {
        resolve();
      });
      this.#process.once('exit', () => {
        resolve();
      });
    });
    this.#process.stdin?.on('error', () => {
      // Somebody has killed it. Everything goes on without it.
    });
  }

  started(pid: number): void {
    this.#say(`+${pid}`);
  }

  ended(pid: number): void {
    this.#say(`-${pid}`);
  }

  /** Has a folder removed at the end. */
  owns(folder: string): void {
    this.#say(`folder ${folder}`);
  }

  /** Has it do its work, and waits until it is gone. */
  close(): Promise<void> {
    this.#process.stdin?.end();
    return this.#ended;
  }

  #say(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }
}

/** How a child is started. */
export interface ChildSpec {
  readonly program: 'peer' | 'miner';
  /** What is run instead of that program of ours, if given. */
  readonly script?: string | undefined;
  readonly args: readonly string[];
  /** What its log lines begin with. */
  readonly name: string;
  readonly log: Log;
  readonly logLevel: LogLevel;
  readonly warden: Warden;
  /** Notified of what the child sends through its channel. */
  readonly onReport?: (report: Report) => void;
}

/** One run of one of our programs. */
export class Child {
  /** Fulfilled when it has ended, however that was, with how. */
  readonly ended: Promise<string>;
  readonly #process: ChildProcess;
  readonly #log: Log;
  readonly #name: string;
  readonly #lines = new TokenBucket({ perSecond: LINES_PER_SECOND, burst: LINES_BURST });
  #alive = true;
  #leftOut = 0;
  #lastLine = '';

  constructor(spec: ChildSpec) {
    const { program, args, name, log, logLevel, warden, onReport } = spec;
    this.#log = log;
    this.#name = name;
    const script = spec.script ?? join(ROOT, program, 'index.js');
    const common = ['--supervised', '--log-format', 'json', '--log-level', logLevel];
    const child = spawn(process.execPath, [script, ...args, ...common], {
      // As for the warden; we end our children ourselves, in order.
      detached: true,
      windowsHide: true,
      env: childEnvironment(),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#process = child;
    const { pid } = child;
    if (pid !== undefined) warden.started(pid);
    this.ended = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#alive = false;
        resolve(how);
      };
      child.once('error', (error) => {
        if (pid === undefined) end(error.message);
      });
      child.once('exit', () => {
        if (pid !== undefined) warden.ended(pid);
      });
      // Later than "exit": the last lines of its log may say why.
      child.once('close', (code, signal) => {
        end(signal ?? `exit code ${code}`);
      });
    });
    if (child.stderr !== null) {
      createInterface({ input: child.stderr }).on('line', (line) => {
        this.#take(line);
      });
    }
    child.on('message', (message) => {
      const report = reportSchema.safeParse(message);
      if (report.success) onReport?.(report.data);
    });
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** The last line that the child wrote outside of its log: why it could not start. */
  get lastLine(): string {
    return this.#lastLine;
  }

  report(control: Control): void {
    if (!this.#process.connected) return;
    this.#process.send(control, () => {
      // The child has just ended, which another event reports.
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.ended;
  }

  /** Ends it in order, even if it is paused; at once if that takes too long. */
  async end(): Promise<void> {
    if (!this.#alive) return;
    this.#process.kill('SIGTERM');
    if (process.platform !== 'win32') this.#process.kill('SIGCONT');
    const late = setTimeout(() => this.#process.kill('SIGKILL'), END_PATIENCE);
    await this.ended;
    clearTimeout(late);
  }

  /** Passes a line of its log on. */
  #take(line: string): void {
    const { level, message, data } = readLine(line);
    if (level === undefined) this.#lastLine = message;
    if (!this.#lines.take(performance.now())) {
      this.#leftOut++;
      return;
    }
    if (this.#leftOut > 0) {
      this.#log.warn(`${this.#name}: too many lines at once; some were left out`, { lines: this.#leftOut });
      this.#leftOut = 0;
    }
    this.#log[level ?? 'warn'](`${this.#name}: ${message}`, data);
  }
}

/** A line of a JSON log; no level if it is anything else. */
function readLine(line: string): {
  readonly level: LogLevel | undefined;
  readonly message: string;
  readonly data: LogData;
} {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    value = undefined;
  }
  const record = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const { level: name, message, ...rest } = record;
  const level = LOG_LEVELS.find((one) => one === name);
  if (level === undefined || typeof message !== 'string') {
    return { level: undefined, message: line.slice(0, MAX_LINE_LENGTH), data: {} };
  }
  // The line gets a time of ours.
  delete rest['time'];
  const data = Object.entries(rest).map(([key, one]) => [
    key,
    typeof one === 'string' ? one.slice(0, MAX_LINE_LENGTH) : (one as LogData[string]),
  ]);
  return { level, message: message.slice(0, MAX_LINE_LENGTH), data: Object.fromEntries(data) as LogData };
}
