/** The keys that a person presses while the miner runs. */
import { readFileSync } from 'node:fs';

/** What of a terminal's input is needed; `process.stdin` is one. */
export interface KeyInput {
  setRawMode(raw: boolean): unknown;
  on(event: 'data', listen: (data: Buffer) => void): unknown;
  on(event: 'error', listen: () => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

/** What keys do. In raw mode the terminal makes no signals of Ctrl-C and Ctrl-Z, so these are keys as well. */
export interface KeyActions {
  readonly togglePause: () => void;
  readonly addWorker: () => void;
  readonly removeWorker: () => void;
  readonly quit: () => void;
  /** Stops the process until somebody continues it; returns after that. */
  readonly suspend: () => void;
}

const CTRL_C = '\u0003';
const CTRL_Z = '\u001a';
const ESCAPE = '\u001b';

/**
 * Whether the terminal is ours to read. Who reads it, or sets its mode, from the background (`node miner &`) is
 * stopped by the system.
 */
export function inForeground(): boolean {
  try {
    // The name in parentheses may hold anything; after it come state, parent, group, session, terminal and the
    // terminal's foreground group.
    const [, , group, , , foreground] = readFileSync('/proc/self/stat', 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    return group === foreground;
  } catch {
    // Only Linux has that file; elsewhere we hope.
    return true;
  }
}

/** Reads keys from a terminal while it is ours. */
export class Keys {
  readonly #input: KeyInput;
  readonly #actions: KeyActions;
  readonly #isOurs: () => boolean;
  #reading = false;

  /** @param isOurs whether we may read now */
  constructor(input: KeyInput, actions: KeyActions, isOurs: () => boolean = inForeground) {
    this.#input = input;
    this.#actions = actions;
    this.#isOurs = isOurs;
    // Or the listener would make it flow at once.
    input.pause();
    input.on('data', (data) => {
      this.#press(data.toString('latin1'));
    });
    input.on('error', () => {
      // The terminal is gone; a signal says so too.
    });
  }

  /** Whether keys are read now. */
  get active(): boolean {
    return this.#reading;
  }

  /** Begins to read, if the terminal is ours. To be called again when the process was continued. */
  take(): void {
    if (!this.#isOurs()) return;
    this.#reading = true;
    this.#input.setRawMode(true);
    this.#input.resume();
  }

  /** Gives the terminal back as it was. */
  release(): void {
    if (!this.#reading) return;
    this.#reading = false;
    this.#input.setRawMode(false);
    this.#input.pause();
  }

  #press(text: string): void {
    // Arrow keys and their like come as an escape and ordinary characters.
    if (!this.#reading || text.startsWith(ESCAPE)) return;
    const { togglePause, addWorker, removeWorker, quit, suspend } = this.#actions;
    for (const key of text) {
      if (key === 'p') togglePause();
      else if (key === '+' || key === '=') addWorker();
      else if (key === '-' || key === '_') removeWorker();
      else if (key === 'q' || key === CTRL_C) quit();
      else if (key === CTRL_Z) {
        this.release();
        suspend();
        this.take();
      }
    }
  }
}
