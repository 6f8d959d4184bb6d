/** Claims in, targets in their order out: no network, no store and no clock. */
import { describe, expect, it } from 'vitest';

import { addressKey, type Address } from '../../../../shared/address.ts';
import {
  nextOf,
  stillBetter,
  targetsOf,
  withinBound,
  type Answer,
  type ChoiceGround,
} from '../../../../peer/engines/pow/protocol/choice.ts';
import {
  MAX_CANDIDATES,
  MAX_FAILURES_PER_HOST,
  MAX_SILENT_TRIES,
  MAX_SOURCES,
} from '../../../../peer/engines/pow/protocol/limits.ts';
import { claimKey, type SyncTarget } from '../../../../peer/engines/pow/protocol/sync.ts';
import { buildChain } from '../../../support/chains.ts';
import { at } from './rig.ts';

/** Our chain: ten blocks. */
const OURS = buildChain(10, { difficulty: 1 });
const TIP = OURS.at(-1);
const TIP_HASH = TIP?.hash ?? '';

/** A hash that meets the difficulty; those of greater numbers are greater. */
const hash = (number: number): string => `${String(number).padStart(63, '0')}0`;
/** Greater than that of our tip, which starts with whatever it does. */
const HIGHEST = `${'f'.repeat(63)}0`;

function answer(height: number, claimed: string, ...addresses: Address[]): Answer {
  return { claim: { height, hash: claimed }, addresses };
}

/** What is chosen on our chain, by peers of whom some have served or offended, or have claimed a chain falsely. */
function choice(
  answers: readonly Answer[],
  {
    liars = {},
    peers = {},
    blocks = OURS,
  }: {
    liars?: Record<string, readonly Address[]>;
    peers?: Record<string, { offences: number; served: boolean }>;
    blocks?: typeof OURS;
  } = {},
) {
  const counted: string[] = [];
  const ground: ChoiceGround = {
    chain: {
      difficulty: 1,
      height: blocks.length,
      tip: blocks.at(-1) ?? null,
      block: (height) => blocks[height],
    },
    peers: { get: (address) => peers[addressKey(address)] },
    // The order in which they are drawn is turned round, so that it can be told from theirs.
    random: { sample: (items) => items.toReversed() },
    isLiar: (claim, address) => liars[claimKey(claim)]?.some((one) => one === address) === true,
    count: (outcome) => {
      counted.push(outcome);
    },
  };
  return { ...targetsOf(answers, ground), counted };
}

const claimsOf = (targets: readonly SyncTarget[]): [number, string][] =>
  targets.map(({ height, hash: claimed }) => [height, claimed]);

describe('targets', () => {
  it('come by their length, then by their votes, then by their hash', () => {
    const { targets } = choice([
      answer(11, hash(1), at(1)),
      answer(12, hash(3), at(2)),
      answer(12, hash(2), at(3)),
      answer(12, hash(4), at(4)),
      answer(12, hash(4), at(5)),
    ]);
    expect(claimsOf(targets)).toEqual([
      [12, hash(4)],
      [12, hash(2)],
      [12, hash(3)],
      [11, hash(1)],
    ]);
    expect(targets.map(({ votes }) => votes)).toEqual([2, 1, 1, 1]);
  });

  it.each<[string, boolean, Answer[]]>([
    ['shorter than ours, whatever its votes', false, [1, 2, 3].map((n) => answer(9, hash(1), at(n)))],
    ['as long, with more votes', true, [1, 2].map((n) => answer(10, HIGHEST, at(n)))],
    ['as long, with one vote, as ours has, and a higher hash', false, [answer(10, HIGHEST, at(1))]],
    ['as long, with one vote, as ours has, and a lower hash', true, [answer(10, hash(1), at(1))]],
    [
      'as long, with a lower hash, but fewer votes than ours',
      false,
      [answer(10, hash(1), at(1)), answer(10, TIP_HASH, at(2))],
    ],
    ['our own', false, [answer(10, TIP_HASH, at(1))]],
    ['our own, with a height that is one too high', false, [answer(11, TIP_HASH, at(1))]],
    ['a part of ours', false, [answer(5, OURS[4]?.hash ?? '', at(1))]],
  ])('one that is %s: %s', (_, isTarget, answers) => {
    expect(choice(answers).targets).toHaveLength(isTarget ? 1 : 0);
  });

  it('replace our tip where they are as long, and no tip where they are longer', () => {
    const { targets } = choice([answer(10, hash(1), at(1)), answer(11, hash(2), at(2))]);
    expect(targets.map(({ insteadOf }) => insteadOf)).toEqual([null, TIP_HASH]);
  });

  it('are anything where there is no chain', () => {
    expect(choice([answer(1, hash(1), at(1))], { blocks: [] }).targets).toHaveLength(1);
    expect(choice([answer(0, hash(1), at(1))], { blocks: [] }).targets).toEqual([]);
  });

  it('have the votes, and the sources, of those who count heights from 0', () => {
    const { targets } = choice([
      answer(10, HIGHEST, at(1)),
      answer(9, HIGHEST, at(2)),
      { claim: null, addresses: [at(3)] },
    ]);
    expect(targets).toEqual([
      {
        ...{ height: 10, hash: HIGHEST, votes: 2, served: false },
        ...{ sources: [at(2), at(1)], claimantHosts: [at(1).host], insteadOf: TIP_HASH },
      },
    ]);
  });

  it('have the votes of no other height: one less, and no more than that', () => {
    const { targets } = choice([11, 12, 13, 15, 15].map((height, n) => answer(height, hash(1), at(n))));
    expect(targets.map(({ height, votes }) => [height, votes])).toEqual([
      [15, 2],
      [13, 2],
      [12, 2],
      [11, 1],
    ]);
  });

  it('name each host once, and each source', () => {
    const twice = [at(1), at(1, 8001), at(2)];
    const [target] = choice([answer(11, hash(1), ...twice), answer(11, hash(1), at(1))]).targets;
    expect(target?.claimantHosts).toEqual([at(1).host, at(2).host]);
    expect(target?.sources).toEqual(twice.toReversed());
  });

  it('are asked of those who offended least, and of so many at the most', () => {
    const many = Array.from({ length: MAX_SOURCES + 1 }, (_, n) => at(n));
    const peers = Object.fromEntries(
      many.map((address, n) => [addressKey(address), { offences: n % 2, served: false }]),
    );
    const [target] = choice(
      many.map((address) => answer(11, hash(1), address)),
      { peers },
    ).targets;
    const even = many.filter((_, n) => n % 2 === 0).toReversed();
    const odd = many.filter((_, n) => n % 2 === 1).toReversed();
    expect(target?.sources).toEqual([...even, ...odd].slice(0, MAX_SOURCES));
  });

  it('are known to be served where a claimant has served before', () => {
    const peers = { [addressKey(at(2))]: { offences: 0, served: true } };
    const { targets } = choice([answer(12, hash(1), at(1)), answer(11, hash(2), at(2))], { peers });
    expect(targets.map(({ served }) => served)).toEqual([false, true]);
  });
});

