/** Limits of what is stored on disk. */

/**
 * How long, in milliseconds, a data folder that is in use is tried again: a process that was killed lets go of its
 * files only when the kernel has taken it down, and its successor may have been started before that.
 */
export const LOCK_PATIENCE = 1000;
/** Milliseconds between two tries. */
export const LOCK_INTERVAL = 50;
