/**
 * Every bound of the PBFT engine, once, with its reason. Times are in milliseconds. What goes over a bound is dropped
 * and counted as `limit.<name>`.
 */

// The wire

/**
 * Longest message looked at, in bytes. A view change is the longest that there is: it proves all that is prepared, and
 * sizes.ts says how long it gets. A cluster whose view changes would be longer is not started.
 */
export const MAX_RECEIVED = 8 * 1024 * 1024;
/** Fewest replicas: with fewer none may fail, and a cluster that stops with one of its members needs no PBFT. */
export const MIN_REPLICAS = 4;
/** Most replicas: with the square of them each batch costs messages, and certificates are as long as a quorum. */
export const MAX_REPLICAS = 64;
/** Most requests in one batch, whatever a cluster is configured to propose. */
export const MAX_BATCH = 1024;
/** Sequence numbers in one message: any window there may be. */
export const MAX_SLOTS = 4_096;
/** Longest operations of one batch together, in UTF-16 code units; a batch must be sent within one step. */
export const MAX_BATCH_LENGTH = 262_144;

// The log

/** The window between the watermarks, in checkpoint intervals. Source: PBFT, section 4.3. */
export const WINDOW = 2;
/**
 * Batches of earlier views that are held for a sequence number until it is decided, besides those that the log names.
 * An attacker that has a proof of one that all have given up could hold up every view; to make all give it up takes as
 * many views in which something else was proposed and nothing prepared.
 */
export const MAX_OTHER_BATCHES = 8;
/** How far the time of a batch may be from our own clock: clocks are wrong, but not by more. */
export const TIME_TOLERANCE = 600_000;
/** Votes for views to come that are stored for each replica: those that overtake a new view on its way to us. */
export const MAX_EARLY_VOTES = 64;
/** Signatures remembered as verified: those of the votes between two checkpoints, which return in certificates. */
export const MAX_VERIFIED = 8_192;
/** Texts that are longer are remembered by their digest. */
export const MAX_VERIFIED_TEXT = 256;
/** Signatures of batches verified in one step: they take some milliseconds. */
export const VERIFIED_PER_STEP = 64;
/** Batches of one replica that wait to be verified to the end, at the least; as many as may be under way, if these are more. */
export const MAX_INSPECTED = 16;
/** Batches executed in one step. */
export const EXECUTED_PER_STEP = 16;

/** Pages of the state hashed after each batch of the second half of a checkpoint interval. */
export const SETTLED_PER_BATCH = 128;

/** Length of the pages hashed when somebody asks where the replica stands, in UTF-16 code units: some milliseconds. */
export const SETTLED_PER_STATUS = 1_000_000;

// Requests

/** Timestamps set aside at once in the store, so that not each request costs a write. */
export const RESERVED_TIMESTAMPS = 1_000;
/** Own requests sent again in one round. */
export const RESENT_PER_ROUND = 64;
/** Requests handed on to a new primary in one step, and, once more, to the same one in each round. */
export const FORWARDED_PER_STEP = 1_024;
export const FORWARDED_PER_ROUND = 64;
/** Requests in one message: their signatures are verified in one step. */
export const MAX_REQUESTS = 64;

/** Requests of one client that wait, or whose answers are retained: a fair share of the buffer. */
export function clientWindowOf(messageBuffer: number, replicas: number): number {
  return Math.max(8, Math.floor(messageBuffer / replicas));
}

// View changes

/** How often the timeout is doubled at most: beyond a few minutes, waiting longer helps nobody. */
export const MAX_DOUBLINGS = 4;
/**
 * Most rounds between two times that a view change is sent again: with the usual timeout, 4 s. After a partition nobody
 * goes on before it is heard, so it must not be long.
 */
export const MAX_REPEAT_ROUNDS = 8;
/** View changes that one replica is asked for at once: as many of the longest wait for one peer. */
export const VIEW_CHANGES_AT_ONCE = 4;
/** Rounds without a new one after which those for another new view are fetched: three replicas have been asked by then. */
export const STALLED_ROUNDS = 6;
/** View changes served to each replica: all that a new view of the most replicas names at once, then so many a second. */
export const VIEW_CHANGES_BURST = 64;
export const VIEW_CHANGES_PER_SECOND = 8;

// Catching up

/** Rounds of STATUS in a view change timeout. */
export const ROUNDS_PER_TIMEOUT = 20;
/** While nothing is under way, every so many rounds others get our STATUS. */
export const IDLE_ROUNDS = 8;
/** Sequence numbers for which one STATUS is answered. */
export const HELPED_PER_ROUND = 16;
/** Answers to STATUS and questions for state, for each replica: so many a second, so many at once. */
export const HELP_PER_SECOND = 20;
export const HELP_BURST = 20;
export const FETCHES_PER_SECOND = 200;
export const FETCHES_BURST = 400;
/** Rounds without progress after which another replica is asked for the state. */
export const PATIENCE_ROUNDS = 2;
/** Pages asked for at once, and the length of the pages in one answer, in UTF-16 code units: it fits one frame. */
export const PAGES_PER_REQUEST = 64;
export const MAX_PAGES_LENGTH = 262_144;
/** Most pages of a state: a page list must fit one message. */
export const MAX_PAGES = 65_536;
/** Longest page, in UTF-16 code units: the table of one client with the longest answers. */
export const MAX_PAGE_LENGTH = 4 * 1024 * 1024;

/** Checkpoint votes stored for each replica: those of the window, and one that shows that we are behind. */
export const MAX_CHECKPOINTS_KEPT = 3;
