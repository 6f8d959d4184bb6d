/**
 * One consensus, from the question to the end: everybody is asked for STATS, the best chain that is claimed is chosen,
 * and we move to it.
 *
 * Claims cost nothing, so every chain that is claimed is first asked for its last block (tip-probe.ts): those that are
 * served go first, and every second try is for the one with most votes, on hosts that have served before.
 *
 * While others wait that no fewer hosts claim, a chain gets a share of the time only; whose share was not enough comes
 * after them the next time, with one twice as large. So a false promise that is served slowly does not hold us up for
 * long, and a long chain that is served slowly is fetched in the end.
 */
import type { Address } from '../../../../shared/address.ts';
import type { Block } from '../../../../shared/block.ts';
import type { Gauge } from '../../../core/engine.ts';
import {
  nextOf,
  stillBetter,
  targetsOf,
  withinBound,
  type Answer,
  type ChoiceGround,
  type Doubts,
} from './choice.ts';
import type { Context } from './context.ts';
import type { Credit } from './credit.ts';
import type { PowNotice, PowStatus } from './interface.ts';
import { MAX_CANDIDATES, MAX_SYNC_TIME, STATS_RETRY, STATS_ROUNDS, STATS_TIMEOUT } from './limits.ts';
import { StatsPoll } from './stats-poll.ts';
import { ChainSync, type SyncOutcome, type SyncTarget } from './sync.ts';
import { TipProbe } from './tip-probe.ts';
import type { WordQueue } from './words.ts';

/** The timer of the STATS being awaited. */
export const STATS_TIMER = 'stats';

export type Outcome = Extract<PowNotice, { kind: 'consensus-finished' }>['outcome'];

type State =
  | { readonly phase: 'asking'; readonly poll: StatsPoll }
  | {
      readonly phase: 'probing';
      readonly probe: TipProbe;
      readonly targets: readonly SyncTarget[];
      readonly answers: readonly Answer[];
      /** What our tip was when they were counted. */
      readonly tip: string | undefined;
    }
  | { readonly phase: 'syncing'; readonly sync: ChainSync; readonly others: readonly SyncTarget[] }
  | { readonly phase: 'over' };

interface RoundHooks {
  /** Whether there is reason to ask everybody again: whatever is tried then must not take long. */
  hasNews(): boolean;
  /** Somebody has answered. */
  onAnswered(): void;
  /** @param claimed whether any chain is claimed that may be one */
  onCounted(claimed: boolean): void;
  /** Our chain has become another one. */
  onAdopted(): void;
  /** @param answers how many peers have answered */
  onOver(outcome: Outcome, answers: number): void;
}

export class Round {
  readonly startedAt: number;
  /** Whether more is available than this consensus got: then the next comes soon. */
  unfinished = false;
  private readonly context: Context;
  private readonly words: WordQueue;
  private readonly credit: Credit;
  private readonly hooks: RoundHooks;
  private readonly ground: ChoiceGround;
  private state: State;
  /** How many claims of each host proved false or unavailable. */
  private readonly failures = new Map<string, number>();
  /** Which chains were served when they were asked for their last blocks. */
  private probe: TipProbe | undefined;
  /** How many syncs led to nothing, and how many of them were with chains that were not served. */
  private failed = 0;
  private silentTries = 0;
  private answered = 0;
  /** Whether our chain has become another one. */
  private adopted = false;
  private readonly doubts: Doubts = {
    isSilent: (target) => this.probe?.has(target) === false,
    doubt: (target) => (this.doubts.isSilent(target) ? 1 + this.credit.vainClaims(target) : 0),
  };