describe('claims that count for nothing', () => {
  it('are those whose hash misses the difficulty', () => {
    const { targets, claimed, counted } = choice([answer(11, `${'0'.repeat(63)}1`, at(1))]);
    expect({ targets, claimed, counted }).toEqual({
      ...{ targets: [], claimed: false, counted: ['stats-reply.misses-difficulty'] },
    });
  });

  it('are those that have proved false: their senders have no vote, and are not asked', () => {
    const [honest, liar] = [at(1), at(2)];
    const liars = { [`10:${HIGHEST}`]: [liar], [`11:${HIGHEST}`]: [liar] };
    const { targets, counted } = choice([answer(10, HIGHEST, liar), answer(10, HIGHEST, honest)], { liars });
    expect(targets).toEqual([]);
    expect(counted).toEqual(['stats-reply.known-false']);
    const both = choice([answer(11, HIGHEST, liar, honest)], { liars }).targets;
    expect(both.map(({ sources, votes }) => ({ sources, votes }))).toEqual([{ sources: [honest], votes: 1 }]);
  });

  it('are no reason to ask their senders for it who claim the same hash at another height', () => {
    const [honest, liar] = [at(1), at(2)];
    const answers = [answer(12, HIGHEST, honest), answer(11, HIGHEST, liar)];
    const chosen = choice(answers, { liars: { [`12:${HIGHEST}`]: [liar] } }).targets;
    expect(chosen.map(({ height, sources }) => [height, sources])).toEqual([
      [12, [honest]],
      [11, [liar, honest]],
    ]);
  });

  it('are none, nor is any chain claimed, where nobody has one', () => {
    expect(choice([{ claim: null, addresses: [at(1)] }])).toEqual({
      ...{ targets: [], claimed: false, counted: [] },
    });
  });

  it('are not those of chains that are not better', () => {
    expect(choice([answer(5, hash(1), at(1))])).toEqual({ targets: [], claimed: true, counted: [] });
  });
});

/** Targets of these numbers, best first: the one of number 0 is the longest. */
function targets(count: number, more: (number: number) => Partial<SyncTarget> = () => ({})): SyncTarget[] {
  return Array.from({ length: count }, (_, number) => ({
    ...{ height: 1_000 - number, hash: hash(number), votes: 1, served: false, sources: [at(number)] },
    ...{ claimantHosts: [at(number).host], insteadOf: null, ...more(number) },
  }));
}

