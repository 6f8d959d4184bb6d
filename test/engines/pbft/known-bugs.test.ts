/** Bugs that other implementations have had; each test says which. Members for which no engine runs are Byzantine. */
import { describe, expect, it } from 'vitest';

import type { Gauge } from '../../../peer/engines/engine.ts';
import { MAX_EARLY_VOTES } from '../../../peer/engines/pbft/limits.ts';
import type { Batch, Header, PbftMessage } from '../../../peer/engines/pbft/messages.ts';
import { LATENCY, PbftNetwork, type Sent } from '../../support/pbft-network.ts';

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

/** The digest under each sequence number; fails if two members decided differently. */
function decided(network: PbftNetwork): Map<number, string> {
  const digests = new Map<number, string>();
  for (const member of network.members) {
    for (const { sequence, digest } of member.told('executed')) {
      expect(digests.get(sequence) ?? digest).toBe(digest);
      digests.set(sequence, digest);
    }
  }
  return digests;
}

/** The operations of all that was executed, in order, as one member has them. */
function executedBy(network: PbftNetwork, member: number): string[] {
  return network
    .member(member)
    .told('executed')
    .flatMap(({ requests }) => requests.map(({ operation }) => operation));
}

function append(text: string): string {
  return JSON.stringify(['append', text]);
}

/** Messages of these types get lost. */
function losing(...types: readonly PbftMessage['type'][]): (sent: Sent) => boolean {
  return ({ message }) => !types.includes(message.type);
}

/** A batch is prepared by all, nobody knows that others have prepared it, and the primary is gone. */
function preparedAndOrphaned(network: PbftNetwork): string {
  network.passes = losing('COMMIT');
  network.member(2).submit(append('prepared'));
  network.run(5 * LATENCY);
  const [first] = network.sentOf('COMMIT');
  network.member(0).crash();
  return first?.message.vote.digest ?? '';
}

/** A gap in what a scripted primary says can't be seen: everything that it proposes is told by this. */
function propose(
  network: PbftNetwork,
  to: readonly number[],
  view: number,
  sequence: number,
  batch: Batch,
): Header {
  const message = network.prePrepare(view, sequence, batch);
  for (const member of to) network.send(view % network.replicas, member, message);
  return message.header;
}

