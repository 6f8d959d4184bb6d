/**
 * Consensus: asking everybody for STATS, choosing the best chain that is claimed, and moving to it.
 *
 * The longest valid chain wins. Of several claims the longest is tried first, then the one most peers agree on, then
 * the lowest hash. At our own height the hash with most votes wins (ours counts as one), then the lowest, so that
 * every network settles on one chain. Source: the assignment ("longest chain; ties break on the majority").
 *
 * Claims cost nothing, so every chain that is claimed is first asked for its last block (tip-probe.ts): those that are
 * served go first, and every second try is for the one with most votes, on hosts that have served before.
 *
 * While others wait that no fewer hosts claim, a chain gets a share of the time only; whose share was not enough comes
 * after them the next time, with one twice as large. So a false promise that is served slowly does not hold us up for
 * long, and a long chain that is served slowly is had in the end.
 */
import { addressKey, type Address } from '../../../../shared/address.ts';
import { meetsDifficulty, type Block } from '../../../../shared/block.ts';
import { RecentMap } from '../../../core/bounded.ts';
import type { Gauge } from '../../../core/engine.ts';
import type { Context } from './context.ts';
import type { ChainClaim, PowNotice, PowStatus } from './interface.ts';
import {
  CATCH_UP_MAX_INTERVAL,
  CATCH_UP_MIN_INTERVAL,
  CONSENSUS_MIN_INTERVAL,
  FIRST_SYNC_TIME,
  JOIN_RETRY,
  JOIN_WAIT,
  MAX_BLAMED,
  MAX_CANDIDATES,
  MAX_FAILURES_PER_HOST,
  MAX_FALSE_CHAINS,
  MAX_PEERS,
  MAX_VAIN_CLAIMS,
  MAX_VAIN_SOURCES,
  MAX_SILENT_TRIES,
  MAX_SLOW_SOURCES,
  MAX_SOURCES,
  MAX_SYNC_TIME,
  STATS_RETRY,
  STATS_ROUNDS,
  STATS_TIMEOUT,
} from './limits.ts';
import type { StatsReply } from './messages.ts';
import type { Peer } from './peers.ts';
import { ChainSync, claimKey, isNumeric, type SyncOutcome, type SyncTarget } from './sync.ts';
import { TipProbe } from './tip-probe.ts';
import type { WordQueue } from './words.ts';

/** The timers of the next consensus and of the STATS being awaited. */
export const CONSENSUS_TIMER = 'consensus';
export const STATS_TIMER = 'stats';

/** Rounds without any answer after which we may found a network although we were told of peers to join. */
const LONELY_ROUNDS = 3;
/** The same where chains are claimed, but none of them can be had: that may also be a bad day of a good network. */
const VAIN_ROUNDS = 5;

/** An answer to STATS, and where its sender is to be asked for blocks. */
interface Answer {
  readonly claim: ChainClaim | null;
  readonly addresses: readonly Address[];
}

/** A claimed chain and those who claim it. */
interface Group extends ChainClaim {
  readonly claimants: Map<string, Address>;
  votes: number;
}

type State =
  | { readonly phase: 'idle' }
  | {
      readonly phase: 'asking';
      readonly asked: ReadonlyMap<string, Address>;
      readonly answers: Map<string, { claim: ChainClaim | null; from: Address }>;
      /** How many peers were asked on each host, and how many answers it gave. */
      readonly hosts: ReadonlyMap<string, { asked: number; answers: number }>;
      /** Peers that have not answered from the address at which they were asked. */
      silent: number;
      /** How often those who are silent have been asked. */
      rounds: number;
    }
  | {
      readonly phase: 'probing';
      readonly probe: TipProbe;
      readonly targets: readonly SyncTarget[];
      readonly answers: readonly Answer[];
      /** What our tip was when they were counted. */
      readonly tip: string | undefined;
    }
  | {
      readonly phase: 'syncing';
      readonly sync: ChainSync;
      readonly others: readonly SyncTarget[];
      readonly answers: number;
    };

