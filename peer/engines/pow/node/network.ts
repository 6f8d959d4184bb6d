/** Nodes of a proof-of-work network: a peer each, and miners for some of them. */
import { join } from 'node:path';

import { addressKey } from '../../../../shared/address.ts';
import { CONSENSUS_SECONDS, GOSSIP_SECONDS, PEER_TIMEOUT_SECONDS } from '../../../network/limits.ts';
import type { NetworkPlace } from '../../../network/network.ts';
import type { NodeKind } from '../../../network/node.ts';
import { LOOPBACK } from '../../../network/ports.ts';

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
        ...['--port', port, '--bind', LOOPBACK, '--host', LOOPBACK, '--name', name, '--mined-by', name],
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
