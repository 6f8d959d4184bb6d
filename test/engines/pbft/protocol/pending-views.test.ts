/** A new view only names its view changes: whoever lacks some fetches them, and is not kept busy by what nobody has. */
import { describe, expect, it } from 'vitest';

import { pbftCodec } from '../../../../peer/engines/pbft/protocol/codec.ts';
import {
  MAX_RECEIVED,
  MAX_REPEAT_ROUNDS,
  PATIENCE_ROUNDS,
  ROUNDS_PER_TIMEOUT,
  STALLED_ROUNDS,
  VIEW_CHANGES_AT_ONCE,
  VIEW_CHANGES_BURST,
} from '../../../../peer/engines/pbft/protocol/limits.ts';
import type { MessageOf, ViewChange } from '../../../../peer/engines/pbft/protocol/messages.ts';
import { foundationOf } from '../../../../peer/engines/pbft/protocol/new-view.ts';
import { respelled } from '../../../../peer/engines/pbft/simulation/actors/forgeries.ts';
import { LATENCY, type PbftMember, PbftNetwork } from '../../../support/pbft-network.ts';

const SECOND = 1_000;
/** Of the network's configuration, in milliseconds. */
const ROUND = SECOND / ROUNDS_PER_TIMEOUT;

/** Member 3 runs, in view 0; the others are the test's. */
class Late {
  readonly network = new PbftNetwork(4, { scripted: [0, 1, 2] });
  /** Of view 1. */
  readonly viewChanges = [0, 1, 2].map((replica) => this.network.viewChange(1, replica).change);
  readonly newView = this.network.newView({ view: 1, viewChanges: this.viewChanges, headers: [] });

  get member(): PbftMember {
    return this.network.member(3);
  }

  get view(): number {
    return this.member.status.view;
  }

  /** What it has asked for so far, as `whom view replica`. */
  get asked(): string[] {
    return this.network
      .sentOf('FETCH_VIEW_CHANGE')
      .map(({ to, message: { view, replica } }) => `${to} ${view} ${replica}`);
  }

  hear(from: number, message: Parameters<PbftNetwork['send']>[2]): void {
    this.network.send(from, 3, message);
    this.network.run(LATENCY);
  }

  serve(from: number, ...changes: readonly ViewChange[]): void {
    for (const change of changes) this.hear(from, { type: 'VIEW_CHANGE', change });
  }

  /** A new view that its primary has signed, with names of view changes that nobody has. */
  hollow(view: number): MessageOf<'NEW_VIEW'> {
    const viewChanges = [0, 1, 2].map((replica) => ({
      ...this.network.viewChange(view, replica).change,
      signature: `${String(view).repeat(85).slice(0, 85)}A==`,
    }));
    return this.network.newView({ view, viewChanges, headers: [] });
  }
}

