/** Everything that a replica collects has a bound, and says how full it is: to the checkers, and to the metrics. */
import { describe, expect, it } from 'vitest';

import {
  MAX_CHECKPOINTS_KEPT,
  MAX_EARLY_VOTES,
  MAX_INSPECTED,
  MAX_VERIFIED,
  WINDOW,
} from '../../../../peer/engines/pbft/protocol/limits.ts';
import { MAX_SNAPSHOTS } from '../../../../peer/engines/pbft/protocol/state.ts';
import { OrderedLog } from '../../../../peer/applications/ordered-log.ts';
import { PbftNetwork } from '../../../support/pbft-network.ts';

const REPLICAS = 4;

function gaugesOf(network: PbftNetwork, member: number): Map<string, readonly [size: number, limit: number]> {
  const gauges = new Map<string, readonly [number, number]>();
  network.member(member).engine?.measure((name, size, limit) => {
    expect(gauges.has(name), name).toBe(false);
    gauges.set(name, [size, limit]);
  });
  return gauges;
}

describe('the bounds of a replica', () => {
  it('are those of its configuration and its cluster, one for each collection', () => {
    const network = new PbftNetwork(REPLICAS, { messageBuffer: 80, checkpointInterval: 5, pipeline: 20 });
    const limits = [...gaugesOf(network, 1)].map(([name, [, limit]]) => [name, limit]);
    expect(Object.fromEntries(limits)).toEqual({
      log: 2 * WINDOW * 5,
      'waiting requests': 80,
      'outstanding requests': 80 / REPLICAS,
      snapshots: MAX_SNAPSHOTS,
      'answers given again': REPLICAS,
      'early votes': MAX_EARLY_VOTES * REPLICAS,
      'checkpoint votes': MAX_CHECKPOINTS_KEPT * REPLICAS,
      'view changes': REPLICAS,
      'pending new views': REPLICAS,
      'fetched view changes': REPLICAS,
      'replicas told of a view': REPLICAS,
      'replicas served view changes': REPLICAS,
      // Those of the application, a table for each client, and the time.
      'fetched pages': new OrderedLog().pageCount + REPLICAS + 1,
      'replicas that fetch': REPLICAS,
      statuses: REPLICAS,
      'replicas heard': REPLICAS,
      // For two kinds of help each.
      'replicas helped': 2 * REPLICAS,
      'batches that are being verified': 20 * REPLICAS,
      'verified signatures': MAX_VERIFIED,
    });
    const few = gaugesOf(new PbftNetwork(REPLICAS, { pipeline: 1 }), 1);
    expect(few.get('batches that are being verified')).toEqual([0, MAX_INSPECTED * REPLICAS]);
  });

  it('hold what is there: the others at least, and what waits', () => {
    const network = new PbftNetwork(REPLICAS, { scripted: [3] });
    network.passes = ({ message }) => message.type === 'STATUS' || message.type === 'REQUEST';
    network.member(2).submit('["append","a"]');
    network.member(1).submit('["append","b"]');
    network.send(3, 1, { type: 'STATUS', status: { view: 0, changing: false, stable: 0, executed: 0 } });
    network.run(network.config.viewChangeTimeout / 2);
    const sizes = [...gaugesOf(network, 1)].map(([name, [size]]) => [name, size]);
    expect(Object.fromEntries(sizes)).toMatchObject({
      ...{ log: 0, 'waiting requests': 2, 'outstanding requests': 1 },
      ...{ statuses: 3, 'replicas heard': 3, 'replicas helped': 3 },
    });
    // What both have asked for stands in the primary's log.
    expect(gaugesOf(network, 0).get('log')?.[0]).toBe(2);
  });
});
