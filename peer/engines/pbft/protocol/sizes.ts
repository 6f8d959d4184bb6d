/** How long the longest message gets, and which configurations it fits into. */
import { MAX_RECEIVED, MAX_REPLICAS, WINDOW } from './limits.ts';
import type { CheckpointVote, PbftMessage, PreparedProof, Signed } from './messages.ts';
import { quorumOf } from './quorum.ts';

const LARGEST = Number.MAX_SAFE_INTEGER;
const DIGEST = '0'.repeat(64);
/** 64 bytes in base 64. */
const SIGNATURE = `${'0'.repeat(86)}==`;

/** In bytes: all of it is ASCII. */
function lengthOf(value: PbftMessage | PreparedProof): number {
  return JSON.stringify(value).length;
}

/** The length of a view change with nothing prepared, and how much each sequence number adds at the most, in bytes. */
function viewChangeLengths(replicas: number): { readonly empty: number; readonly slot: number } {
  // The number of no replica is longer.
  const replica = MAX_REPLICAS;
  const vote: CheckpointVote = { sequence: LARGEST, digest: DIGEST, replica, signature: SIGNATURE };
  const prepare: Signed = [replica, SIGNATURE];
  const proof: PreparedProof = {
    header: { view: LARGEST, sequence: LARGEST, digest: DIGEST, signature: SIGNATURE },
    prepares: new Array<Signed>(quorumOf(replicas) - 1).fill(prepare),
  };
  const change = {
    ...{ view: LARGEST, stable: LARGEST, prepared: [], replica, signature: SIGNATURE },
    // A quorum is enough, but whoever shows us a checkpoint may show us more.
    certificate: new Array<CheckpointVote>(replicas).fill(vote),
  };
  // Each proof but the first has a comma before it.
  return { empty: lengthOf({ type: 'VIEW_CHANGE', change }), slot: lengthOf(proof) + 1 };
}

/** How long a view change gets at the most, in bytes: everything between the watermarks is prepared. */
export function longestViewChange(replicas: number, checkpointInterval: number): number {
  const { empty, slot } = viewChangeLengths(replicas);
  return empty + WINDOW * checkpointInterval * slot;
}

/** The largest checkpoint interval with which every view change fits into one message. */
export function largestInterval(replicas: number): number {
  const { empty, slot } = viewChangeLengths(replicas);
  return Math.floor((MAX_RECEIVED - empty) / (WINDOW * slot));
}
