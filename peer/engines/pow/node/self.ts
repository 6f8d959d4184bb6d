/** Under which hosts this machine is known, to itself and to others. */
import { hostname as systemHostname, networkInterfaces } from 'node:os';

const ANY = '0.0.0.0';
const LOOPBACK = '127.0.0.1';

/** What is known of the machine; the system's own by default. */
export interface Machine {
  /** IPv4 addresses, in the system's order. */
  readonly addresses: readonly { readonly address: string; readonly internal: boolean }[];
  readonly hostname: string;
}

/** Asks the system. */
export function thisMachine(): Machine {
  const addresses = Object.values(networkInterfaces())
    .flatMap((infos) => infos ?? [])
    .filter(({ family }) => family === 'IPv4')
    .map(({ address, internal }) => ({ address, internal }));
  return { addresses, hostname: systemHostname() };
}

/**
 * The host that we advertise when the user named none: what we listen on if that is one address, else the first
 * address that other machines may reach, else loopback.
 */
export function defaultHost(bind: string, machine: Machine): string {
  if (bind !== ANY) return bind;
  return machine.addresses.find(({ internal }) => !internal)?.address ?? LOOPBACK;
}

/**
 * Every host that means ourselves when it comes with our port. Implementations advertise all kinds of them:
 * `127.0.1.1`, `0.0.0.0`, nothing at all. A peer that listens on one address only may have neighbours with the same
 * port on the others, so those do not count.
 */
export function selfHosts(host: string, bind: string, machine: Machine): string[] {
  const hosts = new Set([host.toLowerCase(), bind, ANY, '']);
  if (bind === ANY || bind === LOOPBACK) {
    for (const name of [LOOPBACK, 'localhost', 'localhost.localdomain']) hosts.add(name);
  }
  if (bind === ANY) {
    hosts.add('127.0.1.1').add(machine.hostname.toLowerCase());
    for (const { address } of machine.addresses) hosts.add(address);
  }
  return [...hosts];
}
