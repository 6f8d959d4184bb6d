/** GOSSIP and GOSSIP_REPLY: saying that we are there, and hearing who else is. */
import { addressKey, type Address } from '../../../../shared/address.ts';
import { RateLimit, RecentMap, RecentSet, TokenBucket } from '../../../core/bounded.ts';
import type { Gauge } from '../../../core/engine.ts';
import type { Context } from './context.ts';
import {
  ALL_FORWARDS_BURST,
  ALL_FORWARDS_PER_SECOND,
  FORWARD_INTERVAL,
  FORWARDS_BURST,
  FORWARDS_PER_SECOND,
  GOSSIP_FANOUT,
  MAX_DATAGRAM,
  MAX_GREETINGS,
  MAX_RATED_HOSTS,
  MAX_SEEN_IDS,
  REPLY_BURST,
  REPLY_INTERVAL,
  SEEN_ID_LIFETIME,
} from './limits.ts';
import type { Gossip, GossipReply } from './messages.ts';
import type { Peer } from './peers.ts';
import type { Strangers } from './strangers.ts';

/** The name of the timer that greets peers and drops silent ones. */
export const GOSSIP_TIMER = 'gossip';

export class GossipProtocol {
  private readonly context: Context;
  private readonly strangers: Strangers;
  private readonly onPeer: () => void;
  private readonly seen = new RecentSet(MAX_SEEN_IDS, SEEN_ID_LIFETIME);
  private readonly replies = new RateLimit({
    perSecond: 1000 / REPLY_INTERVAL,
    burst: REPLY_BURST,
    maxKeys: MAX_RATED_HOSTS,
  });
  private readonly forwards = new RateLimit({
    perSecond: FORWARDS_PER_SECOND,
    burst: FORWARDS_BURST,
    maxKeys: MAX_RATED_HOSTS,
  });
  private readonly allForwards = new TokenBucket({
    perSecond: ALL_FORWARDS_PER_SECOND,
    burst: ALL_FORWARDS_BURST,
  });
  /**
   * Ids of GOSSIPs that were sent to one peer alone. Who comes to know such an id got it at that address, or from
   * whoever did: nobody else can prove so cheaply where he is, as all other answers can be guessed (STATS_REPLY and
   * GET_BLOCK_REPLY say what the whole network knows), and one implementation dies of a GET_BLOCK. A foreign peer does
   * not repeat the id in its answer, but passes the GOSSIP on, and sooner or later it comes back to us.
   */
  private readonly greetings = new RecentMap<Peer>(MAX_GREETINGS);
  /** The id of the last round. */
  private roundId: string | undefined;

  /** @param onPeer called when a peer joined */
  constructor(context: Context, strangers: Strangers, onPeer: () => void) {
    this.context = context;
    this.strangers = strangers;
    this.onPeer = onPeer;
  }

  measure(report: Gauge): void {
    this.seen.measure('gossip ids', report);
    this.greetings.measure('greetings', report);
    this.replies.measure('rates of gossip replies', report);
    this.forwards.measure('rates of gossip forwards', report);
  }

  /** Greets the network, now and then every gossip interval, and drops who has been silent. */
  round(): void {
    const { config, peers, random, now } = this.context;
    for (const { address } of peers.dropSilent(now - config.peerTimeout)) {
      this.context.notify({ kind: 'peer-dropped', peer: address, peers: peers.size });
    }
    const targets = new Map<string, Address>();
    for (const address of config.join) if (!peers.self(address)) targets.set(addressKey(address), address);
    for (const { key, address } of random.sample(peers.all(), GOSSIP_FANOUT)) targets.set(key, address);
    // One that has proved nothing so far gets an id of its own; more of them would be more for all to pass on.
    const stranger = [...targets.values()]
      .map((address) => peers.get(address))
      .find((peer) => peer?.verified === false);
    if (stranger !== undefined) targets.delete(stranger.key);
    const gossip = this.ownGossip();
    this.roundId = gossip.id;
    this.context.broadcast([...targets.values()], gossip);
    if (stranger !== undefined) this.greet(stranger);
    this.context.timer(GOSSIP_TIMER, config.gossipInterval);
  }

  /** @param sender the peer at `from`, if there is one */
  onGossip(message: Gossip, from: Address, sender: Peer | undefined): void {
    const { context } = this;
    const { peers, now, config } = context;
    const origin = this.originOf(message, from);
    if (origin === undefined) {
      context.count('gossip.unreachable-host');
      return;
    }
    const { address, known } = origin;
    const repeated = message.id !== undefined && !this.seen.add(message.id, now);
    if (known === undefined && peers.self(address)) {
      context.count('gossip.own');
      this.proved(message.id);
      return;
    }
    const peer = known ?? this.admit(address, from, message.name);
    if (peer === undefined) return;
    if (sender !== undefined) peers.noteForwarder(peer, sender);
    if (repeated) {
      // Some implementations keep one id for life: they are not to be passed on again, but want to be answered.
      context.count('gossip.repeated');
      if (now - peer.lastReply >= config.gossipInterval / 3) this.reply(peer, message.id);
      return;
    }
    context.count('gossip.accepted');
    this.reply(peer, message.id);
    // Some implementations learn of peers only from a GOSSIP, so a newcomer gets one from us at once.
    if (known === undefined) {
      this.greet(peer);
      this.strangers.ask(peer);
    }
    this.forward(message, peer, from, sender);
  }

