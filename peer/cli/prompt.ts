/** Commands that are typed while a program runs, or come through a pipe, a line each. */
import { setTimeout as pause } from 'node:timers/promises';

import { UserError } from '../../shared/errors.ts';
import { escapeControls } from '../../shared/escape.ts';
import { didYouMean } from '../../shared/suggest.ts';

/** The longest that a script may wait, in seconds. */
const MAX_WAIT = 86_400;
/** Characters that are shown of a name which no command has. */
const MAX_SHOWN = 40;

/** What every command is given. */
export interface PromptParts {
  readonly print: (text: string) => void;
  /** Called to end the prompt. */
  readonly quit: () => void;
  /** Ends a wait. */
  readonly stopped: AbortSignal;
}

/** One command. */
export interface PromptCommand<Parts> {
  /** As in `kill <node>`. */
  readonly usage: string;
  readonly help: string;
  /** Other names for it. */
  readonly short?: readonly string[];
  /**
   * @param args the words after its name
   * @param text all that stands after its name
   * @throws UserError if it can't be done
   */
  run(args: readonly string[], parts: Parts, text: string): Promise<void> | void;
}

const COMMON: readonly (readonly [string, PromptCommand<PromptParts>])[] = [
  [
    'wait',
    {
      usage: 'wait <seconds>',
      help: 'wait before the next command; for scripts',
      run: async ([text = ''], { stopped }) => {
        const seconds = Number(text);
        if (!/^\d+(\.\d+)?$/.test(text) || seconds > MAX_WAIT) {
          throw new UserError(`how long? A number of seconds, at most ${MAX_WAIT}`);
        }
        await pause(seconds * 1000, undefined, { signal: stopped }).catch(() => undefined);
      },
    },
  ],
  [
    'quit',
    {
      usage: 'quit',
      help: 'end everything',
      short: ['q', 'exit'],
      run: (_, { quit }) => {
        quit();
      },
    },
  ],
];

/** Commands and what they do, a line each. */
export function helpLines(
  commands: readonly Pick<PromptCommand<never>, 'usage' | 'help' | 'short'>[],
): string {
  const rows = commands.map(({ usage, short = [], help }) => [[usage, ...short].join(', '), help]);
  const width = Math.max(...rows.map(([usage = '']) => usage.length));
  return rows.map(([usage = '', help = '']) => `  ${usage.padEnd(width)}  ${help}`).join('\n');
}

/** What can be typed. */
export class Prompt<Parts extends PromptParts> {
  readonly #commands: ReadonlyMap<string, PromptCommand<Parts>>;
  /** By every name that a command has. */
  readonly #names = new Map<string, PromptCommand<Parts>>();
  readonly #maxLine: number;

  /**
   * @param commands by name; `wait`, `help` and `quit` come by themselves
   * @param maxLine the longest line that is read, in characters
   */
  constructor(commands: Iterable<readonly [string, PromptCommand<Parts>]>, maxLine: number) {
    const help: PromptCommand<Parts> = {
      usage: 'help',
      help: 'this list',
      short: ['h'],
      run: (_, { print }) => {
        print(this.help());
      },
    };
    const [wait, ...others] = COMMON;
    this.#commands = new Map([
      ...commands,
      ...(wait === undefined ? [] : [wait]),
      ['help', help] as const,
      ...others,
    ]);
    this.#maxLine = maxLine;
    for (const [name, command] of this.#commands) {
      for (const one of [name, ...(command.short ?? [])]) this.#names.set(one, command);
    }
  }

  /** What can be typed, a line each. */
  help(): string {
    return helpLines([...this.#commands.values()]);
  }

  /**
   * How a line may go on.
   *
   * @param words what may stand after the name of a command
   */
  complete(line: string, words: readonly string[]): [string[], string] {
    const parts = line.split(' ');
    const last = parts.at(-1) ?? '';
    const all = parts.length < 2 ? [...this.#commands.keys()] : words;
    return [all.filter((one) => one.startsWith(last)), last];
  }

  /**
   * Does what a line says; an empty one, or a comment that begins with #, says nothing.
   *
   * @throws UserError if it can't be done
   */
  async run(line: string, parts: Parts): Promise<void> {
    if (line.length > this.#maxLine) throw new UserError(`a line has at most ${this.#maxLine} characters`);
    const [, name = '', text = ''] = /^(\S*)\s*(.*)$/su.exec(line.trim()) ?? [];
    if (name === '' || name.startsWith('#')) return;
    const command = this.#names.get(name);
    if (command === undefined) {
      const shown = escapeControls(name.slice(0, MAX_SHOWN));
      throw new UserError(
        `there is no command "${shown}"${didYouMean(name, this.#names.keys())}; "help" lists them`,
      );
    }
    await command.run(text === '' ? [] : text.split(/\s+/), parts, text);
  }
}
