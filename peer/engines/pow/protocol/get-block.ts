/** GET_BLOCK: serving our blocks, and how often we answer whom. */
import type { Address } from '../../../../shared/address.ts';
import type { Block } from '../../../../shared/block.ts';
import { RateLimit, TokenBucket } from '../../../core/bounded.ts';
import type { Gauge } from '../../../core/engine.ts';
import { parseStored } from './chain.ts';
import type { Context } from './context.ts';
import {
  MAX_RATED_HOSTS,
  SERVE_ALL_UNVERIFIED_BURST,
  SERVE_ALL_UNVERIFIED_PER_SECOND,
  SERVE_PER_SECOND,
  SERVE_UNVERIFIED_BURST,
  SERVE_UNVERIFIED_PER_SECOND,
} from './limits.ts';
import type { GetBlock, GetBlockReply } from './messages.ts';

/**
 * How many answers a host may have. An answer goes to the address that a datagram came from, which may be forged,
 * and a block is twenty times as long as the question: so only hosts of peers get more than a trickle.
 */
export class ServingLimit {
  private readonly known = new RateLimit({
    perSecond: SERVE_PER_SECOND,
    burst: SERVE_PER_SECOND,
    maxKeys: MAX_RATED_HOSTS,
  });
  private readonly unknown = new RateLimit({
    perSecond: SERVE_UNVERIFIED_PER_SECOND,
    burst: SERVE_UNVERIFIED_BURST,
    maxKeys: MAX_RATED_HOSTS,
  });
  private readonly allUnknown = new TokenBucket({
    perSecond: SERVE_ALL_UNVERIFIED_PER_SECOND,
    burst: SERVE_ALL_UNVERIFIED_BURST,
  });

  measure(report: Gauge): void {
    this.known.measure('rates of answers to known hosts', report);
    this.unknown.measure('rates of answers to unknown hosts', report);
  }

  /** Whether one more answer may go to `from`; counts it if not. */
  allows(context: Context, from: Address): boolean {
    const { now, peers } = context;
    const { host } = from;
    const allowed = peers.knowsHost(host)
      ? this.known.take(host, now)
      : this.unknown.take(host, now) && this.allUnknown.take(now);
    if (!allowed) context.count('limit.answers');
    return allowed;
  }
}

/** A block as it is stored: it is sent as it is, and only read if somebody looks at it. */
class StoredReply implements GetBlockReply {
  readonly type = 'GET_BLOCK_REPLY';
  readonly json: string;

  constructor(json: string) {
    this.json = json;
  }

  get block(): Block {
    return parseStored(this.json);
  }
}

const NO_BLOCK: GetBlockReply = { type: 'GET_BLOCK_REPLY', block: null };

/** Answers with the block, or with nulls where there is none: to the sender, as the network does. */
export function onGetBlock(context: Context, message: GetBlock, from: Address, limit: ServingLimit): void {
  if (!limit.allows(context, from)) return;
  const json = message.height === undefined ? undefined : context.chain.blockJson(message.height);
  context.count(json === undefined ? 'get-block.none' : 'get-block.served');
  context.send(from, json === undefined ? NO_BLOCK : new StoredReply(json));
}
