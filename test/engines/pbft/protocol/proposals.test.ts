/** What the primary puts into a batch, how many of them are under way, and what a backup takes. */
import { describe, expect, it } from 'vitest';

import { MAX_BATCH_LENGTH, TIME_TOLERANCE } from '../../../../peer/engines/pbft/protocol/limits.ts';
import type { PbftConfig } from '../../../../peer/engines/pbft/protocol/interface.ts';
import type { ClientRequest } from '../../../../peer/engines/pbft/protocol/messages.ts';
import { LATENCY, PbftNetwork } from '../../../support/pbft-network.ts';

/** Member 0 runs, the primary of view 0; the others are the test's. */
class Primary {
  readonly network: PbftNetwork;

  constructor(config: Partial<PbftConfig> = {}) {
    this.network = new PbftNetwork(4, { scripted: [1, 2, 3], checkpointInterval: 100, ...config });
  }

  /** Has a client ask, in one message. */
  ask(requests: readonly ClientRequest[]): void {
    this.network.send(3, 0, { type: 'REQUEST', requests });
    this.network.run(LATENCY);
  }

  requests(...timestamps: readonly number[]): ClientRequest[] {
    return timestamps.map((timestamp) => this.network.request(3, timestamp));
  }

  /** The timestamps in each batch that it has proposed. */
  get batches(): number[][] {
    return this.network
      .sentOf('PRE_PREPARE')
      .filter(({ to }) => to === 1)
      .map(({ message }) => message.batch.requests.map(({ timestamp }) => timestamp));
  }

  /** Has the others agree to what it proposed under a sequence number. */
  agree(sequence: number): void {
    const { network } = this;
    const sent = network.sentOf('PRE_PREPARE').find(({ message }) => message.header.sequence === sequence);
    if (sent === undefined) throw new Error('it is not proposed');
    for (const from of [1, 2]) {
      const { header } = sent.message;
      network.send(from, 0, { type: 'PREPARE', vote: network.vote('prepare', from, header) });
      network.send(from, 0, { type: 'COMMIT', vote: network.vote('commit', from, header) });
    }
    network.run(LATENCY);
  }
}

describe('a batch', () => {
  it('has as many requests as the cluster says, those that came first', () => {
    const primary = new Primary({ batchSize: 2 });
    primary.ask(primary.requests(5, 1, 4, 2, 3));
    expect(primary.batches).toEqual([[5, 1], [4, 2], [3]]);
  });

  it('has as much text as fits into it, and a request more begins the next one', () => {
    const primary = new Primary();
    const longest = 16_384;
    const count = MAX_BATCH_LENGTH / longest;
    const requests = Array.from({ length: count + 1 }, (_, index) =>
      primary.network.request(3, index + 1, 'x'.repeat(longest - '["append",""]'.length)),
    );
    expect(requests[0]?.operation).toHaveLength(longest);
    primary.ask(requests);
    expect(primary.batches.map(({ length }) => length)).toEqual([count, 1]);
    // And that is what a backup takes.
    const backup = new PbftNetwork(4, { scripted: [0, 2, 3] });
    const full = { time: backup.now, requests: requests.slice(0, count) };
    const overfull = {
      time: backup.now,
      requests: [...requests.slice(0, count), backup.request(3, 100, '')],
    };
    backup.send(0, 1, backup.prePrepare(0, 1, full));
    backup.run(LATENCY);
    expect(backup.member(1).offences).toEqual([]);
    backup.send(0, 1, backup.prePrepare(0, 2, overfull));
    backup.run(LATENCY);
    expect(backup.member(1).offences).toEqual(['0 pre-prepare-size']);
    expect(backup.sentOf('PREPARE').filter(({ to }) => to === 0)).toHaveLength(1);
  });

  it('is proposed once, and no more of them are under way than the cluster says', () => {
    const primary = new Primary({ batchSize: 1, pipeline: 3 });
    primary.ask(primary.requests(1, 2, 3, 4, 5));
    expect(primary.batches).toEqual([[1], [2], [3]]);
    // What is decided out of turn makes no room.
    primary.agree(2);
    expect(primary.batches).toHaveLength(3);
    primary.agree(1);
    expect(primary.network.member(0).status.executed).toBe(2);
    expect(primary.batches).toEqual([[1], [2], [3], [4], [5]]);
    expect(primary.network.sentOf('REPLY').flatMap(({ message }) => message.reply.results)).toHaveLength(2);
  });

  it.each([
    ['as far from the own clock as may be', TIME_TOLERANCE, true],
    ['a millisecond further', TIME_TOLERANCE + 1, false],
    ['as long ago as may be', -TIME_TOLERANCE, true],
    ['a millisecond longer ago', -TIME_TOLERANCE - 1, false],
  ])('with a time %s is taken or not', (_, difference, taken) => {
    const network = new PbftNetwork(4, { scripted: [0, 2, 3] });
    const batch = { ...network.batch(3, 7), time: network.now + LATENCY + difference };
    network.send(0, 1, network.prePrepare(0, 1, batch));
    network.run(LATENCY);
    expect(network.member(1).count('pre-prepare.time')).toBe(taken ? 0 : 1);
    expect(network.sentOf('PREPARE').length > 0).toBe(taken);
    // What was not accepted was not proposed either.
    expect(network.member(1).status).toMatchObject({ proposed: taken ? 1 : 0, waiting: taken ? 1 : 0 });
  });
});

describe('a batch of nothing', () => {
  it('that a new view carries is no progress: the timeout stays as long as it was', () => {
    const network = new PbftNetwork(4, { scripted: [0, 2, 3] });
    const member = network.member(1);
    const batch = network.batch(3, 7);
    const prepared = [network.proof(network.header(0, 2, batch), 2, 3)];
    const viewChanges = [0, 2, 3].map((replica) => network.viewChange(2, replica, { prepared }).change);
    for (const change of viewChanges) network.send(change.replica, 1, { type: 'VIEW_CHANGE', change });
    network.run(LATENCY);
    expect(member.status).toMatchObject({ view: 2, phase: 'changing view', timeout: 2_000 });
    const signing = network.signing(2);
    const headers = [
      signing.header({ view: 2, sequence: 1, digest: signing.nothing }),
      signing.header({ view: 2, sequence: 2, digest: signing.digestOf(batch) }),
    ];
    network.sendNewView(2, 1, network.newView({ view: 2, viewChanges, headers }), viewChanges);
    network.run(LATENCY);
    const agree = (sequence: number): void => {
      const header = headers[sequence - 1];
      if (header === undefined) throw new Error('no header');
      network.send(3, 1, { type: 'PREPARE', vote: network.vote('prepare', 3, header) });
      for (const from of [2, 3])
        network.send(from, 1, { type: 'COMMIT', vote: network.vote('commit', from, header) });
      network.run(LATENCY);
    };
    agree(1);
    expect(member.status).toMatchObject({ executed: 1, timeout: 2_000 });
    network.send(3, 1, { type: 'BATCH', sequence: 2, batch });
    agree(2);
    expect(member.status).toMatchObject({ executed: 2, timeout: 1_000 });
    expect(member.reported('executed').map(({ requests }) => requests.length)).toEqual([0, 1]);
  });
});
