/**
 * When consensuses come, and what comes of them: they are called, due, or news of a longer chain asks for one. What one
 * does is in round.ts.
 */
import { addressKey, type Address } from '../../../../shared/address.ts';
import { meetsDifficulty, type Block } from '../../../../shared/block.ts';
import type { Gauge } from '../../../core/engine.ts';
import type { Context } from './context.ts';
import { Credit } from './credit.ts';
import type { ChainClaim, PowStatus } from './interface.ts';
import {
  CATCH_UP_MAX_INTERVAL,
  CATCH_UP_MIN_INTERVAL,
  CONSENSUS_MIN_INTERVAL,
  JOIN_RETRY,
  JOIN_WAIT,
  MAX_PEERS,
  STATS_TIMEOUT,
} from './limits.ts';
import type { StatsReply } from './messages.ts';
import type { Peer } from './peers.ts';
import { Round, type Outcome } from './round.ts';
import type { WordQueue } from './words.ts';

/** The timer of the next consensus. */
export const CONSENSUS_TIMER = 'consensus';

/** Rounds without any answer after which we may found a network although we were given peers to join. */
const LONELY_ROUNDS = 3;
/** Rounds with claims but no available chain after which we may found a network: a good one may have a bad day. */
const VAIN_ROUNDS = 5;

/** Notified of what comes of a consensus. */
export interface ConsensusHooks {
  /** Our chain has become another one. */
  onAdopted(): void;
  /** A consensus is over that began at this time. */
  onFinished(startedAt: number): void;
  /** A peer has reported what its chain is, as it was asked at that time. */
  onClaim(peer: Peer, askedAt: number): void;
}

export class Consensus {
  private readonly context: Context;
  private readonly words: WordQueue;
  private readonly hooks: ConsensusHooks;
  private readonly credit = new Credit();
  /** The consensus that runs, or else the last one. */
  private round: Round | undefined;
  /** When the next consensus is due. */
  private due = Infinity;
  private finishedAt = -Infinity;
  private catchUpInterval = CATCH_UP_MIN_INTERVAL;
  private catchingUp = false;
  private retryInterval = JOIN_RETRY;
  private lonelyRounds = 0;
  private finishedOnce = false;
  private metOthers = false;
  private sawClaims = false;
  /** Consensuses in a row in which no claimed chain was available. */
  private failedRounds = 0;
  private toldWaiting = false;
  /** Length of the longest chain that was reported to us since this consensus began, other than by its answers. */
  private heard = 0;
  /** Whether this consensus repeats the one before for an answer that came too late, and whether the next is to. */
  private repeats = false;
  private repeat = false;

  constructor(context: Context, words: WordQueue, hooks: ConsensusHooks) {
    this.context = context;
    this.words = words;
    this.hooks = hooks;
  }

  private get running(): boolean {
    return this.round?.over === false;
  }

  /** What we are doing, in a word. */
  get phase(): PowStatus['phase'] {
    const { phase } = this.round ?? {};
    if (phase !== undefined) return phase;
    if (this.context.chain.height > 0) return 'following';
    return this.finishedOnce ? 'waiting' : 'joining';
  }

  measure(report: Gauge): void {
    const most = MAX_PEERS + this.context.config.join.length;
    report('failed hosts', this.round?.failedHosts ?? 0, most);
    this.credit.measure(report);
    this.round?.measure(report, most);
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
    if (this.running) {
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

  /** Somebody reported a chain of so many blocks, longer than ours, otherwise than in an answer that we wait for. */
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
    if (!this.running) this.run();
  }

  onStatsTimer(): void {
    this.round?.onStatsTimer();
  }

  onSyncTimer(): void {
    this.round?.onSyncTimer();
  }

  goOn(): void {
    this.round?.goOn();
  }

  /** A block that may be one we asked for. */
  onBlock(block: Block, from: Address): void {
    const awaited = this.round?.onBlock(block, from) === true;
    this.context.count(awaited ? 'get-block-reply.accepted' : 'get-block-reply.unexpected');
  }

  /** An announced block: a sync may have asked for it, because one implementation answers GET_BLOCK so. */
  onAnnounce(block: Block, from: Address): void {
    this.round?.onBlock(block, from);
  }

  onRefusal(from: Address): void {
    this.context.count('get-block-reply.none');
    this.round?.onRefusal(from);
  }

  onStatsReply(message: StatsReply, from: Address): void {
    const { context, round } = this;
    const poll = round?.poll;
    const claim = message.hash === null ? null : { height: message.height, hash: message.hash };
    const sender = this.senderOf(message, from);
    const peer = context.peers.get(sender);
    if (peer !== undefined) context.peers.noteClaim(peer, claim, context.now);
    const first = poll !== undefined && !poll.has(sender);
    const askedAt = peer === undefined ? undefined : takeQuestion(peer, context.now);
    if (round === undefined || poll?.take(sender, claim) !== true) {
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
    if (peer !== undefined && first && poll.rounds === 1 && askedAt === undefined)
      peer.roundTrip = context.now - round.startedAt;
    context.count('stats-reply.accepted');
    if (peer !== undefined) this.hooks.onClaim(peer, round.startedAt);
    round.onAnswer();
  }

  /**
   * An answer that came when the others had been counted. If it is better news than they were, everybody is asked again
   * soon: once, because who always answers late, or lies, would have us ask all the time; but whenever we asked.
   */
  private onLateClaim(claim: ChainClaim, asked: boolean): void {
    const { chain } = this.context;
    // The first consensus comes soon, and asks everybody.
    if (this.round === undefined || (!asked && (this.repeats || this.repeat))) return;
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
    this.due = Infinity;
    this.heard = 0;
    this.repeats = this.repeat;
    this.repeat = false;
    context.notify({ kind: 'consensus-started', peers: asked.size });
    const round: Round = new Round(asked, {
      context,
      words: this.words,
      credit: this.credit,
      hooks: {
        hasNews: () => this.hasNews(round.startedAt),
        onAnswered: () => {
          this.metOthers = true;
        },
        onCounted: (claimed) => {
          this.sawClaims = claimed;
        },
        onAdopted: () => {
          this.hooks.onAdopted();
        },
        onOver: (outcome, answers) => {
          this.finish(round, outcome, answers);
        },
      },
    });
    this.round = round;
    round.begin();
  }

  /** Whether there is reason to ask everybody again: a longer chain was claimed since, or the next consensus is due. */
  private hasNews(startedAt: number): boolean {
    const { chain, now, config } = this.context;
    return this.heard > chain.height || now >= startedAt + config.consensusInterval;
  }

  private finish(round: Round, outcome: Outcome, answers: number): void {
    const { context } = this;
    const { config, chain } = context;
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
    const next = searching || round.unfinished ? this.retryInterval : config.consensusInterval;
    this.schedule(Math.min(next, config.consensusInterval));
    this.hooks.onFinished(round.startedAt);
    if (this.heard > chain.height) this.catchUp(this.heard);
  }

  private schedule(after: number): void {
    this.due = this.context.now + after;
    this.context.timer(CONSENSUS_TIMER, after);
  }

  /** Has the next consensus begin within `after`; one under way may be too early to see what is new. */
  private scheduleWithin(after: number): void {
    if (!this.running && this.context.now + after < this.due) this.schedule(after);
  }
}

/** When a peer was asked for STATS by itself, if that may be what it answers now. */
function takeQuestion(peer: Peer, now: number): number | undefined {
  const { askedAt } = peer;
  peer.askedAt = undefined;
  return askedAt !== undefined && now - askedAt < STATS_TIMEOUT ? askedAt : undefined;
}
