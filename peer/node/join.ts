import { lookup } from 'node:dns/promises';
import { isIPv4, isIPv6 } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

import type { Address } from '../../shared/address.ts';
import { UserError, messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { Resolve } from '../transports/names.ts';

/** How long, in milliseconds, the start may wait for the names of `--join`; what comes later is asked again anyway. */
const JOIN_PATIENCE = 2000;

async function resolveName(name: string): Promise<string> {
  return (await lookup(name, { family: 4 })).address;
}

/**
 * The numeric addresses of known peers, because that is what peers announce. A name that has none yet stays
 * a name: the transport asks for it again in every round of gossip.
 *
 * @throws UserError for an IPv6 address
 */
export function resolveJoin(
  join: readonly Address[],
  log: Log,
  resolve: Resolve = resolveName,
): Promise<Address[]> {
  return Promise.all(
    join.map(async ({ host, port }) => {
      if (isIPv4(host)) return { host, port };
      if (isIPv6(host))
        throw new UserError(`--join: "${host}" is an IPv6 address; the network speaks IPv4 only`);
      const late = new AbortController();
      try {
        const address = await Promise.race([
          resolve(host),
          pause(JOIN_PATIENCE, undefined, { signal: late.signal }).then(() => {
            throw new Error('no answer so far');
          }),
        ]);
        return { host: address, port };
      } catch (error) {
        log.warn(`--join: "${host}" has no address now; it is tried again while the peer runs`, {
          reason: messageOf(error),
        });
        return { host, port };
      } finally {
        late.abort();
      }
    }),
  );
}
