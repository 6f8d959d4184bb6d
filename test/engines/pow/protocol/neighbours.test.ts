import { describe, expect, it } from 'vitest';

import type { Block } from '../../../../shared/block.ts';
import type { Address } from '../../../../shared/address.ts';
import {
  MAX_MISSING_BLOCKS,
  MAX_SENDS,
  PASS_ON_DELAY,
  PASS_ON_SPREAD,
  RESEND_AFTER,
  STATS_PER_ROUND,
} from '../../../../peer/engines/pow/protocol/limits.ts';
import { buildChain, forkChain } from '../../../support/chains.ts';
import { at, Rig, type Sent } from './rig.ts';

const difficulty = 1;
const chain = buildChain(30, { difficulty });
const block = (height: number): Block => {
  const found = chain[height];
  if (found === undefined) throw new Error(`there is no block ${height}`);
  return found;
};
const ROUND = 30_000;
const PASSED_ON = PASS_ON_DELAY + PASS_ON_SPREAD;

const to = (sent: readonly Sent[], type: string, { host }: Address): Sent[] =>
  sent.filter((one) => one.message.type === type && one.to.host === host);
const announced = (sent: readonly Sent[], peer: Address): number[] =>
  to(sent, 'ANNOUNCE', peer).map(({ message }) => (message.type === 'ANNOUNCE' ? message.block.height : NaN));

function stats(rig: Rig, length: number, from: Address): Sent[] {
  return rig.receive({ type: 'STATS_REPLY', height: length, hash: chain[length - 1]?.hash ?? null }, from);
}

/** Lets time pass until a peer is asked for STATS; answers with everything sent until then. */
function untilAsked(rig: Rig, peer: Address, limit = ROUND): Sent[] {
  const sent: Sent[] = [];
  for (let time = 0; time < limit && to(sent, 'STATS', peer).length === 0; time += 100)
    sent.push(...rig.pass(100));
  return sent;
}

/** An engine with so many blocks, a peer of its own kind at 1, and foreign ones at 2 and 3 with the same chain. */
function rigAt(length: number): Rig {
  const rig = new Rig({}, chain.slice(0, length));
  rig.join(at(1));
  for (const last of [2, 3]) rig.gossip(at(last), undefined);
  rig.pass(1_100);
  for (const last of [1, 2, 3]) stats(rig, length, at(last));
  return rig;
}

describe('a block that others mined', () => {
  it('goes at once to peers of our own kind only, but for its sender', () => {
    const rig = rigAt(5);
    const sent = rig.receive({ type: 'ANNOUNCE', block: block(5) }, at(2));
    expect(sent.map((one) => one.to)).toEqual([at(1)]);
    expect(rig.receive({ type: 'ANNOUNCE', block: block(6) }, at(1))).toEqual([]);
  });

  it('goes to foreign ones some seconds later, once, and only if their STATS say that they lack it', () => {
    const rig = rigAt(5);
    rig.receive({ type: 'ANNOUNCE', block: block(5) }, at(1));
    expect(rig.pass(PASS_ON_DELAY - 1)).toEqual([]);
    const asked = untilAsked(rig, at(3), PASS_ON_SPREAD + 100);
    for (const last of [2, 3]) expect(to(asked, 'STATS', at(last))).toHaveLength(1);
    expect(to(asked, 'STATS', at(1))).toEqual([]);
    expect(stats(rig, 6, at(2))).toEqual([]);
    expect(announced(stats(rig, 5, at(3)), at(3))).toEqual([5]);
    expect(stats(rig, 5, at(3))).toEqual([]);
  });

  it('is not sent to who was asked before it came: its miner may have told it meanwhile', () => {
    const rig = rigAt(5);
    untilAsked(rig, at(2));
    rig.receive({ type: 'ANNOUNCE', block: block(5) }, at(1));
    expect(announced(stats(rig, 5, at(2)), at(2))).toEqual([]);
    untilAsked(rig, at(2), PASSED_ON);
    expect(announced(stats(rig, 5, at(2)), at(2))).toEqual([5]);
  });

  it('is not sent to who has shown in the meantime that it has it', () => {
    const rig = rigAt(5);
    rig.receive({ type: 'ANNOUNCE', block: block(5) }, at(2));
    rig.receive({ type: 'ANNOUNCE', block: block(5) }, at(3));
    expect(rig.pass(PASSED_ON)).toEqual([]);
  });
});

describe('a tip that was adopted', () => {
  it('is told to foreign peers only after their STATS say that they lack it', () => {
    const rig = new Rig({}, chain.slice(0, 5));
    rig.join(at(1));
    for (const last of [2, 3]) rig.gossip(at(last), undefined);
    rig.pass(1_100);
    stats(rig, 6, at(2));
    // Those at 1 and 3 are silent.
    const sent = rig.pass(3_000);
    for (const { message } of sent) {
      if (message.type === 'GET_BLOCK' && message.height !== undefined)
        sent.push(...rig.receive({ type: 'GET_BLOCK_REPLY', block: block(message.height) }, at(2)));
    }
    sent.push(...rig.pass(100));
    expect(rig.height).toBe(6);
    expect(announced(sent, at(1))).toEqual([5]);
    expect([...announced(sent, at(2)), ...announced(sent, at(3))]).toEqual([]);
    expect(to(untilAsked(rig, at(3), PASSED_ON), 'STATS', at(3))).toHaveLength(1);
    expect(announced(stats(rig, 5, at(3)), at(3))).toEqual([5]);
  });
});

