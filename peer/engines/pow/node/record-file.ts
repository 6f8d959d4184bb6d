/** What the commands that read a record have in common: where it comes from, how far it is, what is wrong with it. */
import { createReadStream, statSync } from 'node:fs';

import { SingleBar } from 'cli-progress';
import type { Command } from 'commander';

import { DEFAULT_DIFFICULTY, MAX_DIFFICULTY } from '../../../../shared/block.ts';
import { fileFaultOf, UserError } from '../../../../shared/errors.ts';
import { addOption, integer } from '../../../../shared/options.ts';
import { RECORD_RULES, type RecordFault } from '../../../../shared/record.ts';

/**
 * The bytes of a file, `-` being standard input. While a file is read, a bar on standard error shows how far it is,
 * if that is a terminal.
 *
 * @throws UserError if it can't be read
 */
export async function* readInput(file: string): AsyncGenerator<Uint8Array, void, undefined> {
  let bar: SingleBar | undefined;
  try {
    const input: AsyncIterable<Uint8Array> = file === '-' ? process.stdin : createReadStream(file);
    if (file !== '-' && process.stderr.isTTY) bar = startBar(statSync(file).size);
    for await (const chunk of input) {
      yield chunk;
      bar?.increment(chunk.length);
    }
  } catch (error) {
    throw new UserError(`can't read ${file === '-' ? 'standard input' : file}: ${fileFaultOf(error)}`);
  } finally {
    bar?.stop();
  }
}

function startBar(bytes: number): SingleBar {
  const bar = new SingleBar({ format: '{bar} {percentage} %, {eta_formatted} left', clearOnComplete: true });
  bar.start(bytes, 0);
  return bar;
}

/** What is wrong with a line of a record, as one sentence and the rule's code. */
export function describeFault(line: number, height: number | undefined, fault: RecordFault): string {
  const place = height === undefined ? `line ${line}` : `line ${line}, height ${height}`;
  return `${place}: ${RECORD_RULES[fault]} (${fault})`;
}

/** Adds `--difficulty`. */
export function addDifficultyOption(command: Command): Command {
  return addOption(command, 'peer', {
    flags: '--difficulty <zeros>',
    description: 'how many zeros every hash must end in',
    parse: integer(0, MAX_DIFFICULTY),
    default: DEFAULT_DIFFICULTY,
  });
}
