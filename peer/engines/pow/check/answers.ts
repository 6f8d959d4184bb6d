/** How ours answer when they are asked: as honest peers do, unless a rule has them do otherwise. */
import type { Address } from '../../../../shared/address.ts';
import { blockFields, readInteger } from '../../../../shared/block.ts';
import type { Actor, Fields } from './actor.ts';

/** How an answer gets to whom it is for. */
export interface Post {
  /** The peer that is checked. */
  readonly target: Address;
  transmit(actor: Actor, text: string, to: Address): void;
  later(milliseconds: number, run: () => void): void;
}

const NO_BLOCK = { height: null, hash: null, messages: null, minedBy: null, nonce: null, timestamp: null };

/** One of ours is asked something, by the peer or by another on its host. */
export function respond(actor: Actor, message: Fields, from: Address, post: Post): void {
  switch (message['type']) {
    case 'GOSSIP':
      if (readInteger(message['port']) === post.target.port)
        reply(post, actor, { type: 'GOSSIP_REPLY', ...actor.address, name: actor.name }, post.target);
      break;
    case 'STATS':
    case 'GET_BLOCK':
      if (actor.delay === 0) serve(actor, message, from, post);
      else
        post.later(actor.delay, () => {
          serve(actor, message, from, post);
        });
      break;
  }
}

function serve(actor: Actor, { type, height }: Fields, from: Address, post: Post): void {
  const { chain, claim } = actor;
  if (type === 'STATS') {
    const said = claim ?? { height: chain.length, hash: chain.at(-1)?.hash ?? null };
    reply(post, actor, { type: 'STATS_REPLY', ...said }, from);
    return;
  }
  const at = readInteger(height) ?? -1;
  const block = actor.serve === undefined ? (chain[at] ?? null) : actor.serve(at);
  if (block === null) reply(post, actor, { type: 'GET_BLOCK_REPLY', ...NO_BLOCK }, from);
  else if (block !== undefined)
    post.transmit(actor, `{"type":"GET_BLOCK_REPLY",${blockFields(block)}}`, from);
}

function reply(post: Post, actor: Actor, message: Fields, to: Address): void {
  post.transmit(actor, JSON.stringify(message), to);
}
