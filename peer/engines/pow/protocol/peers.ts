/** Who is there: the table of peers, which an attacker must not be able to fill at the cost of good ones. */
import { addressKey, type Address } from '../../../../shared/address.ts';
import { RateLimit, TokenBucket } from '../../../core/bounded.ts';
import type { Gauge } from '../../../core/engine.ts';
import type { ChainClaim, PeerView } from './interface.ts';
import {
  ALL_INTRODUCTIONS_BURST,
  ALL_INTRODUCTIONS_PER_SECOND,
  INTRODUCTIONS_BURST,
  INTRODUCTIONS_PER_SECOND,
  MAX_HEARSAY_PEERS,
  MAX_HEARSAY_PER_HOST,
  MAX_FORWARDERS,
  MAX_IDLE_PEERS,
  MAX_PEERS,
  MAX_PEERS_PER_HOST,
  MAX_PEERS_PER_INTRODUCER,
  MAX_RATED_HOSTS,
  MAX_SENT_BLOCKS,
} from './limits.ts';

/** A peer that we track. */
export interface Peer {
  readonly key: string;
  readonly address: Address;
  name: string;
  /** When anything was last heard of it, in engine time. */
  lastHeard: number;
  /** Whether it spoke to us from its own host, as far as an address can be believed; else somebody introduced it. */
  direct: boolean;
  /** Whether it has answered what only it was asked, so that it is where it says: anybody can forge an address. */
  verified: boolean;
  /** Whether it served us blocks that we adopted. */
  served: boolean;
  /** Whether it repeats the id of a GOSSIP in its answer, as this program does, to which a second copy is no harm. */
  echoes: boolean;
  /** The host that introduced it. */
  readonly introducer: string;
  /** What it last claimed, in STATS or by announcing a block. */
  claim: ChainClaim | null;
  /** When it did; -Infinity for never. */
  claimedAt: number;
  /** The blocks that it was sent last, by their hashes: when, and how often. The oldest first. */
  readonly sent: Map<string, { readonly at: number; readonly times: number }>;
  /** How often it was proved to have lied. */
  offences: number;
  /** When a GOSSIP of its own was last passed on, and last answered; -Infinity for never. */
  lastForward: number;
  lastReply: number;
  /** Milliseconds from STATS to its answer, as last measured. */
  roundTrip: number | null;
  /** When it was asked for STATS by itself, outside a consensus; undefined unless the answer is awaited. */
  askedAt: number | undefined;
  /**
   * Addresses of the peers that passed its GOSSIP on to us, the latest last: those of the table, so that each is
   * recognised at a glance. One that left and came back may be there twice.
   */
  readonly forwarders: Address[];
}

/** Why a peer is not tracked: the limit that it would break. */
export type Refusal = 'limit.peers' | 'limit.introductions' | 'limit.hearsay-peers';

/** The table of peers, by `host:port`. We ourselves are never in it. */
export class PeerTable {
  /** By host and port rather than by key: every datagram is looked up, and keys would have to be put together. */
  private readonly byHost = new Map<string, Map<number, Peer>>();
  private count = 0;
  /** All of them; undefined after a change, until somebody asks for it. */
  private list: readonly Peer[] | undefined;
  private readonly directPerHost = new Map<string, number>();
  private readonly verifiedPerHost = new Map<string, number>();
  /** Those that speak for themselves, but have done nothing useful so far, the one heard last at the end. */
  private readonly idle = new Set<Peer>();
  private readonly idlePerHost = new Map<string, number>();
  private readonly isSelf: (address: Address) => boolean;
  private readonly introductions = new RateLimit({
    perSecond: INTRODUCTIONS_PER_SECOND,
    burst: INTRODUCTIONS_BURST,
    maxKeys: MAX_RATED_HOSTS,
  });
  private readonly allIntroductions = new TokenBucket({
    perSecond: ALL_INTRODUCTIONS_PER_SECOND,
    burst: ALL_INTRODUCTIONS_BURST,
  });
  private direct = 0;

  constructor(self: Address, selfHosts: readonly string[]) {
    const hosts = new Set([self.host, ...selfHosts]);
    this.isSelf = ({ host, port }) => port === self.port && hosts.has(host);
  }

  get size(): number {
    return this.count;
  }

  measure(report: Gauge): void {
    report('peers', this.count, MAX_PEERS);
    report('hearsay peers', this.count - this.direct, MAX_HEARSAY_PEERS);
    report('idle peers', this.idle.size, MAX_IDLE_PEERS);
    report('hosts of peers', this.directPerHost.size, this.direct);
    this.introductions.measure('rates of introductions', report);
    let forwarders = 0;
    let sent = 0;
    for (const peer of this.all()) {
      forwarders += peer.forwarders.length;
      sent += peer.sent.size;
    }
    report('forwarders of peers', forwarders, this.count * MAX_FORWARDERS);
    report('blocks sent to peers', sent, this.count * MAX_SENT_BLOCKS);
  }

