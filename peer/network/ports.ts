/** Ports for the programs of a network, which must stay the same when one of them is started again. */
import { createSocket, type Socket } from 'node:dgram';
import { createServer } from 'node:net';

import { UserError } from '../../shared/errors.ts';
import { MAX_NODES } from '../web/schemas.ts';
import { FIRST_PORT, LAST_PORT } from './limits.ts';

/** The address of everything in such a network: it is seen by this machine alone. */
export const LOOPBACK = '127.0.0.1';

/** Each node has two: one for datagrams (UDP) and miners (TCP), and one for its API. */
const PORTS_PER_NODE = 2;
/** Ports that one network may need, and one that reserves them. */
const BLOCK = 1 + MAX_NODES * PORTS_PER_NODE;

/** Ports of one node. */
export interface NodePorts {
  /** UDP for the network, TCP for miners. */
  readonly port: number;
  readonly httpPort: number;
}

/** The ports of a network. */
export interface Ports {
  readonly nodes: readonly NodePorts[];
  /** Lets others have them. */
  release(): void;
}

/**
 * Finds ports that nothing listens at.
 *
 * A port that is free because its node is down must not be taken by another network meanwhile: each network has a block
 * of ports to itself, and holds the first of the block for as long as it runs.
 *
 * @param basePort the first port wanted; any if undefined
 * @throws UserError if they are not free
 */
export async function takePorts(nodes: number, basePort: number | undefined): Promise<Ports> {
  if (basePort !== undefined) {
    const wanted = portsFrom(basePort, nodes);
    const taken = await firstTaken(wanted);
    if (taken === undefined) return { nodes: wanted, release: () => undefined };
    throw new UserError(`port ${taken} is in use; choose others with --base-port`);
  }
  for (let first = FIRST_PORT; first + BLOCK - 1 <= LAST_PORT; first += BLOCK) {
    const guard = await bindUdp(first);
    if (guard === undefined) continue;
    const wanted = portsFrom(first + 1, nodes);
    if ((await firstTaken(wanted)) === undefined) return { nodes: wanted, release: () => guard.close() };
    guard.close();
  }
  throw new UserError(
    `no ${nodes * PORTS_PER_NODE} free ports beside each other from ${FIRST_PORT} to ${LAST_PORT}; name others with --base-port`,
  );
}

/** The highest base port at which a network of so many nodes still has its ports. */
export function lastBasePort(nodes: number): number {
  return 65_536 - nodes * PORTS_PER_NODE;
}

function portsFrom(first: number, nodes: number): NodePorts[] {
  return Array.from({ length: nodes }, (_, index) => {
    const port = first + index * PORTS_PER_NODE;
    return { port, httpPort: port + 1 };
  });
}

async function firstTaken(nodes: readonly NodePorts[]): Promise<number | undefined> {
  for (const { port, httpPort } of nodes) {
    const socket = await bindUdp(port);
    socket?.close();
    if (socket === undefined || !(await isTcpFree(port))) return port;
    if (!(await isTcpFree(httpPort))) return httpPort;
  }
  return undefined;
}

/** A UDP socket at a port; undefined if that can't be bound. */
function bindUdp(port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => {
      resolve(undefined);
    });
    socket.bind({ port, address: LOOPBACK, exclusive: true }, () => {
      resolve(socket.unref());
    });
  });
}

function isTcpFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen({ port, host: LOOPBACK, exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}
