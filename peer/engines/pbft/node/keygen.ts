import { Command, Option } from 'commander';

import { generateKeyPair, keyPairOf } from '../../../../shared/ed25519.ts';
import { addOption, addVerboseOption } from '../../../../shared/options.ts';
import { keyJson, writeKeyFile } from '../../../storage/key-file.ts';
import { seedText } from './options.ts';

interface KeygenOptions {
  readonly seed?: string;
  readonly out?: string;
  readonly json?: boolean;
}

/** `peer pbft keygen`: a key pair for a member. */
export function keygenCommand(): Command {
  const command = new Command('keygen')
    .description('make a key pair for a member of a cluster')
    .addHelpText(
      'after',
      `
The seed is the secret: whoever has it is that member. With --out it stands in a
file that its owner alone may read, and only the public key is shown, which goes
into the members file of everybody.

Examples:
  node peer pbft keygen --out alice.key
  node peer pbft keygen --json`,
    )
    .action(({ seed, out, json }: KeygenOptions) => {
      const pair = seed === undefined ? generateKeyPair() : keyPairOf(seed);
      if (out !== undefined) writeKeyFile(out, pair);
      const { publicKey } = pair;
      if (json === true) console.log(out === undefined ? keyJson(pair) : JSON.stringify({ publicKey }));
      else console.log(`public key  ${publicKey}${out === undefined ? `\nseed        ${pair.seed}` : ''}`);
    });
  addOption(command, 'peer', {
    flags: '-s, --seed <hex>',
    description: 'the key pair of this seed, 64 hexadecimal digits (default: a new one)',
    parse: seedText,
  });
  addOption(command, 'peer', {
    flags: '--out <file>',
    description: 'write it to a new file, for its owner alone',
  });
  command.addOption(new Option('--json', 'as JSON'));
  return addVerboseOption(command);
}
