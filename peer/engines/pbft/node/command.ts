import { Command } from 'commander';

import { keygenCommand } from './keygen.ts';
import { pbftStartCommand } from './start.ts';

/** `peer pbft`: replicas that agree on the order of operations, of which a third may do anything. */
export function pbftCommand(): Command {
  return new Command('pbft')
    .description('replicas that agree, although some of them fail: Practical Byzantine Fault Tolerance')
    .addCommand(pbftStartCommand())
    .addCommand(keygenCommand())
    .addHelpText(
      'after',
      `
Examples:
  node peer pbft start --help
  node peer network --engine pbft    a whole cluster on this machine`,
    );
}
