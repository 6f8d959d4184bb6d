/** Who is there: the table of peers, which an attacker must not be able to fill at the cost of good ones. */
import { addressKey, type Address } from '../../../shared/address.ts';
import { RateLimit, TokenBucket } from '../bounded.ts';
import type { Gauge } from '../engine.ts';
import type { ChainClaim, PeerView } from './interface.ts';
import {
  ALL_INTRODUCTIONS_BURST,
  ALL_INTRODUCTIONS_PER_SECOND,
  INTRODUCTIONS_BURST,
  INTRODUCTIONS_PER_SECOND,
  MAX_FORWARDERS,
  MAX_PEERS,
  MAX_PEERS_PER_HOST,
  MAX_PEERS_PER_INTRODUCER,
  MAX_RATED_HOSTS,
  MAX_UNVERIFIED_PEERS,
  MAX_UNVERIFIED_PER_HOST,
} from './limits.ts';

/** A peer that we track. */
export interface Peer {
  readonly key: string;
  readonly address: Address;
  name: string;
  /** When anything was last heard of it, in engine time. */
  lastHeard: number;
  /** Whether it spoke to us from its own host; else somebody only told us of it. */
  verified: boolean;
  /** The host that told us of it. */
  readonly introducer: string;
  /** What it last claimed, in STATS or by announcing a block. */
  claim: ChainClaim | null;
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
   * Addresses of the peers that passed its GOSSIP on to us, the latest last: those of the table, so that each is told
   * from the others at a glance. One that left and came back may be there twice.
   */
  readonly forwarders: Address[];
}

/** Why a peer is not tracked: the limit that it would break. */
export type Refusal = 'limit.peers' | 'limit.introductions' | 'limit.unverified-peers';

/** The table of peers, by `host:port`. We ourselves are never in it. */
export class PeerTable {
  /** By host and port rather than by key: every datagram is looked up, and keys would have to be put together. */
  private readonly byHost = new Map<string, Map<number, Peer>>();
  private count = 0;
  /** All of them; undefined after a change, until somebody asks for it. */
  private list: readonly Peer[] | undefined;
  private readonly verifiedPerHost = new Map<string, number>();
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
  private verified = 0;

  constructor(self: Address, selfHosts: readonly string[]) {
    const hosts = new Set([self.host, ...selfHosts]);
    this.isSelf = ({ host, port }) => port === self.port && hosts.has(host);
  }

  get size(): number {
    return this.count;
  }

  measure(tell: Gauge): void {
    tell('peers', this.count, MAX_PEERS);
    tell('unverified peers', this.count - this.verified, MAX_UNVERIFIED_PEERS);
    tell('hosts of peers', this.verifiedPerHost.size, this.verified);
    this.introductions.measure('rates of introductions', tell);
    let forwarders = 0;
    for (const peer of this.all()) forwarders += peer.forwarders.length;
    tell('forwarders of peers', forwarders, this.count * MAX_FORWARDERS);
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

  /** Whether a peer on this host has spoken to us. */
  knowsHost(host: string): boolean {
    return this.verifiedPerHost.has(host);
  }

  /**
   * A peer was heard of: refreshes it.
   *
   * @param from where the news came from: the peer itself if it is its own host
   */
  hear(peer: Peer, from: Address, name: string, now: number): void {
    peer.lastHeard = now;
    if (name !== '') peer.name = name;
    const { host } = peer.address;
    if (!peer.verified && from.host === host && this.roomForVerified(host)) this.setVerified(peer);
  }

  /**
   * A peer that is not tracked was heard of: tracks it if there is room.
   *
   * @param from where the news came from: the peer itself if it is its own host
   */
  admit(address: Address, from: Address, name: string, now: number): Peer | Refusal {
    const direct = from.host === address.host;
    if (direct && !this.makeRoomForVerified(address.host)) return 'limit.peers';
    if (!direct) {
      if (!this.introductions.take(from.host, now) || !this.allIntroductions.take(now))
        return 'limit.introductions';
      if (!this.makeRoomForUnverified(address.host, from.host)) return 'limit.unverified-peers';
    }
    const peer: Peer = {
      key: addressKey(address),
      address: { host: address.host, port: address.port },
      name,
      lastHeard: now,
      verified: false,
      introducer: from.host,
      claim: null,
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
    if (direct) this.setVerified(peer);
    return peer;
  }

  /** Anything came from this very address: whoever is tracked under it is alive. */
  touch(from: Address, now: number): Peer | undefined {
    const peer = this.get(from);
    if (peer !== undefined) {
      peer.lastHeard = now;
      if (!peer.verified && this.roomForVerified(from.host)) this.setVerified(peer);
    }
    return peer;
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
    return this.all().map(
      ({ address, name, lastHeard, verified, claim, offences, roundTrip, forwarders }) => ({
        address,
        name,
        silence: now - lastHeard,
        verified,
        claim,
        offences,
        roundTrip,
        via: [...new Set(forwarders.map((forwarder) => addressKey(forwarder)))],
      }),
    );
  }

  private roomForVerified(host: string): boolean {
    return (
      this.verified < MAX_PEERS - MAX_UNVERIFIED_PEERS &&
      (this.verifiedPerHost.get(host) ?? 0) < MAX_PEERS_PER_HOST
    );
  }

  /** In a full table the host with most peers gives one up, but only to hosts that have fewer still. */
  private makeRoomForVerified(host: string): boolean {
    if (this.roomForVerified(host)) return true;
    const own = this.verifiedPerHost.get(host) ?? 0;
    if (own >= MAX_PEERS_PER_HOST) return false;
    let [crowded, most] = ['', own + 1];
    for (const [other, count] of this.verifiedPerHost) if (count > most) [crowded, most] = [other, count];
    if (crowded === '') return false;
    const crowd = this.all().filter((peer) => peer.verified && peer.address.host === crowded);
    this.drop(stalest(crowd));
    return true;
  }

  private setVerified(peer: Peer): void {
    peer.verified = true;
    this.verified++;
    const { host } = peer.address;
    this.verifiedPerHost.set(host, (this.verifiedPerHost.get(host) ?? 0) + 1);
  }

  /**
   * Only unverified peers give way: first those of the same introducer, else of the one who introduced most.
   *
   * @returns false if the host has too many of them already
   */
  private makeRoomForUnverified(host: string, introducer: string): boolean {
    const byIntroducer = new Map<string, Peer[]>();
    let total = 0;
    let onHost = 0;
    for (const peer of this.all()) {
      if (peer.verified) continue;
      total++;
      if (peer.address.host === host) onHost++;
      const list = byIntroducer.get(peer.introducer);
      if (list === undefined) byIntroducer.set(peer.introducer, [peer]);
      else list.push(peer);
    }
    if (onHost >= MAX_UNVERIFIED_PER_HOST) return false;
    let crowd = byIntroducer.get(introducer) ?? [];
    if (crowd.length < MAX_PEERS_PER_INTRODUCER) {
      if (total < MAX_UNVERIFIED_PEERS) return true;
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
    if (!peer.verified) return;
    this.verified--;
    const left = (this.verifiedPerHost.get(host) ?? 0) - 1;
    if (left > 0) this.verifiedPerHost.set(host, left);
    else this.verifiedPerHost.delete(host);
  }
}

/** The one of several peers, at least one, that was silent longest. */
function stalest(peers: readonly Peer[]): Peer {
  return peers.reduce((a, b) => (b.lastHeard < a.lastHeard ? b : a));
}