describe('a new view that names view changes which a replica lacks', () => {
  it('is entered once it has fetched them, from whoever sent the new view', () => {
    const network = new PbftNetwork(4);
    network.member(0).crash();
    network.passes = ({ from, to, message }) =>
      from !== 2 || to !== 3 || message.type !== 'VIEW_CHANGE' || message.change.replica !== 2;
    network.work(3, 2);
    expect(network.member(3).status).toMatchObject({ view: 1, phase: 'normal' });
    expect(network.member(3).count('view-change.fetched')).toBe(1);
    expect(
      network.sentOf('FETCH_VIEW_CHANGE').map(({ from, to, message }) => [from, to, message.replica]),
    ).toEqual([[3, 1, 2]]);
    expect(network.up.flatMap(({ offences }) => offences)).toEqual([]);
  });

  it('is entered too if it has another version of one, for a liar signs several', () => {
    const network = new PbftNetwork(4, { scripted: [0, 2] });
    const prepared = network.proof(network.header(0, 1, network.batch(2, 7)), 1, 2);
    network.send(2, 1, network.viewChange(1, 2, { prepared: [prepared] }));
    network.send(2, 3, network.viewChange(1, 2));
    network.member(3).submit('["append","a"]');
    network.member(1).submit('["append","b"]');
    const entered = (): boolean => network.member(3).reported('view-entered').length > 0;
    expect(network.run(10 * SECOND, entered)).toBe(true);
    expect(network.member(3).status).toMatchObject({ view: 1, phase: 'normal' });
    expect(network.member(3).count('view-change.fetched')).toBe(1);
    expect(network.member(3).status.proposed).toBe(1);
  });

  it('is entered when the last of them comes from its replica itself', () => {
    const late = new Late();
    late.hear(1, late.newView);
    const [zero, one, two] = late.viewChanges;
    if (zero === undefined || one === undefined || two === undefined) throw new Error('no quorum');
    late.serve(1, zero);
    late.serve(2, two);
    expect(late.view).toBe(0);
    late.serve(1, one);
    expect(late.member.status).toMatchObject({ view: 1, phase: 'normal' });
  });

  it('is entered too if its primary names another one of its own than it has sent', () => {
    const late = new Late();
    const prepared = [late.network.proof(late.network.header(0, 1, late.network.batch(2, 7)), 1, 2)];
    late.hear(1, late.network.viewChange(1, 1, { prepared }));
    late.hear(1, late.newView);
    late.serve(1, ...late.viewChanges);
    expect(late.member.status).toMatchObject({ view: 1, phase: 'normal', proposed: 0 });
  });

  it('is fetched for again when nothing comes, from each who is in that view in turn', () => {
    const late = new Late();
    late.hear(1, late.newView);
    late.hear(2, late.newView);
    expect(late.asked).toEqual(['1 1 0', '1 1 1', '1 1 2']);
    late.network.run(2 * PATIENCE_ROUNDS * ROUND);
    expect(late.asked.slice(3)).toEqual(['2 1 0', '2 1 1', '2 1 2', '1 1 0', '1 1 1', '1 1 2']);
    late.serve(1, ...late.viewChanges);
    expect(late.view).toBe(1);
    const before = late.asked.length;
    late.network.run(10 * ROUND);
    expect(late.asked).toHaveLength(before);
  });

  it('is not entered with others than it names: they are refused and counted, and it asks again', () => {
    const late = new Late();
    const [zero, one, two] = late.viewChanges;
    if (zero === undefined || one === undefined || two === undefined) throw new Error('no quorum');
    late.hear(1, late.newView);
    const prepared = [late.network.proof(late.network.header(0, 1, late.network.batch(2, 7)), 1, 2)];
    // One that its replica has signed as well, and one that goes by the right name.
    late.serve(1, late.network.viewChange(1, 0, { prepared }).change);
    expect(late.member.count('view-change.another')).toBe(1);
    expect(late.member.offences).toEqual([]);
    late.serve(2, { ...zero, prepared });
    expect(late.member.offences).toEqual(['2 view-change-signature']);
    expect(late.member.disconnected).toEqual([2]);
    late.serve(1, one, two);
    expect(late.view).toBe(0);
    const before = late.asked.length;
    late.network.run(PATIENCE_ROUNDS * ROUND);
    expect(late.asked.slice(before)).toEqual(['1 1 0']);
    late.serve(1, zero);
    expect(late.view).toBe(1);
    // And what is served without having been asked for is nothing.
    late.serve(1, two);
    expect(late.member.count('view-change.ignored')).toBe(1);
  });

  it('is forgotten in a crash before all of them are there, told again, and entered', () => {
    const late = new Late();
    const [zero, one, two] = late.viewChanges;
    if (zero === undefined || one === undefined || two === undefined) throw new Error('no quorum');
    late.hear(1, late.newView);
    late.serve(1, zero, one);
    late.member.crash();
    late.member.start();
    late.serve(1, two);
    expect(late.view).toBe(0);
    late.hear(2, late.newView);
    late.serve(2, zero, one, two);
    expect(late.member.status).toMatchObject({ view: 1, phase: 'normal' });
    expect(late.member.offences).toEqual([]);
  });

  it('is given up when a later view is wanted', () => {
    const late = new Late();
    late.hear(1, late.newView);
    for (const replica of [0, 2]) late.hear(replica, late.network.viewChange(2, replica));
    expect(late.member.status).toMatchObject({ view: 2, phase: 'changing view' });
    const before = late.asked.length;
    late.serve(1, ...late.viewChanges);
    late.network.run(10 * ROUND);
    expect(late.asked).toHaveLength(before);
    expect(late.member.reported('view-entered')).toEqual([]);
  });

  it('is given up when a later view has begun', () => {
    const late = new Late();
    late.hear(1, late.newView);
    const viewChanges = [0, 1, 2].map((replica) => late.network.viewChange(2, replica).change);
    late.network.sendNewView(2, 3, late.network.newView({ view: 2, viewChanges, headers: [] }), []);
    for (const change of viewChanges) late.network.send(change.replica, 3, { type: 'VIEW_CHANGE', change });
    late.network.run(LATENCY);
    expect(late.member.status).toMatchObject({ view: 2, phase: 'normal' });
    const before = late.asked.length;
    late.network.run(10 * ROUND);
    expect(late.asked).toHaveLength(before);
  });
});

