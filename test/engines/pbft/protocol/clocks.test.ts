/** Clocks that are set, and machines that sleep: what batches carry is wall time, and nobody needs a restart for it. */
import { describe, expect, it } from 'vitest';

import { DEFAULT_PBFT_CONFIG } from '../../../../peer/engines/pbft/protocol/interface.ts';
import { clientWindowOf, TIME_TOLERANCE } from '../../../../peer/engines/pbft/protocol/limits.ts';
import { LATENCY, PbftNetwork, type PbftMember } from '../../../support/pbft-network.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** @returns under what timestamp a member, which is not the primary, asks */
function submit(member: PbftMember): number {
  expect(member.submit('["append","x"]')).toBeUndefined();
  return member.timestamp;
}

/** The times of the batches that were proposed, by how much they are ahead of the network's, each once. */
function timesAhead(network: PbftNetwork): Set<number> {
  const times = network.sentOf('PRE_PREPARE').map(({ message }) => message.batch.time);
  return new Set(times.map((time) => Math.round((time - network.now) / MINUTE)));
}

describe('a clock', () => {
  it('of a machine that slept is right again when it wakes, and with one more member down the cluster goes on', () => {
    const network = new PbftNetwork(4);
    network.work(1, 1);
    network.member(2).crash();
    // All but one have slept for half an hour; that one was set right in the meantime.
    for (const { index } of network.up) network.member(index).setClock(30 * MINUTE);
    network.work(1, 2);
    expect(network.up.flatMap((member) => member.reported('time-refused'))).toEqual([]);
    expect(timesAhead(network)).toEqual(new Set([0, 30]));
  });

  it('that is not told what the others are refuses, and accepts as soon as it is: no restart is needed', () => {
    const network = new PbftNetwork(4);
    for (const member of [0, 1]) network.member(member).setClock(TIME_TOLERANCE + MINUTE);
    submit(network.member(3));
    network.run(500);
    expect(network.member(3).reported('time-refused')[0]).toMatchObject({ primary: 0 });
    expect(network.member(3).status).toMatchObject({ executed: 0, view: 0 });
    for (const member of [2, 3]) network.member(member).setClock(TIME_TOLERANCE + MINUTE);
    expect(network.run(500, () => network.allExecuted(1))).toBe(true);
    expect(network.member(3).status.view).toBe(0);
  });

  it('that is set back by an hour is followed at once, and what has a time is executed all the same', () => {
    const network = new PbftNetwork(4);
    for (const member of network.members) member.setClock(60 * MINUTE);
    network.work(1, 1);
    for (const member of network.members) member.setClock(0);
    network.work(1, 1);
    network.run(SECOND);
    expect(timesAhead(network)).toEqual(new Set([0, 60]));
    expect(network.members.map(({ status }) => status.executed)).toEqual([2, 2, 2, 2]);
  });

  it('before 1970 is no reason to propose what nobody takes', () => {
    const network = new PbftNetwork(4);
    for (const member of network.members) member.setClock(-2 * network.now);
    network.work(1, 1);
    expect(network.up.flatMap(({ offences }) => offences)).toEqual([]);
  });
});

describe('a member whose clock was ahead and which has lost its store', () => {
  const WINDOW = clientWindowOf(DEFAULT_PBFT_CONFIG.messageBuffer, 4);

  /** Four members, the last one's clock five minutes ahead; more of its requests are executed than are remembered. */
  function lost(): { readonly network: PbftNetwork; readonly member: PbftMember; readonly last: number } {
    const network = new PbftNetwork(4, DEFAULT_PBFT_CONFIG);
    const member = network.member(3);
    member.setClock(5 * MINUTE);
    let last = 0;
    for (let count = 1; count <= WINDOW + 10; count++) {
      last = submit(member);
      network.run(10 * SECOND, () => member.status.executed >= count);
    }
    network.run(SECOND);
    expect(network.allExecuted(WINDOW + 10)).toBe(true);
    member.crash();
    member.wipe();
    member.setClock(0);
    member.start();
    return { network, member, last };
  }

  const answers = (member: PbftMember, timestamp: number): string[] =>
    member.answers.flatMap((answer) => (answer.timestamp === timestamp ? [answer.result] : []));

  it('asks under later timestamps once it has the state again, and is served', () => {
    const { network, member, last } = lost();
    expect(network.run(MINUTE, () => member.status.executed === WINDOW + 10)).toBe(true);
    const before = network.sentOf('REQUEST').length;
    const timestamp = submit(member);
    expect(timestamp).toBeGreaterThan(last);
    network.run(MINUTE);
    expect(answers(member, timestamp)).toEqual([JSON.stringify({ index: WINDOW + 11 })]);
    expect(member.status).toMatchObject({ view: 0, viewChanges: 0, outstanding: 0 });
    expect(network.sentOf('REQUEST').length - before).toBe(1);
  });

  it('is told the truth of what it asked for before that, and does not stand alone in a view change', () => {
    const { network, member, last } = lost();
    const timestamp = submit(member);
    expect(timestamp).toBeLessThan(last);
    network.run(MINUTE);
    expect(answers(member, timestamp)).toEqual([
      JSON.stringify({ error: 'It came too late, or it was executed and the answer is no longer known.' }),
    ]);
    expect(member.status).toMatchObject({ view: 0, viewChanges: 0, outstanding: 0, waiting: 0 });
  });

  it('the same where it has fetched no state, but executed again all that was decided', () => {
    const network = new PbftNetwork(4, { checkpointInterval: 100, messageBuffer: 32 });
    const member = network.member(3);
    member.setClock(5 * MINUTE);
    network.work(3, 20);
    network.run(SECOND);
    member.crash();
    member.wipe();
    member.setClock(0);
    member.start();
    const early = submit(member);
    expect(network.run(MINUTE, () => member.status.executed === 20)).toBe(true);
    expect(member.reported('transfer-finished')).toEqual([]);
    network.run(SECOND);
    expect(answers(member, early)).toHaveLength(1);
    const timestamp = submit(member);
    network.run(20 * LATENCY);
    expect(answers(member, timestamp)).toEqual([JSON.stringify({ index: 21 })]);
  });
});
