/** Where a check happens: sockets and a clock. Those of this machine for people, virtual ones for tests. */
import { createSocket } from 'node:dgram';
import { createServer, type AddressInfo } from 'node:net';

import type { Address } from '../../../../shared/address.ts';
import { UserError, messageOf, systemCodeOf } from '../../../../shared/errors.ts';

/** A UDP socket. */
export interface Port {
  readonly address: Address;
  send(bytes: Uint8Array, to: Address): void;
  close(): void;
}

/** A TCP connection that the other side has made. */
export interface Link {
  send(text: string): void;
  /** Ends it; `onEnd` is not called for it. */
  close(): void;
}

/** What is heard of a connection. */
export interface LinkEvents {
  onBytes(bytes: Uint8Array): void;
  onEnd(): void;
}

export interface Listener {
  readonly address: Address;
  close(): void;
}

export interface Ground {
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** Seconds since 1970. */
  seconds(): number;
  /** Calls back once; what is returned cancels it. */
  after(milliseconds: number, run: () => void): () => void;
  /** @param port 0 takes any free one */
  openPort(host: string, port: number, onDatagram: (bytes: Uint8Array, from: Address) => void): Promise<Port>;
  listen(host: string, port: number, onLink: (link: Link) => LinkEvents): Promise<Listener>;
}

/** @throws UserError if the port can't be opened */
function portError(error: Error, port: number): Error {
  switch (systemCodeOf(error)) {
    case 'EADDRINUSE':
      return new UserError(`port ${port} is in use on this machine; choose another`);
    case 'EACCES':
      return new UserError(`port ${port} is not allowed to this user; choose one above 1023`);
    case 'EADDRNOTAVAIL':
      return new UserError(`that is not an address of this machine: ${messageOf(error)}`);
    default:
      return error;
  }
}

/** The sockets and the clock of this machine. */
export const machineGround: Ground = {
  now: () => performance.now(),
  seconds: () => Math.floor(Date.now() / 1000),
  after(milliseconds, run) {
    // On a machine that was busy what has arrived in time is to be read first: immediates come after the sockets.
    let immediate: NodeJS.Immediate | undefined;
    const timer = setTimeout(() => {
      immediate = setImmediate(run);
    }, milliseconds);
    return () => {
      clearTimeout(timer);
      clearImmediate(immediate);
    };
  },
  async openPort(host, port, onDatagram) {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error) => {
        reject(portError(error, port));
      });
      socket.bind(port, host, resolve);
    });
    socket.removeAllListeners('error').on('error', () => {
      // Some systems notify a sender that nobody listens; that is seen by the silence.
    });
    socket.on('message', (bytes, { address, port: from }) => {
      onDatagram(bytes, { host: address, port: from });
    });
    const { address, port: bound } = socket.address();
    let open = true;
    return {
      address: { host: address, port: bound },
      send: (bytes, to) => {
        if (open) socket.send(bytes, to.port, to.host, () => undefined);
      },
      close: () => {
        if (open) socket.close();
        open = false;
      },
    };
  },
  async listen(host, port, onLink) {
    const open = new Set<{ destroy(): void }>();
    const server = createServer({ noDelay: true }, (socket) => {
      open.add(socket);
      const events = onLink({
        send: (text) => {
          if (socket.writable) socket.write(text);
        },
        close: () => {
          open.delete(socket);
          socket.removeAllListeners('close').destroy();
        },
      });
      socket.on('data', (bytes) => {
        events.onBytes(bytes);
      });
      socket.on('error', () => {
        // "close" follows.
      });
      socket.on('close', () => {
        open.delete(socket);
        events.onEnd();
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => {
        reject(portError(error, port));
      });
      server.listen(port, host, resolve);
    });
    const { address, port: bound } = server.address() as AddressInfo;
    return {
      address: { host: address, port: bound },
      close: () => {
        for (const socket of open) socket.destroy();
        server.close();
      },
    };
  },
};

/** The address of this machine from which another one is reached. Nothing is sent to find out. */
export async function localAddressTo({ host, port }: Address): Promise<string> {
  const socket = createSocket('udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(port, host, resolve);
    });
    return socket.address().address;
  } catch (error) {
    throw new UserError(`${host} can't be reached from here: ${messageOf(error)}`);
  } finally {
    socket.close();
  }
}
