import { Command, Option } from 'commander';

import { BLOCK_RULES, MAX_DIFFICULTY, verifyBlock, type Block } from '../../../../shared/block.ts';
import { fileFaultOf, UserError, systemCodeOf } from '../../../../shared/errors.ts';
import { addOption, addVerboseOption, integer } from '../../../../shared/options.ts';
import { writeRecord } from '../../../../shared/record.ts';
import { StopSignals } from '../../../../shared/stop-signals.ts';
import { Chain } from '../protocol/chain.ts';
import { openLmdbSnapshot } from '../../../storage/lmdb.ts';
import { openOutput, outputStream, unwritable, type OutputFile } from '../../../storage/output-file.ts';
import { addDataDirOption } from './data-dir.ts';

interface ExportOptions {
  readonly dataDir: string;
  readonly from: number;
  readonly to?: number;
  readonly difficulty?: number;
  readonly force?: boolean;
}

/** The blocks of a chain from one height to another, both included; each is verified if a difficulty is given. */
function* blocksOf(
  chain: Chain,
  from: number,
  to: number,
  difficulty: number | undefined,
): Generator<Block, void, undefined> {
  let previous = from === 0 ? null : (chain.block(from - 1) ?? null);
  for (let height = from; height <= to; height++) {
    const block = chain.block(height);
    if (block === undefined) throw new UserError(`the store is damaged: block ${height} is missing`);
    const fault = difficulty === undefined ? undefined : verifyBlock(block, previous, difficulty);
    if (fault !== undefined) {
      throw new UserError(
        `block ${height} is not valid at difficulty ${difficulty}: ${BLOCK_RULES[fault]} (${fault})`,
      );
    }
    yield block;
    previous = block;
  }
}

/**
 * Writes the stored chain to a file, or to standard output. A peer may be running on it: what is written is the chain
 * at the moment of the call.
 *
 * @throws UserError if there is no chain, or not at those heights, or it can't be written
 */
export async function exportChain(path: string | undefined, options: ExportOptions): Promise<void> {
  const snapshot = openLmdbSnapshot(options.dataDir);
  let file: OutputFile | undefined;
  let signals: StopSignals | undefined;
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
    const blocks = blocksOf(chain, from, to, options.difficulty);
    if (path === undefined || path === '-') {
      await writeRecord(blocks, process.stdout, { end: false });
      return;
    }
    file = openOutput(path, { fresh: options.force !== true, remedy: '--force writes over it' });
    signals = new StopSignals();
    await writeRecord(blocks, outputStream(file), { end: true, signal: signals.stop });
    file.commit();
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (signals?.exitCode !== undefined) {
      process.exitCode = signals.exitCode;
      return;
    }
    // Who reads our output may stop when it has enough, as `head` does.
    if (systemCodeOf(error) === 'EPIPE') return;
    throw unwritable(path ?? 'to standard output', fileFaultOf(error));
  } finally {
    file?.discard();
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
  addOption(command, 'peer', {
    flags: '--difficulty <zeros>',
    description:
      'verify every block, each hash ending in so many zeros (default: what is stored was verified)',
    parse: integer(0, MAX_DIFFICULTY),
  });
  command.addOption(new Option('--force', 'write over a file that is there'));
  return addVerboseOption(command);
}
