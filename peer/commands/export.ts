import { createWriteStream } from 'node:fs';

import { Command } from 'commander';

import type { Block } from '../../shared/block.ts';
import { fileFaultOf, UserError, systemCodeOf } from '../../shared/errors.ts';
import { addOption, addVerboseOption, integer } from '../../shared/options.ts';
import { writeRecord } from '../../shared/record.ts';
import { Chain } from '../engines/pow/chain.ts';
import { openLmdbSnapshot } from '../storage/lmdb.ts';
import { addDataDirOption } from './data-dir.ts';

interface ExportOptions {
  readonly dataDir: string;
  readonly from: number;
  readonly to?: number;
}

/** The blocks of a chain from one height to another, both included. */
function* blocksOf(chain: Chain, from: number, to: number): Generator<Block, void, undefined> {
  for (let height = from; height <= to; height++) {
    const block = chain.block(height);
    if (block === undefined) throw new UserError(`the store is damaged: block ${height} is missing`);
    yield block;
  }
}

/**
 * Writes the stored chain to a file, or to standard output. A peer may be running on it: what is written is the chain
 * at the moment of the call.
 *
 * @throws UserError if there is no chain, or not at those heights, or it can't be written
 */
export async function exportChain(file: string | undefined, options: ExportOptions): Promise<void> {
  const snapshot = openLmdbSnapshot(options.dataDir);
  try {
    // The stored chain was verified at its own difficulty; it is only copied here.
    const chain = new Chain(snapshot, 0);
    const { from, to = chain.height - 1 } = options;
    if (chain.height === 0) throw new UserError(`there is no chain in ${options.dataDir} yet`);
    if (from > to || to >= chain.height) {
      throw new UserError(
        `the chain has heights 0 to ${chain.height - 1}; --from and --to must be within, in that order`,
      );
    }
    const output = file === undefined || file === '-' ? process.stdout : createWriteStream(file);
    await writeRecord(blocksOf(chain, from, to), output, { end: output !== process.stdout });
  } catch (error) {
    if (error instanceof UserError) throw error;
    // Who reads our output may stop when it has enough, as `head` does.
    if (systemCodeOf(error) === 'EPIPE') return;
    throw new UserError(`can't write ${file ?? 'to standard output'}: ${fileFaultOf(error)}`);
  } finally {
    await snapshot.close();
  }
}

/** `peer export`: the stored chain as text. */
export function exportCommand(): Command {
  const command = new Command('export')
    .description('write the chain that a peer has stored, one block a line as JSON; the peer may be running')
    .argument('[file]', 'where to; standard output if left out')
    .addHelpText('after', '\nExample:\n  node peer export blocks.txt --from 0 --to 99')
    .action(exportChain);
  addDataDirOption(command);
  addOption(command, 'peer', {
    flags: '--from <height>',
    description: 'the first block',
    parse: integer(0, Number.MAX_SAFE_INTEGER),
    default: 0,
  });
  addOption(command, 'peer', {
    flags: '--to <height>',
    description: 'the last block; the tip if left out',
    parse: integer(0, Number.MAX_SAFE_INTEGER),
  });
  return addVerboseOption(command);
}