  onReply(message: GossipReply, from: Address): void {
    const { context } = this;
    const origin = this.originOf(message, from);
    if (origin === undefined) {
      context.count('gossip-reply.unreachable-host');
      return;
    }
    const { address, known } = origin;
    if (known === undefined && context.peers.self(address)) {
      // One implementation answers with the address of whom it answers.
      context.count('gossip-reply.own');
    } else {
      const peer = known ?? this.admit(address, from, message.name);
      if (peer === undefined) return;
      context.count('gossip-reply.accepted');
      if (this.proved(message.id) === peer || (message.id !== undefined && message.id === this.roundId))
        peer.echoes = true;
      if (known === undefined) this.strangers.ask(peer);
    }
  }

  /** Sends a peer a GOSSIP with an id that nobody else gets from us. */
  private greet(peer: Peer): void {
    const gossip = this.ownGossip();
    if (this.strangers.send(peer, gossip) && gossip.id !== undefined) this.greetings.set(gossip.id, peer);
  }

  /** Somebody knows that id: whom it was sent to alone is where he says. */
  private proved(id: string | undefined): Peer | undefined {
    const peer = id === undefined ? undefined : this.greetings.get(id);
    if (peer !== undefined) this.context.peers.verify(peer);
    return peer;
  }

  /**
   * Who says that he is there, and the peer that he is if he is known, refreshed; undefined if nobody could be reached
   * where he says he is.
   */
  private originOf(
    message: Gossip | GossipReply,
    from: Address,
  ): { address: Address; known: Peer | undefined } | undefined {
    const { peers, now } = this.context;
    // Most name the address under which we know them, which then needs no second look.
    let known = isElsewhere(message, from) ? undefined : peers.get(message);
    const address = known?.address ?? reachable(message, from);
    if (address === undefined) return undefined;
    known ??= peers.get(address);
    if (known !== undefined) peers.hear(known, from, message.name, now);
    return { address, known };
  }

  /** Tracks a newcomer, and reports it, if there is room for it. */
  private admit(address: Address, from: Address, name: string): Peer | undefined {
    const { context } = this;
    const peer = context.peers.admit(address, from, name, context.now);
    if (typeof peer === 'string') {
      context.count(peer);
      return undefined;
    }
    context.notify({ kind: 'peer-joined', peer: address, name, peers: context.peers.size });
    this.onPeer();
    return peer;
  }

  private ownGossip(): Gossip {
    const { config, random, now } = this.context;
    const id = random.uuid();
    this.seen.add(id, now);
    return { type: 'GOSSIP', host: config.self.host, port: config.self.port, id, name: config.name };
  }

  /** @param id of the GOSSIP that is answered */
  private reply(peer: Peer, id: string | undefined): void {
    const { config, now } = this.context;
    if (!this.replies.take(peer.key, now)) {
      this.context.count('limit.gossip-replies');
      return;
    }
    peer.lastReply = now;
    const { host, port } = config.self;
    this.strangers.send(peer, { type: 'GOSSIP_REPLY', host, port, name: config.name, id });
  }

  /** Passes a GOSSIP on, unchanged, to three peers. Without an id nobody could tell that he has seen it. */
  private forward(message: Gossip, origin: Peer, from: Address, sender: Peer | undefined): void {
    const { context } = this;
    if (message.id === undefined) {
      context.count('gossip.without-id');
    } else if (context.now - origin.lastForward < FORWARD_INTERVAL) {
      context.count('limit.gossip-forwards');
    } else if (message.raw !== undefined && Buffer.byteLength(message.raw) > MAX_DATAGRAM) {
      context.count('limit.gossip-size');
    } else if (!this.forwards.take(from.host, context.now) || !this.allForwards.take(context.now)) {
      context.count('limit.all-gossip-forwards');
    } else {
      origin.lastForward = context.now;
      const { peers, random } = context;
      const isOther = (peer: Peer): boolean => peer !== origin && peer !== sender;
      let targets = random.sampleWhere(peers.all(), GOSSIP_FANOUT, (peer) => peer.direct && isOther(peer));
      if (targets.length < GOSSIP_FANOUT) targets = random.sampleWhere(peers.all(), GOSSIP_FANOUT, isOther);
      context.broadcast(
        targets.map(({ address }) => address),
        message,
      );
    }
  }
}

/**
 * Where the sender of a GOSSIP or GOSSIP_REPLY can be reached. Some name a host that means nothing to others (`''`,
 * `0.0.0.0`, a loopback address): where the message came straight from the port that it names, the host it came from
 * is the one meant. Names are taken in lower case: in any other they would be peers of their own.
 */
function reachable({ host: named, port }: Address, from: Address): Address | undefined {
  const host = named.trim().toLowerCase();
  const meaningless = host === '' || host === '0.0.0.0' || isElsewhere({ host }, from);
  if (!meaningless) return { host, port };
  return from.port === port ? { host: from.host, port } : undefined;
}

/** Whether a host is a loopback address, but that of another machine than ours. */
function isElsewhere({ host }: Pick<Address, 'host'>, from: Address): boolean {
  return isLoopback(host) && !isLoopback(from.host);
}

function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === 'localhost';
}
