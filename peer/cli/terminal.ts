import { createInterface, type Interface } from 'node:readline';

import { UserError, messageOf } from '../../shared/errors.ts';
import type { Log, LogData, LogLevel } from '../../shared/log.ts';
import type { Prompt, PromptParts } from './prompt.ts';

/**
 * A line that was read byte by byte, each as one character.
 *
 * @throws UserError if it is not UTF-8: what would be done of it is not what was meant
 */
export function decodeLine(bytes: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(bytes, 'latin1'));
  } catch {
    throw new UserError('a line of the input is not UTF-8, so nothing is done of it');
  }
}

/** Standard input and output: lines of commands, what they print, and the log, none of which runs into another. */
export class Terminal {
  readonly log: Log;
  /** Whether a person types, and a line may be half written. */
  readonly interactive = process.stdin.isTTY && process.stdout.isTTY;
  #reader: Interface | undefined;

  constructor(log: Log) {
    const above = (level: LogLevel) => (message: string, data?: LogData) => {
      this.#clear();
      log[level](message, data);
      this.#restore();
    };
    this.log = { error: above('error'), warn: above('warn'), info: above('info'), debug: above('debug') };
  }

  print(text: string): void {
    this.#clear();
    console.log(text);
    this.#restore();
  }

  /**
   * Reports what could not be done: a script has failed where one of its lines has.
   *
   * @throws what it was given if that is a fault of the program
   */
  complain(error: unknown): void {
    if (!(error instanceof UserError)) throw error;
    this.#clear();
    console.error(`peer: ${messageOf(error)}`);
    if (!this.interactive) process.exitCode = 1;
    this.#restore();
  }

  /**
   * Does what the lines say, one after the other, until there are no more of them.
   *
   * @param words what may stand after the name of a command
   */
  async readCommands<Parts extends PromptParts>(
    prompt: Prompt<Parts>,
    parts: Parts,
    words: readonly string[] = [],
  ): Promise<void> {
    // What a person types is decoded by the terminal; a character of several bytes would be none there.
    if (!this.interactive) process.stdin.setEncoding('latin1');
    const reader = createInterface({
      input: process.stdin,
      ...(this.interactive && {
        output: process.stdout,
        prompt: '> ',
        completer: (line: string) => prompt.complete(line, words),
      }),
    });
    this.#reader = reader;
    // The terminal is read key by key, so that Ctrl-C is one of them.
    reader.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
    this.#ask(reader);
    for await (const line of reader) {
      try {
        await prompt.run(this.interactive ? line : decodeLine(line), parts);
      } catch (error) {
        this.complain(error);
      }
      if (parts.stopped.aborted) return;
      this.#ask(reader);
    }
    if (this.interactive) parts.quit();
  }

  close(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.close();
    this.#clear();
  }

  /** Only where somebody types: a pipe may have ended long before its last line is done, and newer Nodes mind. */
  #ask(reader: Interface): void {
    if (this.interactive) reader.prompt();
  }

  #clear(): void {
    if (this.interactive) process.stdout.write('\r\u001b[K');
  }

  #restore(): void {
    if (this.interactive) this.#reader?.prompt(true);
  }
}
