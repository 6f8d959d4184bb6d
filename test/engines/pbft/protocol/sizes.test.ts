/** That every message fits into a frame, however large the cluster is and whatever has come together. */
import { describe, expect, it } from 'vitest';

import { pbftCodec } from '../../../../peer/engines/pbft/protocol/codec.ts';
import { DEFAULT_PBFT_CONFIG } from '../../../../peer/engines/pbft/protocol/interface.ts';
import {
  MAX_BATCH,
  MAX_BATCH_LENGTH,
  MAX_PAGES,
  MAX_PAGES_LENGTH,
  MAX_RECEIVED,
  MAX_REPLICAS,
  WINDOW,
} from '../../../../peer/engines/pbft/protocol/limits.ts';
import type { PbftMessage, Signed, Vote } from '../../../../peer/engines/pbft/protocol/messages.ts';
import { quorumOf } from '../../../../peer/engines/pbft/protocol/quorum.ts';
import { largestInterval, longestViewChange } from '../../../../peer/engines/pbft/protocol/sizes.ts';
import { CONFIG_BOUNDS } from '../../../../peer/engines/pbft/node/config.ts';
import { DEFAULT_TCP_LIMITS } from '../../../../peer/transports/tcp-limits.ts';

const LARGEST = Number.MAX_SAFE_INTEGER;
const replica = MAX_REPLICAS - 1;
const digest = 'f'.repeat(64);
const signature = `${'A'.repeat(86)}==`;
const header = { view: LARGEST, sequence: LARGEST, digest, signature };
const vote: Vote = { ...header, replica };
const signed: Signed = [replica, signature];
const checkpoint = { sequence: LARGEST, digest, replica, signature };

function times<T>(count: number, item: T): T[] {
  return new Array<T>(count).fill(item);
}

/** Everything between the watermarks is prepared. */
function fullViewChange(replicas: number, interval: number): PbftMessage {
  const proof = { header, prepares: times(quorumOf(replicas) - 1, signed) };
  return {
    type: 'VIEW_CHANGE',
    change: {
      ...{ view: LARGEST, stable: LARGEST, certificate: times(replicas, checkpoint) },
      ...{ prepared: times(WINDOW * interval, proof), replica, signature },
    },
  };
}

describe('a view change', () => {
  it.each([
    [4, CONFIG_BOUNDS.checkpointInterval[1]],
    [31, DEFAULT_PBFT_CONFIG.checkpointInterval],
    [MAX_REPLICAS, DEFAULT_PBFT_CONFIG.checkpointInterval],
    [MAX_REPLICAS, largestInterval(MAX_REPLICAS)],
  ])('of %i replicas that have a full log at interval %i is as long as is said, and fits', (n, interval) => {
    const message = fullViewChange(n, interval);
    const bytes = pbftCodec.encode(message);
    expect(bytes.length).toBeLessThanOrEqual(MAX_RECEIVED);
    // The first proof has no comma before it.
    expect(bytes.length).toBe(longestViewChange(n, interval) - 1);
    expect(pbftCodec.decode(bytes).fault).toBeUndefined();
  });

  it('fits for every number of replicas with the usual interval, and just up to the largest', () => {
    for (let n = 1; n <= MAX_REPLICAS; n++) {
      const largest = largestInterval(n);
      expect(largest).toBeGreaterThanOrEqual(DEFAULT_PBFT_CONFIG.checkpointInterval);
      expect(longestViewChange(n, largest)).toBeLessThanOrEqual(MAX_RECEIVED);
      expect(longestViewChange(n, largest + 1)).toBeGreaterThan(MAX_RECEIVED);
    }
  });

  it('is what the bound of frames is for', () => {
    expect(DEFAULT_TCP_LIMITS.frameBytes).toBe(MAX_RECEIVED);
  });
});

describe('with the most replicas and the largest interval', () => {
  /** The longest that are proposed: every character takes six bytes. */
  const batch = {
    time: LARGEST,
    requests: times(MAX_BATCH, {
      ...{ client: replica, timestamp: LARGEST, signature },
      operation: '\u0001'.repeat(MAX_BATCH_LENGTH / MAX_BATCH),
    }),
  };
  const pageTexts = times(2, [MAX_PAGES, '\u0001'.repeat(MAX_PAGES_LENGTH / 2)] as const);
  const messages: PbftMessage[] = [
    {
      type: 'NEW_VIEW',
      newView: {
        ...{ view: LARGEST, viewChanges: times(MAX_REPLICAS, signed), signature },
        headers: times(WINDOW * CONFIG_BOUNDS.checkpointInterval[1], header),
      },
    },
    { type: 'PRE_PREPARE', header, batch },
    { type: 'BATCH', sequence: LARGEST, batch },
    { type: 'DECIDED', batch, commits: times(MAX_REPLICAS, vote) },
    { type: 'STABLE', certificate: times(MAX_REPLICAS, checkpoint) },
    { type: 'INDEX', sequence: LARGEST, digests: times(MAX_PAGES, digest) },
    { type: 'PAGES', sequence: LARGEST, pages: pageTexts },
  ];

  it.each(messages.map((message) => [message.type, message] as const))(
    '%s fits into a frame',
    (_, message) => {
      const bytes = pbftCodec.encode(message);
      expect(bytes.length).toBeLessThanOrEqual(MAX_RECEIVED);
      expect(pbftCodec.decode(bytes).fault).toBeUndefined();
    },
  );
});