type Outcome = Extract<PowNotice, { kind: 'consensus-finished' }>['outcome'];

/** Who is told of what comes of it. */
export interface ConsensusHooks {
  /** Our chain has become another one. */
  onAdopted(): void;
  /** A consensus is over that began at this time. */
  onFinished(startedAt: number): void;
  /** A peer has told what its chain is, as it was asked at that time. */
  onClaim(peer: Peer, askedAt: number): void;
}

export class Consensus {
  private readonly context: Context;
  private readonly words: WordQueue;
  private readonly hooks: ConsensusHooks;
  private state: State = { phase: 'idle' };
  /** When the next consensus is due. */
  private due = Infinity;
  private startedAt = -Infinity;
  private finishedAt = -Infinity;
  private catchUpInterval = CATCH_UP_MIN_INTERVAL;
  private catchingUp = false;
  private retryInterval = JOIN_RETRY;
  private lonelyRounds = 0;
  private finishedOnce = false;
  private metOthers = false;
  private sawClaims = false;
  /** Consensuses in a row in which no chain that was claimed could be had. */
  private failedRounds = 0;
  private toldWaiting = false;
  /** How many claims of each host proved false or unavailable in this consensus. */
  private failures = new Map<string, number>();
  /** Which chains were served when they were asked for their last blocks, in this consensus. */
  private probe: TipProbe | undefined;
  /** How many syncs of this consensus led to nothing, and how many of them were with chains that were not served. */
  private failed = 0;
  private silentTries = 0;
  /** How often what each source claims has led to nothing since it last served a chain. */
  private readonly vain = new RecentMap<number>(MAX_VAIN_SOURCES);
  /** Whether our chain has become another one in this consensus. */
  private adopted = false;
  /** Whether more is to be had than this consensus got: then the next comes soon. */
  private unfinished = false;
  /** Length of the longest chain that we were told of since this consensus began, other than by its answers. */
  private heard = 0;
  /** Whether this consensus repeats the one before for an answer that came too late, and whether the next is to. */
  private repeats = false;
  private repeat = false;
  /** How long a sync from each source may take while others wait, where {@link FIRST_SYNC_TIME} was not enough. */
  private readonly syncTimes = new RecentMap<number>(MAX_SLOW_SOURCES);
  /** Who has claimed which chain falsely. */
  private readonly falseChains = new RecentMap<Set<string>>(MAX_FALSE_CHAINS);

  constructor(context: Context, words: WordQueue, hooks: ConsensusHooks) {
    this.context = context;
    this.words = words;
    this.hooks = hooks;
  }

  /** What we are doing, in a word. */
  get phase(): PowStatus['phase'] {
    const { state } = this;
    if (state.phase === 'syncing') return state.sync.phase;
    if (state.phase !== 'idle') return 'asking';
    if (this.context.chain.height > 0) return 'following';
    return this.finishedOnce ? 'waiting' : 'joining';
  }

  measure(tell: Gauge): void {
    const { state } = this;
    const most = MAX_PEERS + this.context.config.join.length;
    tell('failed hosts', this.failures.size, most);
    this.syncTimes.measure('slow sources', tell);
    this.vain.measure('sources in vain', tell);
    this.falseChains.measure('false chains', tell);
    for (const blamed of this.falseChains.values())
      tell('claimants of a false chain', blamed.size, MAX_BLAMED);
    if (state.phase === 'asking') {
      tell('peers asked for STATS', state.asked.size, most);
      tell('answers to STATS', state.answers.size, state.asked.size);
    } else if (state.phase === 'syncing') {
      tell('candidates', state.others.length, MAX_CANDIDATES);
      state.sync.measure(tell);
    }
  }

