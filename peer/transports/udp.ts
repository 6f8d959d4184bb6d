import { createSocket, type Socket } from 'node:dgram';

import { addressKey, type Address } from '../../shared/address.ts';
import { systemCodeOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import { checkBind, listenError } from './listening.ts';
import { HostResolver, type HostAnswer, type Resolve } from './names.ts';
import type { Transport, TransportHandlers } from './transport.ts';

/** The longest datagram that IPv4 can carry, in bytes. */
export const MAX_DATAGRAM = 65_507;
/**
 * What the kernel is asked to buffer for us while we are busy, in bytes. Implementations ask for a whole chain at
 * once, and the usual 208 KiB hold only some 270 small datagrams.
 */
const RECEIVE_BUFFER = 4 * 1024 * 1024;
/**
 * Datagrams handed over and not yet gone. The kernel takes them at once unless its own queue is full; then this
 * many may wait (4 MiB of the network's datagrams), which is more than one step of an engine sends.
 */
const MAX_IN_FLIGHT = 4096;

/**
 * What a socket may report while it lives without being broken: earlier datagrams that could not be delivered, or
 * a lack of buffers that passes.
 */
const PASSING_ERRORS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'EMSGSIZE',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOBUFS',
  'ENOMEM',
  'EPERM',
  'EPROTO',
]);

/** What a UDP transport has done so far. */
export interface UdpCounters {
  /** Datagrams. */
  readonly received: number;
  /** Bytes, without the headers. */
  readonly receivedBytes: number;
  readonly sent: number;
  readonly sentBytes: number;
  /**
   * Datagrams not sent, by reason: `too-long`, `bad-port`, `queue-full`, `closed`, why its host has no address
   * (`HostFault` in names.ts), or the system's own code, as `EHOSTUNREACH`.
   */
  readonly dropped: Readonly<Record<string, number>>;
  /** Errors that the socket reported by itself, by the system's code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Datagrams from and to blocked addresses, which were neither taken nor sent. */
  readonly blocked: number;
}

export interface UdpTransport extends Transport {
  readonly counters: UdpCounters;
  /**
   * Sends a datagram; it leaves from the listening port. `bytes` are not copied: they must not be changed later.
   */
  send(bytes: Uint8Array, to: Address): void;
  /**
   * Loses every datagram from and to these addresses, and from and to no others any more: how a network on one machine
   * is partitioned. Hosts are compared as they are written.
   */
  block(addresses: readonly Address[]): void;
  /** Where a host is, as {@link HostResolver.find} says. */
  find: HostResolver['find'];
}

export interface UdpOptions {
  /** The IPv4 address to listen on; `0.0.0.0` for all of this machine's. */
  bind: string;
  /** 0 to 65535; 0 takes any free port. */
  port: number;
  log: Log;
  /** Finds the addresses of host names; asks the system by default. */
  resolve?: Resolve;
}

/**
 * Opens one UDP socket for everything: many peers remember the port that a datagram came from instead of the one
 * it speaks of, so all of ours must leave from the port that we listen on.
 *
 * @throws UserError if it can't listen there
 */
export async function openUdp(options: UdpOptions, handlers: TransportHandlers): Promise<UdpTransport> {
  const { bind, port, log } = options;
  checkBind(bind);
  const socket = createSocket({
    type: 'udp4',
    // Only numeric addresses get this far. The default would put every datagram off to a later tick.
    lookup: (address, _family, callback) => {
      callback(null, address, 4);
    },
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => {
      reject(listenError('UDP', error, bind, port));
    });
    socket.bind({ address: bind, port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      resolve();
    });
  });
  log.debug('UDP socket open', { port: socket.address().port, receiveBuffer: growReceiveBuffer(socket) });
  return new SocketTransport(socket, handlers, new HostResolver(options.resolve ? options : {}));
}

/** Asks for a large receive buffer; returns what was granted, in bytes. Some systems refuse instead of giving less. */
function growReceiveBuffer(socket: Socket): number {
  try {
    socket.setRecvBufferSize(RECEIVE_BUFFER);
  } catch {
    // What the system gives by default will do; it only loses more of a burst.
  }
  return socket.getRecvBufferSize();
}

class SocketTransport implements UdpTransport {
  readonly local: Address;
  readonly #socket: Socket;
  readonly #hosts: HostResolver;
  readonly #counters = {
    received: 0,
    receivedBytes: 0,
    sent: 0,
    sentBytes: 0,
    dropped: {} as Record<string, number>,
    errors: {} as Record<string, number>,
    blocked: 0,
  };
  #blocked: ReadonlySet<string> = new Set();
  #inFlight = 0;
  #closed: Promise<void> | undefined;

  constructor(socket: Socket, handlers: TransportHandlers, hosts: HostResolver) {
    this.#socket = socket;
    this.#hosts = hosts;
    const { address, port } = socket.address();
    this.local = { host: address, port };
    const counters = this.#counters;
    socket.on('message', (bytes, { address: host, port: from }) => {
      if (this.#isBlocked({ host, port: from })) return;
      counters.received++;
      counters.receivedBytes += bytes.length;
      handlers.onMessage(bytes, { host, port: from });
    });
    socket.on('error', (error) => {
      const code = systemCodeOf(error) ?? 'unknown';
      counters.errors[code] = (counters.errors[code] ?? 0) + 1;
      if (!PASSING_ERRORS.has(code)) handlers.onError(error);
    });
  }

  get counters(): UdpCounters {
    return this.#counters;
  }

  send(bytes: Uint8Array, to: Address): void {
    if (this.#isBlocked(to)) return;
    const { host, port } = to;
    if (bytes.length > MAX_DATAGRAM) {
      this.#drop('too-long');
      return;
    }
    if (!Number.isInteger(port) || port < 1 || port > 65535) {
      this.#drop('bad-port');
      return;
    }
    const answer = this.#hosts.find(host, (later) => {
      this.#sendTo(later, bytes, port);
    });
    if (answer !== undefined) this.#sendTo(answer, bytes, port);
  }

  find(...asked: Parameters<HostResolver['find']>): HostAnswer | undefined {
    return this.#hosts.find(...asked);
  }

  block(addresses: readonly Address[]): void {
    this.#blocked = new Set(addresses.map(addressKey));
  }

  /** Whether datagrams from and to an address are lost; if so, one more is counted. */
  #isBlocked(address: Address): boolean {
    if (this.#blocked.size === 0 || !this.#blocked.has(addressKey(address))) return false;
    this.#counters.blocked++;
    return true;
  }

  #sendTo({ address, fault }: HostAnswer, bytes: Uint8Array, port: number): void {
    if (fault !== undefined) this.#drop(fault);
    else if (this.#closed !== undefined) this.#drop('closed');
    else if (this.#inFlight >= MAX_IN_FLIGHT) this.#drop('queue-full');
    else {
      this.#inFlight++;
      this.#socket.send(bytes, port, address, this.#sent);
    }
  }

  /** One function for every datagram: without it errors would go unseen, and a closure for each costs more. */
  readonly #sent = (error: Error | null, bytes: number): void => {
    this.#inFlight--;
    if (error) {
      this.#drop(systemCodeOf(error) ?? 'unknown');
    } else {
      this.#counters.sent++;
      this.#counters.sentBytes += bytes;
    }
  };

  #drop(reason: string): void {
    const { dropped } = this.#counters;
    dropped[reason] = (dropped[reason] ?? 0) + 1;
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#socket.close(resolve);
    });
    return this.#closed;
  }
}
