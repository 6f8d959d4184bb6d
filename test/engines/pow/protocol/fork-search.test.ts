import { describe, expect, it } from 'vitest';

import type { Block } from '../../../../shared/block.ts';
import { Random } from '../../../../peer/core/random.ts';
import { ForkSearch } from '../../../../peer/engines/pow/protocol/fork-search.ts';
import { MAX_PROBE_ROUNDS, PROBES, STATS_RETRY } from '../../../../peer/engines/pow/protocol/limits.ts';
import { seededRandom } from '../../../support/random.ts';
import { at } from './rig.ts';

const sources = [at(1), at(2), at(3)];

/** Chains as far as their hashes go: the same up to the fork point. */
function hashes(side: string, forkPoint: number): (height: number) => string {
  return (height) => (height <= forkPoint ? `common ${height}` : `${side} ${height}`);
}

interface Run {
  readonly result: number | undefined;
  readonly requests: number;
  readonly rounds: number;
}

/**
 * @param answer the hash that is answered for a height, or undefined for no answer
 * @param roundTrip after how many milliseconds the answers come
 */
function search(
  length: number,
  ours: (height: number) => string,
  answer: (height: number) => string | undefined,
  roundTrip = 0,
): Run {
  const random = new Random(Uint8Array.from({ length: 16 }, (_, index) => index + 1));
  const fork = new ForkSearch((height) => ours(height), length, sources, random);
  let now = 0;
  let requests = 0;
  let rounds = 0;
  let underWay: { readonly at: number; readonly block: Block }[] = [];
  while (fork.result === undefined) {
    for (const { at: due, block } of underWay) if (due <= now) fork.onBlock(block);
    underWay = underWay.filter(({ at: due }) => due > now);
    const asked = fork.poll(now);
    if (asked.length > 0) rounds++;
    requests += asked.length;
    expect(asked.length).toBeLessThanOrEqual(2 * PROBES);
    for (const { height } of asked) {
      expect(height).toBeGreaterThanOrEqual(0);
      expect(height).toBeLessThan(length);
      const hash = answer(height);
      if (hash === undefined) continue;
      const block = { height, hash, messages: ['x'], minedBy: '', nonce: '', timestamp: 0 };
      if (roundTrip > 0) underWay.push({ at: now + roundTrip, block });
      else fork.onBlock(block);
    }
    now += STATS_RETRY / 4;
    expect(now).toBeLessThan(2 * MAX_PROBE_ROUNDS * STATS_RETRY);
  }
  expect(fork.poll(now)).toEqual([]);
  return { result: fork.result, requests, rounds };
}

describe('ForkSearch', () => {
  it('needs no question where one chain is empty', () => {
    expect(search(0, hashes('ours', -1), () => undefined)).toEqual({ result: -1, requests: 0, rounds: 0 });
  });

  it('finds any fork in a chain of any length within a few rounds', () => {
    const random = seededRandom(11);
    for (let run = 0; run < 200; run++) {
      const length = 1 + Math.floor(10 ** (random() * 6));
      const forkPoint = Math.floor(random() * (length + 1)) - 1;
      const { result, rounds } = search(length, hashes('ours', forkPoint), hashes('theirs', forkPoint));
      expect(result).toBe(forkPoint);
      expect(rounds).toBeLessThanOrEqual(10);
    }
  });

  it('finds a young fork with one round or two', () => {
    for (let depth = 0; depth < 8; depth++) {
      const forkPoint = 99_999 - depth;
      const { result, rounds } = search(100_000, hashes('ours', forkPoint), hashes('theirs', forkPoint));
      expect(result).toBe(forkPoint);
      expect(rounds).toBeLessThanOrEqual(2);
    }
  });

  it('finds it although half of the answers are lost', () => {
    const random = seededRandom(12);
    for (let run = 0; run < 100; run++) {
      const forkPoint = Math.floor(random() * 1_000);
      const theirs = hashes('theirs', forkPoint);
      const { result } = search(1_000, hashes('ours', forkPoint), (height) =>
        random() < 0.5 ? undefined : theirs(height),
      );
      expect(result).toBe(forkPoint);
    }
  });

  it('takes answers that come when the next round has begun', () => {
    const random = seededRandom(14);
    for (let run = 0; run < 100; run++) {
      const forkPoint = Math.floor(random() * 1_000);
      const theirs = hashes('theirs', forkPoint);
      // As seed 16859 had it: a long way, and half of the questions are not answered.
      const answer = (height: number): string | undefined => (random() < 0.5 ? undefined : theirs(height));
      expect(search(1_000, hashes('ours', forkPoint), answer, 1.5 * STATS_RETRY).result).toBe(forkPoint);
    }
  });

  it('takes the best that it knows when nobody answers', () => {
    expect(search(1_000, hashes('ours', 10), () => undefined)).toMatchObject({ result: -1 });
  });

  it('ends whatever liars answer, with no fork point that contradicts itself', () => {
    const random = seededRandom(13);
    const lies: ((height: number) => string | undefined)[] = [
      (height) => `common ${height}`,
      () => 'nothing in common',
      (height) => (random() < 0.5 ? `common ${height}` : 'a lie'),
      (height) => (height % 2 === 0 ? `common ${height}` : undefined),
    ];
    for (const lie of lies) {
      for (let run = 0; run < 50; run++) {
        const length = 1 + Math.floor(random() * 10_000);
        const { result } = search(length, hashes('ours', length), lie);
        expect(result).toBeGreaterThanOrEqual(-1);
        expect(result).toBeLessThan(length);
      }
    }
  });

  it('passes over answers that it did not ask for', () => {
    const fork = new ForkSearch(hashes('ours', 99), 100, sources, new Random(new Uint8Array(16)));
    fork.onBlock({ height: 50, hash: 'a lie', messages: [], minedBy: '', nonce: '', timestamp: 0 });
    const asked = fork.poll(0).map(({ height }) => height);
    expect(asked).toContain(99);
    expect(asked).not.toContain(50);
    expect(fork.result).toBeUndefined();
  });
});
