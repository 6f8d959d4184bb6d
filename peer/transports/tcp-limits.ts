/** Every bound of the framed TCP transport, with its reason. */

import type { Rate } from '../core/bounded.ts';

/** Bounds of one transport. Times in ticks are counted by one timer, so a process that was held up blames nobody. */
export interface TcpLimits {
  /** Longest frame that is sent or taken, in bytes. */
  readonly frameBytes: number;
  /** Most bytes of frames that wait for one peer (besides their number, an option). */
  readonly queueBytes: number;
  /** Bytes that are handed to a socket before it has to take some: what waits above it can still change connections. */
  readonly socketBytes: number;
  /** Length of a tick, in milliseconds. */
  readonly tick: number;
  /** Ticks that a connection has until its handshake is finished, from its beginning. */
  readonly handshakeTicks: number;
  /** Ticks that a frame may take from its first byte to its last. */
  readonly frameTicks: number;
  /** Ticks without anything sent, after which the other side is sent a ping. */
  readonly pingTicks: number;
  /** Ticks without anything received, after which a connection is dead. */
  readonly deadTicks: number;
  /** Ticks after which a connection has lasted: the next one is dialled without delay again. */
  readonly lastedTicks: number;
  /** Ticks that a connection which is replaced may take to hand over what is on its way. */
  readonly retireTicks: number;
  /** Connections from outside whose handshake is not finished, in all and from one address. */
  readonly pending: number;
  readonly pendingPerHost: number;
  /**
   * Handshakes from outside that are begun, before they cost a fresh key and a signature: from one host, and from all that
   * no member is known to be at.
   */
  readonly handshakesPerHost: Rate;
  readonly strangers: Rate;
  /** Hosts whose rates are remembered. */
  readonly ratedHosts: number;
  /** Shortest and longest time between two attempts to reach somebody, in milliseconds: doubled from one to the other. */
  readonly firstRetry: number;
  readonly longestRetry: number;
  /** Ticks for which a member that misbehaved is kept out: at first, doubled each time, and at most. */
  readonly firstPause: number;
  readonly longestPause: number;
  /** Ticks of a connection without misbehaviour after which earlier misbehaviour is forgotten. */
  readonly forgiveTicks: number;
  /** Changes of one member's address, and lines in the log about one member, in each allowance period. */
  readonly changes: number;
  /** Length of an allowance period, in ticks. */
  readonly allowanceTicks: number;
  /** Ticks after which what a person has to mend is logged again. */
  readonly warningTicks: number;
}

export const DEFAULT_TCP_LIMITS: TcpLimits = {
  // A view change with its certificates is the longest message of any engine: 0.3 MB for 20 replicas with the usual
  // configuration, and one with which it could be longer than this is refused.
  frameBytes: 8 * 1024 * 1024,
  // Four of the longest frames. 20 peers that all stall at once make 640 MiB, and a broadcast waits as one copy for all.
  queueBytes: 32 * 1024 * 1024,
  // Enough to fill a gigabit link for 2 ms while we are busy, and little to lose with a connection.
  socketBytes: 256 * 1024,
  tick: 1_000,
  // Two round trips and a few signatures; a link with a second each way still gets there.
  handshakeTicks: 5,
  // The longest frame at 280 kB/s.
  frameTicks: 30,
  // Three pings fit into the time after which silence means death: a process may be busy for some seconds.
  pingTicks: 3,
  deadTicks: 10,
  lastedTicks: 10,
  retireTicks: 5,
  // When there are more, the oldest has to go: a member needs its place for some milliseconds, so that an attacker must
  // open thousands a second to be in its way. All members may start at once on one machine.
  pending: 128,
  pendingPerHost: 64,
  // All members may start at once on one machine, and some dial twice. A handshake that comes to nothing costs a third of a
  // millisecond: strangers have 2 % of a core.
  handshakesPerHost: { perSecond: 10, burst: 128 },
  strangers: { perSecond: 50, burst: 256 },
  ratedHosts: 1_024,
  // A peer that restarts is back at once; one that is away for long is asked for every 5 s at least.
  firstRetry: 50,
  longestRetry: 5_000,
  firstPause: 10,
  longestPause: 300,
  forgiveTicks: 600,
  changes: 8,
  allowanceTicks: 10,
  // Ten minutes: few lines, and whoever looks later finds one.
  warningTicks: 600,
};
