/** What a transport over TCP is given, and what it offers. */
import type { Address } from '../../shared/address.ts';
import type { KeyPair } from '../../shared/ed25519.ts';
import type { Log } from '../../shared/log.ts';
import type { Resolve } from './names.ts';
import type { TcpLimits } from './tcp-limits.ts';
import type { Timers } from './timers.ts';
import type { Transport, TransportHandlers } from './transport.ts';

/** Frames that may wait for one peer by default: the seed's figure. */
export const DEFAULT_BUFFER_FRAMES = 1_000;

/** A member of the cluster. */
export interface TcpMember {
  /** 64 lower-case hexadecimal digits. */
  readonly publicKey: string;
  /** Where it is, as far as that is known beforehand. */
  readonly address?: Address;
}

export interface TcpOptions {
  /** The IPv4 address to listen on; `0.0.0.0` for all of this machine's. */
  readonly bind: string;
  /** 0 to 65535; 0 takes any free port. */
  readonly port: number;
  /**
   * The address that we advertise. By default where we listen; if that is every address of the machine, then the one
   * that a connection shows us to have.
   */
  readonly advertise?: Address;
  /** What the members have in common; connections within another cluster are refused. 1 to 128 printable characters. */
  readonly cluster: string;
  /** What a person is advised to see to where the cluster of another member is not ours. */
  readonly clusterRemedy?: string;
  /** Our own place among the members, from 0. */
  readonly self: number;
  /** What people call a member; its number by default. */
  readonly nameOf?: (member: number) => string;
  readonly key: KeyPair;
  readonly members: readonly TcpMember[];
  /** Addresses of members, it is not known of which. */
  readonly bootstrap: readonly Address[];
  /** Frames that may wait for one peer. */
  readonly bufferFrames: number;
  readonly log: Log;
  readonly limits?: Partial<TcpLimits>;
  readonly timers?: Timers;
  /** Wall clock in milliseconds. */
  readonly now?: () => number;
  /** A number from 0 up to 1. */
  readonly random?: () => number;
  /** Finds the addresses of host names; asks the system by default. */
  readonly resolve?: Resolve;
}

export interface TcpHandlers extends TransportHandlers<number> {
  /**
   * A member is connected, before any message of it, or is not any more. A member that has come back on another
   * connection before we noticed that it was away is `down` and then `up`.
   */
  onPeer?(member: number, state: 'up' | 'down'): void;
}

/** What a TCP transport has done so far. Frames and bytes are those of messages, without anything around them. */
export interface TcpCounters {
  readonly received: number;
  readonly receivedBytes: number;
  /** Handed to a socket. */
  readonly sent: number;
  readonly sentBytes: number;
  /**
   * Messages not sent, by reason: `too-long`, `no-such-member`, `not-connected`, `queue-full`, `connection-lost` (they
   * waited when it was), `blocked`, `closed`.
   */
  readonly dropped: Readonly<Record<string, number>>;
  /** Handshakes that both sides finished. */
  readonly established: number;
  /**
   * Connections that did not get that far, by reason (see `HANDSHAKE_RULES`), by `told-` and the reason if the other side
   * sent it, by the system's code as `ECONNREFUSED`, or by what is wrong with the host (`HostFault` in names.ts).
   */
  readonly failed: Readonly<Record<string, number>>;
  /** Established connections that ended, by reason (see `END_RULES`) or the system's code. */
  readonly ended: Readonly<Record<string, number>>;
  /** Addresses of members from others: taken, known before, of nobody, or more than one member may have in a time. */
  readonly addresses: Readonly<Record<'new' | 'old' | 'unknown' | 'too-many', number>>;
}

/** What is known of another member. */
export interface TcpPeer {
  readonly member: number;
  /** `paused` for a while after misbehaviour. */
  readonly state: 'up' | 'down' | 'blocked' | 'paused';
  /** Where it is, as far as we know: text from the network. */
  readonly address: Address | null;
  /** Wall clock in milliseconds. */
  readonly connectedSince: number | null;
  /** Messages that wait to be sent. */
  readonly queued: number;
  /** Messages and their bytes, of all connections. */
  readonly received: number;
  readonly receivedBytes: number;
  readonly sent: number;
  readonly sentBytes: number;
}

/** Connects a member with all others. Peers are named by their place among the members. */
export interface TcpMesh extends Transport<number> {
  readonly counters: TcpCounters;
  /** Sends a message. `bytes` are not copied: they must not be changed later. */
  send(bytes: Uint8Array, to: number): void;
  /** Ends the connection with a member that misbehaved; there is none for a while, longer each time. */
  disconnect(member: number, reason: string): void;
  /**
   * Cuts these members off, and no others any more: how a network on one machine is partitioned. Their connections end
   * and new ones are refused.
   */
  block(members: readonly number[]): void;
  /** All other members, in order. */
  peers(): TcpPeer[];
}
