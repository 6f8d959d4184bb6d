/** Engines of proof of work that choose wrongly among the chains that are claimed, as without the rule for ties. */
import { afterEach, describe, expect, it, vi } from 'vitest';

import type { ChainClaim } from '../../../../peer/engines/pow/protocol/interface.ts';
import { Round } from '../../../../peer/engines/pow/protocol/round.ts';
import type { SyncTarget } from '../../../../peer/engines/pow/protocol/sync.ts';
import { Ballot, beats } from '../../../../peer/engines/pow/simulation/ballot.ts';
import { powSubject } from '../../../../peer/engines/pow/simulation/subject.ts';
import { CHECKERS } from '../../../../peer/engines/pow/simulation/watch.ts';
import type { Violation } from '../../../../peer/simulator/report.ts';
import * as plant from '../../../simulator/plant.ts';

type Answers = readonly { readonly claim: ChainClaim | null }[];

/** Where an engine chooses: the chains that it goes for, in order. */
interface Choosing {
  readonly count: (this: Choosing, answers: Answers) => SyncTarget[];
}

/** A network whose chains part often, and whose nodes often ask each other. */
const FORKS = {
  nodes: 6,
  hours: 0.5,
  'block-interval': 5,
  'consensus-interval': 20,
  latency: 500,
  loss: 20,
  partitions: 20,
};

/** What is found in engines whose choice becomes another one. */
function found(change: (targets: SyncTarget[], answers: Answers) => SyncTarget[]): readonly Violation[] {
  const prototype = Round.prototype as unknown as Choosing;
  const choose = prototype.count;
  vi.spyOn(prototype, 'count').mockImplementation(function (this: Choosing, answers) {
    return change(choose.call(this, answers), answers);
  });
  return plant.violations(powSubject, FORKS);
}

/** How many more votes a chain has than the one that it is to replace, which its node votes for as well. */
function lead({ hash, insteadOf }: SyncTarget, answers: Answers): number {
  const votes = (of: string | null): number => answers.filter(({ claim }) => claim?.hash === of).length;
  return votes(hash) - votes(insteadOf) - 1;
}

const longerOnly = ({ insteadOf }: SyncTarget): boolean => insteadOf === null;

describe('a chain that is better than what a node chooses', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('is not found where the rule is kept', () => {
    expect(found((targets) => targets)).toEqual([]);
  });

  it.each<[string, RegExp, Parameters<typeof found>[0]]>([
    ['none of the same length is gone for', /^it keeps /, (targets) => targets.filter(longerOnly)],
    [
      'the lower hash does not win where votes are equal',
      /^it keeps /,
      (targets, answers) => targets.filter((target) => longerOnly(target) || lead(target, answers) > 0),
    ],
    [
      'the majority does not win',
      /^it keeps /,
      (targets) =>
        targets.filter((target) => longerOnly(target) || target.hash < (target.insteadOf ?? target.hash)),
    ],
    ['the last is gone for', /^it goes for /, (targets) => targets.toReversed()],
    ['longer ones are not gone for', /^it keeps /, (targets) => targets.filter((one) => !longerOnly(one))],
  ])('is found where %s', (_, detail, change) => {
    const [first, ...more] = found(change);
    expect(more).toEqual([]);
    expect(first?.checker).toBe(CHECKERS.best);
    expect(first?.detail).toMatch(detail);
  });
});

describe('the votes of a consensus', () => {
  const from = (port: number): { host: string; port: number } => ({ host: '10.0.0.1', port });
  const stats = (height: number, hash: string | null): Parameters<Ballot['add']>[0] => ({
    type: 'STATS_REPLY',
    height,
    hash,
  });

  it('of those who were not asked may have counted, or not', () => {
    const ballot = new Ballot();
    ballot.begin([from(1), from(2)]);
    for (const port of [1, 2, 3]) ballot.add(stats(7, 'a'), from(port));
    expect(ballot.claimed).toEqual([{ height: 7, hash: 'a', votes: 2 }]);
    expect(ballot.most({ height: 7, hash: 'a' }).votes).toBe(3);
    expect(ballot.ownLeast({ height: 7, hash: 'a' }).votes).toBe(3);
    expect(ballot.ownMost({ height: 7, hash: 'a' }).votes).toBe(4);
  });

  it('are the last of each, until they are counted', () => {
    const ballot = new Ballot();
    ballot.begin([from(1), from(2)]);
    ballot.add(stats(7, 'a'), from(1));
    ballot.add(stats(8, 'b'), from(1));
    ballot.add(stats(0, null), from(2));
    ballot.close();
    ballot.add(stats(9, 'c'), from(2));
    expect(ballot.claimed).toEqual([{ height: 8, hash: 'b', votes: 1 }]);
  });

  it('count where chains are equally long, and the lower hash where votes are equal', () => {
    const [long, loved, low, high] = [
      { height: 8, hash: 'd', votes: 1 },
      { height: 7, hash: 'c', votes: 2 },
      { height: 7, hash: 'a', votes: 1 },
      { height: 7, hash: 'b', votes: 1 },
    ];
    const order = [long, loved, low, high];
    for (const [place, one] of order.entries())
      for (const [other, two] of order.entries()) expect(beats(one, two)).toBe(place < other);
  });
});
