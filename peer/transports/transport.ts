import type { Address } from '../../shared/address.ts';

/**
 * What becomes of bytes that arrive, and of a socket that fails. A `Peer` is an address, or the number of a member where
 * each proves who it is.
 */
export interface TransportHandlers<Peer = Address> {
  /** Called for every datagram (or frame) with whom it came from. */
  onMessage(bytes: Uint8Array, from: Peer): void;
  /** Called when the transport can't go on. */
  onError(error: Error): void;
}

/** How bytes move between nodes. Sending never throws and never waits: what can't be sent is dropped and counted. */
export interface Transport<Peer = Address> {
  /** Where others reach this transport, once it is open. */
  readonly local: Address;
  send(bytes: Uint8Array, to: Peer): void;
  /** To everybody who takes part, where messages are passed on; otherwise the host sends to each. */
  publish?(bytes: Uint8Array): void;
  /** Ends the connection to a peer that misbehaved, where there are connections. The reason is for the log. */
  disconnect?(peer: Peer, reason: string): void;
  close(): Promise<void>;
}
