/** Checkpoints, watermarks, and the transfer of state to those who are behind. */
import { describe, expect, it } from 'vitest';

import { FETCHES_BURST } from '../../../../peer/engines/pbft/protocol/limits.ts';
import type { MessageOf, PbftMessage } from '../../../../peer/engines/pbft/protocol/messages.ts';
import { LATENCY, PbftNetwork } from '../../../support/pbft-network.ts';

const SECOND = 1_000;
const OTHER_DIGEST = 'ab'.repeat(32);

describe('a checkpoint', () => {
  // Source: seed pbft-p2p, whose checkpoint digest is 32 zero bytes.
  it('has the digest of the state: one of something else is not the same, and votes for it do not count', () => {
    const network = new PbftNetwork(4);
    network.work(1, 8);
    network.run(SECOND);
    const digests = network
      .member(2)
      .reported('checkpoint')
      .map(({ digest }) => digest);
    expect(digests).toHaveLength(2);
    expect(new Set([...digests, '00'.repeat(32)]).size).toBe(3);
    const other = new PbftNetwork(4);
    other.member(1).submit('["append","something else"]');
    other.run(SECOND);
    other.work(1, 3);
    other.run(SECOND);
    expect(other.member(2).reported('checkpoint')).toMatchObject([{ sequence: 4 }]);
    expect(other.member(2).reported('checkpoint')[0]?.digest).not.toBe(digests[0]);
  });

  // Source: seed pbft-p2p, which does not count its own vote and stops for ever at its high watermark.
  it('counts the own vote: with one of four down the watermark moves on beyond 2K', () => {
    const network = new PbftNetwork(4);
    network.member(3).crash();
    network.work(1, 5 * network.config.checkpointInterval);
    expect(network.run(10 * SECOND, () => network.up.every(({ status }) => status.low === 20))).toBe(true);
    expect(network.member(1).status).toMatchObject({ view: 0, executed: 20, high: 28 });
  });

  it('that does not become stable stops the primary at the high watermark, which is counted', () => {
    const network = new PbftNetwork(4, { viewChangeTimeout: 100 * SECOND });
    network.passes = ({ message }) => message.type !== 'CHECKPOINT';
    network.work(1, 8);
    network.member(1).submit('["append","waits"]');
    network.run(SECOND);
    expect(network.member(0).status).toMatchObject({ proposed: 8, low: 0, high: 8 });
    expect(network.member(0).count('limit.watermark')).toBeGreaterThan(0);
    network.heal();
    expect(network.run(100 * SECOND, () => network.allExecuted(9))).toBe(true);
  });

  it('is told before what it gives room for is proposed: else those whom it gives room would have none yet', () => {
    const network = new PbftNetwork(4);
    network.member(3).crash();
    // The others have executed all that fits into the window, and need the primary's vote for the checkpoint.
    network.passes = ({ to, message }) => to !== 0 || !['COMMIT', 'DECIDED'].includes(message.type);
    for (let request = 1; request <= 9; request++) {
      network.member(1).submit(`["append","${request}"]`);
      network.run(5 * LATENCY);
    }
    expect(network.up.map(({ status }) => [status.executed, status.low])).toEqual([
      ...[[0, 0]],
      ...[1, 2].map(() => [8, 0]),
    ]);
    network.heal();
    expect(network.run(10 * SECOND, () => network.allExecuted(9))).toBe(true);
    expect(network.up.map((member) => member.count('pre-prepare.outside'))).toEqual([0, 0, 0]);
    const reported = network.sent.flatMap(({ from, to, message }) => {
      if (from !== 0 || to !== 1) return [];
      if (message.type === 'CHECKPOINT') return [`checkpoint ${message.vote.sequence}`];
      return message.type === 'PRE_PREPARE' && message.header.sequence === 9 ? ['proposal 9'] : [];
    });
    expect(reported.slice(0, 2)).toEqual(['checkpoint 4', 'proposal 9']);
  });

  /** Member 3 runs, the others are the test's. */
  function alone(): PbftNetwork {
    return new PbftNetwork(4, { scripted: [0, 1, 2] });
  }

  function vote(
    network: PbftNetwork,
    replica: number,
    sequence: number,
    digest = OTHER_DIGEST,
  ): MessageOf<'CHECKPOINT'> {
    return { type: 'CHECKPOINT', vote: network.signing(replica).checkpoint({ sequence, digest, replica }) };
  }

  it('is not stable by votes of fewer than a quorum, however often and by whom they come', () => {
    const network = alone();
    for (const from of [0, 0, 1, 2]) {
      network.send(from, 3, vote(network, 0, 4));
      network.send(from, 3, vote(network, 1, 4));
    }
    network.run(LATENCY);
    expect(network.member(3).status.high).toBe(8);
    expect(network.member(3).count('checkpoint.ignored')).toBe(5);
    network.send(2, 3, vote(network, 2, 4));
    network.run(LATENCY);
    expect(network.member(3).status.high).toBe(12);
  });

  it('is not stable by votes for different digests', () => {
    const network = alone();
    network.send(0, 3, vote(network, 0, 4));
    network.send(1, 3, vote(network, 1, 4));
    network.send(2, 3, vote(network, 2, 4, 'cd'.repeat(32)));
    network.send(2, 3, vote(network, 2, 4, 'cd'.repeat(32)));
    network.run(LATENCY);
    expect(network.member(3).count('checkpoint.contradicted')).toBe(0);
    // What a replica has said first is what it has said.
    network.send(2, 3, vote(network, 2, 4));
    network.run(LATENCY);
    expect(network.member(3).status.high).toBe(8);
    expect(network.member(3).count('checkpoint.contradicted')).toBe(1);
  });

  it('is not stable by votes with signatures that are not right, and who sent them is named', () => {
    const network = alone();
    const { vote: signed } = vote(network, 0, 4);
    network.send(0, 3, { type: 'CHECKPOINT', vote: signed });
    network.send(1, 3, vote(network, 1, 4));
    network.send(2, 3, { type: 'CHECKPOINT', vote: { ...signed, replica: 2 } });
    network.run(LATENCY);
    expect(network.member(3).status.high).toBe(8);
    expect(network.member(3).offences).toEqual(['2 checkpoint-signature']);
  });

  it('at a number where there is none is an offence', () => {
    const network = alone();
    network.send(2, 3, vote(network, 2, 5));
    network.run(LATENCY);
    expect(network.member(3).offences).toEqual(['2 checkpoint-interval']);
  });

  it('far in the future takes no more room for it than others, and keeps nobody from agreeing', () => {
    const network = alone();
    for (let sequence = 4; sequence <= 4_000; sequence += 4)
      network.send(2, 3, vote(network, 2, 4 * sequence));
    network.run(LATENCY);
    network.member(3).engine?.measure((name, size, limit) => {
      if (name === 'checkpoint votes') expect([size, limit]).toEqual([3, 12]);
      expect(size, name).toBeLessThanOrEqual(limit);
    });
    const certificate = network.certificate(4, 0, 1, 2);
    network.send(0, 3, { type: 'STABLE', certificate });
    network.run(LATENCY);
    expect(network.member(3).status.high).toBe(12);
  });

  it('far in the future drives out no older vote: neither the oldest that may be next, nor the latest', () => {
    for (const [sequence, high] of [
      [4, 12],
      [4_000, 4_008],
    ] as const) {
      const network = alone();
      for (const far of [4, 400, 404, 408, 2_000, 4_000]) network.send(2, 3, vote(network, 2, far));
      network.send(0, 3, vote(network, 0, sequence));
      network.send(1, 3, vote(network, 1, sequence));
      network.run(LATENCY);
      const asked = network.sentOf('FETCH_INDEX').map(({ message }) => message.sequence);
      // One within the window may still be reached; another is fetched at once.
      if (sequence === 4) expect(network.member(3).status).toMatchObject({ low: 0, high });
      else expect(new Set(asked)).toEqual(new Set([sequence]));
    }
  });

  it.each<[string, (network: PbftNetwork) => PbftMessage]>([
    ['too few votes', (network) => ({ type: 'STABLE', certificate: network.certificate(400, 0, 1) })],
    ['one vote twice', (network) => ({ type: 'STABLE', certificate: network.certificate(400, 0, 1, 1) })],
    [
      'votes for different numbers',
      (network) => ({
        type: 'STABLE',
        certificate: [...network.certificate(400, 0, 1), ...network.certificate(404, 2)],
      }),
    ],
    [
      'votes for different states, each of them rightly signed',
      (network) => ({
        type: 'STABLE',
        certificate: [vote(network, 2, 400).vote, ...network.certificate(400, 0, 1)],
      }),
    ],
    [
      'a forged vote',
      (network) => {
        const [first, second] = network.certificate(400, 0, 1);
        if (first === undefined || second === undefined) throw new Error('no votes');
        return { type: 'STABLE', certificate: [first, second, { ...second, replica: 2 }] };
      },
    ],
  ])('is not taken from somebody who shows a certificate with %s, and who is named', (_, make) => {
    const network = alone();
    network.send(2, 3, make(network));
    network.run(LATENCY);
    expect(network.member(3).offences).toEqual(['2 certificate']);
    expect(network.member(3).status).toMatchObject({ low: 0, high: 8, phase: 'normal' });
  });
});

