/** How a long program hears that it is to stop: Ctrl-C, or SIGTERM from whatever runs it. */

/** The exit codes of a program that a signal ended. */
export const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
export type StopSignal = keyof typeof EXIT_CODES;

/**
 * A signal that comes so soon after the first is the same one, in milliseconds: the terminal sends Ctrl-C to npm and to
 * what npm runs, and npm passes it on.
 */
const SAME_WITHIN = 200;

/** What is needed of the process. */
export interface Signalled {
  on(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
  exit(code: number): unknown;
}

/**
 * The first signal asks for an orderly end, the second ends the process at once. Listens as long as the process lives:
 * the copy that npm passes on may come when everything else is over, and must not cut off what is printed at the end.
 */
export class StopSignals {
  readonly #controller = new AbortController();
  readonly #process: Signalled;
  readonly #now: () => number;
  #first: { readonly code: number; readonly at: number } | undefined;

  constructor(signalled: Signalled = process, now = (): number => performance.now()) {
    this.#process = signalled;
    this.#now = now;
    signalled.on('SIGINT', this.#hear);
    signalled.on('SIGTERM', this.#hear);
  }

  /** Aborted by the first signal. */
  get stop(): AbortSignal {
    return this.#controller.signal;
  }

  /** The exit code after the first signal; undefined if none came. */
  get exitCode(): number | undefined {
    return this.#first?.code;
  }

  readonly #hear = (signal: StopSignal): void => {
    const code = EXIT_CODES[signal];
    if (this.#first === undefined) {
      this.#first = { code, at: this.#now() };
      this.#controller.abort();
    } else if (this.#now() - this.#first.at >= SAME_WITHIN) {
      // By exit, not by the signal: the children are ended on the way out.
      this.#process.exit(code);
    }
  };
}