  get({ host, port }: Address): Peer | undefined {
    return this.byHost.get(host)?.get(port);
  }

  all(): readonly Peer[] {
    return (this.list ??= [...this.byHost.values()].flatMap((peers) => [...peers.values()]));
  }

  /** Whether an address is our own. */
  self(address: Address): boolean {
    return this.isSelf(address);
  }

  /** Whether a peer on this host has proved to be there. */
  knowsHost(host: string): boolean {
    return this.verifiedPerHost.has(host);
  }

  /**
   * A peer was heard of: refreshes it.
   *
   * @param from where the news came from: the peer itself if it is its own host
   */
  hear(peer: Peer, from: Address, name: string, now: number): void {
    this.refresh(peer, now);
    if (name !== '') peer.name = name;
    const { host } = peer.address;
    if (!peer.direct && from.host === host && this.roomForDirect(host)) this.setDirect(peer);
  }

  /**
   * A peer that is not tracked was heard of: tracks it if there is room.
   *
   * @param from where the news came from: the peer itself if it is its own host
   */
  admit(address: Address, from: Address, name: string, now: number): Peer | Refusal {
    const direct = from.host === address.host;
    if (direct && !this.makeRoomForDirect(address.host)) return 'limit.peers';
    if (!direct) {
      if (!this.introductions.take(from.host, now) || !this.allIntroductions.take(now))
        return 'limit.introductions';
      if (!this.makeRoomForHearsay(address.host, from.host)) return 'limit.hearsay-peers';
    }
    const peer: Peer = {
      key: addressKey(address),
      address: { host: address.host, port: address.port },
      name,
      lastHeard: now,
      direct: false,
      verified: false,
      served: false,
      echoes: false,
      introducer: from.host,
      claim: null,
      claimedAt: -Infinity,
      sent: new Map(),
      offences: 0,
      lastForward: -Infinity,
      lastReply: -Infinity,
      roundTrip: null,
      askedAt: undefined,
      forwarders: [],
    };
    const neighbours = this.byHost.get(address.host);
    if (neighbours === undefined) this.byHost.set(address.host, new Map([[address.port, peer]]));
    else neighbours.set(address.port, peer);
    this.count++;
    this.list = undefined;
    if (direct) this.setDirect(peer);
    return peer;
  }

  /** Anything came from this very address: whoever is tracked under it is alive. */
  touch(from: Address, now: number): Peer | undefined {
    const peer = this.get(from);
    if (peer !== undefined) {
      this.refresh(peer, now);
      if (!peer.direct && this.roomForDirect(from.host)) this.setDirect(peer);
    }
    return peer;
  }

  /** A peer has answered what only it was asked: it is where it says. */
  verify(peer: Peer): void {
    // It may have been dropped since it was asked.
    if (peer.verified || this.get(peer.address) !== peer || !this.becomeUseful(peer)) return;
    peer.verified = true;
    add(this.verifiedPerHost, peer.address.host, 1);
  }

  /** A peer has served us blocks that we adopted. */
  noteService(address: Address): void {
    const peer = this.get(address);
    if (peer !== undefined && this.becomeUseful(peer)) peer.served = true;
  }

  /** What a peer says that its chain is. */
  noteClaim(peer: Peer, claim: ChainClaim | null, now: number): void {
    peer.claim = claim;
    peer.claimedAt = now;
  }

  /** A peer is being sent a block. */
  noteSent({ sent }: Peer, hash: string, now: number): void {
    const times = (sent.get(hash)?.times ?? 0) + 1;
    sent.delete(hash);
    sent.set(hash, { at: now, times });
    for (const oldest of sent.keys()) {
      if (sent.size <= MAX_SENT_BLOCKS) break;
      sent.delete(oldest);
    }
  }

  /** `forwarder` has passed a GOSSIP of `peer` on to us. */
  noteForwarder(peer: Peer, forwarder: Peer): void {
    if (forwarder === peer) return;
    const { forwarders } = peer;
    const { address } = forwarder;
    const known = forwarders.indexOf(address);
    if (known < 0 && forwarders.length < MAX_FORWARDERS) {
      forwarders.push(address);
      return;
    }
    // It becomes the last, in place of itself or of the first: every GOSSIP passes here, so without a new list.
    const last = forwarders.length - 1;
    for (let place = Math.max(0, known); place < last; place++) {
      forwarders[place] = forwarders[place + 1] ?? address;
    }
    forwarders[last] = address;
  }

  /** A lie was proved. */
  offend(address: Address): void {
    const peer = this.get(address);
    if (peer !== undefined) peer.offences++;
  }