describe('a replica that was away', () => {
  it.each([
    ['', false],
    [', also by those who have been restarted since', true],
  ])('is told of the view, and fetches what that rests on%s', (_, restarted) => {
    const network = new PbftNetwork(4);
    network.work(3, 5);
    network.cut([0], [1, 2, 3]);
    network.work(3, 2);
    expect(network.up.map(({ status }) => status.view)).toEqual([0, 1, 1, 1]);
    for (const index of restarted ? [1, 2, 3] : []) {
      network.member(index).crash();
      network.member(index).start();
    }
    network.heal();
    const entered = (): boolean => network.member(0).status.view === 1;
    expect(network.run(10 * SECOND, entered)).toBe(true);
    const asked = network.sentOf('FETCH_VIEW_CHANGE').map(({ message }) => message.replica);
    expect(asked.sort()).toEqual([1, 2, 3]);
    network.work(0, 1);
    expect(network.members.flatMap(({ offences }) => offences)).toEqual([]);
  });

  it('is served what was named, a whole new view at once and then by and by, and nothing else', () => {
    const network = new PbftNetwork(4);
    network.cut([0], [1, 2, 3]);
    network.work(3, 2);
    network.run(SECOND);
    const [sent] = network.sentOf('NEW_VIEW');
    const [replica, signature] = sent?.message.newView.viewChanges[0] ?? [];
    if (replica === undefined || signature === undefined) throw new Error('it names nobody');
    const fetch = { type: 'FETCH_VIEW_CHANGE', view: 1, replica, signature } as const;
    network.passes = ({ from, message }) => from === 0 && message.type === 'FETCH_VIEW_CHANGE';
    const before = network.sentOf('VIEW_CHANGE').length;
    for (const other of [
      { ...fetch, view: 2 },
      { ...fetch, replica: (replica + 1) % 4 },
      { ...fetch, signature: `${'A'.repeat(86)}==` },
    ]) {
      network.send(0, 1, other);
    }
    network.run(LATENCY);
    expect(network.member(1).count('fetch-view-change.unknown')).toBe(3);
    for (let again = 0; again < VIEW_CHANGES_BURST + 10; again++) network.send(0, 1, fetch);
    network.run(LATENCY);
    const served = network.sentOf('VIEW_CHANGE').slice(before);
    expect(served.filter(({ from, to }) => from === 1 && to === 0)).toHaveLength(VIEW_CHANGES_BURST);
    expect(network.member(1).count('limit.view-changes')).toBe(10);
    expect(served[0]?.message.change).toMatchObject({ view: 1, replica, signature });
  });
});