  /** Whether miners have work: there is a chain, or we may found one because nobody has one. */
  get ready(): boolean {
    const { chain, config } = this.context;
    if (!this.finishedOnce) return false;
    if (chain.height > 0) return true;
    const lonely = config.join.length === 0 || this.lonelyRounds >= LONELY_ROUNDS;
    // Who only promises a chain must not keep a network from being founded.
    const nothing = !this.sawClaims || this.failedRounds >= VAIN_ROUNDS;
    return config.genesis && nothing && (this.metOthers || lonely);
  }

  start(): void {
    this.schedule(JOIN_WAIT);
  }

  /** A peer joined: while we have met nobody yet, or nobody with a chain, this is what we wait for. */
  onPeer(): void {
    if (!this.metOthers) this.scheduleWithin(JOIN_WAIT);
    else if (this.context.chain.height === 0) {
      const earliest = this.finishedAt + CONSENSUS_MIN_INTERVAL - this.context.now;
      this.scheduleWithin(Math.max(JOIN_WAIT, earliest));
    }
  }

  /** The network or a user asks for a consensus: at once, but not while one runs, nor too often. */
  onCall(): boolean {
    if (this.state.phase !== 'idle') {
      this.context.count('consensus.running');
      return false;
    }
    if (this.context.now - this.finishedAt < CONSENSUS_MIN_INTERVAL) {
      this.context.count('limit.consensus');
      return false;
    }
    this.context.count('consensus.called');
    this.run();
    return true;
  }

  /** Somebody told us of a chain of so many blocks, longer than ours, otherwise than in an answer that we wait for. */
  catchUp(height: number): void {
    this.heard = Math.max(this.heard, height);
    this.catchingUp = true;
    this.scheduleWithin(Math.max(0, this.finishedAt + this.catchUpInterval - this.context.now));
  }

  /** Our chain grew by itself: announcements are honest, so the next one ahead of us is followed at once. */
  onGrowth(): void {
    this.catchUpInterval = CATCH_UP_MIN_INTERVAL;
  }

  /** The consensus timer has run out. */
  onDue(): void {
    this.due = Infinity;
    if (this.state.phase === 'idle') this.run();
  }

  /** The STATS timer has run out. */
  onStatsTimer(): void {
    const { state, context } = this;
    if (state.phase === 'probing') this.goOnProbing(state);
    if (state.phase !== 'asking') return;
    if (state.rounds >= STATS_ROUNDS) {
      this.evaluate(state);
      return;
    }
    state.rounds++;
    const silent = [...state.asked].filter(([key]) => !state.answers.has(key));
    context.broadcast(
      silent.map(([, address]) => address),
      { type: 'STATS' },
    );
    context.timer(STATS_TIMER, state.rounds < STATS_ROUNDS ? STATS_RETRY : STATS_TIMEOUT);
  }

  onSyncTimer(): void {
    if (this.state.phase === 'syncing') this.state.sync.tick();
  }

  goOn(): void {
    if (this.state.phase === 'syncing') this.state.sync.goOn();
  }

  /** A block that may be one we asked for. */
  onBlock(block: Block, from: Address): void {
    const awaited = this.useBlock(block, from);
    this.context.count(awaited ? 'get-block-reply.accepted' : 'get-block-reply.unexpected');
  }

  /** An announced block: a sync may have asked for it, because one implementation answers GET_BLOCK so. */
  onAnnounce(block: Block, from: Address): void {
    this.useBlock(block, from);
  }

  /** @returns whether it may be one that was asked for */
  private useBlock(block: Block, from: Address): boolean {
    const { state } = this;
    // Those that were not waited for may still answer while another chain is tried.
    this.probe?.onBlock(block, from);
    if (state.phase === 'syncing') return state.sync.onBlock(block, from);
    if (state.phase !== 'probing') return false;
    if (state.probe.settled) this.endProbing(state);
    return true;
  }