describe('view changes', () => {
  it('carry over what was prepared (johnhenry/raijin, issue 8: it was dropped)', () => {
    const network = new PbftNetwork(4);
    const digest = preparedAndOrphaned(network);
    expect(network.run(10 * SECOND, () => network.member(1).status.view === 1)).toBe(true);
    network.heal();
    expect(network.run(10 * SECOND, () => network.allExecuted(1))).toBe(true);
    expect(decided(network).get(1)).toBe(digest);
  });

  it('carry over what two replicas prepared although a third one shows false certificates (vmware/concord-bft, PR 50)', () => {
    const network = new PbftNetwork(5, { scripted: [4] });
    const digest = preparedAndOrphaned(network);
    // The liar is first, again and again.
    const batch = network.batch(4, 1);
    const header = network.header(0, 1, batch);
    const prepares = [1, 2, 3].map((replica) => ({ ...network.vote('prepare', 4, header), replica }));
    const lie = { view: 1, stable: 0, certificate: [], prepared: [{ header, prepares }], replica: 4 };
    const change = network.signing(4).viewChange(lie);
    for (let at = 0; at < 3_000; at += 50) {
      network.after(at, () => {
        network.broadcast(4, { type: 'VIEW_CHANGE', change });
      });
    }
    // With the first primary and the liar gone there is no quorum without it.
    network.member(0).start();
    expect(network.run(10 * SECOND, () => network.member(1).status.view === 1)).toBe(true);
    network.heal();
    expect(network.run(10 * SECOND, () => network.allExecuted(1))).toBe(true);
    expect(decided(network).get(1)).toBe(digest);
    expect(network.member(1).count('offence.view-change-proof')).toBeGreaterThan(0);
  });

  it('go on after a partition in which all view changes were lost (hyperledger-archives/fabric, issue 1917)', () => {
    const network = new PbftNetwork(4);
    network.member(0).crash();
    network.passes = losing('VIEW_CHANGE');
    network.member(2).submit(append('a'));
    network.run(60 * SECOND);
    expect(network.up.some(({ status }) => status.phase === 'changing view')).toBe(true);
    network.heal();
    expect(network.run(60 * SECOND, () => network.allExecuted(1))).toBe(true);
  });

  it('let go of a batch that only one replica has prepared, if nobody else can know of it (celo-blockchain, PR 200)', () => {
    const network = new PbftNetwork(4);
    // Only member 3 hears prepares, and then nobody hears of it.
    network.passes = ({ to, message }) => (message.type === 'PREPARE' ? to === 3 : message.type !== 'COMMIT');
    network.member(2).submit(append('a'));
    network.run(5 * LATENCY);
    expect(network.sentOf('COMMIT').map(({ from }) => from)).toEqual([3, 3, 3]);
    network.member(3).crash();
    network.heal();
    expect(network.run(60 * SECOND, () => network.allExecuted(1))).toBe(true);
    network.member(3).start();
    expect(network.run(60 * SECOND, () => network.allExecuted(1))).toBe(true);
    decided(network);
  });

  it('are not stopped by one replica that has committed to a batch in view 0, and another to another one in view 1 (neo-modules, issue 792)', () => {
    const network = new PbftNetwork(4);
    // Nor does the primary of view 1 hear that member 2 has prepared something.
    network.passes = ({ from, to, message }) => {
      if (message.type === 'PREPARE') return to === 2 + message.vote.view;
      if (message.type === 'VIEW_CHANGE') return from !== 2 || to !== 1;
      return message.type !== 'COMMIT';
    };
    network.member(3).submit(append('a'));
    expect(network.run(60 * SECOND, () => network.sentOf('COMMIT').some(({ from }) => from === 3))).toBe(
      true,
    );
    const commits = network
      .sentOf('COMMIT')
      .map(({ from, message: { vote } }) => `${from} ${vote.view} ${vote.digest}`);
    const locks = [...new Set(commits)].map((lock) => lock.split(' '));
    expect(locks.map(([from, view]) => [from, view])).toEqual([
      ['2', '0'],
      ['3', '1'],
    ]);
    expect(locks[0]?.[2]).not.toBe(locks[1]?.[2]);
    network.heal();
    expect(network.run(60 * SECOND, () => network.allExecuted(1))).toBe(true);
    expect(decided(network).get(1)).toBe(locks[1]?.[2]);
  });

  it('do not begin while nothing waits (the seed: its timer ran on)', () => {
    const network = new PbftNetwork(4);
    network.member(1).submit(append('a'));
    network.run(HOUR / 10);
    expect(network.allExecuted(1)).toBe(true);
    expect(network.up.map(({ status }) => [status.view, status.viewChanges])).toEqual(Array(4).fill([0, 0]));
  });

  it.each([
    ['another batch', (network: PbftNetwork): Batch => network.batch(3, 77)],
    ['nothing', (): Batch => ({ time: 0, requests: [] })],
  ])('do not follow a new view that carries over %s instead of what was prepared', (_, forge) => {
    const network = new PbftNetwork(4, { scripted: [1] });
    // Member 1 is to lead view 1, and has helped to prepare the batch.
    network.passes = losing('COMMIT');
    network.member(2).submit(append('a'));
    network.run(3 * LATENCY);
    const header = network.sentOf('PREPARE')[0]?.message.vote;
    if (header === undefined) throw new Error('nothing was prepared');
    network.broadcast(1, { type: 'PREPARE', vote: network.vote('prepare', 1, header) });
    network.run(3 * LATENCY);
    network.member(0).crash();
    const changes = () => network.sentOf('VIEW_CHANGE').filter(({ message }) => message.change.view === 1);
    // It takes two view changes of others and its own.
    network.run(10 * SECOND, () => new Set(changes().map(({ from }) => from)).size === 2);
    const own = network
      .signing(1)
      .viewChange({ view: 1, stable: 0, certificate: [], prepared: [], replica: 1 });
    const others = [2, 3].map((from) => changes().find((sent) => sent.from === from)?.message.change);
    const viewChanges = [...others.filter((change) => change !== undefined), own];
    const headers = [network.header(1, 1, forge(network))];
    for (const forged of [headers, []]) {
      const newView = network.signing(1).newView({ view: 1, viewChanges, headers: forged });
      network.broadcast(1, { type: 'NEW_VIEW', newView });
    }
    const few = network.signing(1).newView({ view: 1, viewChanges: viewChanges.slice(1), headers: [] });
    network.broadcast(1, { type: 'NEW_VIEW', newView: few });
    network.run(3 * LATENCY);
    for (const member of [2, 3]) {
      expect(network.member(member).told('view-entered')).toEqual([]);
      expect(network.member(member).count('offence.new-view-forged')).toBe(2);
      expect(network.member(member).count('offence.new-view-quorum')).toBe(1);
    }
    network.heal();
    network.member(0).start();
    expect(network.run(60 * SECOND, () => network.allExecuted(1))).toBe(true);
    expect(decided(network).get(1)).toBe(header.digest);
  });
});

