import { Command } from 'commander';

import { verifyBlock, type Block } from '../../../../shared/block.ts';
import { addVerboseOption } from '../../../../shared/options.ts';
import { readRecord, type RecordFault } from '../../../../shared/record.ts';
import { addDifficultyOption, describeFault, readInput } from './record-file.ts';

/** What became of a record that was verified. */
export interface Verdict {
  /** The last block that is valid on top of valid ones; null if there is none. */
  readonly tip: Block | null;
  /** The first thing wrong; undefined if nothing is. `height` where a block was at least legible. */
  readonly flaw:
    { readonly line: number; readonly height: number | undefined; readonly fault: RecordFault } | undefined;
}

/** Verifies a record from its genesis on, up to the first block that is not valid. */
export async function verifyRecord(
  input: AsyncIterable<Uint8Array | string>,
  difficulty: number,
): Promise<Verdict> {
  let tip: Block | null = null;
  for await (const { line, block, fault } of readRecord(input)) {
    if (fault !== undefined) return { tip, flaw: { line, height: undefined, fault } };
    const broken = verifyBlock(block, tip, difficulty);
    if (broken !== undefined) return { tip, flaw: { line, height: block.height, fault: broken } };
    tip = block;
  }
  return { tip, flaw: undefined };
}

/** `peer verify`: is a file a valid chain? Says so on standard output; exit code 1 if not. */
export function verifyCommand(): Command {
  const command = new Command('verify')
    .description('check every block of a file, one JSON object a line, on top of the one before it')
    .argument('<file>', 'the file, for example blocks.txt; - for standard input')
    .addHelpText('after', '\nExample:\n  node peer verify blocks.txt --difficulty 8')
    .action(async (file: string, { difficulty }: { difficulty: number }) => {
      const { tip, flaw } = await verifyRecord(readInput(file), difficulty);
      if (flaw === undefined && tip !== null) {
        const blocks = tip.height === 0 ? '1 block' : `${tip.height + 1} blocks`;
        console.log(`valid: ${blocks} at difficulty ${difficulty}; tip at height ${tip.height}: ${tip.hash}`);
        return;
      }
      process.exitCode = 1;
      if (flaw === undefined) {
        console.log('not valid: there is no block in it');
        return;
      }
      const before =
        tip === null ? 'no block is' : tip.height === 0 ? 'the genesis is' : `heights 0 to ${tip.height} are`;
      console.log(
        `not valid: ${describeFault(flaw.line, flaw.height, flaw.fault)} Before that, ${before} valid.`,
      );
    });
  return addVerboseOption(addDifficultyOption(command));
}
