import type { Command } from 'commander';

import { addOption } from '../../../../shared/options.ts';

/** Where a peer stores its chain by default: a folder in the current one. */
export const DEFAULT_DATA_DIR = '.gossip-peer';

/** Adds `--data-dir`. */
export function addDataDirOption(command: Command): Command {
  return addOption(command, 'peer', {
    flags: '--data-dir <folder>',
    description: 'the folder that keeps the chain',
    default: DEFAULT_DATA_DIR,
  });
}