describe('quorums', () => {
  it.each([5, 6])('two halves of %d replicas can not both decide (2f + 1 would be too few)', (replicas) => {
    const network = new PbftNetwork(replicas);
    const all = network.members.map(({ index }) => index);
    network.cut(all.slice(0, 3), all.slice(3));
    network.member(0).submit(append('a'));
    network.member(replicas - 1).submit(append('b'));
    network.run(60 * SECOND);
    expect(decided(network).size).toBe(0);
    network.heal();
    expect(network.run(120 * SECOND, () => executedBy(network, 0).length === 2)).toBe(true);
    decided(network);
  });

  it.each([4, 5, 6, 7])('%d replicas go on without f of them, and not without one more', (replicas) => {
    const network = new PbftNetwork(replicas);
    const { faulty } = network.member(0).status;
    const last = network.members.slice(-faulty);
    for (const member of last) member.crash();
    network.member(0).submit(append('a'));
    expect(network.run(SECOND, () => network.allExecuted(1))).toBe(true);
    for (let down = faulty; network.replicas - down >= network.quorum; down++) {
      network.member(replicas - 1 - down).crash();
    }
    network.member(0).submit(append('b'));
    network.run(60 * SECOND);
    expect(executedBy(network, 0)).toEqual([append('a')]);
  });
});

describe('votes', () => {
  it('that come before the pre-prepare, for another batch, do not count (the seed counted them)', () => {
    const network = new PbftNetwork(4, { scripted: [0, 3] });
    const [batch, other] = [network.batch(3, 1), network.batch(3, 2)];
    const wrong = network.header(0, 1, other);
    for (const phase of ['prepare', 'commit'] as const) {
      const vote = network.vote(phase, 3, wrong);
      network.broadcast(3, phase === 'prepare' ? { type: 'PREPARE', vote } : { type: 'COMMIT', vote });
    }
    network.broadcast(0, { type: 'COMMIT', vote: network.vote('commit', 0, wrong) });
    network.run(3 * LATENCY);
    const header = propose(network, [1, 2], 0, 1, batch);
    network.run(5 * LATENCY);
    // Members 1 and 2 have prepared it; two commits are too few.
    expect(network.sentOf('COMMIT').filter(({ from }) => from === 1 || from === 2)).not.toEqual([]);
    expect(decided(network).size).toBe(0);
    network.broadcast(3, { type: 'COMMIT', vote: network.vote('commit', 3, header) });
    network.run(3 * LATENCY);
    // Its first vote was for something else, and so was that of the primary.
    expect(decided(network).size).toBe(0);
    expect(network.member(1).count('offence.equivocation')).toBe(1);
  });

  it('in the name of others, or of nobody, do not count', () => {
    const network = new PbftNetwork(4, { scripted: [0, 3] });
    const header = propose(network, [1], 0, 1, network.batch(3, 1));
    for (const replica of [0, 2, 3, 4, 63]) {
      const vote = { ...network.vote('prepare', 3, header), replica };
      network.send(3, 1, { type: 'PREPARE', vote });
      network.send(3, 1, { type: 'COMMIT', vote });
    }
    network.run(5 * LATENCY);
    // Prepares of member 1 and member 3 would do, if that one had signed both of its votes as they are.
    expect(decided(network).size).toBe(0);
    expect(network.member(1).count('commit.ignored')).toBe(4);
    expect(network.member(1).count('prepare.ignored')).toBe(4);
  });

  it('of an earlier view do not count in a later one', () => {
    const network = new PbftNetwork(4, { scripted: [3] });
    network.passes = losing('COMMIT');
    network.member(2).submit(append('a'));
    network.run(5 * LATENCY);
    const old = network.sentOf('COMMIT').map(({ message }) => message.vote);
    expect(old.map(({ view }) => view)).toContain(0);
    const [first] = old;
    if (first === undefined) return;
    network.member(0).crash();
    network.run(10 * SECOND, () => network.member(1).status.phase === 'changing view');
    const before = network.member(1).count('commit.outside');
    for (const vote of [...old, network.vote('commit', 3, first)]) {
      if (vote.replica === 3) network.passes = () => true;
      network.send(vote.replica, 1, { type: 'COMMIT', vote });
    }
    network.run(3 * LATENCY);
    expect(network.member(1).count('commit.outside')).toBeGreaterThan(before);
    expect(decided(network).size).toBe(0);
  });

  it('for views to come are kept within a bound, however many there are', () => {
    const network = new PbftNetwork(4, { scripted: [3] });
    const header = network.header(0, 1, network.batch(3, 1));
    for (let view = 1; view <= 10_000; view++) {
      const vote = { ...header, view, sequence: view, replica: 3 };
      network
        .member(1)
        .handle({ type: 'message', now: network.now, from: 3, message: { type: 'COMMIT', vote } });
    }
    let kept = 0;
    const tell: Gauge = (name, size, limit) => {
      expect(size, name).toBeLessThanOrEqual(limit);
      if (name === 'early votes') kept = size;
    };
    network.member(1).engine?.measure(tell);
    expect(kept).toBe(MAX_EARLY_VOTES);
    expect(network.member(1).count('limit.early-votes')).toBe(10_000 - MAX_EARLY_VOTES);
    network.member(2).submit(append('a'));
    expect(network.run(10 * SECOND, () => network.allExecuted(1))).toBe(true);
  });
});

