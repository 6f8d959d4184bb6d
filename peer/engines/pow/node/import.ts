import { Command } from 'commander';

import { blockToJson, type Block } from '../../../../shared/block.ts';
import { UserError } from '../../../../shared/errors.ts';
import { addVerboseOption } from '../../../../shared/options.ts';
import { readRecord } from '../../../../shared/record.ts';
import { Chain } from '../protocol/chain.ts';
import type { Store } from '../../../core/store.ts';
import { openDataDir } from '../../../storage/data-dir.ts';
import { addDataDirOption } from './data-dir.ts';
import { addDifficultyOption, describeFault, readInput } from './record-file.ts';

/** Blocks swept away in one write, after a chain was replaced or refused. */
const SWEEP_BATCH = 1000;

/** What an import did: `added` blocks are new, `replaced` blocks of the old chain are gone. */
export interface ImportResult {
  readonly added: number;
  readonly replaced: number;
}

/**
 * Takes a record into the store: its chain becomes ours if it is valid and longer, as a whole and in one write.
 * Blocks that we have are passed over. The record may begin above a block of ours.
 *
 * @throws UserError if the record is not valid, empty, does not fit on our chain, or holds no longer one; nothing has
 *   changed then
 */
export async function importRecord(
  input: AsyncIterable<Uint8Array | string>,
  store: Store,
  difficulty: number,
): Promise<ImportResult> {
  const chain = new Chain(store, difficulty);
  try {
    let last: Block | undefined;
    let common = 0;
    for await (const { line, block, fault } of readRecord(input)) {
      if (fault !== undefined) throw refused(describeFault(line, undefined, fault));
      if (last !== undefined && block.height !== last.height + 1)
        throw refused(describeFault(line, block.height, 'wrong-height'));
      last = block;
      if (chain.stagedHeight === undefined) {
        const ours = chain.block(block.height);
        if (ours !== undefined && blockToJson(ours) === blockToJson(block)) continue;
        if (block.height > chain.height)
          throw refused(`it begins at height ${block.height}, and the chain here has ${chain.height} blocks`);
        common = block.height;
        chain.beginStaging(common - 1);
      }
      const staged = chain.stage(block);
      if (typeof staged === 'string') throw refused(describeFault(line, block.height, staged));
      if (staged.length > 0) store.write(staged);
    }
    if (last === undefined) throw refused('there is no block in it');
    const { stagedHeight, height } = chain;
    if (stagedHeight === undefined) return { added: 0, replaced: 0 };
    if (stagedHeight <= height)
      throw refused(
        `its chain has ${stagedHeight} blocks, ours ${height}, and only a longer one replaces it`,
      );
    store.write(chain.adopt());
    return { added: stagedHeight - common, replaced: height - common };
  } finally {
    chain.dropStaging();
    while (chain.hasGarbage) store.write(chain.sweep(SWEEP_BATCH));
  }
}

function refused(why: string): UserError {
  return new UserError(`nothing was imported: ${why}`);
}

/** `peer import`: a chain from a file. */
export function importCommand(): Command {
  const command = new Command('import')
    .description(
      'take a chain from a file, if it is valid and longer than the stored one; no peer may be running on it',
    )
    .argument('<file>', 'the file, one block a line as JSON; - for standard input')
    .addHelpText('after', '\nExample:\n  node peer import blocks.txt --difficulty 8')
    .action(async (file: string, { dataDir, difficulty }: { dataDir: string; difficulty: number }) => {
      const folder = await openDataDir(dataDir, {
        warn: (message) => {
          console.error(`peer: ${message}`);
        },
      });
      try {
        const { added, replaced } = await importRecord(readInput(file), folder.store, difficulty);
        const { height, tip } = new Chain(folder.store, difficulty);
        console.log(
          added === 0
            ? `nothing to import: all of its blocks are here; the chain has ${height} blocks, tip ${tip?.hash}`
            : `imported ${added} blocks, which replaced ${replaced}; the chain has ${height} blocks, tip ${tip?.hash}`,
        );
      } finally {
        await folder.close();
      }
    });
  return addVerboseOption(addDifficultyOption(addDataDirOption(command)));
}
