/** Every bound of the tester, once, with its reason. Times are in milliseconds. */

/**
 * The highest difficulty at which we mine: the hundred blocks of a whole check are found in two minutes; at one more it
 * would be half an hour.
 */
export const MAX_MINED_DIFFICULTY = 5;
/** Hashes tried before sockets and timers have their turn: about 20 ms. */
export const MINING_SLICE = 16_384;
/** The longest chain that a peer may bring along: our peers must have all of it, to go on from there. */
export const MAX_CHAIN = 2_000;
/** The chain that a peer without one is given first. */
export const FIRST_CHAIN = 6;
/** Questions under way while a chain is read: small, because class peers lose bursts. */
export const READ_WINDOW = 8;

/** A question that is not answered is asked again, so that each is asked this often within the patience. */
export const ATTEMPTS = 4;
/** How long, in patiences, a sync may take without asking anybody for another block, and in all. */
export const SYNC_SILENCE = 6;
export const SYNC_LIMIT = 20;
/** Calls for a consensus within a patience: some peers do not take one so soon after the last. */
export const CALLS = 3;
/** Times within a patience that a peer's STATS are looked at while something is awaited. */
export const LOOKS = 10;
/** How long, in patiences, a peer may say nothing at all until it is taken for dead: some are deaf in a consensus. */
export const DEAD_AFTER = 6;
/** Patiences of silence when a peer is met: then it has nothing to do. */
export const ABSENT_AFTER = 2;
/**
 * After a peer has answered a later question, how long what it sent before may still be on its way: round trips, and
 * the bounds of that time.
 */
export const QUIET_ROUND_TRIPS = 5;
export const MIN_QUIET = 50;
export const MAX_QUIET = 500;

/** Sockets that ask questions, one after the other: a late answer is not taken for that to a later question. */
export const STRANGERS = 8;
/** Datagrams and lines remembered of one rule, and shown of it. */
export const MAX_TRAFFIC = 10_000;
export const MAX_SHOWN = 8;
/** Characters shown of one; the largest block in ASCII has 560. */
export const MAX_SHOWN_LENGTH = 600;
/** Offences remembered of each rule that watches all the time. */
export const MAX_OFFENCES = 100;
/** How long it is tried to have a GOSSIP answered or repeated: some peers do so for one peer only every few seconds. */
export const GOSSIP_TIME = 12_000;
/** GOSSIPs sent to see whether one reaches a peer that is to be dropped. */
export const EXPIRY_ATTEMPTS = 10;
/** Largest datagram that most implementations receive whole. Source: a dozen of them read. */
export const MAX_RECEIVED_BY_MOST = 1024;
/** Questions asked at once, and the share of them to be answered. */
export const BURST = 64;
export const BURST_SHARE = 0.9;
/** Peers that a GOSSIP is repeated to. Source: the assignment. */
export const FAN_OUT = 3;

/** How long, in patiences, a miner may take to find an easy block, or to come back. */
export const MINING_PATIENCE = 8;
/** Zeros that no hash has. */
export const NEVER = 64;
/** How far, in seconds, the time of a block may lie back: a job may be some minutes old. */
export const MAX_AGE = 3_600;
