/** Quorum arithmetic over a fixed set of n members, for any n, not only 3f + 1. Source: PBFT (OSDI '99), section 3. */

/** How many of n replicas may fail in any way: the most for which two quorums still meet in a correct one. */
export function faultyOf(replicas: number): number {
  return Math.floor((replicas - 1) / 3);
}

/**
 * How many make a quorum: any two of them have f + 1 replicas in common, and n - f can always form one. 2f + 1 would be
 * too few for n = 6, where two disjoint halves would each have three.
 */
export function quorumOf(replicas: number): number {
  return Math.ceil((replicas + faultyOf(replicas) + 1) / 2);
}

/** The number of the primary of a view. */
export function primaryOf(view: number, replicas: number): number {
  return view % replicas;
}
