/**
 * The choice of a chain: which of those that are claimed are better than ours, and in what order they are tried.
 *
 * The longest valid chain wins. Of several claims the longest is tried first, then the one most peers agree on, then
 * the lowest hash. At our own height the hash with most votes wins (ours counts as one), then the lowest, so that
 * every network settles on one chain. Source: the assignment ("longest chain; ties break on the majority").
 */
import { addressKey, type Address } from '../../../../shared/address.ts';
import { meetsDifficulty } from '../../../../shared/block.ts';
import type { Random } from '../../../core/random.ts';
import type { Chain } from './chain.ts';
import type { ChainClaim } from './interface.ts';
import { MAX_CANDIDATES, MAX_FAILURES_PER_HOST, MAX_SILENT_TRIES, MAX_SOURCES } from './limits.ts';
import type { Peer } from './peers.ts';
import { claimKey, type SyncTarget } from './sync.ts';

/** An answer to STATS, and where its sender is to be asked for blocks. */
export interface Answer {
  readonly claim: ChainClaim | null;
  readonly addresses: readonly Address[];
}

/** What answers are looked at with. */
export interface ChoiceGround {
  readonly chain: Pick<Chain, 'block' | 'difficulty' | 'height' | 'tip'>;
  readonly peers: { get(address: Address): Pick<Peer, 'offences' | 'served'> | undefined };
  readonly random: Pick<Random, 'sample'>;
  /** Whether somebody has claimed that chain falsely. */
  readonly isLiar: (claim: ChainClaim, address: Address) => boolean;
  /** Counts what became of an answer. */
  readonly count: (outcome: string) => void;
}

/** What speaks against targets, as things stand. */
export interface Doubts {
  /** Whether nobody served the last block of a chain when it was asked for. */
  readonly isSilent: (target: SyncTarget) => boolean;
  /** How much speaks against a chain: nothing if it is served, else how often what its best source claimed led to nothing. */
  readonly doubt: (target: SyncTarget) => number;
}

/** How the tries of a consensus have gone so far. */
export interface Tries {
  /** How many syncs led to nothing, and how many of them were with chains that were not served. */
  readonly failed: number;
  readonly silent: number;
  /** How many claims of each host proved false or unavailable. */
  readonly failures: ReadonlyMap<string, number>;
}

/** A claimed chain and those who claim it. */
interface Group extends ChainClaim {
  readonly claimants: Map<string, Address>;
  votes: number;
}

/** The claimed chains that are better than ours, best first, and whether any chain is claimed that may be one. */
export function targetsOf(
  answers: readonly Answer[],
  ground: ChoiceGround,
): { targets: SyncTarget[]; claimed: boolean } {
  const { chain } = ground;
  const groups = groupsOf(answers, ground);
  const ours = chain.tip?.hash;
  const ourVotes = 1 + answers.filter(({ claim }) => claim?.hash === ours).length;
  // Whoever claims a hash is asked for it, at whatever height: gathered once, as one hash may be claimed at many heights.
  const byHash = new Map<string, Map<string, Address>>();
  for (const { hash, claimants } of groups) {
    const all = byHash.get(hash) ?? new Map<string, Address>();
    byHash.set(hash, all);
    for (const [key, address] of claimants) all.set(key, address);
  }
  const beatsOurs = (group: Group): boolean =>
    group.height > chain.height ||
    (group.height === chain.height &&
      (group.votes > ourVotes || (group.votes === ourVotes && group.hash < (ours ?? ''))));
  const targets = groups
    .filter((group) => chain.block(group.height - 1)?.hash !== group.hash && group.hash !== ours)
    .filter(beatsOurs)
    .sort((a, b) => b.height - a.height || b.votes - a.votes || (a.hash < b.hash ? -1 : 1))
    .map((group) => targetOf(group, byHash.get(group.hash) ?? group.claimants, ground))
    .filter(({ sources }) => sources.length > 0);
  return { targets, claimed: groups.length > 0 };
}