  onRefusal(from: Address): void {
    this.context.count('get-block-reply.none');
    if (this.state.phase === 'syncing') this.state.sync.onRefusal(from);
  }

  onStatsReply(message: StatsReply, from: Address): void {
    const { context, state } = this;
    const claim = message.hash === null ? null : { height: message.height, hash: message.hash };
    const sender = this.senderOf(message, from);
    const peer = context.peers.get(sender);
    if (peer !== undefined) context.peers.noteClaim(peer, claim, context.now);
    const first = state.phase === 'asking' && !state.answers.has(addressKey(sender));
    const askedAt = peer === undefined ? undefined : takeQuestion(peer, context.now);
    if (state.phase !== 'asking' || !makeRoomForAnswer(state, sender)) {
      // One implementation answers all its peers whenever anybody asks it.
      context.count(askedAt === undefined ? 'stats-reply.unexpected' : 'stats-reply.accepted');
      if (peer === undefined) return;
      if (askedAt !== undefined) {
        peer.roundTrip = context.now - askedAt;
        this.hooks.onClaim(peer, askedAt);
      }
      if (claim !== null) this.onLateClaim(claim, askedAt !== undefined);
      return;
    }
    // Asked again, it may be answering either question (Karn's algorithm).
    if (peer !== undefined && first && state.rounds === 1 && askedAt === undefined)
      peer.roundTrip = context.now - this.startedAt;
    context.count('stats-reply.accepted');
    state.answers.set(addressKey(sender), { claim, from: sender });
    if (peer !== undefined) this.hooks.onClaim(peer, this.startedAt);
    if (state.silent === 0) this.evaluate(state);
  }

  /**
   * An answer that came when the others had been counted. If it is better news than they were, everybody is asked again
   * soon: once, because who always answers late, or lies, would have us ask all the time; but whenever we asked.
   */
  private onLateClaim(claim: ChainClaim, asked: boolean): void {
    const { chain } = this.context;
    // The first consensus comes soon, and asks everybody.
    if (this.startedAt === -Infinity || (!asked && (this.repeats || this.repeat))) return;
    if (claim.height <= chain.height || !meetsDifficulty(claim.hash, chain.difficulty)) return;
    this.repeat ||= !asked;
    this.catchUp(claim.height);
  }

  /** Who sent a STATS_REPLY: some answer from another port than they listen on, and one says which that is. */
  private senderOf({ claims }: StatsReply, from: Address): Address {
    const { peers } = this.context;
    if (peers.get(from) !== undefined || claims?.host !== from.host) return from;
    return peers.get(claims) === undefined ? from : claims;
  }

  private run(): void {
    const { context } = this;
    const asked = new Map<string, Address>();
    for (const { key, address } of context.peers.all()) asked.set(key, address);
    for (const address of context.config.join) {
      if (!context.peers.self(address)) asked.set(addressKey(address), address);
    }
    context.cancel(CONSENSUS_TIMER);
    this.startedAt = context.now;
    this.due = Infinity;
    this.failures = new Map();
    this.probe = undefined;
    this.failed = 0;
    this.silentTries = 0;
    this.adopted = false;
    this.unfinished = false;
    this.heard = 0;
    this.repeats = this.repeat;
    this.repeat = false;
    context.notify({ kind: 'consensus-started', peers: asked.size });
    if (asked.size === 0) {
      this.finish('alone', 0);
      return;
    }
    const hosts = new Map<string, { asked: number; answers: number }>();
    for (const { host } of asked.values()) {
      const group = hostGroup(host);
      hosts.set(group, { asked: (hosts.get(group)?.asked ?? 0) + 1, answers: 0 });
    }
    this.state = { phase: 'asking', asked, answers: new Map(), hosts, silent: asked.size, rounds: 1 };
    context.broadcast([...asked.values()], { type: 'STATS' });
    context.timer(STATS_TIMER, STATS_RETRY);
  }

