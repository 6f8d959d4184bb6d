import type { Address } from '../../../../shared/address.ts';
import type { PowMessage } from '../protocol/messages.ts';
import type { HostAnswer, HostResolver } from '../../../transports/names.ts';

/** What {@link withAddress} asks others. */
export interface NamedHosts {
  /** Whether this is what we advertise, or others call us: it stays as it is, as the engine knows it. */
  isOurs(address: Address): boolean;
  find: HostResolver['find'];
}

/**
 * Puts its address in place of the name of a host in a GOSSIP or GOSSIP_REPLY. So a peer is one peer, by whatever names
 * it is known; the limits on what one host is sent count all names of it; and what is sent to a peer never goes to
 * where its name points later.
 *
 * What has no address means nothing to us, as the empty name does: the engine takes the host that the message came
 * from, if it came from the port that it names. So it is with the name of a machine that speaks to itself, too, because
 * it may stand for another of its loopback addresses.
 *
 * @param later gets the message, once, if the name must be looked up first
 * @returns undefined in that case
 */
export function withAddress(
  message: PowMessage,
  from: Address,
  hosts: NamedHosts,
  later: (message: PowMessage) => void,
): PowMessage | undefined {
  if (message.type !== 'GOSSIP' && message.type !== 'GOSSIP_REPLY') return message;
  const { port } = message;
  const host = message.host.trim().toLowerCase();
  if (host === '' || hosts.isOurs({ host, port })) return message;
  const settle = ({ address = '' }: HostAnswer): PowMessage => {
    const itself = address !== host && isLoopback(address) && isLoopback(from.host) && from.port === port;
    return { ...message, host: itself ? '' : address };
  };
  const answer = hosts.find(host, (found) => {
    later(settle(found));
  });
  return answer && settle(answer);
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.');
}
