/** Runs an engine that only describes itself: with a socket, a store, and a way to ask it. */
import { randomBytes } from 'node:crypto';

import type { Address } from '../../shared/address.ts';
import { UserError } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { Codec, Engine, EngineParts, EngineTypes } from '../core/engine.ts';
import type { LiveNode, NodeCounters, NodeObserver } from '../core/node.ts';
import type { Store } from '../core/store.ts';
import { timed } from '../storage/timed.ts';
import type { HostResolver, Resolve } from '../transports/names.ts';
import { openUdp, type UdpCounters } from '../transports/udp.ts';
import { EngineHost, HostError } from './host.ts';
import { resolveJoin } from './join.ts';
import { Observers } from './observers.ts';
import { Opened } from './opened.ts';

/** The types of an engine over datagrams. */
export interface DatagramTypes extends EngineTypes {
  peer: Address;
}

/** What an engine is made with, besides its configuration. */
export interface SetupParts extends EngineParts {
  /** Where the node listens. */
  readonly local: Address;
  /** Finds where a host is, as the transport does. */
  readonly find: HostResolver['find'];
}

/** What an engine makes of its configuration. */
export interface NodeSetup<T extends DatagramTypes, Status> {
  readonly codec: Codec<T['message']>;
  readonly engine: Engine<T>;
  /** Where others reach the node; where it listens by default. */
  readonly address?: Address;
  /** What a node reports of itself: JSON. */
  status(): Status;
  /** Completes a message by what only the outside knows; see the host's parts. */
  complete?(
    message: T['message'],
    from: Address,
    later: (message: T['message']) => void,
  ): T['message'] | undefined;
}

export interface OpenNodeOptions {
  /** The engine, and what people call the node. */
  readonly engine: string;
  readonly name: string;
  /** UDP port; 0 takes any free one. */
  readonly port: number;
  /** IPv4 address to listen on. */
  readonly bind: string;
  /** Known nodes; names are resolved. */
  readonly join: readonly Address[];
}

export interface OpenNodeParts {
  /** Closed by the node, also when it can't be opened. */
  readonly store: Store;
  readonly log: Log;
  /** Called once if the node can't go on; {@link RunningNode.close} is still to be called. */
  onFailure(error: Error): void;
  /** Finds the addresses of host names; asks the system by default. */
  readonly resolve?: Resolve;
}

/** A node that runs. */
export interface RunningNode<T extends DatagramTypes, Status> extends LiveNode<Status, T['notice']> {
  counters(): NodeCounters & { readonly transport: UdpCounters };
  /** Asks the engine for something. @throws Error if the node has failed or is closed, or from within a notice */
  request(request: T['request']): T['result'];
  /** Loses every datagram from and to these addresses, and no others any more. */
  block(addresses: readonly Address[]): void;
  /** Has the engine begin: whoever observes from before is notified of everything. */
  start(): void;
  /** Ends everything in order, and gives the store back. May be called again. */
  close(): Promise<void>;
}

/**
 * Opens a node, which does nothing until it is started.
 *
 * @param setup makes the engine
 * @throws UserError if the address is taken or can't be used; everything opened so far, the store too, is then closed
 */
export async function openNode<T extends DatagramTypes, Status>(
  { engine: name, name: called, port, bind, join }: OpenNodeOptions,
  setup: (parts: SetupParts) => NodeSetup<T, Status>,
  parts: OpenNodeParts,
): Promise<RunningNode<T, Status>> {
  type Host = EngineHost<T>;
  const { store, log, resolve } = parts;
  const opened = new Opened(store);
  try {
    const known = await resolveJoin(join, log, resolve);
    // Datagrams that arrive before the engine is there are lost, as they would be a moment earlier.
    const receiver: { host?: Host } = {};
    const transport = await openUdp(
      { bind, port, log, ...(resolve && { resolve }) },
      {
        onMessage: (bytes, from) => receiver.host?.receive(bytes, from),
        onError: (error) => receiver.host?.fail(new HostError('transport', error)),
      },
    );
    opened.push(transport);
    const { local } = transport;
    const made = setup({
      ...{ store, entropy: randomBytes(32), join: known, local },
      find: (host, later) => transport.find(host, later),
    });
    const { engine, codec, address = local } = made;
    const observers = new Observers<NodeObserver<T['notice']>>(log);
    const host: Host = new EngineHost({
      ...{ engine, codec, transport },
      complete: (message, from, later) => (made.complete ? made.complete(message, from, later) : message),
      store: timed(store, (seconds) => {
        observers.notify((observer) => {
          observer.onWrite?.(seconds);
        });
      }),
      onNotice: (notice) => {
        observers.notify((observer) => {
          observer.onNotice(notice);
        });
      },
      onReply: (request, result) => {
        observers.notify((observer) => {
          observer.onReply?.(request, result);
        });
      },
      onFailure: (error) => {
        parts.onFailure(error.cause instanceof UserError ? error.cause : error);
      },
    });
    receiver.host = host;
    return {
      ...{ engine: name, name: called, transport: 'udp', address },
      status: () => made.status(),
      request: (request) => host.request(request),
      counters: () => ({ transport: transport.counters, host: host.counters }),
      measure: (report) => {
        engine.measure(report);
      },
      observe: (observer) => observers.add(observer),
      block: (addresses) => {
        transport.block(addresses);
      },
      start: () => {
        host.start();
      },
      // The host closes the socket and the store.
      close: () => host.close(),
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}
