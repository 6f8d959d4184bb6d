/** A PBFT cluster on this machine: a replica in each node, with a key of its own. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { addressKey } from '../../../../shared/address.ts';
import { generateKeyPair, type KeyPair } from '../../../../shared/ed25519.ts';
import { replicaName } from '../protocol/interface.ts';
import { readKeyFile, writeKeyFile } from '../../../storage/key-file.ts';
import { writeOutput } from '../../../storage/output-file.ts';
import { oneOf } from '../../../../shared/options.ts';
import { counted } from '../../../../shared/text-table.ts';
import { APPLICATIONS } from '../../../applications/registry.ts';
import type { NetworkOffer } from '../../../cli/network-offer.ts';
import { anyNode, nodeName } from '../../../cli/network-prompt.ts';
import { MAX_LINE_BODY_BYTES } from '../../../web/limits.ts';
import type { NetworkPlace } from '../../../network/network.ts';
import type { NodeKind } from '../../../network/node.ts';
import { LOOPBACK } from '../../../network/ports.ts';

/** How long a cluster may take to execute something, in milliseconds: several view changes in a row. */
const EXECUTION_PATIENCE = 60_000;
/** How long, in seconds, the replicas let a request wait before they give their primary up: while one looks on. */
const VIEW_CHANGE_SECONDS = 2;

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

export const pbftNetwork: NetworkOffer = {
  node: 'replica',
  nodes: 4,
  fewestNodes: 4,
  fewestReason: 'a cluster has 4 replicas at the least, so that one may fail',
  options: [
    {
      flags: '--application <name>',
      description: 'what the replicas agree on',
      parse: oneOf([...APPLICATIONS.keys()]),
      default: 'log',
    },
  ],
  commands: {
    submit: {
      usage: 'submit [@<node>] <operation>',
      help: 'have something executed, by way of a node, as in "submit @2 hello" (else of the first that runs); "submit /entry 1" and "submit /length" read the log',
      short: ['s'],
      run: async (_, { network, print }, text) => {
        const [, name, line = ''] = /^(?:@(\S+)(?:\s+|$))?(.*)$/su.exec(text) ?? [];
        const node = name === undefined ? anyNode(network) : network.find(nodeName(name, network));
        const answer = await node.ask({ type: 'submit', line }, EXECUTION_PATIENCE);
        if (answer.type === 'answer') print(answer.text);
      },
    },
  },
  examples: (call) => [
    `${call} --nodes 4`,
    String.raw`printf 'submit one\nkill 0\nsubmit two\nstatus\nquit\n' | ${call}`,
  ],
  // An operation is longer than any change of the network.
  maxBody: MAX_LINE_BODY_BYTES,
  plan: (values, nodes) => {
    // As the option above is read.
    const options = values as unknown as PbftKindOptions;
    const faulty = Math.floor((nodes - 1) / 3);
    return {
      starting: counted(nodes, 'replica'),
      title: `A cluster of ${counted(nodes, 'replica')} runs the application "${options.application}"; ${faulty} of them may fail.`,
      create: (place) => pbftKind(options, place),
    };
  },
};
