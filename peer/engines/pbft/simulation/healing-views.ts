/** How many views PBFT may need after everything has healed: time alone does not show that primaries are given up in vain. */
import { MAX_DOUBLINGS } from '../protocol/limits.ts';
import { faultyOf } from '../protocol/quorum.ts';

/**
 * Messages one after the other from the end of a view until something is executed in the next one: view change, new view,
 * request, pre-prepare, prepare and commit.
 */
const STEPS = 6;
/** How many times the mean latency is allowed for each of them: each phase waits for the slowest of a quorum. */
const PATIENCE = 4;
/** Timers that began before everything healed run out, though all is well now: once, as all who go along begin theirs anew. */
const STALE = 1;

/** What decides how many views may be needed. */
export interface Healing {
  readonly replicas: number;
  /** How long an operation may wait until the primary is given up, not doubled yet, in milliseconds. */
  readonly timeout: number;
  /** Mean time that a message takes, in milliseconds. */
  readonly latency: number;
  /** Sequence numbers executed since everything healed. */
  readonly executed: number;
}

/**
 * Most views that may be given up after healing until everything is executed and honest replicas are at work in the same
 * one, from the highest that one of them was in, or wanted, at that moment. Source: PBFT, section 4.5.2.
 *
 * Byzantine replicas can't bring the others beyond that view: f votes make nobody join, and on its own a replica wants only
 * the next view, after a quorum has wanted this one. So each view on the way was given up by an honest replica. It
 * may give up a view with an honest primary
 *
 * - because its timer began before everything healed, once;
 * - because its time-out was too short for this network: it is doubled with each view, by all who go along;
 * - because what others waited for took the whole time-out: then so much was executed in that view.
 *
 * The other views have faulty primaries: f of n in a row.
 */
export function mostHealingViews({ replicas, timeout, latency, executed }: Healing): number {
  let tooShort = 0;
  while (tooShort < MAX_DOUBLINGS && timeout * 2 ** tooShort < PATIENCE * STEPS * latency) tooShort++;
  const busy = Math.floor((executed * STEPS * latency) / timeout);
  const honest = STALE + tooShort + busy;
  const faulty = faultyOf(replicas);
  // The next honest primary is not given up.
  return honest + faulty * Math.ceil((honest + 1) / (replicas - faulty));
}