describe('requests', () => {
  it('are executed once, although they come again, and from several replicas (the seed gave them two numbers)', () => {
    const network = new PbftNetwork(4);
    const request = network.request(3, 5);
    const ask = (from: number, to: number): void => {
      network.send(from, to, { type: 'REQUEST', requests: [request] });
    };
    for (const from of [1, 2, 3, 3]) ask(from, 0);
    for (const to of [0, 1, 2]) ask(3, to);
    network.run(SECOND);
    for (const to of [0, 1, 2]) ask(3, to);
    network.run(SECOND);
    expect(executedBy(network, 1)).toEqual([request.operation]);
    expect(network.up.map(({ status }) => status.executed)).toEqual([1, 1, 1, 1]);
    // Who asks again is answered again.
    expect(network.sentOf('REPLY').length).toBeGreaterThanOrEqual(6);
  });

  it('are executed once, although a primary gives them two numbers', () => {
    const network = new PbftNetwork(4, { scripted: [0] });
    const batch = network.batch(3, 1);
    const later = { ...batch, time: batch.time + 1 };
    const headers = [propose(network, [1, 2, 3], 0, 1, batch), propose(network, [1, 2, 3], 0, 2, later)];
    for (const header of headers) {
      network.broadcast(0, { type: 'COMMIT', vote: network.vote('commit', 0, header) });
    }
    network.run(SECOND);
    expect(network.up.map(({ status }) => status.executed)).toEqual([2, 2, 2]);
    expect(executedBy(network, 1)).toHaveLength(1);
    expect(network.member(1).count('execution.repeated')).toBe(1);
  });
});

describe('checkpoints', () => {
  it('become stable with one replica down (the seed waited for all)', () => {
    const network = new PbftNetwork(4);
    network.member(3).crash();
    for (let i = 0; i < 8; i++) {
      network.member(0).submit(append(`${i}`));
      network.run(10 * LATENCY);
    }
    expect(network.up.map(({ status }) => status.low)).toEqual([8, 8, 8]);
  });
});

describe('a primary', () => {
  it('that gives two batches one number is replaced, and neither is decided twice', () => {
    const network = new PbftNetwork(4, { scripted: [0] });
    network.member(1).submit(append('a'));
    network.run(3 * LATENCY);
    const requests = network.sentOf('REQUEST')[0]?.message.requests ?? [];
    const batches = [1, 2, 3].map((by) => ({ time: network.now + by, requests }));
    const headers = batches.map((batch, place) => propose(network, [place + 1], 0, 1, batch));
    for (const header of headers) {
      network.broadcast(0, { type: 'COMMIT', vote: network.vote('commit', 0, header) });
    }
    expect(network.run(60 * SECOND, () => network.allExecuted(1))).toBe(true);
    decided(network);
    expect(executedBy(network, 1)).toEqual([append('a')]);
    expect(network.up.every(({ status }) => status.view >= 1)).toBe(true);
  });

  it('that is just not slow enough to be replaced still has everything executed', () => {
    const network = new PbftNetwork(4);
    // What is held back once is let through the second time.
    const held = new WeakSet();
    network.passes = ({ from, to, message }) => {
      if (from !== 0 || message.type !== 'PRE_PREPARE') return true;
      const copy = { ...message };
      if (held.has(message)) return true;
      held.add(copy);
      network.after(0.9 * network.config.viewChangeTimeout, () => {
        network.send(0, to, copy);
      });
      return false;
    };
    for (let i = 0; i < 5; i++) network.member(2).submit(append(`${i}`));
    expect(network.run(60 * SECOND, () => network.member(2).told('answered').length === 5)).toBe(true);
    expect(network.member(2).status.view).toBe(0);
  });

  it('that serves everybody but one member is replaced', () => {
    const network = new PbftNetwork(4, { scripted: [0] });
    let sequence = 0;
    const serve = (): void => {
      // It orders something of its own all the time, and never what member 2 has asked for.
      const batch = network.batch(0, network.now);
      const header = propose(network, [1, 2, 3], 0, ++sequence, batch);
      network.broadcast(0, { type: 'COMMIT', vote: network.vote('commit', 0, header) });
      // And it claims that everybody is far behind.
      const status = { view: 0, changing: false, stable: 0, executed: 1_000_000 };
      network.broadcast(0, { type: 'STATUS', status });
      if (sequence < 200) network.after(50, serve);
    };
    serve();
    network.run(200);
    network.member(2).submit(append('mine'));
    expect(network.run(20 * SECOND, () => executedBy(network, 2).includes(append('mine')))).toBe(true);
  });
});
