/** Quorums for any number of replicas. Source of the bugs: seed pbft-p2p, whose quorum is 2f + 1 whatever n is. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { faultyOf, quorumOf } from '../../../../peer/engines/pbft/protocol/quorum.ts';
import { PbftNetwork } from '../../../support/pbft-network.ts';

describe('a quorum', () => {
  it.each([
    [4, 3],
    [5, 4],
    [6, 4],
    [7, 5],
    [10, 7],
  ])('of %i replicas is %i', (replicas, quorum) => {
    expect(quorumOf(replicas)).toBe(quorum);
    expect(new PbftNetwork(replicas).member(0).status.quorum).toBe(quorum);
  });

  it('meets every other one in a correct replica, and can be formed without the faulty ones', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), (replicas) => {
        const faulty = faultyOf(replicas);
        const quorum = quorumOf(replicas);
        expect(2 * quorum - replicas).toBeGreaterThanOrEqual(faulty + 1);
        expect(replicas - faulty).toBeGreaterThanOrEqual(quorum);
      }),
    );
  });

  // Source: seed pbft-p2p.
  it('is not had by either half of six replicas: two halves do not both decide', () => {
    const network = new PbftNetwork(6);
    network.cut([0, 1, 2], [3, 4, 5]);
    network.member(0).submit('["append","left"]');
    network.member(4).submit('["append","right"]');
    network.run(20_000);
    expect(network.up.flatMap(({ history }) => [...history])).toEqual([]);
    network.heal();
    expect(
      network.run(100_000, () => network.up.every((member) => member.reported('executed').length >= 2)),
    ).toBe(true);
    for (const { history } of network.members) expect(history).toEqual(network.member(0).history);
  });
});
