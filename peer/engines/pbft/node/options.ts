import { InvalidArgumentError } from 'commander';

import { keyPairOf, type KeyPair } from '../../../../shared/ed25519.ts';
import { UserError } from '../../../../shared/errors.ts';
import type { OptionParser } from '../../../../shared/options.ts';
import {
  MIN_MEMBERS,
  demonstrationCluster,
  demonstrationKey,
  readMembersFile,
  type Cluster,
} from './members.ts';
import { readKeyFile } from '../../../storage/key-file.ts';

/** The secret seed of a key. */
export const seedText: OptionParser<string> = (text) => {
  const seed = text.toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(seed)) {
    throw new InvalidArgumentError('It must be 64 hexadecimal digits, as "pbft keygen" prints them.');
  }
  return seed;
};

/** Who takes part, and which of them we are. */
export interface Identity {
  readonly cluster: Cluster;
  readonly key: KeyPair;
  /** The keys are those that everybody knows. */
  readonly demonstration: boolean;
}

export interface IdentityOptions {
  readonly members?: string;
  readonly index?: number;
  readonly nodes?: number;
  readonly seed?: string;
  readonly keyFile?: string;
}

/**
 * Finds out who takes part, and which of them we are.
 *
 * @throws UserError if that is not given, or given twice
 */
export function identityOf({ members, index, nodes, seed, keyFile }: IdentityOptions): Identity {
  if (seed !== undefined && keyFile !== undefined) {
    throw new UserError('--seed and --key-file: one key is enough');
  }
  const key = keyFile !== undefined ? readKeyFile(keyFile) : seed !== undefined ? keyPairOf(seed) : undefined;
  if (members !== undefined) {
    if (index !== undefined || nodes !== undefined) {
      throw new UserError('--index and --nodes are for demonstrations, not for a cluster with --members');
    }
    if (key === undefined) throw new UserError('--members: which of them is this? Name its --key-file');
    return { cluster: readMembersFile(members), key, demonstration: false };
  }
  const count = nodes ?? MIN_MEMBERS;
  const demonstration = { cluster: demonstrationCluster(count), demonstration: true };
  if (index === undefined) {
    if (key === undefined) {
      throw new UserError('which member is this? Give its --index, or --members with its --key-file');
    }
    return { ...demonstration, key };
  }
  if (key !== undefined) throw new UserError('--index: it stands for a key of its own; leave out the other');
  if (index >= count) {
    throw new UserError(`--index: the members of a cluster of ${count} are numbered 0 to ${count - 1}`);
  }
  return { ...demonstration, key: demonstrationKey(index) };
}