describe('within the bound', () => {
  it('are those of whom least is doubted, in order', () => {
    const all = targets(4);
    const doubted = new Map(all.map((target, number) => [target, [0, 2, 1, 0][number] ?? 0]));
    const doubts = {
      doubt: (target: SyncTarget) => doubted.get(target) ?? 0,
      isSilent: (target: SyncTarget) => (doubted.get(target) ?? 0) > 0,
    };
    expect(withinBound(all, doubts)).toEqual([all[0], all[3], all[2], all[1]]);
  });

  it('half are the most credible of the others: served now, served before, most votes', () => {
    const half = MAX_CANDIDATES / 2;
    const all = targets(3 * half, (number) => ({
      votes: number % 7,
      served: number === 3 * half - 1,
    }));
    const silent = new Set(all.slice(2 * half, 3 * half - 2));
    const chosen = withinBound(all, { doubt: () => 0, isSilent: (target) => silent.has(target) });
    expect(chosen).toHaveLength(MAX_CANDIDATES);
    expect(chosen.slice(0, half)).toEqual(all.slice(0, half));
    const rest = chosen.slice(half);
    // Two of those that are not silent are at the very end of the list, and one of these has served before.
    expect(rest[0]).toBe(all.at(-1));
    expect(rest).not.toContain(all.find((target) => silent.has(target)));
    const votes = rest.slice(1).map((target) => target.votes);
    expect(votes).toEqual(votes.toSorted((a, b) => b - a));
    // Of those who are equal the longer ones come first.
    const sixes = rest.slice(1).filter((target) => target.votes === 6);
    expect(sixes).toEqual(sixes.toSorted((a, b) => b.height - a.height));
  });
});

describe('what is still better', () => {
  const tie = targets(1, () => ({ height: 10, insteadOf: TIP_HASH }));
  const tip = TIP ?? null;

  it.each([
    ['longer', targets(1, () => ({ height: 11 })), true],
    ['as long, in the place of our tip', tie, true],
    ['as long, in the place of another tip', targets(1, () => ({ height: 10, insteadOf: hash(1) })), false],
    ['as long, in the place of none', targets(1, () => ({ height: 10 })), false],
    ['shorter', targets(1, () => ({ height: 9, insteadOf: TIP_HASH })), false],
  ])('is one that is %s: %s', (_, some, better) => {
    expect(stillBetter(some, { height: 10, tip })).toEqual(better ? some : []);
  });
});

describe('the next to be tried', () => {
  const tries = { failed: 0, silent: 0, failures: new Map<string, number>() };
  const doubts = (...silent: SyncTarget[]) => ({ isSilent: (one: SyncTarget) => silent.includes(one) });
  const all = targets(3, (number) => ({ votes: number }));

  it('is the first, and after a try in vain the most credible one', () => {
    expect(nextOf(all, doubts(), tries)).toBe(all[0]);
    expect(nextOf(all, doubts(), { ...tries, failed: 1 })).toBe(all[2]);
    expect(nextOf(all, doubts(), { ...tries, failed: 2 })).toBe(all[0]);
    const [first, ...others] = targets(3, (number) => ({ votes: number, served: number === 1 }));
    if (first === undefined) throw new Error('there is none');
    expect(nextOf([first, ...others], doubts(), { ...tries, failed: 1 })).toBe(others[0]);
  });

  it('is passed over where all of its hosts have failed too often, unless all have', () => {
    const failing = (...some: SyncTarget[]) =>
      new Map(
        some.flatMap(({ claimantHosts }) => claimantHosts.map((host) => [host, MAX_FAILURES_PER_HOST])),
      );
    const spread = targets(6, (number) => ({ claimantHosts: [`10.9.9.${number}`, '10.9.8.1'] }));
    const apart = targets(3, (number) => ({ claimantHosts: [`10.9.9.${number}`] }));
    const [first, second, third] = apart;
    if (first === undefined || second === undefined || third === undefined) throw new Error('too few');
    expect(nextOf(apart, doubts(), { ...tries, failures: failing(first) })).toBe(second);
    expect(nextOf(apart, doubts(), { ...tries, failures: failing(first, second, third) })).toBe(first);
    const once = new Map([['10.9.9.0', MAX_FAILURES_PER_HOST - 1]]);
    expect(nextOf(apart, doubts(), { ...tries, failures: once })).toBe(first);
    const oneOfTwo = new Map([['10.9.9.0', MAX_FAILURES_PER_HOST]]);
    expect(nextOf(spread, doubts(), { ...tries, failures: oneOfTwo })).toBe(spread[0]);
  });

  it('is one that is silent only where no other one is left, and only so often', () => {
    const [first, second, third] = all;
    if (first === undefined || second === undefined || third === undefined) throw new Error('too few');
    expect(nextOf([third, first, second], doubts(first, second), tries)).toBe(third);
    expect(nextOf([first, second], doubts(first, second), tries)).toBe(first);
    const often = { ...tries, silent: MAX_SILENT_TRIES };
    expect(nextOf([first, second], doubts(first, second), often)).toBeUndefined();
    expect(nextOf([], doubts(), tries)).toBeUndefined();
  });
});
