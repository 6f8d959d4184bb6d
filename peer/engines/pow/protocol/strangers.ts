/** What is sent to addresses that have not proved to be those of peers: they may be those of a victim. */
import { TokenBucket } from '../../../core/bounded.ts';
import type { Context } from './context.ts';
import {
  HEARSAY_SENDS_BURST,
  HEARSAY_SENDS_PER_SECOND,
  STRANGER_SENDS_BURST,
  STRANGER_SENDS_PER_SECOND,
} from './limits.ts';
import type { PowMessage } from './messages.ts';
import type { Peer } from './peers.ts';

export class Strangers {
  private readonly context: Context;
  private readonly hearsay = new TokenBucket({
    perSecond: HEARSAY_SENDS_PER_SECOND,
    burst: HEARSAY_SENDS_BURST,
  });
  private readonly direct = new TokenBucket({
    perSecond: STRANGER_SENDS_PER_SECOND,
    burst: STRANGER_SENDS_BURST,
  });

  constructor(context: Context) {
    this.context = context;
  }

  /**
   * Sends to a peer, at a bounded rate to all together that have not proved to be where they say.
   *
   * @returns whether it was sent
   */
  send(peer: Peer, message: PowMessage): boolean {
    const { context } = this;
    if (!peer.verified && !(peer.direct ? this.direct : this.hearsay).take(context.now)) {
      context.count('limit.stranger-sends');
      return false;
    }
    context.send(peer.address, message);
    return true;
  }

  /** Asks a peer for STATS, by itself. */
  ask(peer: Peer): void {
    if (this.send(peer, { type: 'STATS' })) peer.askedAt = this.context.now;
  }
}
