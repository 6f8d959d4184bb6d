import { SingleBar } from 'cli-progress';

import type { Log, LogData, LogLevel } from '../../shared/log.ts';

/** How often, in milliseconds, a long sync is mentioned where no bar can be drawn. */
const PROGRESS_INTERVAL = 10_000;

/** Shows how far a sync is. */
export interface Progress {
  start(total: number): void;
  update(done: number, total: number): void;
  stop(): void;
}

/** A bar on the terminal, on standard error; it is wiped when the sync is over. */
export class ProgressBar implements Progress {
  readonly #bar: SingleBar;
  #active = false;

  /** @param unit what is counted, as `blocks` */
  constructor(unit: string) {
    this.#bar = new SingleBar({
      format: `syncing {bar} {percentage}% | {value}/{total} ${unit} | {eta_formatted} left`,
      formatTime: (seconds) => (Number.isFinite(seconds) ? `${Math.round(seconds)} s` : '?'),
      barsize: 30,
      barCompleteChar: '#',
      barIncompleteChar: '.',
      hideCursor: true,
      clearOnComplete: true,
      // Log lines in between wipe the bar, so it is drawn anew even when nothing has changed.
      forceRedraw: true,
      fps: 5,
      // The command ends itself, in order, when it is asked to.
      gracefulExit: false,
      stream: process.stderr,
    });
  }

  start(total: number): void {
    this.stop();
    this.#active = true;
    this.#bar.start(total, 0);
  }

  update(done: number, total: number): void {
    if (!this.#active) this.start(total);
    this.#bar.setTotal(total);
    this.#bar.update(done);
  }

  stop(): void {
    if (!this.#active) return;
    this.#active = false;
    this.#bar.stop();
  }

  /** A log whose lines do not run into the bar. */
  wrap(log: Log): Log {
    const above = (level: LogLevel) => (message: string, data?: LogData) => {
      if (this.#active) process.stderr.write('\r\u001b[2K');
      log[level](message, data);
      // The bar now stands a line further down; at its end the cursor returns to the position saved last.
      if (this.#active) process.stderr.write('\u001b7');
    };
    return { error: above('error'), warn: above('warn'), info: above('info'), debug: above('debug') };
  }
}

/** Progress where no bar can be drawn: now and then a line in the log. */
export class ProgressLines implements Progress {
  readonly #log: Log;
  readonly #now: () => number;
  #last: number;

  /** @param now a clock in milliseconds that never goes back */
  constructor(log: Log, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
    this.#last = now();
  }

  start(): void {
    this.#last = this.#now();
  }

  update(done: number, total: number): void {
    if (this.#now() - this.#last < PROGRESS_INTERVAL) return;
    this.#last = this.#now();
    this.#log.info('syncing', { verified: done, total });
  }

  stop(): void {
    // A line needs no tidying up.
  }
}
