/** What happens while the primary does its work: order, clients, and what a replica keeps. */
import { describe, expect, it } from 'vitest';

import type { PbftNotice } from '../../../../peer/engines/pbft/protocol/interface.ts';
import { FETCHES_BURST } from '../../../../peer/engines/pbft/protocol/limits.ts';
import type { ClientRequest } from '../../../../peer/engines/pbft/protocol/messages.ts';
import { LATENCY, PbftNetwork } from '../../../support/pbft-network.ts';

const SECOND = 1_000;

/** How many requests each sequence number has executed. */
function perBatch(notices: readonly Extract<PbftNotice, { kind: 'executed' }>[]): number[] {
  return notices.map(({ requests }) => requests.length);
}

describe('replicas', () => {
  it('all execute the same in the same order, whoever asks', () => {
    const network = new PbftNetwork(4);
    for (let round = 0; round < 5; round++) {
      for (const member of network.members) member.submit(`["append","${round}"]`);
      network.run(LATENCY);
    }
    const executed = (index: number): string[] =>
      network
        .member(index)
        .reported('executed')
        .flatMap(({ requests }) => requests.map(({ result }) => result));
    const answered = (): boolean => network.up.every((member) => member.answers.length === 5);
    expect(network.run(10 * SECOND, answered)).toBe(true);
    network.run(LATENCY * 5);
    for (const member of network.members) {
      expect(member.history).toEqual(network.member(0).history);
      expect(executed(member.index)).toHaveLength(20);
      expect(new Set(executed(member.index)).size).toBe(20);
      expect(member.reported('view-change-started')).toEqual([]);
    }
  });

  // Source: seed pbft-p2p executes whatever has its commits.
  it('execute strictly in order though commits arrive out of order', () => {
    const network = new PbftNetwork(4);
    network.passes = ({ to, message }) =>
      to !== 3 || !(message.type === 'DECIDED' || (message.type === 'COMMIT' && message.vote.sequence === 1));
    network.work(1, 3);
    network.run(LATENCY * 5);
    expect(network.member(1).status.executed).toBe(3);
    expect(network.member(3).reported('executed')).toEqual([]);
    network.heal();
    expect(network.run(10 * SECOND, () => network.member(3).status.executed === 3)).toBe(true);
    expect(
      network
        .member(3)
        .reported('executed')
        .map(({ sequence }) => sequence),
    ).toEqual([1, 2, 3]);
    expect(network.member(3).history).toEqual(network.member(1).history);
  });

  // Source: seed pbft-p2p, whose timer would run without anything to wait for.
  it('keep their primary while nothing waits: the timer does not fire on idle', () => {
    const network = new PbftNetwork(4);
    network.run(100 * network.config.viewChangeTimeout);
    network.work(2, 1);
    network.run(100 * network.config.viewChangeTimeout);
    expect(network.members.map(({ status }) => [status.view, status.viewChanges])).toEqual(
      Array.from({ length: 4 }, () => [0, 0]),
    );
  });

  // Source: seed pbft-p2p, whose set of executed requests grows for ever.
  it('keep the client table, the executed requests and everything else bounded over thousands of requests', () => {
    const network = new PbftNetwork(4, { messageBuffer: 64, checkpointInterval: 8 });
    const sizes = new Map<string, number>();
    let accepted = 0;
    for (let round = 0; round < 130; round++) {
      for (const member of network.members) {
        for (let request = 0; request < 4; request++) {
          if (member.submit(`["append","${round} ${request}"]`)?.status !== 'rejected') accepted++;
        }
      }
      network.run(LATENCY * 5);
      for (const { engine } of network.members) {
        engine?.measure((name, size, limit) => {
          if (size > limit) throw new Error(`${name}: ${size}, and not more than ${limit}`);
          sizes.set(name, Math.max(sizes.get(name) ?? 0, size));
        });
      }
    }
    expect(accepted).toBeGreaterThan(2_000);
    const executed = network.member(2).reported('executed');
    expect(perBatch(executed).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(2_000);
    expect(sizes.get('log')).toBeLessThanOrEqual(2 * 8);
    // Eight pages of a client table, log and slots: what is stored does not grow with what was done.
    const keys = [...network.member(2).store.entries()].map(([key]) => key);
    expect(keys.filter((key) => key.startsWith('pbft/slot/')).length).toBeLessThanOrEqual(2 * 8);
    expect(keys.filter((key) => key.startsWith('pbft/b/')).length).toBeLessThanOrEqual(2 * 2 * 8);
    const table = network.member(2).store.get('pbft/page/2') ?? '';
    expect((JSON.parse(table) as [number, unknown[]])[1].length).toBeLessThanOrEqual(16);
  });
});

describe('a request', () => {
  // Source: seed pbft-p2p: a duplicate that is under way gets a second number.
  it('that comes again while it is under way gets no second number', () => {
    const network = new PbftNetwork(4, { scripted: [3] });
    const request = network.request(3, 7);
    for (let again = 0; again < 5; again++)
      network.broadcast(3, { type: 'REQUEST', requests: [request, request] });
    network.run(2 * SECOND);
    expect(network.member(0).status.proposed).toBe(1);
    network.broadcast(3, { type: 'REQUEST', requests: [request] });
    network.run(2 * SECOND);
    expect(network.up.map(({ status }) => status.proposed)).toEqual([1, 1, 1]);
  });

  it('of its own user is proposed by the primary in the same step, and passed on to it by a backup', () => {
    const network = new PbftNetwork(4);
    network.member(0).submit('["append","a"]');
    expect(network.sentOf('PRE_PREPARE').map(({ to }) => to)).toEqual([1, 2, 3]);
    network.member(2).submit('["append","b"]');
    expect(network.sentOf('REQUEST').map(({ from, to }) => [from, to])).toEqual([[2, 0]]);
    network.run(LATENCY);
    expect(network.member(0).status.proposed).toBe(2);
  });

  it('that comes again when it has been executed is answered again to its client, and to nobody else', () => {
    const network = new PbftNetwork(4, { scripted: [3] });
    const request = network.request(3, 7);
    network.broadcast(3, { type: 'REQUEST', requests: [request] });
    network.run(SECOND);
    const replies = (): number => network.sentOf('REPLY').filter(({ from }) => from === 1).length;
    expect([replies(), network.member(1).count('request.repeated')]).toEqual([1, 0]);
    network.send(3, 1, { type: 'REQUEST', requests: [request] });
    network.send(2, 1, { type: 'REQUEST', requests: [request] });
    network.run(LATENCY);
    expect([replies(), network.member(1).count('request.repeated')]).toEqual([2, 2]);
    const [first, again] = network.sentOf('REPLY').filter(({ from }) => from === 1);
    expect(again?.message.reply.results).toEqual(first?.message.reply.results);
    expect(again?.to).toBe(3);
  });

  it('that comes again and again is answered as often as a limit lets it', () => {
    const network = new PbftNetwork(4, { scripted: [3] });
    const request = network.request(3, 7);
    network.broadcast(3, { type: 'REQUEST', requests: [request] });
    network.run(SECOND);
    const before = network.sentOf('REPLY').length;
    for (let again = 0; again < FETCHES_BURST + 5; again++)
      network.send(3, 1, { type: 'REQUEST', requests: [request] });
    network.run(LATENCY);
    expect(network.member(1).count('request.repeated')).toBe(FETCHES_BURST + 5);
    expect(network.sentOf('REPLY').length - before).toBe(FETCHES_BURST);
  });

  // Source: seed pbft-p2p.
  it('that got two numbers is executed once', () => {
    const network = new PbftNetwork(4, { scripted: [0] });
    const batch = network.batch(0, 7);
    for (const sequence of [1, 2]) network.broadcast(0, network.prePrepare(0, sequence, batch));
    network.run(2 * SECOND);
    for (const member of network.up) {
      expect(perBatch(member.reported('executed'))).toEqual([1, 0]);
      expect(member.count('execution.repeated')).toBe(1);
    }
    expect(network.sentOf('REPLY').filter(({ to }) => to === 0)).toHaveLength(3);
  });

  const forged: [string, (network: PbftNetwork) => ClientRequest][] = [
    ['is not signed', (network) => ({ ...network.request(3, 7), signature: 'A'.repeat(86) + '==' })],
    ['is signed by somebody else', (network) => ({ ...network.request(2, 7), client: 3 })],
    ['was changed', (network) => ({ ...network.request(3, 7), operation: '["append","other"]' })],
    ['has another timestamp', (network) => ({ ...network.request(3, 7), timestamp: 8 })],
    ['is of another cluster', (network) => network.signing(3, 'other').request(network.request(3, 7))],
    ['is of nobody', (network) => ({ ...network.request(3, 7), client: 4 })],
  ];

  // Source: seed pbft-p2p, whose requests are not signed.
  it.each(forged)('that %s is refused by primary and backups, and whoever sent it is named', (_, forge) => {
    const network = new PbftNetwork(4, { scripted: [3] });
    network.broadcast(3, { type: 'REQUEST', requests: [forge(network)] });
    network.run(5 * SECOND);
    for (const member of network.up) {
      expect(member.offences).toHaveLength(1);
      expect(member.offences[0]).toMatch(/^3 request-/);
      expect(member.disconnected).toEqual([3]);
      expect(member.status).toMatchObject({ waiting: 0, proposed: 0, view: 0 });
    }
  });

  it.each(forged)('that %s is refused in a pre-prepare', (_, forge) => {
    const network = new PbftNetwork(4, { scripted: [0] });
    const { signature, ...request } = forge(network);
    const batch = { time: network.now, requests: [{ ...request, signature }] };
    network.broadcast(0, network.prePrepare(0, 1, batch));
    network.run(5 * SECOND);
    for (const member of network.up) {
      expect(member.offences).toHaveLength(1);
      expect(member.offences[0]).toMatch(/^0 pre-prepare-(request|client)$/);
    }
    expect(network.sentOf('PREPARE')).toEqual([]);
  });
});

describe('a client', () => {
  /** Only member 3 runs, and is told of answers to the request that it makes. */
  function asking(): {
    readonly network: PbftNetwork;
    readonly answer: (replica: number, result: string, connection?: number) => void;
    readonly answers: () => string[];
  } {
    const network = new PbftNetwork(4, { scripted: [0, 1, 2] });
    const client = network.member(3);
    client.submit('["append","a"]');
    const { timestamp } = client;
    return {
      network,
      answer: (replica, result, connection = replica) => {
        const unsigned = { view: 0, replica, client: 3, results: [[timestamp, result]] as const };
        network.send(connection, 3, { type: 'REPLY', reply: network.signing(replica).reply(unsigned) });
        network.run(LATENCY);
      },
      answers: () => client.answers.map(({ result }) => result),
    };
  }

  // Source: seed pbft-p2p, where no reply is ever sent.
  it('is answered though it can not execute anything itself', () => {
    const network = new PbftNetwork(4);
    network.passes = ({ to, message }) => to !== 3 || message.type === 'REPLY';
    network.member(3).submit('["append","a"]');
    expect(network.run(SECOND, () => network.member(3).answers.length > 0)).toBe(true);
    expect(network.member(3).answers).toMatchObject([{ result: '{"index":1}' }]);
    expect(network.member(3).status.executed).toBe(0);
  });

  // Source: seed pbft-p2p.
  it('takes f + 1 equal answers: one liar does not decide, however often it lies', () => {
    const { answer, answers } = asking();
    for (let again = 0; again < 3; again++) answer(0, 'wrong');
    expect(answers()).toEqual([]);
    answer(1, 'right');
    expect(answers()).toEqual([]);
    answer(0, 'right');
    expect(answers()).toEqual([]);
    answer(2, 'right');
    expect(answers()).toEqual(['right']);
  });

  it('is not answered by two different wrong results', () => {
    const { answer, answers } = asking();
    answer(0, 'wrong');
    answer(1, 'also wrong');
    expect(answers()).toEqual([]);
  });

  it('does not count answers from another connection than that of their replica', () => {
    const { network, answer, answers } = asking();
    answer(0, 'wrong');
    answer(1, 'wrong', 0);
    expect(answers()).toEqual([]);
    expect(network.member(3).count('reply.ignored')).toBe(1);
  });

  it('does not count answers with a signature that is not right', () => {
    const { network, answer, answers } = asking();
    answer(0, 'a');
    const [sent] = network.sentOf('REPLY');
    if (sent === undefined) throw new Error('no reply');
    const { reply } = sent.message;
    network.send(1, 3, { type: 'REPLY', reply: { ...reply, replica: 1 } });
    network.run(LATENCY);
    expect(answers()).toEqual([]);
    expect(network.member(3).offences).toEqual(['1 reply-signature']);
  });
});
