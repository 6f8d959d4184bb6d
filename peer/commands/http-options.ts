/** The options of the status page, the same whatever engine runs. */
import type { Command } from 'commander';

import { addOption, integer, text } from '../../shared/options.ts';
import { MAX_TOKEN_LENGTH } from '../web/limits.ts';
import type { PageOptions } from '../web/server.ts';

export interface HttpOptions {
  readonly httpPort: number;
  readonly httpBind: string;
  readonly httpToken?: string;
}

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
  addOption(command, 'peer', {
    flags: '--http-token <text>',
    description:
      'what a request must show to change anything through the page; without it only this machine may, and nobody where others see the page',
    parse: text(
      MAX_TOKEN_LENGTH,
      (token) => /^[\x21-\x7e]+$/.test(token),
      `It must be 1 to ${MAX_TOKEN_LENGTH} printable ASCII characters without spaces.`,
    ),
  });
}

/** Whether the status page may be at another port than the one that is named: nobody has named it. */
export function isAnyHttpPort(command: Command): boolean {
  return command.getOptionValueSource('httpPort') === 'default';
}

/**
 * Where the status page is to be served, if it is.
 *
 * @param anyPort whether any free port will do where the named one is taken
 */
export function pageOptions(options: HttpOptions, anyPort: boolean): PageOptions | undefined {
  const { httpPort: port, httpBind: bind, httpToken: token } = options;
  return port === 0 ? undefined : { port, bind, anyPort, ...(token !== undefined && { token }) };
}
