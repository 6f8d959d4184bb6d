/**
 * A network that does everything to datagrams that real ones do: it delays, loses, doubles and reorders them, is too
 * narrow for them, and falls apart. It only decides when, and whether, a datagram arrives; carrying it is the
 * simulation's part.
 */
import type { Chance } from './chance.ts';

export const LATENCY_SHAPES = ['fixed', 'uniform', 'exponential', 'heavy-tailed'] as const;
export type LatencyShape = (typeof LATENCY_SHAPES)[number];

/** How a network treats datagrams. Shares are from 0 to 1, times in milliseconds. */
export interface LinkSettings {
  /** Mean latency. */
  readonly latency: number;
  readonly shape: LatencyShape;
  readonly loss: number;
  readonly duplicate: number;
  /** Share of datagrams that are held up so that later ones overtake them. */
  readonly reorder: number;
  /** What a site can send, in bytes a millisecond (so thousands of bytes a second); 0 stands for no limit. */
  readonly bandwidth: number;
}

/** A perfect network with that latency. */
export function healed(settings: LinkSettings): LinkSettings {
  return { ...settings, loss: 0, duplicate: 0, reorder: 0, bandwidth: 0 };
}

/** Why a datagram did not arrive. */
export type DropReason =
  'loss' | 'partition' | 'bandwidth' | 'clogged' | 'nobody there' | 'node down' | 'inbox full' | 'oversize';

/** No distribution makes a datagram wait longer than this: a minute, in milliseconds. */
const MAX_LATENCY = 60_000;
/** What a site whose line is too narrow queues, in milliseconds of sending; more is dropped, as in a router. */
const MAX_QUEUE = 2_000;
/** How much longer, in mean latencies, a datagram takes that is to be overtaken: at most. */
const REORDER_DELAY = 10;
/** Datagrams held back for a site that is clogged. */
const MAX_CLOGGED = 1_000;

/** Microseconds in a millisecond: the network counts in microseconds, whole ones. */
const MICROSECONDS = 1000;

export class Network {
  settings: LinkSettings;
  /** When the copies of the datagram sent last arrive, in microseconds: none, one or two. */
  readonly arrivals: number[] = [];
  /** How often each fault was met. */
  readonly faults = { duplicated: 0, reordered: 0, clogged: 0 };
  private readonly chance: Chance;
  private readonly sites: number;
  /** For each ordered pair of sites, how many partitions stand between them. */
  private readonly walls: Uint8Array;
  private partitioned = 0;
  /** Until when each site's line is busy, and until when nothing reaches it, in microseconds. */
  private readonly busyUntil: Float64Array;
  private readonly cloggedUntil: Float64Array;
  private readonly cloggedCount: Uint32Array;

  constructor(sites: number, settings: LinkSettings, chance: Chance) {
    this.sites = sites;
    this.settings = settings;
    this.chance = chance;
    this.walls = new Uint8Array(sites * sites);
    this.busyUntil = new Float64Array(sites);
    this.cloggedUntil = new Float64Array(sites);
    this.cloggedCount = new Uint32Array(sites);
  }

  /**
   * Puts a datagram on its way; {@link arrivals} then says when its copies arrive.
   *
   * @param size in bytes; only looked at if bandwidth is limited
   * @param now in microseconds
   * @param chance what becomes of it, if that is not to change the luck of those that others send
   * @returns why no copy arrives, undefined if one does
   */
  send(from: number, to: number, size: number, now: number, chance = this.chance): DropReason | undefined {
    const { settings } = this;
    // One by one: to set the length takes longer than everything else here.
    while (this.arrivals.length > 0) this.arrivals.pop();
    if (this.blocked(from, to)) return 'partition';
    if (chance.happens(settings.loss)) return 'loss';
    let start = now;
    if (settings.bandwidth > 0) {
      const free = Math.max(now, this.busyUntil[from] ?? 0);
      if (free - now > MAX_QUEUE * MICROSECONDS) return 'bandwidth';
      start = free + Math.ceil((size / settings.bandwidth) * MICROSECONDS);
      this.busyUntil[from] = start;
    }
    const dropped = this.schedule(to, start, now, chance);
    if (dropped === undefined && chance.happens(settings.duplicate)) {
      this.faults.duplicated++;
      this.schedule(to, start, now, chance);
    }
    return dropped;
  }

  /** Whether a wall stands between two sites, in this direction. */
  blocked(from: number, to: number): boolean {
    return this.partitioned > 0 && (this.walls[from * this.sites + to] ?? 0) > 0;
  }

  /** Builds a wall that nothing passes from `from` to `to`, or takes it down. */
  wall(pairs: readonly (readonly [from: number, to: number])[], built: boolean): void {
    for (const [from, to] of pairs) {
      const place = from * this.sites + to;
      this.walls[place] = (this.walls[place] ?? 0) + (built ? 1 : -1);
    }
    this.partitioned += built ? 1 : -1;
  }

  /** Holds back what is sent to a site until a time in microseconds. */
  clog(site: number, until: number): void {
    this.cloggedUntil[site] = Math.max(this.cloggedUntil[site] ?? 0, until);
    this.cloggedCount[site] = 0;
  }

  private schedule(to: number, start: number, now: number, chance: Chance): DropReason | undefined {
    const { settings } = this;
    let delay = this.latency(chance);
    if (chance.happens(settings.reorder)) {
      this.faults.reordered++;
      delay += chance.between(0, REORDER_DELAY * settings.latency);
    }
    let at = start + Math.round(Math.min(delay, MAX_LATENCY) * MICROSECONDS);
    const open = this.cloggedUntil[to] ?? 0;
    if (at < open && now < open) {
      const waiting = (this.cloggedCount[to] ?? 0) + 1;
      if (waiting > MAX_CLOGGED) return 'clogged';
      this.cloggedCount[to] = waiting;
      this.faults.clogged++;
      at = open + chance.below(MICROSECONDS);
    }
    this.arrivals.push(at);
    return undefined;
  }

  private latency(chance: Chance): number {
    const { settings } = this;
    switch (settings.shape) {
      case 'fixed':
        return settings.latency;
      case 'uniform':
        return chance.between(0, 2 * settings.latency);
      case 'exponential':
        return chance.exponential(settings.latency);
      case 'heavy-tailed':
        return chance.heavyTailed(settings.latency);
    }
  }
}
