/** The tools of the end-to-end tests are programs too: what they build and how they behave is checked here. */
import { describe, expect, it, onTestFinished } from 'vitest';

import { Asker, eventually } from './asker.ts';
import {
  buildChain,
  chainFault,
  flipBit,
  forkChain,
  gooseChain,
  longMessage,
  mineBlock,
  wrongPrevious,
} from './chains.ts';
import { ClassPeer } from './class-peer.ts';
import { seededRandom } from './random.ts';
import { DatagramRules, firstFault } from './wire.ts';

const DIFFICULTY = 2;

describe('chains', () => {
  const chain = buildChain(8, { difficulty: DIFFICULTY });

  it('are valid by the project’s rule and by the second opinion', () => {
    expect(chainFault(chain, DIFFICULTY)).toBeUndefined();
    expect(firstFault(chain, DIFFICULTY)).toBeUndefined();
    expect(chain).toHaveLength(8);
    expect(buildChain(8, { difficulty: DIFFICULTY })).toEqual(chain);
  });

  it('fork where they are told to', () => {
    const fork = forkChain(chain, 3, 10, { difficulty: DIFFICULTY, minedBy: 'other' });
    expect(firstFault(fork, DIFFICULTY)).toBeUndefined();
    expect(fork).toHaveLength(10);
    expect(fork.slice(0, 3)).toEqual(chain.slice(0, 3));
    expect(fork[3]?.hash).not.toBe(chain[3]?.hash);
    expect(() => forkChain(chain, 3, 10, { difficulty: DIFFICULTY, minedBy: 'test' })).toThrow();
  });

  it('are false in the way that was asked for', () => {
    const cases = [
      [flipBit(chain, 4), 4, 'wrong-hash', 'block 4 has the wrong hash'],
      [wrongPrevious(chain, 4, DIFFICULTY), 4, 'wrong-hash', 'block 4 has the wrong hash'],
      [longMessage(chain, 4, DIFFICULTY), 4, 'message-too-long', 'block 4 has a long message'],
      [gooseChain(chain, 2, DIFFICULTY), 8, 'misses-difficulty', 'block 8 misses the difficulty'],
    ] as const;
    for (const [falseChain, height, fault, sentence] of cases) {
      expect(chainFault(falseChain, DIFFICULTY)).toEqual({ height, fault });
      expect(firstFault(falseChain, DIFFICULTY)).toBe(sentence);
    }
  });
});

it('random numbers are the same for the same seed and fill the range', () => {
  const numbers = Array.from({ length: 1000 }, seededRandom(7));
  expect(Array.from({ length: 1000 }, seededRandom(7))).toEqual(numbers);
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  expect(mean).toBeGreaterThan(0.45);
  expect(mean).toBeLessThan(0.55);
});

it('the rules for datagrams name what breaks them', () => {
  const rules = new DatagramRules(() => [9]);
  rules.check(Buffer.from('{"type":"STATS"}'), 9);
  expect(rules.violations).toEqual([]);
  rules.check(Buffer.from('{"type":"STATS"}'), 10);
  rules.check(Buffer.from(JSON.stringify({ type: 'STATS', pad: 'x'.repeat(1100) })), 9);
  rules.check(Buffer.from('null'), 9);
  rules.check(Buffer.from('{"type":"STATS_REPLY","height":null,"hash":null}'), 9);
  expect(rules.violations.map((text) => text.slice(0, 30))).toEqual([
    expect.stringContaining('left from port 10'),
    expect.stringContaining('has 1'),
    expect.stringContaining('is no JSON object'),
    expect.stringContaining('is a STATS_REPLY'),
  ]);
});

describe('a scripted class peer', () => {
  const chain = buildChain(5, { difficulty: DIFFICULTY });

  it('serves its chain in spite of losing datagrams', async () => {
    const peer = await ClassPeer.open({ chain, subjects: () => [], quirks: { loss: 0.3 } });
    const asker = await Asker.open(() => []);
    onTestFinished(() => {
      peer.close();
      asker.close();
    });
    await asker.introduce(peer.port);
    expect(await asker.stats(peer.port)).toEqual({ height: 5, hash: chain[4]?.hash });
    expect(await asker.chain(peer.port)).toEqual(chain);
  });

  it('passes gossip on, so that three peers find each other, and announces', async () => {
    const first = await ClassPeer.open({ subjects: () => [] });
    const second = await ClassPeer.open({ subjects: () => [], join: [first] });
    const third = await ClassPeer.open({ subjects: () => [], join: [first] });
    onTestFinished(() => {
      for (const peer of [first, second, third]) peer.close();
    });
    await eventually('all know each other', () =>
      [first, second, third].every((peer) => peer.tracked.size === 2),
    );
    const block = mineBlock(null, { difficulty: DIFFICULTY });
    first.announce(block);
    await eventually('both got the block', () => second.announced.length + third.announced.length === 2);
    expect([...second.announced, ...third.announced]).toEqual([block, block]);
  });
});