  private evaluate(state: Extract<State, { phase: 'asking' }>): void {
    this.context.cancel(STATS_TIMER);
    if (state.answers.size === 0) {
      this.finish('alone', 0);
      return;
    }
    this.metOthers = true;
    const answers = [...state.answers.values()].map(({ claim, from }) => ({
      claim,
      addresses: state.asked.has(addressKey(from)) ? [from] : silentOn(from, state),
    }));
    const targets = this.targetsOf(answers);
    if (targets.length <= 1) {
      this.tryNext(targets, answers.length, 'current');
      return;
    }
    const probe = new TipProbe(targets, (target) => this.isHopeful(target));
    this.probe = probe;
    this.state = { phase: 'probing', probe, targets, answers, tip: this.context.chain.tip?.hash };
    this.goOnProbing(this.state);
  }

  private goOnProbing(state: Extract<State, { phase: 'probing' }>): void {
    const { context } = this;
    for (const { to, height } of state.probe.next()) context.send(to, { type: 'GET_BLOCK', height });
    if (state.probe.exhausted) this.endProbing(state);
    else context.timer(STATS_TIMER, state.probe.last ? STATS_TIMEOUT : STATS_RETRY);
  }

  private endProbing({ probe, targets, answers, tip }: Extract<State, { phase: 'probing' }>): void {
    const { context } = this;
    context.cancel(STATS_TIMER);
    if (probe.exhausted) this.noteVain(probe.silentSources());
    // Our chain may have grown meanwhile: to the length of one that has more votes, for instance.
    const current = context.chain.tip?.hash === tip ? targets : this.targetsOf(answers);
    this.tryNext(this.withinBound(current), answers.length, 'current');
  }

  /** Those that are served, in order, before the rest; half of the places are for those that are most credible. */
  private withinBound(targets: readonly SyncTarget[]): SyncTarget[] {
    const order = [...targets].sort((a, b) => this.doubt(a) - this.doubt(b));
    const half = MAX_CANDIDATES / 2;
    const rest = order
      .slice(half)
      .sort((a, b) => Number(this.isSilent(a)) - Number(this.isSilent(b)) || byCredit(a, b));
    return [...order.slice(0, half), ...rest.slice(0, half)];
  }

  /** Whether nobody served the last block of a chain when it was asked for. */
  private isSilent(target: SyncTarget): boolean {
    return this.probe?.has(target) === false;
  }

  /** How much speaks against a chain: nothing if it is served, else how often what its best source claimed led to nothing. */
  private doubt(target: SyncTarget): number {
    return this.isSilent(target) ? 1 + this.vainClaims(target) : 0;
  }

  private vainClaims({ sources }: SyncTarget): number {
    return Math.min(...sources.map((source) => this.vain.get(addressKey(source)) ?? 0));
  }

  /** Whether a chain is worth waiting for. */
  private isHopeful(target: SyncTarget): boolean {
    return this.vainClaims(target) < MAX_VAIN_CLAIMS;
  }

  private noteVain(sources: readonly Address[]): void {
    for (const source of sources) {
      const key = addressKey(source);
      this.vain.set(key, (this.vain.get(key) ?? 0) + 1);
    }
  }

  /** The claimed chains that are better than ours, best first. */
  private targetsOf(answers: readonly Answer[]): SyncTarget[] {
    const { chain } = this.context;
    const groups = this.group(answers);
    this.sawClaims = groups.length > 0;
    const ours = chain.tip?.hash;
    const ourVotes = 1 + answers.filter(({ claim }) => claim?.hash === ours).length;
    const byHash = new Map<string, Group[]>();
    for (const group of groups) byHash.set(group.hash, [...(byHash.get(group.hash) ?? []), group]);
    const beatsOurs = (group: Group): boolean =>
      group.height > chain.height ||
      (group.height === chain.height &&
        (group.votes > ourVotes || (group.votes === ourVotes && group.hash < (ours ?? ''))));
    return groups
      .filter((group) => chain.block(group.height - 1)?.hash !== group.hash && group.hash !== ours)
      .filter(beatsOurs)
      .sort((a, b) => b.height - a.height || b.votes - a.votes || (a.hash < b.hash ? -1 : 1))
      .map((group) => this.targetOf(group, byHash.get(group.hash) ?? []))
      .filter(({ sources }) => sources.length > 0);
  }

