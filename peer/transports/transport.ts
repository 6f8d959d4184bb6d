import type { Address } from '../../shared/address.ts';

/** What becomes of bytes that arrive, and of a socket that fails. */
export interface TransportHandlers {
  /** Called for every datagram (or frame) with the address it came from. */
  onMessage(bytes: Uint8Array, from: Address): void;
  /** Called when the transport can't go on. */
  onError(error: Error): void;
}

/** How bytes move between nodes. Sending never throws and never waits: what can't be sent is dropped and counted. */
export interface Transport {
  /** Where others reach this transport, once it is open. */
  readonly local: Address;
  send(bytes: Uint8Array, to: Address): void;
  close(): Promise<void>;
}