  /** @param asked by the keys of their addresses */
  constructor(
    asked: ReadonlyMap<string, Address>,
    modules: { context: Context; words: WordQueue; credit: Credit; hooks: RoundHooks },
  ) {
    const { context, credit } = modules;
    this.context = context;
    this.words = modules.words;
    this.credit = credit;
    this.hooks = modules.hooks;
    this.ground = {
      chain: context.chain,
      peers: context.peers,
      random: context.random,
      isLiar: (claim, address) => credit.isLiar(claim, address),
      count: (outcome) => {
        context.count(outcome);
      },
    };
    this.startedAt = context.now;
    this.state = { phase: 'asking', poll: new StatsPoll(asked) };
  }

  get over(): boolean {
    return this.state.phase === 'over';
  }

  /** What is done in it, in a word; undefined once it is over. */
  get phase(): PowStatus['phase'] | undefined {
    const { state } = this;
    if (state.phase === 'syncing') return state.sync.phase;
    return state.phase === 'over' ? undefined : 'asking';
  }

  /** Who is being asked for STATS; undefined when the answers have been counted. */
  get poll(): StatsPoll | undefined {
    return this.state.phase === 'asking' ? this.state.poll : undefined;
  }

  /** How many hosts have claimed what was unavailable. */
  get failedHosts(): number {
    return this.failures.size;
  }

  /** @param most peers that may be asked */
  measure(report: Gauge, most: number): void {
    const { state } = this;
    if (state.phase === 'asking') state.poll.measure(report, most);
    else if (state.phase === 'syncing') {
      report('candidates', state.others.length, MAX_CANDIDATES);
      state.sync.measure(report);
    }
  }

  begin(): void {
    const asked = this.poll?.silentPeers() ?? [];
    if (asked.length === 0) {
      this.finish('alone');
      return;
    }
    this.context.broadcast(asked, { type: 'STATS' });
    this.context.timer(STATS_TIMER, STATS_RETRY);
  }

  /** The STATS timer has run out. */
  onStatsTimer(): void {
    const { state, context } = this;
    if (state.phase === 'probing') this.goOnProbing(state);
    if (state.phase !== 'asking') return;
    const { poll } = state;
    if (poll.rounds >= STATS_ROUNDS) {
      this.evaluate(poll);
      return;
    }
    poll.rounds++;
    context.broadcast(poll.silentPeers(), { type: 'STATS' });
    context.timer(STATS_TIMER, poll.rounds < STATS_ROUNDS ? STATS_RETRY : STATS_TIMEOUT);
  }

  onSyncTimer(): void {
    if (this.state.phase === 'syncing') this.state.sync.tick();
  }

  goOn(): void {
    if (this.state.phase === 'syncing') this.state.sync.goOn();
  }

  /** @returns whether it may be one that was asked for */
  onBlock(block: Block, from: Address): boolean {
    const { state } = this;
    // Those that were not waited for may still answer while another chain is tried.
    this.probe?.onBlock(block, from);
    if (state.phase === 'syncing') return state.sync.onBlock(block, from);
    if (state.phase !== 'probing') return false;
    if (state.probe.settled) this.endProbing(state);
    return true;
  }

  onRefusal(from: Address): void {
    if (this.state.phase === 'syncing') this.state.sync.onRefusal(from);
  }

  /** An answer has been taken: the last one is not waited for any longer. */
  onAnswer(): void {
    const { poll } = this;
    if (poll?.complete === true) this.evaluate(poll);
  }

  private evaluate(poll: StatsPoll): void {
    this.context.cancel(STATS_TIMER);
    const answers = poll.results();
    if (answers.length === 0) {
      this.finish('alone');
      return;
    }
    this.answered = answers.length;
    this.hooks.onAnswered();
    const targets = this.count(answers);
    if (targets.length <= 1) {
      this.tryNext(targets, 'current');
      return;
    }
    const probe = new TipProbe(targets, (target) => this.credit.isHopeful(target));
    this.probe = probe;
    this.state = { phase: 'probing', probe, targets, answers, tip: this.context.chain.tip?.hash };
    this.goOnProbing(this.state);
  }