describe('a new view that nobody can complete', () => {
  it('gives way to no earlier one of the same primary, which is counted', () => {
    const late = new Late();
    late.hear(1, late.hollow(5));
    expect(late.asked).toEqual(['1 5 0', '1 5 1', '1 5 2']);
    late.hear(1, late.newView);
    expect(late.member.count('new-view.ignored')).toBe(1);
    late.network.run(2 * STALLED_ROUNDS * ROUND);
    expect(late.asked.filter((question) => question.startsWith('1 1 '))).toEqual([]);
    // The same once more is not one of an earlier view.
    late.hear(2, late.hollow(5));
    expect(late.member.count('new-view.ignored')).toBe(1);
    expect(late.member.offences).toEqual([]);
  });

  it('keeps no other one from being fetched, however late the view is that it is for', () => {
    const late = new Late();
    for (let view = 5; view < 100; view += 4) late.hear(1, late.hollow(view));
    expect(late.asked.slice(0, 3)).toEqual(['1 5 0', '1 5 1', '1 5 2']);
    const viewChanges = [0, 1, 2].map((replica) => late.network.viewChange(2, replica).change);
    late.hear(2, late.network.newView({ view: 2, viewChanges, headers: [] }));
    const isAsked = (): boolean => late.asked.some((question) => question.startsWith('2 2 '));
    expect(late.network.run((STALLED_ROUNDS + 2) * ROUND, isAsked)).toBe(true);
    late.serve(2, ...viewChanges);
    expect(late.member.status).toMatchObject({ view: 2, phase: 'normal' });
    late.member.engine?.measure((name, size, limit) => {
      expect(size, name).toBeLessThanOrEqual(limit);
    });
  });

  it('gives way for a while to that of the view which is wanted, and that is not in the way for long', () => {
    const late = new Late();
    late.hear(2, late.hollow(2));
    // Two others want view 1, so that it does, too.
    for (const replica of [0, 2]) late.hear(replica, late.network.viewChange(1, replica));
    expect(late.member.status).toMatchObject({ view: 1, phase: 'changing view' });
    const before = late.asked.length;
    late.hear(1, late.hollow(1));
    expect(late.asked.slice(before)).toEqual(['1 1 0', '1 1 1', '1 1 2']);
    late.network.run((STALLED_ROUNDS + 2) * ROUND);
    expect(late.asked.at(-1)).toBe('2 2 2');
  });

  it('gives way to another one of the same view, which its primary must not have signed', () => {
    const late = new Late();
    late.hear(1, late.hollow(1));
    late.hear(2, late.newView);
    expect(late.member.offences).toEqual(['1 equivocation']);
    late.serve(2, ...late.viewChanges);
    expect(late.view).toBe(0);
    late.network.run((STALLED_ROUNDS + 2) * ROUND);
    late.hear(2, late.newView);
    late.serve(2, ...late.viewChanges);
    expect(late.member.status).toMatchObject({ view: 1, phase: 'normal' });
  });
});

describe('a new view that comes twice', () => {
  it('is the same one whatever its signature is: who has the key can make others', () => {
    const late = new Late();
    const { newView } = late.newView;
    // Past the codec, which takes one text of a signature only: what is compared must not rest on that.
    const message = { ...late.newView, newView: { ...newView, signature: respelled(newView.signature) } };
    late.hear(1, late.newView);
    late.member.deliver(2, message);
    expect(late.member.offences).toEqual([]);
    expect(late.member.disconnected).toEqual([]);
    // Whoever sent it is asked as well.
    late.network.run(PATIENCE_ROUNDS * ROUND);
    expect(late.asked.slice(3)).toEqual(['2 1 0', '2 1 1', '2 1 2']);
  });

  it.each([
    ['its primary alone', [1, 1], [1]],
    ['somebody else', [2, 2], []],
    ['its primary and then somebody else', [1, 2], []],
    ['somebody else and then its primary', [2, 1], []],
  ] as const)('and is not the same, from %s, is an offence: who is disconnected', (_, from, disconnected) => {
    const late = new Late();
    late.hear(from[0], late.newView);
    late.hear(from[1], late.hollow(1));
    expect(late.member.offences).toEqual(['1 equivocation']);
    expect(late.member.disconnected).toEqual(disconnected);
  });
});

