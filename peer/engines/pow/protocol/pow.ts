/**
 * The proof-of-work engine: the class network's peer as a state machine. Every protocol has a file of its own; here
 * they are put together.
 */
import type { StoreView } from '../../../core/store.ts';
import type { SubmitResult } from '../../../../shared/work.ts';
import type { Address } from '../../../../shared/address.ts';
import type { Block } from '../../../../shared/block.ts';
import type { Engine, EngineEvent, Gauge } from '../../../core/engine.ts';
import { Random } from '../../../core/random.ts';
import { Announcements } from './announce.ts';
import { Chain, type ChainTuning } from './chain.ts';
import { Consensus, CONSENSUS_TIMER } from './consensus.ts';
import { Context, type PowEffect } from './context.ts';
import { onGetBlock, ServingLimit } from './get-block.ts';
import { GossipProtocol, GOSSIP_TIMER } from './gossip.ts';
import type { PowConfig, PowRequest, PowStatus } from './interface.ts';
import { SWEEP_SLICE } from './limits.ts';
import type { PowMessage } from './messages.ts';
import { Neighbours, PASS_ON_TIMER } from './neighbours.ts';
import { PeerTable } from './peers.ts';
import { STATS_TIMER } from './round.ts';
import { onStats } from './stats.ts';
import { Strangers } from './strangers.ts';
import { SYNC_TIMER } from './sync.ts';
import { nextTemplate } from './template.ts';
import { WORD_RULES, WordQueue } from './words.ts';
import type { PowTypes } from './types.ts';

type PowEvent = EngineEvent<PowTypes>;

export class PowEngine implements Engine<PowTypes> {
  private readonly context: Context;
  private readonly words = new WordQueue();
  private readonly serving = new ServingLimit();
  private readonly gossip: GossipProtocol;
  private readonly neighbours: Neighbours;
  private readonly consensus: Consensus;
  private readonly announcements: Announcements;
  /** What the work emitted last was made of. */
  private reported: { ready: boolean; tip: Block | null; words: number } = {
    ready: false,
    tip: null,
    words: 0,
  };

  /**
   * @param modules.view what the node has stored, read for the chain we left off with
   * @param modules.entropy at least 16 random bytes
   * @param modules.tuning what a simulation has otherwise
   * @throws UserError if what is stored is not a chain of this difficulty
   */
  constructor(config: PowConfig, modules: { view: StoreView; entropy: Uint8Array; tuning?: ChainTuning }) {
    const chain = new Chain(modules.view, config.difficulty, modules.tuning);
    const peers = new PeerTable(config.self, config.selfHosts);
    this.context = new Context({ config, chain, peers, random: new Random(modules.entropy) });
    this.consensus = new Consensus(this.context, this.words, {
      onAdopted: () => {
        this.announcements.onAdopted();
      },
      onFinished: (startedAt) => {
        this.announcements.onConsensusFinished(startedAt);
      },
      onClaim: (peer, askedAt) => {
        this.neighbours.onClaim(peer, askedAt);
      },
    });
    const strangers = new Strangers(this.context);
    this.neighbours = new Neighbours(this.context, strangers);
    const { words, consensus, neighbours } = this;
    this.announcements = new Announcements(this.context, { words, consensus, neighbours });
    this.gossip = new GossipProtocol(this.context, strangers, () => {
      this.consensus.onPeer();
    });
  }

  step(event: PowEvent): readonly PowEffect[] {
    const { context } = this;
    context.now = event.now;
    switch (event.type) {
      case 'started':
        this.gossip.round();
        this.consensus.start();
        break;
      case 'message':
        this.onMessage(event.message, event.from);
        break;
      case 'malformed':
        context.count(`malformed.${event.fault}`);
        context.peers.touch(event.from, event.now);
        break;
      case 'timer':
        this.onTimer(event.timer);
        break;
      case 'continue':
        this.consensus.goOn();
        this.sweep();
        break;
      case 'request':
        context.reply(event.id, this.onRequest(event.request));
        break;
    }
    this.tellWork();
    if (context.chain.hasGarbage) context.goOn();
    return context.takeEffects();
  }

