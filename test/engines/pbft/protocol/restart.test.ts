/** A replica that is stopped at any point and started again from what it has stored never contradicts itself. */
import { describe, expect, it } from 'vitest';

import type { PbftEffect } from '../../../../peer/engines/pbft/protocol/context.ts';
import { ForeignStore } from '../../../../peer/engines/pbft/protocol/journal.ts';
import type { Header, PbftMessage } from '../../../../peer/engines/pbft/protocol/messages.ts';
import { isNamedStored, isStored, readStored } from '../../../../peer/engines/pbft/simulation/layout.ts';
import type { MemoryStore } from '../../../../peer/storage/memory.ts';
import { Counter } from '../../../applications/example-counter.ts';
import { LATENCY, PbftNetwork, type Sent } from '../../../support/pbft-network.ts';

const SECOND = 1_000;

/** What a message commits its sender to, and to what: two with the same key must say the same. */
function promiseOf({ message }: Sent): readonly [key: string, said: string] | undefined {
  switch (message.type) {
    case 'PRE_PREPARE': {
      const { view, sequence, digest } = message.header;
      return [`PRE_PREPARE ${view} ${sequence}`, digest];
    }
    case 'PREPARE':
    case 'COMMIT': {
      const { view, sequence, digest } = message.vote;
      return [`${message.type} ${view} ${sequence}`, digest];
    }
    case 'CHECKPOINT':
      return [`CHECKPOINT ${message.vote.sequence}`, message.vote.digest];
    case 'VIEW_CHANGE':
      return [`VIEW_CHANGE ${message.change.view}`, message.change.signature];
    case 'NEW_VIEW':
      return [`NEW_VIEW ${message.newView.view}`, message.newView.signature];
    default:
      return undefined;
  }
}

/** What a member has said twice, and not the same. */
function contradictions(network: PbftNetwork, member: number): string[] {
  const promises = new Map<string, string>();
  const found: string[] = [];
  for (const sent of network.sent) {
    // Others pass on the new view of its primary, and members the view changes of others.
    if (sent.from !== member || isPassedOn(sent)) continue;
    const [key, said] = promiseOf(sent) ?? [];
    if (key === undefined || said === undefined) continue;
    if ((promises.get(key) ?? said) !== said) found.push(key);
    promises.set(key, said);
  }
  return found;
}

/** Whether it is a view change of somebody else. */
function isPassedOn({ from, message }: Sent): boolean {
  return message.type === 'VIEW_CHANGE' && message.change.replica !== from;
}

/** Within a view, no vote comes after the view was given up. */
function lateVotes(network: PbftNetwork, member: number): string[] {
  let given = 0;
  const found: string[] = [];
  for (const sent of network.sent) {
    const { from, message } = sent;
    if (from !== member || isPassedOn(sent)) continue;
    if (message.type === 'VIEW_CHANGE') given = Math.max(given, message.change.view);
    if ((message.type === 'PREPARE' || message.type === 'COMMIT') && message.vote.view < given) {
      found.push(`${message.type} ${message.vote.view} ${message.vote.sequence}`);
    }
  }
  return found;
}

/** Three batches, a checkpoint among them; a view change with something prepared; one more batch, with all up. */
function script(network: PbftNetwork): void {
  const client = network.member(3);
  const execute = (count: number): void => {
    const before = client.answers.length;
    for (let request = 0; request < count; request++) client.submit('["add",1]');
    const answered = (): boolean => client.answers.length === before + count;
    if (!network.run(100 * SECOND, answered)) throw new Error('no answer');
  };
  execute(1);
  execute(2);
  network.passes = ({ message }) => message.type !== 'COMMIT' || message.vote.view > 0;
  client.submit('["add",1]');
  network.run(LATENCY * 5);
  network.member(0).crash();
  execute(1);
  network.member(0).start();
  network.heal();
  execute(1);
  const last = (): number => Math.max(...network.up.map(({ status }) => status.executed));
  const same = (): boolean => network.members.every(({ engine }) => engine?.status().executed === last());
  if (!network.run(100 * SECOND, same)) throw new Error('they do not all get as far');
}