describe('a peer that is behind', () => {
  it('by few blocks is sent them in order, each when it has taken the one before', () => {
    const rig = rigAt(10);
    untilAsked(rig, at(2));
    const first = stats(rig, 7, at(2));
    expect(announced(first, at(2))).toEqual([7]);
    expect(to(first, 'STATS', at(2))).toHaveLength(1);
    // It has not taken it so far: nothing is sent a second time, nor out of turn.
    expect(stats(rig, 7, at(2))).toEqual([]);
    untilAsked(rig, at(2));
    expect(announced(stats(rig, 8, at(2)), at(2))).toEqual([8]);
    const last = stats(rig, 9, at(2));
    expect(announced(last, at(2))).toEqual([9]);
    expect(to(last, 'STATS', at(2))).toEqual([]);
  });

  it('and refuses a block, as one does that still syncs, is sent it again, in time, but not for ever', () => {
    const rig = rigAt(6);
    let copies = 0;
    for (let round = 0; round < 20; round++) {
      untilAsked(rig, at(2));
      copies += announced(stats(rig, 5, at(2)), at(2)).length;
    }
    expect(copies).toBe(MAX_SENDS);
  });

  it('is sent a block again only if it was asked when the first copy must have arrived', () => {
    const rig = rigAt(5);
    rig.receive({ type: 'ANNOUNCE', block: block(5) }, at(1));
    untilAsked(rig, at(2));
    expect(announced(stats(rig, 5, at(2)), at(2))).toEqual([5]);
    rig.now += RESEND_AFTER - 1;
    rig.request({ kind: 'consensus' });
    expect(to(rig.sent(), 'STATS', at(2))).toHaveLength(1);
    rig.now += 10;
    expect(announced(stats(rig, 5, at(2)), at(2))).toEqual([]);
  });

  it.each([
    ['counts heights from 0', 8, 9],
    ['has counted a block twice', 8, 7],
  ])('is known by its last block where it %s', (_, length, reported) => {
    const rig = rigAt(10);
    untilAsked(rig, at(2));
    const hash = block(length - 1).hash;
    expect(announced(rig.receive({ type: 'STATS_REPLY', height: reported, hash }, at(2)), at(2))).toEqual([
      length,
    ]);
  });

  it('by many blocks, or on another branch, or without a chain, has to sync', () => {
    const rig = rigAt(20);
    const other = forkChain(chain, 17, 19, { difficulty, minedBy: 'other' });
    untilAsked(rig, at(2));
    expect(stats(rig, 20 - MAX_MISSING_BLOCKS - 1, at(2))).toEqual([]);
    untilAsked(rig, at(2));
    rig.receive({ type: 'STATS_REPLY', height: 19, hash: other[18]?.hash ?? null }, at(2));
    expect(rig.sent()).toEqual([]);
    untilAsked(rig, at(2));
    expect(stats(rig, 0, at(2))).toEqual([]);
    untilAsked(rig, at(2));
    expect(announced(stats(rig, 20 - MAX_MISSING_BLOCKS, at(2)), at(2))).toEqual([20 - MAX_MISSING_BLOCKS]);
  });
});

describe('a silent neighbour', () => {
  it('that grew or fell behind is noticed within one round', () => {
    const rig = rigAt(10);
    const sent = rig.pass(ROUND);
    for (const last of [1, 2, 3]) expect(to(sent, 'STATS', at(last))).toHaveLength(1);
    const before = rig.notices.length;
    stats(rig, 12, at(3));
    rig.pass(1_000);
    expect(rig.notices.slice(before)).toContainEqual({ kind: 'consensus-started', peers: 3 });
  });

  it('among many is asked in its turn, and those that are behind in every round', () => {
    const rig = new Rig({ peerTimeout: 3_600_000 }, chain.slice(0, 10));
    for (let last = 1; last <= 12; last++) rig.join(at(last));
    rig.pass(1_100);
    for (let last = 1; last <= 12; last++) stats(rig, last === 5 ? 9 : 10, at(last));
    const asked = new Map<string, number>();
    for (let round = 0; round < 6; round++) {
      const questions = rig.pass(ROUND).filter(({ message }) => message.type === 'STATS');
      expect(questions).toHaveLength(STATS_PER_ROUND);
      for (const { to: peer } of questions) {
        asked.set(peer.host, (asked.get(peer.host) ?? 0) + 1);
        stats(rig, peer.host === at(5).host ? 9 : 10, peer);
      }
    }
    expect(asked.get(at(5).host)).toBe(6);
    expect(asked.size).toBe(12);
  });
});