  measure(report: Gauge): void {
    const { peers, chain } = this.context;
    peers.measure(report);
    chain.measure(report);
    this.words.measure(report);
    this.serving.measure(report);
    this.gossip.measure(report);
    this.announcements.measure(report);
    this.consensus.measure(report);
  }

  /** The block at `height`, or undefined if our chain does not reach it. */
  block(height: number): Block | undefined {
    return this.context.chain.block(height);
  }

  /** The addresses of the peers that we track. */
  addresses(): Address[] {
    return this.context.peers.all().map(({ address }) => address);
  }

  /** The state, as shown to people. */
  status(): PowStatus {
    const { chain, peers, counters, now } = this.context;
    return {
      height: chain.height,
      hash: chain.tip?.hash ?? null,
      difficulty: chain.difficulty,
      phase: this.consensus.phase,
      peers: peers.view(now),
      words: this.words.waiting,
      counters: Object.fromEntries([...counters].map(([outcome, { times }]) => [outcome, times])),
    };
  }

  private onMessage(message: PowMessage, from: Address): void {
    const { context } = this;
    const sender = context.peers.touch(from, context.now);
    if (sender === undefined && context.peers.self(from)) {
      context.count('limit.own-address');
      return;
    }
    switch (message.type) {
      case 'GOSSIP':
        this.gossip.onGossip(message, from, sender);
        break;
      case 'GOSSIP_REPLY':
        this.gossip.onReply(message, from);
        break;
      case 'GET_BLOCK':
        onGetBlock(context, message, from, this.serving);
        break;
      case 'GET_BLOCK_REPLY':
        if (message.block === null) this.consensus.onRefusal(from);
        else this.consensus.onBlock(message.block, from);
        break;
      case 'STATS':
        onStats(context, from, this.serving);
        break;
      case 'STATS_REPLY':
        this.consensus.onStatsReply(message, from);
        break;
      case 'ANNOUNCE':
        // One implementation answers GET_BLOCK with an ANNOUNCE, so it may be both.
        this.consensus.onAnnounce(message.block, from);
        this.announcements.onAnnounce(message.block, from, sender);
        break;
      case 'CONSENSUS':
        this.consensus.onCall();
        break;
      case 'NEW_WORD':
        this.words.onNewWord(context, message, from);
        break;
    }
  }

  private onTimer(timer: string): void {
    if (timer === GOSSIP_TIMER) {
      this.gossip.round();
      this.neighbours.round();
    } else if (timer === PASS_ON_TIMER) this.neighbours.onTimer();
    else if (timer === CONSENSUS_TIMER) this.consensus.onDue();
    else if (timer === STATS_TIMER) this.consensus.onStatsTimer();
    else if (timer === SYNC_TIMER) this.consensus.onSyncTimer();
  }

  private onRequest(request: PowRequest): SubmitResult {
    switch (request.kind) {
      case 'submit-block':
        return this.announcements.onSubmit(request.block);
      case 'submit-word': {
        const fault = this.words.add(request.word);
        return fault === undefined
          ? { status: 'accepted' }
          : { status: 'rejected', reason: WORD_RULES[fault] };
      }
      case 'consensus':
        return this.consensus.onCall()
          ? { status: 'accepted' }
          : { status: 'rejected', reason: 'A consensus is running, or has just been.' };
    }
  }

  /** Deletes a slice of what no chain names any more. */
  private sweep(): void {
    const { chain } = this.context;
    if (!chain.hasGarbage) return;
    this.context.store(chain.sweep(SWEEP_SLICE));
  }

  /** Emits what is to be mined, when that has changed. */
  private tellWork(): void {
    const { reported, words, context } = this;
    const ready = this.consensus.ready;
    const { tip } = context.chain;
    if (reported.ready === ready && reported.tip === tip && reported.words === words.version) return;
    this.reported = { ready, tip, words: words.version };
    context.notify({
      kind: 'work',
      template: ready ? nextTemplate(context.chain, context.config, words.next()) : null,
    });
  }
}
