/** A proof-of-work network on this machine: a peer in each node, and miners for some of them. */
import { join } from 'node:path';

import { addressKey } from '../../../../shared/address.ts';
import { MAX_DIFFICULTY, MAX_MINED_MESSAGE_LENGTH, isMineableWord } from '../../../../shared/block.ts';
import { UserError } from '../../../../shared/errors.ts';
import { integer, oneOf } from '../../../../shared/options.ts';
import { counted } from '../../../../shared/text-table.ts';
import { ask } from '../../../cli/ask.ts';
import type { NetworkOffer } from '../../../cli/network-offer.ts';
import { anyNode } from '../../../cli/network-prompt.ts';
import type { NetworkPlace } from '../../../network/network.ts';
import type { NodeKind } from '../../../network/node.ts';
import { LOOPBACK } from '../../../network/ports.ts';
import { MAX_NODES } from '../../../web/schemas.ts';
import { queuedWordSchema } from '../face/schemas.ts';

/** Threads of a miner: more than one machine has for one of several. */
const MAX_PROCESSES = 64;
/** How a miner may search; its own --kernel. */
const KERNELS = ['reference', 'wasm', 'native', 'auto'] as const;
/**
 * The rhythms of the peers, in seconds: quick enough to watch. A peer that was parted from the others is dropped while
 * one looks on, and found again within a few seconds after healing.
 */
const GOSSIP_SECONDS = 2;
const CONSENSUS_SECONDS = 5;
const PEER_TIMEOUT_SECONDS = 20;

export interface PowKindOptions {
  /** 0 to as many as there are nodes. */
  readonly miners: number;
  /** Threads of each miner. */
  readonly processes: number;
  /** How the miners search. */
  readonly kernel: string;
  readonly difficulty: number;
}

/** Which nodes have a miner: spread evenly, the first one always. */
export function minedNodes(nodes: number, miners: number): Set<number> {
  return new Set(Array.from({ length: miners }, (_, index) => Math.ceil((index * nodes) / miners)));
}

function nodeName(index: number): string {
  return `node-${index + 1}`;
}

/** The first node founds the network, if nobody has. */
export function powKind(options: PowKindOptions, { ports, folder }: NetworkPlace): NodeKind {
  const { miners, processes, kernel, difficulty } = options;
  const addresses = ports.map(({ port }) => ({ host: LOOPBACK, port }));
  const portOf = (index: number): string => String(ports[index]?.port);
  const mined = minedNodes(ports.length, miners);
  return {
    name: nodeName,
    peer: (index) => {
      const name = nodeName(index);
      const port = portOf(index);
      return [
        ...['pow', 'start', '--port', port, '--bind', LOOPBACK, '--host', LOOPBACK],
        ...['--name', name, '--mined-by', name],
        ...['--miner-port', port, '--miner-bind', LOOPBACK],
        ...['--http-port', String(ports[index]?.httpPort), '--http-bind', LOOPBACK],
        ...['--difficulty', String(difficulty), '--data-dir', join(folder, name)],
        ...['--gossip-interval', String(GOSSIP_SECONDS), '--consensus-interval', String(CONSENSUS_SECONDS)],
        ...['--peer-timeout', String(PEER_TIMEOUT_SECONDS)],
        ...addresses.flatMap((other, at) => (at === index ? [] : ['--join', addressKey(other)])),
        ...(index === 0 ? ['--genesis'] : []),
      ];
    },
    miner: (index) =>
      mined.has(index)
        ? [
            ...['--peer-host', LOOPBACK, '--peer-port', portOf(index)],
            ...['--processes', String(processes), '--kernel', kernel],
          ]
        : undefined,
    block: (others) => ({
      type: 'block',
      peers: others.flatMap((index) => addresses[index] ?? []),
    }),
  };
}

/** What the command line says of it. */
type PowNetworkOptions = Omit<PowKindOptions, 'miners'> & { readonly miners?: number };

export const powNetwork: NetworkOffer = {
  node: 'peer',
  nodes: 5,
  fewestNodes: 1,
  options: [
    {
      flags: '--miners <number>',
      description: 'how many of them have a miner, 0 to all (default: 2, or as many as there are peers)',
      parse: integer(0, MAX_NODES),
    },
    {
      flags: '--processes <number>',
      description: 'threads of each miner',
      parse: integer(1, MAX_PROCESSES),
      default: 1,
    },
    {
      flags: '--kernel <kernel>',
      description: `how the miners search: ${KERNELS.join(', ')}; the first is so slow that one can watch`,
      parse: oneOf(KERNELS),
      default: 'reference',
    },
    {
      flags: '--difficulty <zeros>',
      description: 'how many zeros a hash must end in',
      parse: integer(1, MAX_DIFFICULTY),
      default: 5,
    },
  ],
  commands: {
    word: {
      usage: 'word <text> [<node>]',
      help: 'a word for the next block, given to a node (else to the first that runs)',
      run: async (args, { network, url, print }) => {
        const last = args.length > 1 ? (args.at(-1) ?? '') : '';
        // A number may be the end of the word, unless it is that of a node; this can't be meant as one.
        const named = last.startsWith('node-')
          ? network.find(last)
          : network.nodes.find(({ name }) => name === `node-${last}`);
        const word = (named === undefined ? args : args.slice(0, -1)).join(' ');
        if (!isMineableWord(word)) {
          throw new UserError(`a word is 1 to ${MAX_MINED_MESSAGE_LENGTH} printable ASCII characters`);
        }
        const node = named ?? anyNode(network);
        await ask(`${url}/nodes/${node.name}/api`, '/words', queuedWordSchema, { word });
        print(`"${word}" waits at ${node.name}`);
      },
    },
  },
  examples: (call) => [
    `${call} --nodes 5 --miners 2 --difficulty 5`,
    String.raw`printf 'wait 20\npartition 1,2\nwait 20\nheal\nwait 10\nstatus\nquit\n' | ${call}`,
  ],
  plan: (values, nodes) => {
    // As the options above are read.
    const options = values as unknown as PowNetworkOptions;
    const miners = options.miners ?? Math.min(2, nodes);
    if (miners > nodes) {
      throw new UserError(`--miners: ${counted(nodes, 'peer')} can have ${nodes} at most`);
    }
    return {
      starting: `${counted(nodes, 'peer')} and ${counted(miners, 'miner')}`,
      title: `A network of ${counted(nodes, 'peer')} runs at difficulty ${options.difficulty}.`,
      create: (place) => powKind({ ...options, miners }, place),
    };
  },
};
