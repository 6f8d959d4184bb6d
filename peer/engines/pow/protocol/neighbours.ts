/**
 * Who is sent which block, and when.
 *
 * Peers of the class network do not expect a block twice: to one of them a second copy makes its chain longer by a block
 * that is not there. Nobody but the miner announces a block there, once, to all that it tracks. So what we mined goes to
 * everybody at once; what others mined goes at once only to peers that are known not to mind, and to the rest some
 * seconds later and only where their STATS say that they lack it. Who lacks a few blocks is sent them in order, one for
 * each answer. Source: meshes with sixteen foreign peers.
 */
import type { Block } from '../../../../shared/block.ts';
import type { Context } from './context.ts';
import type { ChainClaim } from './interface.ts';
import {
  MAX_MISSING_BLOCKS,
  MAX_SENDS,
  PASS_ON_DELAY,
  PASS_ON_SPREAD,
  RESEND_AFTER,
  STATS_PER_ROUND,
} from './limits.ts';
import type { Peer } from './peers.ts';
import type { Strangers } from './strangers.ts';

/** The name of the timer after which blocks are passed on to those who lack them. */
export const PASS_ON_TIMER = 'pass on';

export class Neighbours {
  private readonly context: Context;
  private readonly strangers: Strangers;
  private waiting = false;
  /** Since when our last block is our last one, as far as anybody was notified of it. */
  private tipAt = -Infinity;

  constructor(context: Context, strangers: Strangers) {
    this.context = context;
    this.strangers = strangers;
  }

  /** With each round of gossip some are asked for STATS: those known to be behind, then those not heard for longest. */
  round(): void {
    const { peers, chain } = this.context;
    const lag = ({ claim }: Peer): number => (claim !== null && claim.height < chain.height ? 0 : 1);
    const order = [...peers.all()].sort((a, b) => lag(a) - lag(b) || a.claimedAt - b.claimedAt);
    for (const peer of order.slice(0, STATS_PER_ROUND)) this.strangers.ask(peer);
  }

  /** One of our miners found a block: everybody is to have it at once. */
  onMined(block: Block): void {
    this.announce(block, () => true);
  }

  /** Others found our new tip. Of one that hardly anybody heard of many would else learn in the next consensus only. */
  onFound(tip: Block): void {
    this.announce(tip, ({ echoes, claim }) => echoes && (claim?.height ?? 0) <= tip.height);
  }

  onTimer(): void {
    const { peers, chain } = this.context;
    this.waiting = false;
    for (const peer of peers.all()) {
      if (!peer.echoes && peer.claim?.hash !== chain.tip?.hash) this.strangers.ask(peer);
    }
  }

  /**
   * A peer has reported what its chain is.
   *
   * @param askedAt when it was asked
   */
  onClaim(peer: Peer, askedAt: number): void {
    const { context } = this;
    const { chain } = context;
    const length = peer.claim === null ? undefined : this.commonLength(peer.claim);
    if (length === undefined || length < chain.height - MAX_MISSING_BLOCKS) return;
    const block = chain.block(length);
    if (block === undefined) return;
    // Its miner announces it to everybody, and what a peer has sent meanwhile may be from before that.
    if (!peer.echoes && length + 1 === chain.height && askedAt - this.tipAt < RESEND_AFTER) return;
    const before = peer.sent.get(block.hash);
    if (before !== undefined && (before.times >= MAX_SENDS || askedAt - before.at < RESEND_AFTER)) return;
    context.count('announce.brought-up');
    context.peers.noteSent(peer, block.hash, context.now);
    context.send(peer.address, { type: 'ANNOUNCE', block });
    // The answer shows whether it took this one, and then it gets the next.
    if (length + 1 < chain.height) this.strangers.ask(peer);
  }

  private announce(block: Block, suits: (peer: Peer) => boolean): void {
    const { context } = this;
    const { peers, now, random } = context;
    this.tipAt = now;
    const targets = peers
      .all()
      .filter((peer) => peer.claim?.hash !== block.hash && !peer.sent.has(block.hash) && suits(peer));
    for (const peer of targets) peers.noteSent(peer, block.hash, now);
    context.broadcast(
      targets.map(({ address }) => address),
      { type: 'ANNOUNCE', block },
    );
    if (this.waiting) return;
    this.waiting = true;
    context.timer(PASS_ON_TIMER, PASS_ON_DELAY + random.below(PASS_ON_SPREAD));
  }

  /**
   * How many blocks of ours a peer has, if its chain is a part of ours. Some count heights from 0, and one that was sent
   * a block twice counts one too many.
   */
  private commonLength({ height, hash }: ChainClaim): number | undefined {
    const { chain } = this.context;
    if (hash === chain.tip?.hash) return chain.height;
    return [height, height + 1, height - 1].find((length) => chain.block(length - 1)?.hash === hash);
  }
}
