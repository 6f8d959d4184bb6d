/** Sockets and a clock of a virtual network, for checks that take no time. */
import type { Address } from '../../shared/address.ts';
import type { Ground } from '../../peer/check/ground.ts';
import type { VirtualNetwork } from '../support/virtual-network.ts';

/** When virtual time begins, in seconds since 1970. */
const EPOCH = 1_750_000_000;

export function virtualGround(network: VirtualNetwork): Ground {
  let lastPort = 40_000;
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
    listen: () => Promise.reject(new Error('there is no TCP here')),
  };
}
