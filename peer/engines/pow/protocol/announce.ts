/** ANNOUNCE: taking in new blocks, our own and those of others. */
import type { Address } from '../../../../shared/address.ts';
import { BLOCK_RULES, blockToJson, meetsDifficulty, type Block } from '../../../../shared/block.ts';
import type { SubmitResult } from '../../../../shared/work.ts';
import { RecentMap, RecentSet } from '../../../core/bounded.ts';
import type { Gauge } from '../../../core/engine.ts';
import type { Consensus } from './consensus.ts';
import type { Context } from './context.ts';
import { MAX_EARLY_BLOCKS, MAX_EARLY_PER_HOST, MAX_SEEN_BLOCKS } from './limits.ts';
import type { Neighbours } from './neighbours.ts';
import type { Peer } from './peers.ts';
import type { WordQueue } from './words.ts';

/** A block that was announced before we could use it. */
interface EarlyBlock {
  readonly key: string;
  readonly block: Block;
  readonly from: Address;
  readonly at: number;
}

export class Announcements {
  private readonly context: Context;
  private readonly words: WordQueue;
  private readonly consensus: Consensus;
  private readonly neighbours: Neighbours;
  /** Hashes of blocks that were in our chain: only those are known to be the hashes of what came with them. */
  private readonly seen = new RecentSet(MAX_SEEN_BLOCKS);
  /** By everything in them, because a false block with the hash of a good one must not stand in its way. */
  private readonly early = new RecentMap<EarlyBlock>(MAX_EARLY_BLOCKS);

  constructor(context: Context, parts: { words: WordQueue; consensus: Consensus; neighbours: Neighbours }) {
    this.context = context;
    this.words = parts.words;
    this.consensus = parts.consensus;
    this.neighbours = parts.neighbours;
  }

  measure(report: Gauge): void {
    this.seen.measure('blocks seen', report);
    this.early.measure('early blocks', report);
  }

  /** @param sender the peer at `from`, if there is one */
  onAnnounce(block: Block, from: Address, sender: Peer | undefined): void {
    const { context, consensus } = this;
    const { chain } = context;
    const { height, hash } = block;
    if (!meetsDifficulty(hash, chain.difficulty)) {
      context.count('announce.misses-difficulty');
      context.peers.offend(from);
      return;
    }
    // Who announces a block has it, so people see where its chain stands before it is asked for STATS again.
    if (sender !== undefined && height + 1 > (sender.claim?.height ?? 0))
      context.peers.noteClaim(sender, { height: height + 1, hash }, context.now);
    // Nearly all that is known is the tip: everybody announces it.
    if (chain.tip?.hash === hash || this.seen.has(hash) || chain.block(height)?.hash === hash) {
      context.count('announce.known');
    } else if (height < chain.height) {
      // Of another branch, not longer than ours: the next consensus decides, or the next block.
      context.count('announce.behind');
    } else {
      const fault = height === chain.height ? chain.faultOf(block) : undefined;
      if (height === chain.height && fault === undefined) {
        context.count('announce.accepted');
        this.append(block, 'announced', from);
        this.useEarly();
      } else if (fault === undefined || fault === 'wrong-hash') {
        // It stands on blocks that we do not have, so only the hash it claims can be looked at.
        if (!this.keepEarly(block, from)) return;
        context.count(height === chain.height ? 'announce.other-branch' : 'announce.ahead');
        consensus.catchUp(height + 1);
      } else {
        context.count(`announce.${fault}`);
        context.peers.offend(from);
      }
    }
  }

  /** A block found by one of our miners. */
  onSubmit(block: Block): SubmitResult {
    const { context } = this;
    const { chain } = context;
    if (block.height < chain.height) return { status: 'stale' };
    const fault = chain.faultOf(block);
    if (fault !== undefined) return { status: 'rejected', reason: BLOCK_RULES[fault] };
    if (chain.height === 0 && !this.consensus.ready) {
      return { status: 'rejected', reason: 'There is no chain to mine on yet.' };
    }
    this.append(block, 'mined', undefined);
    this.useEarly();
    return { status: 'accepted' };
  }

  /**
   * A consensus is over: blocks announced in the meantime that now fit are taken, and those that do not although this
   * one had every chance to find what they stand on are dropped.
   *
   * @param startedAt when the consensus began
   */
  onConsensusFinished(startedAt: number): void {
    this.useEarly();
    for (const { key, at } of this.early.values()) if (at < startedAt) this.early.delete(key);
  }

  /** Our chain has become another one. */
  onAdopted(): void {
    const { tip } = this.context.chain;
    if (tip !== null && this.seen.add(tip.hash)) this.neighbours.onFound(tip);
  }

  /** @returns false if it has been announced before and still waits */
  private keepEarly(block: Block, from: Address): boolean {
    const { context, early } = this;
    const key = blockToJson(block);
    if (early.get(key) !== undefined) {
      context.count('announce.known');
      return false;
    }
    let sameHost = 0;
    for (const other of early.values()) if (other.from.host === from.host) sameHost++;
    if (sameHost >= MAX_EARLY_PER_HOST) {
      context.count('limit.early-blocks');
    } else {
      early.set(key, { key, block, from, at: context.now });
    }
    return true;
  }

  /** Puts a verified block on top, stores it, and announces it: in this order. */
  private append(block: Block, source: 'mined' | 'announced', from: Address | undefined): void {
    const { context } = this;
    context.store(context.chain.append(block));
    this.seen.add(block.hash);
    this.words.remove(block.messages);
    const sender = from && context.peers.get(from);
    // Whoever announced it has it, however long a chain it claimed before.
    if (sender !== undefined) context.peers.noteSent(sender, block.hash, context.now);
    if (source === 'mined') this.neighbours.onMined(block);
    else this.neighbours.onFound(block);
    context.notify({ kind: 'block', block, source });
    this.consensus.onGrowth();
  }

  /** Takes those early blocks that fit on top by now. */
  private useEarly(): void {
    const { chain } = this.context;
    for (let fitting = this.fitting(); fitting !== undefined; fitting = this.fitting()) {
      this.context.count('announce.used-later');
      this.append(fitting.block, 'announced', fitting.from);
    }
    for (const { key, block } of this.early.values()) {
      if (block.height < chain.height) this.early.delete(key);
    }
  }

  private fitting(): EarlyBlock | undefined {
    const { chain } = this.context;
    for (const early of this.early.values()) {
      if (early.block.height === chain.height && chain.faultOf(early.block) === undefined) return early;
    }
    return undefined;
  }
}
