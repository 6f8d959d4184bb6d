/** Nodes of a PBFT cluster: a replica each, with a key of its own. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { addressKey } from '../../../../shared/address.ts';
import { generateKeyPair, type KeyPair } from '../../../../shared/ed25519.ts';
import { replicaName } from '../protocol/interface.ts';
import { readKeyFile, writeKeyFile } from '../../../storage/key-file.ts';
import { writeOutput } from '../../../storage/output-file.ts';
import { VIEW_CHANGE_SECONDS } from '../../../network/limits.ts';
import type { NetworkPlace } from '../../../network/network.ts';
import type { NodeKind } from '../../../network/node.ts';
import { LOOPBACK } from '../../../network/ports.ts';

export interface PbftKindOptions {
  /** Name of the application that the cluster runs. */
  readonly application: string;
}

/**
 * The members have keys that are made here, unless they are there from an earlier network in the same folder.
 *
 * @throws UserError if the files can't be written or read
 */
export function pbftKind({ application }: PbftKindOptions, { ports, folder }: NetworkPlace): NodeKind {
  const membersFile = join(folder, 'members.json');
  const keyFile = (index: number): string => join(folder, `${replicaName(index)}.key`);
  const members = ports.map(({ port }, index) => ({
    publicKey: keyOf(keyFile(index)).publicKey,
    address: addressKey({ host: LOOPBACK, port }),
  }));
  writeOutput(membersFile, `${JSON.stringify({ cluster: 'network', members }, null, 2)}\n`);
  return {
    name: replicaName,
    peer: (index) => [
      ...['pbft', 'start', '--port', String(ports[index]?.port), '--bind', LOOPBACK],
      ...['--http-port', String(ports[index]?.httpPort), '--http-bind', LOOPBACK],
      ...['--members', membersFile, '--key-file', keyFile(index), '--application', application],
      ...['--view-change-timeout', String(VIEW_CHANGE_SECONDS)],
      ...['--data-dir', join(folder, replicaName(index))],
    ],
    miner: () => undefined,
    block: (others) => ({ type: 'block-members', members: [...others] }),
  };
}

function keyOf(file: string): KeyPair {
  if (existsSync(file)) return readKeyFile(file);
  const pair = generateKeyPair();
  writeKeyFile(file, pair);
  return pair;
}