/** Whether it makes a difference to be stopped before it rather than before what follows it. */
function matters(effect: PbftEffect): boolean {
  if (effect.type === 'send') return effect.message.type !== 'REPLY';
  return effect.type === 'store' || effect.type === 'broadcast';
}

/** Runs the script, and has a member crash before that effect; it is up again a little later. */
function crashingAt(
  member: number,
  effect: number,
): { readonly network: PbftNetwork; readonly crashed: boolean } {
  const network = new PbftNetwork(4, { checkpointInterval: 2, machine: () => new Counter() });
  const subject = network.member(member);
  let left = effect;
  let crashed = false;
  subject.crashBefore = (next) => {
    if (!matters(next) || left-- > 0) return false;
    crashed = true;
    network.after(250, () => {
      if (subject.engine === undefined) subject.start();
    });
    return true;
  };
  script(network);
  return { network, crashed };
}

describe('a replica that is stopped before any one of its effects and started again', () => {
  it.each([
    ['the primary of the new view', 1],
    ['a backup', 2],
  ])('contradicts nothing that it has said, and the run ends as it should: %s', (_, member) => {
    let effect = 0;
    for (;;) {
      const { network, crashed } = crashingAt(member, effect);
      if (!crashed) break;
      const where = `effect ${effect}`;
      expect(contradictions(network, member), where).toEqual([]);
      expect(lateVotes(network, member), where).toEqual([]);
      expect(
        network.members.flatMap(({ offences }) => offences),
        where,
      ).toEqual([]);
      const decided = new Map<number, string>();
      for (const observed of network.members) {
        for (const { sequence, digest } of observed.reported('executed')) {
          if ((decided.get(sequence) ?? digest) !== digest) throw new Error(`${where}: ${sequence} differs`);
          decided.set(sequence, digest);
        }
      }
      effect++;
    }

    expect(effect).toBeGreaterThan(50);
  });
});

/** Whether what a message of a member rests on is in its store: what it must know of after a crash. */
const STORED: Partial<Record<PbftMessage['type'], (message: PbftMessage, store: MemoryStore) => boolean>> = {
  PRE_PREPARE: (message, store) => message.type === 'PRE_PREPARE' && isAccepted(message.header, store),
  PREPARE: (message, store) => message.type === 'PREPARE' && isAccepted(message.vote, store),
  COMMIT(message, store) {
    if (message.type !== 'COMMIT') return false;
    const { view, sequence, digest } = message.vote;
    const { prepared } = readStored(store).slot(sequence) ?? {};
    return prepared?.header.view === view && prepared.header.digest === digest;
  },
  CHECKPOINT: (message, store) =>
    message.type === 'CHECKPOINT' && readStored(store).pages >= message.vote.sequence,
  REQUEST: (message, store) =>
    message.type === 'REQUEST' &&
    message.requests.every(({ timestamp }) => timestamp <= readStored(store).timestamp),
  VIEW_CHANGE: (message, store) =>
    message.type === 'VIEW_CHANGE' &&
    (isStored(store, 'viewChange', message.change.signature) ||
      isNamedStored(store, message.change.replica, message.change.signature)),
  NEW_VIEW: (message, store) =>
    message.type === 'NEW_VIEW' &&
    isStored(store, 'newView', message.newView.signature) &&
    message.newView.viewChanges.every(([replica, signature]) => isNamedStored(store, replica, signature)),
};

/** Whether a batch is stored, and that it was accepted under that number in that view. */
function isAccepted({ view, sequence, digest }: Omit<Header, 'signature'>, store: MemoryStore): boolean {
  const stored = readStored(store);
  return stored.header(view, sequence)?.digest === digest && stored.hasBatch(sequence, digest);
}

