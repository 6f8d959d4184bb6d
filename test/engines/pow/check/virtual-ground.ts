/** Sockets and a clock of a virtual network, for checks that take no time. */
import { addressKey, type Address } from '../../../../shared/address.ts';
import type { Ground, Link, LinkEvents } from '../../../../peer/engines/pow/check/ground.ts';
import type { VirtualNetwork } from '../../../support/virtual-network.ts';

/** When virtual time begins, in seconds since 1970. */
const EPOCH = 1_750_000_000;

/** How long bytes take over TCP, in milliseconds. */
const TRAVEL = 1;

export interface VirtualGround extends Ground {
  /** Makes a connection, as a miner does; undefined if nobody listens. */
  connect(to: Address, events: LinkEvents): Link | undefined;
}

export function virtualGround(network: VirtualNetwork): VirtualGround {
  let lastPort = 40_000;
  const listeners = new Map<string, (link: Link) => LinkEvents>();
  return {
    now: () => network.now,
    seconds: () => EPOCH + Math.floor(network.now / 1000),
    after: (milliseconds, run) => {
      let cancelled = false;
      network.at(network.now + milliseconds, () => {
        if (!cancelled) run();
      });
      return () => {
        cancelled = true;
      };
    },
    openPort: (host, port, onDatagram) => {
      const address: Address = { host, port: port === 0 ? ++lastPort : port };
      network.setSocket(address, onDatagram);
      return Promise.resolve({
        address,
        send: (bytes, to) => {
          network.deliver(address, to, bytes);
        },
        close: () => {
          network.setSocket(address, undefined);
        },
      });
    },
    listen: (host, port, onLink) => {
      const address: Address = { host, port: port === 0 ? ++lastPort : port };
      listeners.set(addressKey(address), onLink);
      return Promise.resolve({ address, close: () => void listeners.delete(addressKey(address)) });
    },
    connect: (to, events) => {
      const onLink = listeners.get(addressKey(to));
      if (onLink === undefined) return undefined;
      let open = true;
      const later = (run: () => void): void => {
        network.at(network.now + TRAVEL, () => {
          if (open) run();
        });
      };
      const end = (other: LinkEvents): void => {
        later(() => {
          open = false;
          other.onEnd();
        });
      };
      const theirs: LinkEvents = onLink({
        send: (text) => {
          later(() => {
            events.onBytes(Buffer.from(text));
          });
        },
        close: () => {
          end(events);
        },
      });
      return {
        send: (text) => {
          later(() => {
            theirs.onBytes(Buffer.from(text));
          });
        },
        close: () => {
          end(theirs);
        },
      };
    },
  };
}