  /** The claimed chains that are better than ours, best first. */
  private count(answers: readonly Answer[]): SyncTarget[] {
    const { targets, claimed } = targetsOf(answers, this.ground);
    this.hooks.onCounted(claimed);
    return targets;
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
    if (probe.exhausted) this.credit.noteVain(probe.silentSources());
    // Our chain may have grown meanwhile: to the length of one that has more votes, for instance.
    const current = context.chain.tip?.hash === tip ? targets : this.count(answers);
    this.tryNext(withinBound(current, this.doubts), 'current');
  }

  /** @param otherwise the outcome if no target is left */
  private tryNext(targets: readonly SyncTarget[], otherwise: Outcome): void {
    const { context, credit, doubts, failed, failures } = this;
    const better = stillBetter(targets, context.chain).sort(
      (a, b) => doubts.doubt(a) - doubts.doubt(b) || credit.usedUp(a) - credit.usedUp(b),
    );
    // One that was tried first and the most credible one are enough while there is news.
    const enough = failed > 1 && this.hooks.hasNews();
    const target = enough
      ? undefined
      : nextOf(better, doubts, { failed, failures, silent: this.silentTries });
    if (target === undefined) {
      this.finish(otherwise);
      return;
    }
    if (doubts.isSilent(target)) this.silentTries++;
    const others = better.filter((other) => other !== target);
    const sync = new ChainSync(context, this.words, target, {
      timeLimit: () => this.timeLimit(target, others),
      onDone: (outcome) => {
        this.onSyncDone(target, outcome, others, otherwise);
      },
    });
    this.state = { phase: 'syncing', sync, others };
    sync.begin();
  }

  /** How long a sync may take, as things stand: what came since the answers, and the next consensus, wait as well. */
  private timeLimit(target: SyncTarget, others: readonly SyncTarget[]): number {
    const served = others.filter((other) => !this.doubts.isSilent(other));
    const waiting = stillBetter(served, this.context.chain).map(({ claimantHosts }) => claimantHosts.length);
    const most = Math.max(this.hooks.hasNews() ? 1 : 0, ...waiting);
    return most >= target.claimantHosts.length ? this.credit.share(target) : MAX_SYNC_TIME;
  }

  private onSyncDone(
    target: SyncTarget,
    result: SyncOutcome,
    others: readonly SyncTarget[],
    otherwise: Outcome,
  ): void {
    const { context, credit, failures } = this;
    const claim = { height: target.height, hash: target.hash };
    if (result.outcome === 'false' || result.outcome === 'unavailable') {
      this.failed++;
      for (const host of target.claimantHosts) failures.set(host, (failures.get(host) ?? 0) + 1);
    }
    switch (result.outcome) {
      case 'adopted':
        credit.noteServed(target);
        this.unfinished ||=
          !result.exact || stillBetter(others, context.chain).some((other) => credit.isHopeful(other));
        this.onAdopted();
        // Longer ones came first, but for those that had to give way: it is their turn now.
        this.tryNext(
          others.filter((other) => credit.usedUp(other) > 0),
          otherwise,
        );
        return;
      case 'false': {
        const { liars, fault } = result;
        for (const address of liars) context.peers.offend(address);
        credit.blame(target, liars);
        context.notify({ kind: 'false-chain', target: claim, claimedBy: liars, fault });
        this.tryNext(others, 'failed');
        return;
      }
      case 'unavailable':
        this.unfinished ||= result.partial || result.slow;
        if (result.slow) credit.giveMoreTime(target);
        else if (!result.partial) credit.noteVain(target.sources);
        if (result.partial) this.onAdopted();
        context.notify({ kind: 'chain-unavailable', target: claim });
        this.tryNext(others, 'failed');
        return;
      case 'outdated':
        this.tryNext(others, otherwise);
    }
  }

  private onAdopted(): void {
    this.adopted = true;
    this.hooks.onAdopted();
  }

  private finish(outcome: Outcome): void {
    this.state = { phase: 'over' };
    this.hooks.onOver(this.adopted ? 'adopted' : outcome, this.answered);
  }
}