describe('what a replica says', () => {
  it.each(Object.entries(STORED))('in a %s is in its store before it is sent', (type, isThere) => {
    const network = new PbftNetwork(4, { checkpointInterval: 2, machine: () => new Counter() });
    const reported: boolean[] = [];
    for (const member of network.members) {
      member.crashBefore = (effect) => {
        if (effect.type !== 'send' && effect.type !== 'broadcast') return false;
        const { message } = effect;
        // Requests of others are passed on.
        const own =
          message.type !== 'REQUEST' || message.requests.every(({ client }) => client === member.index);
        if (message.type === type && own) reported.push(isThere(message, member.store));
        return false;
      };
    }
    script(network);
    expect(reported.length).toBeGreaterThan(0);
    expect(reported).not.toContain(false);
  });

  it('in a reply to its user is in its store before: the timestamp goes to no other request', () => {
    const network = new PbftNetwork(4, { checkpointInterval: 2, machine: () => new Counter() });
    const member = network.member(3);
    const reported: boolean[] = [];
    member.crashBefore = (effect) => {
      if (effect.type !== 'reply' || effect.result.status !== 'answered') return false;
      reported.push(effect.result.timestamp <= readStored(member.store).timestamp);
      return false;
    };
    script(network);
    expect(reported.length).toBeGreaterThan(0);
    expect(reported).not.toContain(false);
  });
});

describe('a store of other settings', () => {
  it('names each that is not as it was, also one that was not there before or is there no more', () => {
    const before = { interval: 100, buffer: 1000, application: 'log' };
    const now = { interval: 200, buffer: 1000, window: 3 };
    expect(new ForeignStore(before, now).changes).toEqual([
      { name: 'interval', before: '100', now: '200' },
      { name: 'application', before: 'log', now: 'undefined' },
      { name: 'window', before: 'undefined', now: '3' },
    ]);
  });
});

describe('a replica that has lost its store', () => {
  it('gets the state back by transfer, with the same digest', () => {
    const network = new PbftNetwork(4);
    network.work(1, 10);
    const lost = network.member(3);
    lost.crash();
    lost.wipe();
    lost.start();
    expect(lost.status.executed).toBe(0);
    expect(network.run(10 * SECOND, () => lost.status.executed === 10)).toBe(true);
    expect(lost.reported('transfer-finished')).toMatchObject([{ sequence: 8 }]);
    network.work(1, 2);
    expect(network.run(10 * SECOND, () => lost.status.low === 12)).toBe(true);
    network.run(SECOND);
    const digestOf = (member: number): string | undefined =>
      network
        .member(member)
        .reported('checkpoint')
        .find(({ sequence }) => sequence === 12)?.digest;
    expect(digestOf(3)).toBe(digestOf(1));
    expect(network.member(3).offences).toEqual([]);
  });
});

describe('what a replica has prepared', () => {
  it('is still in its view change after a restart: others may have decided it', () => {
    const network = new PbftNetwork(4, { scripted: [0, 2, 3] });
    const proposal = network.prePrepare(0, 1, network.batch(3, 7));
    network.send(0, 1, proposal);
    network.send(2, 1, { type: 'PREPARE', vote: network.vote('prepare', 2, proposal.header) });
    network.run(LATENCY);
    expect(network.sentOf('COMMIT').length).toBeGreaterThan(0);
    network.member(1).crash();
    network.member(1).start();
    for (const replica of [2, 3]) network.send(replica, 1, network.viewChange(2, replica));
    network.run(LATENCY);
    const sent = network.sentOf('VIEW_CHANGE').find(({ from }) => from === 1);
    expect(sent?.message.change.prepared.map(({ header }) => header)).toEqual([proposal.header]);
    expect(sent?.message.change.prepared[0]?.prepares.map(([replica]) => replica).sort()).toEqual([1, 2]);
  });
});

