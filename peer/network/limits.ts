/** Every bound of `peer network`, once, with its reason. Times are in milliseconds unless the name says otherwise. */

/** Where ports are looked for: below those that systems give to outgoing connections. */
export const FIRST_PORT = 10_000;
export const LAST_PORT = 11_999;
/** How long a program may take until it runs: a busy machine starts many at once. */
export const START_PATIENCE = 120_000;
/** Programs that start at the same time: more would only wait for each other. */
export const STARTING_AT_ONCE = 4;
/** How long a program may take to end in order before it is killed. */
export const END_PATIENCE = 8_000;
/** How long a peer may take to answer. */
export const ANSWER_PATIENCE = 10_000;
/** Longest line that is handed to a replica, and longest answer that it hands back, in characters. */
export const MAX_SUBMITTED_LENGTH = 20_000;
export const MAX_ANSWER_LENGTH = 40_000;
/** Changes of the network that may wait for those before them: more than a person clicks. */
export const MAX_WAITING = 64;
/** Log lines of one program a second, and at once; more are only counted. */
export const LINES_PER_SECOND = 10;
export const LINES_BURST = 40;
/** A line is cut to so many characters. */
export const MAX_LINE_LENGTH = 1_000;