/** Puts answers with the same height and hash together; hashes that miss the difficulty are lies. */
function groupsOf(answers: readonly Answer[], { chain, count, isLiar }: ChoiceGround): Group[] {
  const groups = new Map<string, Group>();
  for (const { claim, addresses } of answers) {
    if (claim === null) continue;
    if (!meetsDifficulty(claim.hash, chain.difficulty)) {
      count('stats-reply.misses-difficulty');
      continue;
    }
    const honest = addresses.filter((address) => !isLiar(claim, address));
    if (honest.length === 0) {
      count('stats-reply.known-false');
      continue;
    }
    const key = claimKey(claim);
    let group = groups.get(key);
    if (group === undefined) groups.set(key, (group = { ...claim, claimants: new Map(), votes: 0 }));
    group.votes++;
    for (const address of honest) group.claimants.set(addressKey(address), address);
  }
  // Whoever counts heights from 0 says one less of the same chain, and has a vote as well. Of no other height: one hash at
  // many heights would give each of these the votes of all.
  for (const group of [...groups.values()].sort((a, b) => b.height - a.height)) {
    group.votes += groups.get(claimKey({ ...group, height: group.height - 1 }))?.votes ?? 0;
  }
  return [...groups.values()];
}

/**
 * Whom to ask for a chain: those who claim it, and those who claim the same hash at another height, because some
 * count heights from 0. Those who never lied come first.
 *
 * @param claimants those who claim its hash
 */
function targetOf(
  group: Group,
  claimants: ReadonlyMap<string, Address>,
  { chain, isLiar, peers, random }: ChoiceGround,
): SyncTarget {
  const shuffled = random.sample([...claimants.values()], claimants.size);
  const sources = shuffled
    .filter((address) => !isLiar(group, address))
    .sort((a, b) => (peers.get(a)?.offences ?? 0) - (peers.get(b)?.offences ?? 0))
    .slice(0, MAX_SOURCES);
  const { height, hash, votes } = group;
  const served = [...group.claimants.values()].some((address) => peers.get(address)?.served === true);
  const claimantHosts = [...new Set([...group.claimants.values()].map(({ host }) => host))];
  const insteadOf = height === chain.height ? (chain.tip?.hash ?? null) : null;
  return { height, hash, votes, served, sources, claimantHosts, insteadOf };
}

/** Those that are served, in order, before the rest; half of the places are for those that are most credible. */
export function withinBound(targets: readonly SyncTarget[], { doubt, isSilent }: Doubts): SyncTarget[] {
  const order = [...targets].sort((a, b) => doubt(a) - doubt(b));
  const half = MAX_CANDIDATES / 2;
  const rest = order.slice(half).sort((a, b) => Number(isSilent(a)) - Number(isSilent(b)) || byCredit(a, b));
  return [...order.slice(0, half), ...rest.slice(0, half)];
}

/** Our own chain may have become as good as some of them in the meantime. */
export function stillBetter(
  targets: readonly SyncTarget[],
  chain: Pick<Chain, 'height' | 'tip'>,
): SyncTarget[] {
  return targets.filter(
    ({ height, insteadOf }) =>
      height > chain.height || (height === chain.height && insteadOf === chain.tip?.hash),
  );
}

/**
 * The next to be tried; undefined if none is worth it.
 *
 * @param targets in order, those that are served first
 */
export function nextOf(
  targets: readonly SyncTarget[],
  { isSilent }: Pick<Doubts, 'isSilent'>,
  { failed, failures, silent: silentTries }: Tries,
): SyncTarget | undefined {
  const served = targets.filter((target) => !isSilent(target));
  const [silent] = silentTries < MAX_SILENT_TRIES ? targets.slice(served.length) : [];
  // The best may be false promises, every one of them.
  const order = failed % 2 === 0 ? served : [...served].sort(byCredit);
  const reliable = order.find(({ claimantHosts }) =>
    claimantHosts.some((host) => (failures.get(host) ?? 0) < MAX_FAILURES_PER_HOST),
  );
  return reliable ?? order[0] ?? silent;
}

/** The more credible of two claims first: served before, more votes; else they stay in order. */
function byCredit(a: SyncTarget, b: SyncTarget): number {
  return Number(b.served) - Number(a.served) || b.votes - a.votes;
}