  /** Drops and returns those not heard since `since`. */
  dropSilent(since: number): Peer[] {
    const silent = this.all().filter((peer) => peer.lastHeard < since);
    for (const peer of silent) this.drop(peer);
    return silent;
  }

  /** What people are shown. */
  view(now: number): PeerView[] {
    return this.all().map(({ address, name, lastHeard, direct, claim, offences, roundTrip, forwarders }) => ({
      address,
      name,
      silence: now - lastHeard,
      verified: direct,
      claim,
      offences,
      roundTrip,
      via: [...new Set(forwarders.map((forwarder) => addressKey(forwarder)))],
    }));
  }

  private refresh(peer: Peer, now: number): void {
    peer.lastHeard = now;
    if (this.idle.delete(peer)) this.idle.add(peer);
  }

  private roomForDirect(host: string): boolean {
    return (
      this.direct < MAX_PEERS - MAX_HEARSAY_PEERS &&
      this.idle.size < MAX_IDLE_PEERS &&
      (this.directPerHost.get(host) ?? 0) < MAX_PEERS_PER_HOST
    );
  }

  /**
   * In a full table one gives way that has done nothing useful so far, on the host that has most of them; else the host
   * with most peers gives one up, but only to hosts that have fewer still.
   */
  private makeRoomForDirect(host: string): boolean {
    if (this.roomForDirect(host)) return true;
    const own = this.directPerHost.get(host) ?? 0;
    if (own >= MAX_PEERS_PER_HOST) return false;
    const most = Math.max(...this.idlePerHost.values());
    for (const peer of this.idle) {
      if (this.idlePerHost.get(peer.address.host) !== most) continue;
      this.drop(peer);
      return true;
    }
    const [crowded, count] = [...this.directPerHost].reduce((a, b) => (b[1] > a[1] ? b : a), ['', 0]);
    if (count <= own + 1) return false;
    this.drop(stalest(this.all().filter((peer) => peer.direct && peer.address.host === crowded)));
    return true;
  }

  private setDirect(peer: Peer): void {
    peer.direct = true;
    this.direct++;
    add(this.directPerHost, peer.address.host, 1);
    this.idle.add(peer);
    add(this.idlePerHost, peer.address.host, 1);
  }

  /** @returns false if there is no room for it among those that speak for themselves */
  private becomeUseful(peer: Peer): boolean {
    if (!peer.direct) {
      if (!this.makeRoomForDirect(peer.address.host)) return false;
      this.setDirect(peer);
    }
    this.leaveIdle(peer);
    return true;
  }

  private leaveIdle(peer: Peer): void {
    if (this.idle.delete(peer)) add(this.idlePerHost, peer.address.host, -1);
  }

  /**
   * Only introduced peers give way: first those of the same introducer, else of the one who introduced most.
   *
   * @returns false if the host has too many of them already
   */
  private makeRoomForHearsay(host: string, introducer: string): boolean {
    const byIntroducer = new Map<string, Peer[]>();
    let total = 0;
    let onHost = 0;
    for (const peer of this.all()) {
      if (peer.direct) continue;
      total++;
      if (peer.address.host === host) onHost++;
      const list = byIntroducer.get(peer.introducer);
      if (list === undefined) byIntroducer.set(peer.introducer, [peer]);
      else list.push(peer);
    }
    if (onHost >= MAX_HEARSAY_PER_HOST) return false;
    let crowd = byIntroducer.get(introducer) ?? [];
    if (crowd.length < MAX_PEERS_PER_INTRODUCER) {
      if (total < MAX_HEARSAY_PEERS) return true;
      for (const list of byIntroducer.values()) if (list.length > crowd.length) crowd = list;
    }
    this.drop(stalest(crowd));
    return true;
  }

  private drop(peer: Peer): void {
    const { host, port } = peer.address;
    const neighbours = this.byHost.get(host);
    neighbours?.delete(port);
    if (neighbours?.size === 0) this.byHost.delete(host);
    this.count--;
    this.list = undefined;
    if (peer.verified) add(this.verifiedPerHost, host, -1);
    if (!peer.direct) return;
    this.direct--;
    add(this.directPerHost, host, -1);
    this.leaveIdle(peer);
  }
}

/** Counts one more or one less of a host; one that none is left of is not remembered. */
function add(counts: Map<string, number>, host: string, change: 1 | -1): void {
  const count = (counts.get(host) ?? 0) + change;
  if (count > 0) counts.set(host, count);
  else counts.delete(host);
}

/** The one of several peers, at least one, that was silent longest. */
function stalest(peers: readonly Peer[]): Peer {
  return peers.reduce((a, b) => (b.lastHeard < a.lastHeard ? b : a));
}