describe('what a replica has said in a view', () => {
  it('counts after a restart as it did before, and is said again to whoever lags', () => {
    const network = new PbftNetwork(4, { scripted: [0, 2, 3] });
    const member = network.member(1);
    const restart = (): void => {
      member.crash();
      member.start();
      network.run(LATENCY);
    };
    const sent = (type: 'PREPARE' | 'COMMIT'): number =>
      network.sentOf(type).filter(({ from, to }) => from === 1 && to === 3).length;
    const proposal = network.prePrepare(0, 1, network.batch(3, 7));
    network.send(0, 1, proposal);
    network.run(LATENCY);
    expect([sent('PREPARE'), sent('COMMIT')]).toEqual([1, 0]);
    restart();
    expect(member.status).toMatchObject({ proposed: 1, waiting: 0 });
    const status = { view: 0, changing: false, stable: 0, executed: 0 };
    network.send(3, 1, { type: 'STATUS', status });
    network.run(LATENCY);
    expect([sent('PREPARE'), sent('COMMIT')]).toEqual([2, 0]);
    // With its own it is one of q - 1.
    network.send(2, 1, { type: 'PREPARE', vote: network.vote('prepare', 2, proposal.header) });
    network.run(LATENCY);
    expect([sent('PREPARE'), sent('COMMIT')]).toEqual([2, 1]);
    restart();
    expect([sent('PREPARE'), sent('COMMIT')]).toEqual([2, 2]);
    for (const from of [0, 2])
      network.send(from, 1, { type: 'COMMIT', vote: network.vote('commit', from, proposal.header) });
    network.run(LATENCY);
    expect(member.status.executed).toBe(1);
    expect(member.reported('executed')[0]?.phases).toMatchObject({ prepare: 0 });
  });
});

describe('a checkpoint that is certified above the low watermark', () => {
  /** Member 1 has executed nothing, has numbers 3, 6 and 10 prepared, and knows that checkpoint 4 is stable. */
  function behind(): { readonly network: PbftNetwork; readonly headers: readonly Header[] } {
    const network = new PbftNetwork(4, { scripted: [0, 2, 3] });
    const certificate = network.certificate(4, 0, 2, 3);
    network.send(2, 1, { type: 'STABLE', certificate });
    network.run(LATENCY);
    const headers = [3, 6, 10].map((sequence) => {
      const proposal = network.prePrepare(0, sequence, network.batch(3, sequence));
      network.send(0, 1, proposal);
      network.send(2, 1, { type: 'PREPARE', vote: network.vote('prepare', 2, proposal.header) });
      return proposal.header;
    });
    network.run(LATENCY);
    expect(new Set(network.sentOf('COMMIT').map(({ message }) => message.vote.sequence))).toEqual(
      new Set([3, 6, 10]),
    );
    expect(network.member(1).status).toMatchObject({ executed: 0, low: 0, high: 12 });
    return { network, headers };
  }

  it.each([
    ['that ran', false],
    ['that was restarted', true],
  ])(
    'is what the view change of a replica begins at %s, with what it has prepared above it',
    (_, restarted) => {
      const { network, headers } = behind();
      const member = network.member(1);
      if (restarted) {
        member.crash();
        member.start();
        expect(member.status).toMatchObject({ executed: 0, low: 0, high: 12 });
      }
      for (const replica of [2, 3]) network.send(replica, 1, network.viewChange(2, replica));
      network.run(LATENCY);
      const sent = network.sentOf('VIEW_CHANGE').find(({ from }) => from === 1);
      expect(sent?.message.change).toMatchObject({
        ...{ view: 2, stable: 4, certificate: network.certificate(4, 0, 2, 3) },
        prepared: headers.slice(1).map((header) => ({ header })),
      });
      // Others take it, whatever they have.
      const other = new PbftNetwork(4, { scripted: [0, 1, 3] });
      if (sent !== undefined) other.send(1, 2, sent.message);
      other.send(3, 2, other.viewChange(2, 3));
      other.run(LATENCY);
      expect(other.member(2).offences).toEqual([]);
      expect(other.member(2).status.view).toBe(2);
    },
  );

  it('is fetched after a restart, as nothing else leads there', () => {
    const { network } = behind();
    const member = network.member(1);
    member.crash();
    member.start();
    expect(network.run(10 * SECOND, () => network.sentOf('FETCH_INDEX').length > 0)).toBe(true);
    expect(network.sentOf('FETCH_INDEX')[0]?.message.sequence).toBe(4);
  });
});

