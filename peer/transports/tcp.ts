/**
 * Frames over TCP between members of a cluster, each of which has a key: who a message is from is proven, and everybody
 * is connected with everybody.
 *
 * - A connection begins with a handshake in which both sides prove who they are (handshake.ts); after it each frame is
 *   authenticated (frame-mac.ts). Nothing is encrypted: what engines send is signed where it must hold for others, and
 *   none of it is secret.
 * - A node needs the address of one other. Connected members send each other the addresses of all, each signed by the
 *   member itself (address-record.ts), and everybody dials whom it is not connected with.
 * - Frames for a member that is not connected are dropped and counted, as are the newest when too many wait: engines
 *   send again what matters. Frames of one connection arrive in order, each once, or the connection ends.
 */
import { createServer } from 'node:net';

import { UserError } from '../../shared/errors.ts';
import { isTellable } from './address-record.ts';
import { CLUSTER_PATTERN } from './handshake.ts';
import { checkBind, listenError } from './listening.ts';
import type { TcpHandlers, TcpMesh, TcpOptions } from './tcp-interface.ts';
import { Mesh } from './tcp-mesh.ts';

export { DEFAULT_BUFFER_FRAMES } from './tcp-interface.ts';
export type * from './tcp-interface.ts';

/**
 * Listens, and connects with all members that can be found.
 *
 * @throws UserError if it can't listen there, or if the key, the cluster's name or our address is not what it must be
 */
export async function openTcpMesh(options: TcpOptions, handlers: TcpHandlers): Promise<TcpMesh> {
  const { bind, port, advertise, cluster, self, key, members } = options;
  checkBind(bind);
  if (!CLUSTER_PATTERN.test(cluster)) {
    throw new UserError('the name of a cluster has 1 to 128 printable ASCII characters');
  }
  if (advertise !== undefined && !isTellable(advertise)) {
    throw new UserError(
      `--advertise: "${advertise.host}" is neither an IPv4 address nor a host name that others can be told`,
    );
  }
  if (members[self]?.publicKey !== key.publicKey) {
    throw new UserError(`the key is not that of member ${self} of the cluster`);
  }
  const server = createServer({ noDelay: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(listenError('TCP', error, bind, port));
    });
    server.listen({ host: bind, port, exclusive: true }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
  return new Mesh(server, options, handlers);
}