describe('the transfer of state', () => {
  /** Member 3 was away for long; whoever it asks first, member 0, sends what `forge` makes of its answers. */
  function transfer<T extends 'INDEX' | 'PAGES'>(
    type: T,
    forge: (message: MessageOf<T>) => PbftMessage,
  ): PbftNetwork {
    const network = new PbftNetwork(4);
    network.cut([0, 1, 2]);
    network.work(1, 20);
    network.passes = ({ from, to, message }) => {
      if (from !== 0 || to !== 3 || message.type !== type) return true;
      const forged = forge(message as MessageOf<T>);
      network.after(LATENCY, () => {
        network.member(3).deliver(from, forged);
      });
      return false;
    };
    expect(network.run(20 * SECOND, () => network.member(3).status.executed === 20)).toBe(true);
    return network;
  }

  it.each<[string, (message: MessageOf<'INDEX'>) => PbftMessage]>([
    ['a changed digest', (message) => ({ ...message, digests: message.digests.with(1, OTHER_DIGEST) })],
    ['a page too few', (message) => ({ ...message, digests: message.digests.slice(1) })],
    ['nothing in it', (message) => ({ ...message, digests: [] })],
  ])('refuses an index with %s, names who sent it, and asks somebody else', (_, forge) => {
    const network = transfer('INDEX', forge);
    expect(new Set(network.member(3).offences)).toEqual(new Set(['0 index']));
    expect(network.member(3).reported('transfer-finished').length).toBeGreaterThan(0);
    const asked = network.sentOf('FETCH_INDEX').filter(({ from }) => from === 3);
    expect(new Set(asked.map(({ to }) => to)).size).toBeGreaterThan(1);
  });

  it.each<[string, (message: MessageOf<'PAGES'>) => PbftMessage]>([
    [
      'another text',
      (message) => ({ ...message, pages: message.pages.map(([page]) => [page, 'x'] as const) }),
    ],
    [
      'the texts of other pages',
      (message) => ({ ...message, pages: message.pages.map(([page, text]) => [page + 1, text] as const) }),
    ],
    ['a number that there is none of', (message) => ({ ...message, pages: [[60_000, '1']] })],
  ])('refuses pages with %s, names who sent them, and asks somebody else', (_, forge) => {
    const network = transfer('PAGES', forge);
    expect(new Set(network.member(3).offences)).toEqual(new Set(['0 page']));
    const asked = network.sentOf('FETCH_PAGES').filter(({ from }) => from === 3);
    expect(new Set(asked.map(({ to }) => to)).size).toBeGreaterThan(1);
    network.work(1, 4);
    expect(network.run(10 * SECOND, () => network.member(3).status.low === 24)).toBe(true);
    network.run(SECOND);
    const digests = [1, 3].map((member) => network.member(member).reported('checkpoint').at(-1));
    expect(digests[0]).toEqual(digests[1]);
  });

  it('is served to each as fast as a limit lets it, and not faster', () => {
    const network = new PbftNetwork(4, { scripted: [1, 2, 3] });
    const beyond = 5;
    for (let again = 0; again < FETCHES_BURST - beyond; again++)
      network.send(1, 0, { type: 'FETCH_INDEX', sequence: 4 });
    for (let again = 0; again < 2 * beyond; again++)
      network.send(1, 0, { type: 'FETCH_PAGES', sequence: 4, pages: [0] });
    network.run(LATENCY);
    expect(network.member(0).count('limit.fetches')).toBe(beyond);
    // Others have limits of their own, and time brings more.
    network.send(2, 0, { type: 'FETCH_INDEX', sequence: 4 });
    network.run(SECOND);
    network.send(1, 0, { type: 'FETCH_INDEX', sequence: 4 });
    network.run(LATENCY);
    expect(network.member(0).count('limit.fetches')).toBe(beyond);
  });

  it('leaves nothing of what the replica had before: that is not what others would be served', () => {
    const network = new PbftNetwork(4);
    network.work(1, 4);
    network.run(SECOND);
    network.cut([0, 1, 2]);
    network.work(1, 16);
    network.heal();
    const late = network.member(3);
    const snapshots = (): number[] => {
      const sizes: number[] = [];
      late.engine?.measure((name, size) => {
        if (name === 'snapshots') sizes.push(size);
      });
      return sizes;
    };
    expect(snapshots()).toEqual([1]);
    expect(network.run(10 * SECOND, () => late.reported('transfer-finished').length > 0)).toBe(true);
    expect(late.reported('transfer-finished')).toMatchObject([{ sequence: 20 }]);
    expect(snapshots()).toEqual([1]);
  });

  it('leads the sequence numbers of a replica up to where the state is', () => {
    const network = new PbftNetwork(4, { scripted: [0, 1, 2] });
    network.send(0, 3, { type: 'STABLE', certificate: network.certificate(400, 0, 1, 2) });
    network.run(LATENCY);
    const { status } = network.member(3);
    expect(status).toMatchObject({ phase: 'fetching state', executed: 0, low: 400, proposed: 400 });
  });

  it('asks somebody else if it gets no answer', () => {
    const network = new PbftNetwork(4);
    network.cut([0, 1, 2]);
    network.work(1, 20);
    network.passes = ({ from, to, message }) =>
      from !== 0 || to !== 3 || (message.type !== 'INDEX' && message.type !== 'PAGES');
    expect(network.run(20 * SECOND, () => network.member(3).status.executed === 20)).toBe(true);
    expect(network.member(3).offences).toEqual([]);
  });
});