describe('a large cluster with a log that is nearly full', () => {
  it('changes its view although all view changes together fit into no frame', () => {
    const [replicas, slots] = [31, 199];
    const up = [1, 2, 3];
    const scripted = Array.from({ length: replicas }, (_, index) => index).filter(
      (index) => !up.includes(index),
    );
    const network = new PbftNetwork(replicas, { scripted, checkpointInterval: 100 });
    const backups = Array.from({ length: network.quorum - 1 }, (_, index) => index + 4);
    const prepared = Array.from({ length: slots }, (_, index) =>
      network.proof(network.header(0, index + 1, network.batch(0, index + 1)), ...backups),
    );
    const messages = backups.map((replica) => network.viewChange(1, replica, { prepared }));
    const lengths = messages.map((message) => pbftCodec.encode(message).length);
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBeGreaterThan(MAX_RECEIVED);
    // Member 2 lacks one of them, member 3 a few more than it asks for at once.
    const lacking = new Map([
      [1, 0],
      [2, 1],
      [3, VIEW_CHANGES_AT_ONCE + 2],
    ]);
    for (const [to, count] of lacking) {
      for (const message of messages.slice(count)) network.send(message.change.replica, to, message);
    }
    const entered = (): boolean =>
      network.up.every(({ status }) => status.view === 1 && status.phase === 'normal');
    expect(network.run(10 * SECOND, entered)).toBe(true);
    for (const { status, offences } of network.up) {
      expect(status.proposed).toBe(slots);
      expect(offences).toEqual([]);
    }
    for (const index of [2, 3]) {
      const { digests } = foundationOf(
        messages.map(({ change }) => change),
        network.signing(1).nothing,
      );
      expect(network.member(index).reported('view-entered')).toMatchObject([{ carried: digests.length }]);
    }
    expect(network.member(2).count('view-change.fetched')).toBeGreaterThan(0);
    expect(network.member(3).count('view-change.fetched')).toBeGreaterThan(VIEW_CHANGES_AT_ONCE);
  });
});

describe('a view change that is not heard', () => {
  it('is sent again after 1, 2, 4 and 8 rounds and then each 8, and to nobody who is in that view', () => {
    const network = new PbftNetwork(4, { scripted: [0, 1, 2] });
    const times = new Map([0, 1, 2].map((to) => [to, [] as number[]]));
    network.passes = ({ to, message }) => {
      if (message.type === 'VIEW_CHANGE') times.get(to)?.push(network.now);
      return true;
    };
    network.member(3).submit('["append","a"]');
    const { viewChangeTimeout } = network.config;
    network.run(viewChangeTimeout + ROUND);
    network.send(1, 3, { type: 'STATUS', status: { view: 1, changing: false, stable: 0, executed: 0 } });
    network.send(2, 3, { type: 'STATUS', status: { view: 1, changing: true, stable: 0, executed: 0 } });
    network.run(2 * viewChangeTimeout);
    const [zero = [], one = [], two = []] = times.values();
    const gaps = zero.slice(1).map((time, index) => (time - (zero[index] ?? 0)) / ROUND);
    expect(gaps[0]).toBeLessThanOrEqual(1);
    expect(gaps.slice(1, 6)).toEqual([2, 4, MAX_REPEAT_ROUNDS, MAX_REPEAT_ROUNDS, MAX_REPEAT_ROUNDS]);
    expect(two).toEqual(zero);
    expect(one).toEqual(zero.slice(0, 2));
  });
});
