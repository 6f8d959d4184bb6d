/** What can be wrong with where a transport listens, with the option that a person has to change. */
import { isIPv4 } from 'node:net';

import { UserError, messageOf, systemCodeOf } from '../../shared/errors.ts';

/** @throws UserError if it is no IPv4 address */
export function checkBind(bind: string): void {
  if (isIPv4(bind)) return;
  throw new UserError(`--bind: "${bind}" is not an IPv4 address, and the network speaks nothing else`);
}

/** Says in one line why nothing can be listened to, and which option to change. */
export function listenError(protocol: 'UDP' | 'TCP', error: Error, bind: string, port: number): Error {
  switch (systemCodeOf(error)) {
    case 'EADDRINUSE':
      return new UserError(
        `${protocol} port ${port} is already in use on ${bind}; choose another one with --port`,
      );
    case 'EACCES':
      return new UserError(
        `no permission to listen on ${protocol} port ${port}; choose one above 1023 with --port`,
      );
    case 'EADDRNOTAVAIL':
      return new UserError(`--bind: this machine does not have the address ${bind}`);
    default:
      return new UserError(
        `cannot listen on ${protocol} ${bind}:${port} (--bind, --port): ${messageOf(error)}`,
      );
  }
}