  /** Puts answers with the same height and hash together; hashes that miss the difficulty are lies. */
  private group(answers: readonly Answer[]): Group[] {
    const { context } = this;
    const groups = new Map<string, Group>();
    for (const { claim, addresses } of answers) {
      if (claim === null) continue;
      if (!meetsDifficulty(claim.hash, context.chain.difficulty)) {
        context.count('stats-reply.misses-difficulty');
        continue;
      }
      const key = claimKey(claim);
      const liars = this.falseChains.get(key);
      const honest = addresses.filter((address) => liars?.has(addressKey(address)) !== true);
      if (honest.length === 0) {
        context.count('stats-reply.known-false');
        continue;
      }
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
   * @param groups those with its hash
   */
  private targetOf(group: Group, groups: readonly Group[]): SyncTarget {
    const { peers, random, chain } = this.context;
    const liars = this.falseChains.get(claimKey(group));
    const claimants = new Map<string, Address>();
    for (const { claimants: some } of groups) {
      for (const [key, address] of some) claimants.set(key, address);
    }
    const shuffled = random.sample([...claimants.values()], claimants.size);
    const sources = shuffled
      .filter((address) => liars?.has(addressKey(address)) !== true)
      .sort((a, b) => (peers.get(a)?.offences ?? 0) - (peers.get(b)?.offences ?? 0))
      .slice(0, MAX_SOURCES);
    const { height, hash, votes } = group;
    const served = [...group.claimants.values()].some((address) => peers.get(address)?.served === true);
    const claimantHosts = [...new Set([...group.claimants.values()].map(({ host }) => host))];
    const insteadOf = height === chain.height ? (chain.tip?.hash ?? null) : null;
    return { height, hash, votes, served, sources, claimantHosts, insteadOf };
  }

  /** @param otherwise the outcome if no target is left */
  private tryNext(targets: readonly SyncTarget[], answers: number, otherwise: Outcome): void {
    const better = this.stillBetter(targets).sort(
      (a, b) => this.doubt(a) - this.doubt(b) || this.usedUp(a) - this.usedUp(b),
    );
    // One that was tried first and the most credible one are enough while there is news.
    const target = this.failed > 1 && this.hasNews ? undefined : this.choose(better);
    if (target === undefined) {
      this.finish(otherwise, answers);
      return;
    }
    if (this.isSilent(target)) this.silentTries++;
    const others = better.filter((other) => other !== target);
    const sync = new ChainSync(this.context, this.words, target, {
      timeLimit: () => this.timeLimit(target, others),
      onDone: (outcome) => {
        this.onSyncDone(target, outcome, others, answers, otherwise);
      },
    });
    this.state = { phase: 'syncing', sync, others, answers };
    sync.begin();
  }

  /** The next to be tried of several targets in order; undefined if none is worth it. */
  private choose(targets: readonly SyncTarget[]): SyncTarget | undefined {
    const served = targets.filter((target) => !this.isSilent(target));
    const [silent] = this.silentTries < MAX_SILENT_TRIES ? targets.slice(served.length) : [];
    // The best may be false promises, every one of them.
    const order = this.failed % 2 === 0 ? served : [...served].sort(byCredit);
    const reliable = order.find(({ claimantHosts }) =>
      claimantHosts.some((host) => (this.failures.get(host) ?? 0) < MAX_FAILURES_PER_HOST),
    );
    return reliable ?? order[0] ?? silent;
  }

  /** Our own chain may have become as good as some of them in the meantime. */
  private stillBetter(targets: readonly SyncTarget[]): SyncTarget[] {
    const { chain } = this.context;
    return targets.filter(
      ({ height, insteadOf }) =>
        height > chain.height || (height === chain.height && insteadOf === chain.tip?.hash),
    );
  }

  /** How much time its freshest source has used up in vain: a liar that joins in puts nobody back. */
  private usedUp({ sources }: SyncTarget): number {
    return Math.min(...sources.map((source) => this.syncTimes.get(addressKey(source)) ?? 0));
  }

  /** How long a sync with its most patiently treated source may take while others wait. */
  private share({ sources }: SyncTarget): number {
    return Math.max(...sources.map((source) => this.syncTimes.get(addressKey(source)) ?? FIRST_SYNC_TIME));
  }

  /** Whether there is reason to ask everybody again: we were told of a longer chain since, or the next consensus is due. */
  private get hasNews(): boolean {
    const { chain, now, config } = this.context;
    return this.heard > chain.height || now >= this.startedAt + config.consensusInterval;
  }

  /** How long a sync may take, as things stand: what was told since the answers, and the next consensus, wait as well. */
  private timeLimit(target: SyncTarget, others: readonly SyncTarget[]): number {
    const waiting = this.stillBetter(others.filter((other) => !this.isSilent(other))).map(
      ({ claimantHosts }) => claimantHosts.length,
    );
    const most = Math.max(this.hasNews ? 1 : 0, ...waiting);
    return most >= target.claimantHosts.length ? this.share(target) : MAX_SYNC_TIME;
  }

  private onSyncDone(
    target: SyncTarget,
    result: SyncOutcome,
    others: readonly SyncTarget[],
    answers: number,
    otherwise: Outcome,
  ): void {
    const { context } = this;
    const claim = { height: target.height, hash: target.hash };
    if (result.outcome === 'false' || result.outcome === 'unavailable') {
      this.failed++;
      for (const host of target.claimantHosts) this.failures.set(host, (this.failures.get(host) ?? 0) + 1);
    }
    switch (result.outcome) {
      case 'adopted':
        for (const source of target.sources) this.vain.delete(addressKey(source));
        this.unfinished ||= !result.exact || this.stillBetter(others).some((other) => this.isHopeful(other));
        this.onAdopted();
        // Longer ones came first, but for those that had to give way: it is their turn now.
        this.tryNext(
          others.filter((other) => this.usedUp(other) > 0),
          answers,
          otherwise,
        );
        return;
      case 'false': {
        const { liars, fault } = result;
        const key = claimKey(target);
        const blamed = this.falseChains.get(key) ?? new Set<string>();
        for (const address of liars) {
          if (blamed.size < MAX_BLAMED) blamed.add(addressKey(address));
          context.peers.offend(address);
        }
        this.noteVain(liars);
        this.falseChains.set(key, blamed);
        context.notify({ kind: 'false-chain', target: claim, claimedBy: liars, fault });
        this.tryNext(others, answers, 'failed');
        return;
      }
      case 'unavailable':
        this.unfinished ||= result.partial || result.slow;
        if (result.slow) this.giveMoreTime(target);
        else if (!result.partial) this.noteVain(target.sources);
        if (result.partial) this.onAdopted();
        context.notify({ kind: 'chain-unavailable', target: claim });
        this.tryNext(others, answers, 'failed');
        return;
      case 'outdated':
        this.tryNext(others, answers, otherwise);
    }
  }

  private onAdopted(): void {
    this.adopted = true;
    this.hooks.onAdopted();
  }

  /** The time of a sync was not enough: the next from these sources comes after others, and may take longer. */
  private giveMoreTime(target: SyncTarget): void {
    const time = Math.min(MAX_SYNC_TIME, 2 * this.share(target));
    for (const source of target.sources) this.syncTimes.set(addressKey(source), time);
  }

  private finish(result: Outcome, answers: number): void {
    const { context } = this;
    const outcome = this.adopted ? 'adopted' : result;
    const { config, chain } = context;
    this.state = { phase: 'idle' };
    this.finishedAt = context.now;
    this.finishedOnce = true;
    if (outcome === 'adopted') this.catchUpInterval = CATCH_UP_MIN_INTERVAL;
    else if (this.catchingUp)
      this.catchUpInterval = Math.min(CATCH_UP_MAX_INTERVAL, this.catchUpInterval * 2);
    this.catchingUp = false;
    if (outcome === 'alone') this.lonelyRounds++;
    this.failedRounds = outcome === 'failed' ? this.failedRounds + 1 : 0;
    const searching = outcome === 'failed' || chain.height === 0 || (outcome === 'alone' && !this.metOthers);
    this.retryInterval = searching ? this.retryInterval * 2 : JOIN_RETRY;
    context.notify({ kind: 'consensus-finished', outcome, answers, height: chain.height });
    if (chain.height === 0 && !config.genesis && !this.toldWaiting) {
      this.toldWaiting = true;
      context.notify({ kind: 'waiting' });
    }
    const next = searching || this.unfinished ? this.retryInterval : config.consensusInterval;
    this.schedule(Math.min(next, config.consensusInterval));
    this.hooks.onFinished(this.startedAt);
    if (this.heard > chain.height) this.catchUp(this.heard);
  }

  private schedule(after: number): void {
    this.due = this.context.now + after;
    this.context.timer(CONSENSUS_TIMER, after);
  }

  /** Has the next consensus begin within `after`; one under way may be too early to see what is new. */
  private scheduleWithin(after: number): void {
    if (this.state.phase === 'idle' && this.context.now + after < this.due) this.schedule(after);
  }
}

/** The more credible of two claims first: served before, more votes; else they stay in order. */
function byCredit(a: SyncTarget, b: SyncTarget): number {
  return Number(b.served) - Number(a.served) || b.votes - a.votes;
}

/** When a peer was asked for STATS by itself, if that may be what it answers now. */
function takeQuestion(peer: Peer, now: number): number | undefined {
  const { askedAt } = peer;
  peer.askedAt = undefined;
  return askedAt !== undefined && now - askedAt < STATS_TIMEOUT ? askedAt : undefined;
}

/** Numeric hosts by themselves, names all together: a name can't be compared with where an answer came from. */
function hostGroup(host: string): string {
  return isNumeric(host) ? host : '';
}

/**
 * Whether one more answer may be taken: a host gives as many as it has peers that were asked, from whatever ports,
 * but a peer that answers from where it was asked takes the place of one that did not.
 */
function makeRoomForAnswer(state: Extract<State, { phase: 'asking' }>, { host, port }: Address): boolean {
  const { asked, answers, hosts } = state;
  const key = addressKey({ host, port });
  if (answers.has(key)) return true;
  const group = hosts.has(host) ? host : '';
  const quota = hosts.get(group);
  if (quota === undefined) return false;
  const direct = asked.has(key);
  if (quota.answers < quota.asked) quota.answers++;
  else if (!direct) return false;
  else {
    for (const [other, { from }] of answers) {
      if (asked.has(other) || (hosts.has(from.host) ? from.host : '') !== group) continue;
      answers.delete(other);
      break;
    }
  }
  if (direct) state.silent--;
  return true;
}

/**
 * An answer came from a port that nobody asked: it is from one of those on the same host that are silent. Where none
 * is, the port itself is asked.
 */
function silentOn(from: Address, state: Extract<State, { phase: 'asking' }>): Address[] {
  const silent = [...state.asked]
    .filter(([key, { host }]) => host === from.host && !state.answers.has(key))
    .map(([, address]) => address);
  return silent.length > 0 ? silent : [from];
}