describe('a new view that rests on a checkpoint far ahead', () => {
  it.each([
    ['carries nothing over', 0],
    ['carries something over', 2],
  ])('and %s leads the sequence numbers after a restart, too: none is given out twice', (_, carried) => {
    const network = new PbftNetwork(4, { scripted: [0, 1, 3] });
    const member = network.member(2);
    // A state is being fetched already, so that the log does not get to the later checkpoint yet.
    network.send(0, 2, { type: 'STABLE', certificate: network.certificate(400, 0, 1, 3) });
    network.run(LATENCY);
    const batch = network.batch(3, 7);
    const sequences = Array.from({ length: carried }, (_, index) => 801 + index);
    const prepared = sequences.map((sequence) => network.proof(network.header(0, sequence, batch), 1, 3));
    const certificate = network.certificate(800, 0, 1, 3);
    const viewChanges = [0, 1, 3].map(
      (replica) => network.viewChange(1, replica, { stable: 800, certificate, prepared }).change,
    );
    const headers = sequences.map((sequence) => network.header(1, sequence, batch));
    network.sendNewView(1, 2, network.newView({ view: 1, viewChanges, headers }), viewChanges);
    network.run(LATENCY);
    const expected = { view: 1, phase: 'fetching state', low: 400, proposed: 800 + carried };
    expect(member.status).toMatchObject(expected);
    member.crash();
    member.start();
    expect(member.status).toMatchObject(expected);
    // Nor is there room for what is above the window.
    member.engine?.measure((name, size) => {
      if (name === 'log') expect(size).toBe(0);
    });
  });
});

describe('a new view that is cut short', () => {
  it('by a crash between storing it and its slots binds after the restart: another digest for a carried number is refused', () => {
    const network = new PbftNetwork(4, { scripted: [0, 1, 3] });
    const member = network.member(2);
    const batch = network.batch(3, 7);
    const prepared = network.header(0, 1, batch);
    const viewChanges = [
      network.viewChange(1, 0, { prepared: [network.proof(prepared, 1, 3)] }).change,
      network.viewChange(1, 1).change,
      network.viewChange(1, 3).change,
    ];
    const carried = network.header(1, 1, batch);
    let stopped = false;
    member.crashBefore = (effect) => {
      stopped = effect.type === 'store' && effect.writes.some(({ key }) => key.startsWith('pbft/slot/'));
      return stopped;
    };
    const newView = network.newView({ view: 1, viewChanges, headers: [carried] });
    network.sendNewView(1, 2, newView, viewChanges);
    network.run(LATENCY);
    expect([stopped, member.engine]).toEqual([true, undefined]);
    member.start();
    expect(member.status).toMatchObject({ view: 1, phase: 'normal', proposed: 1 });
    network.send(1, 2, network.prePrepare(1, 1, network.batch(3, 8)));
    network.run(LATENCY);
    expect(member.offences).toEqual(['1 equivocation']);
    expect(network.sentOf('PREPARE')).toEqual([]);
    network.send(1, 2, { type: 'BATCH', sequence: 1, batch });
    network.run(LATENCY);
    const [sent] = network.sentOf('PREPARE');
    expect(sent?.message.vote).toMatchObject({ view: 1, sequence: 1, digest: carried.digest });
  });
});
