/** The options of the status page, the same whatever engine runs. */
import { BlockList } from 'node:net';

import { InvalidArgumentError, type Command } from 'commander';

import { addOption, integer, text, type OptionParser } from '../../shared/options.ts';
import { addNetwork, originOf, type AccessOptions } from '../web/access.ts';
import { MAX_TOKEN_LENGTH } from '../web/limits.ts';
import type { PageOptions } from '../web/server.ts';

/** Who may use a page, and how it is reached. */
export interface HttpAccessOptions {
  readonly httpToken?: string;
  readonly httpOrigin: readonly string[];
  readonly httpTrustedProxy: readonly string[];
}

export interface HttpOptions extends HttpAccessOptions {
  readonly httpPort: number;
  readonly httpBind: string;
}

const origin: OptionParser<string> = (value) => {
  const found = originOf(value);
  if (found === undefined)
    throw new InvalidArgumentError('It must be as https://chain.example, without a path.');
  return found;
};

const network: OptionParser<string> = (value) => {
  if (addNetwork(new BlockList(), value)) return value;
  throw new InvalidArgumentError('It must be an address, or a network as 10.0.0.0/8.');
};

export function addHttpOptions(command: Command): void {
  addOption(command, 'peer', {
    flags: '--http-port <number>',
    description:
      'TCP port of the status page, its API and metrics; 0 switches them off. Where the default is taken, any free one serves',
    parse: integer(0, 65535),
    default: 8998,
  });
  addOption(command, 'peer', {
    flags: '--http-bind <address>',
    description: 'address to listen on for the status page; 0.0.0.0 shows it to other machines',
    default: '127.0.0.1',
  });
  addHttpAccessOptions(command);
}

export function addHttpAccessOptions(command: Command): void {
  addOption(command, 'peer', {
    flags: '--http-token <text>',
    description:
      'what a request must show to change anything through the page; without it only this machine may, and nobody where others see the page or a proxy stands before it',
    parse: text(
      MAX_TOKEN_LENGTH,
      (token) => /^[\x21-\x7e]+$/.test(token),
      `It must be 1 to ${MAX_TOKEN_LENGTH} printable ASCII characters without spaces.`,
    ),
  });
  addOption(command, 'peer', {
    flags: '--http-origin <origin>',
    description: 'where a reverse proxy shows the status page, as https://chain.example; may be repeated',
    parse: origin,
    repeatable: true,
  });
  addOption(command, 'peer', {
    flags: '--http-trusted-proxy <address>',
    description:
      'a reverse proxy, or a network of them, whose X-Forwarded-For says who asks, so that each has limits of its own; may be repeated',
    parse: network,
    repeatable: true,
  });
}

/** Who may use a page, as its server takes it. */
export function accessOptions(options: HttpAccessOptions): Omit<AccessOptions, 'bind'> {
  return {
    token: options.httpToken,
    origins: options.httpOrigin,
    trustedProxies: options.httpTrustedProxy,
  };
}

/** Whether the status page may be at another port than the one that is named: nobody has named it. */
export function isAnyHttpPort(command: Command): boolean {
  return command.getOptionValueSource('httpPort') === 'default';
}

/** Whether the token stands on the command line. */
export function isTokenSeen(command: Command): boolean {
  return command.getOptionValueSource('httpToken') === 'cli';
}

/** Warning about a token on the command line. */
export const TOKEN_SEEN =
  '--http-token: other users of this machine can see it; GOSSIP_PEER_HTTP_TOKEN or a --config file keeps it secret';

/**
 * Where the status page is to be served, if it is.
 *
 * @param anyPort whether any free port will do where the named one is taken
 */
export function pageOptions(options: HttpOptions, anyPort: boolean): PageOptions | undefined {
  const { httpPort: port, httpBind: bind } = options;
  return port === 0 ? undefined : { port, bind, anyPort, ...accessOptions(options) };
}
