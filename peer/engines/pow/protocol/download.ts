/**
 * Downloading a range of blocks from many peers at once over a network that loses datagrams.
 *
 * Every source has a small window of requests under way that grows while answers come and shrinks when they do not,
 * and a retransmission timer of its own (RFC 6298). Free windows take the next heights in chunks, so fast sources
 * carry more; the heights that hold everything up are asked of a second source before the first has timed out. An
 * answer is matched by what is in it, because some implementations answer from other ports than they listen on.
 *
 * Nothing here verifies: blocks come out in order, each with the source it came from, and whoever verifies them says
 * which were false.
 */
import { addressKey, type Address } from '../../../../shared/address.ts';
import type { Block } from '../../../../shared/block.ts';
import type { Gauge } from '../../../core/engine.ts';
import {
  BACK_OFF,
  CHUNK,
  INITIAL_TIMEOUT,
  INITIAL_WINDOW,
  MAX_AHEAD,
  MAX_REFUSALS,
  MAX_SILENCE,
  MAX_SILENT_TIME,
  MAX_TIMEOUT,
  MAX_WINDOW,
  MIN_TIMEOUT,
  MIN_WINDOW,
  SLOW_FACTOR,
  SLOW_ROUND_TRIP,
  TOLERATED_LOSS,
} from './limits.ts';

/** Why a source is no longer asked. */
export type Shedding = 'silent' | 'slow' | 'refused' | 'false';

/** A peer that blocks are downloaded from. */
export interface Source {
  readonly key: string;
  readonly address: Address;
  /** Requests that may be under way at once; grows by fractions. */
  window: number;
  /** Below it the window doubles each round trip, above it grows by one. */
  threshold: number;
  /** Smoothed round trip and its variation, once measured. */
  roundTrip: number | undefined;
  variation: number;
  /** After this long a request is sent again. */
  timeout: number;
  /** Requests in a row that timed out, and that were refused. */
  silence: number;
  refusals: number;
  /** When it last answered, or was first asked. */
  heard: number;
  /** Requests answered and lost since the window was last looked at. */
  answered: number;
  lost: number;
  /** Share of requests that is lost even while the window is small: not for the window to answer for. */
  baseLoss: number;
  /** When each height was asked, oldest first. */
  readonly inFlight: Map<number, number>;
  /** When the heights were asked that it did not answer in time: an answer may still come, and shows how slow it is. */
  readonly lapsed: Map<number, number>;
  /** Heights that it answered falsely: it is never asked for them again. */
  readonly unfit: Set<number>;
  /** Heights that it answered it has not got: it is asked again when nobody else has them either. */
  readonly refused: Set<number>;
  delivered: number;
  shed: Shedding | undefined;
}

/** A block to be asked of a source. */
export interface BlockRequest {
  readonly to: Address;
  readonly height: number;
}

/** A block that came in, with the source it is credited to. */
export interface Delivery {
  readonly block: Block;
  readonly source: Source;
}

export class Download {
  readonly sources: readonly Source[];
  /** The next height to come out. */
  next: number;
  private readonly to: number;
  private readonly byKey = new Map<string, Source>();
  private readonly received = new Map<number, Delivery>();
  /** Heights to be asked again, the lowest last. */
  private again: number[] = [];
  /** The next height that was never asked. */
  private cursor: number;

  /**
   * @param from first height to download
   * @param to one more than the last
   */
  constructor(sources: readonly Address[], from: number, to: number) {
    this.sources = sources.map((address) => newSource(address));
    for (const source of this.sources) this.byKey.set(source.key, source);
    this.next = from;
    this.cursor = from;
    this.to = to;
  }

  /** Whether every block has come out. */
  get complete(): boolean {
    return this.next >= this.to;
  }

  /** Sources still asked. */
  get active(): readonly Source[] {
    return this.sources.filter(({ shed }) => shed === undefined);
  }

  measure(report: Gauge): void {
    report('blocks that wait for a gap to close', this.received.size, MAX_AHEAD);
    report('heights to be asked again', this.again.length, MAX_AHEAD);
    for (const { inFlight, lapsed, unfit, refused } of this.sources) {
      report('requests under way', inFlight.size, MAX_WINDOW);
      report('requests not answered in time', lapsed.size, MAX_WINDOW);
      report('heights answered falsely', unfit.size, MAX_AHEAD);
      report('heights refused', refused.size, MAX_AHEAD);
    }
  }

  /** What to ask now: again what was not answered in time, then what is next. Call it at every tick. */
  poll(now: number): BlockRequest[] {
    for (const source of this.sources) if (source.shed === undefined) this.expire(source, now);
    this.shedSlow();
    // A refusal may only mean that a peer is busy: when all have refused they are asked again, until given up.
    if (this.active.every(({ unfit, refused }) => unfit.has(this.next) || refused.has(this.next))) {
      for (const { refused } of this.active) refused.clear();
    }
    const requests: BlockRequest[] = [];
    // Chunk by chunk in turn, so that all sources begin at once.
    for (let progress = true; progress;) {
      progress = false;
      for (const source of this.active) progress = this.fill(source, now, CHUNK, requests) > 0 || progress;
    }
    for (const source of this.active) this.hedge(source, now, requests);
    return requests;
  }

  /**
   * A block has come in.
   *
   * @returns what to ask next, or undefined if this block was not awaited
   */
  onBlock(block: Block, from: Address, now: number): BlockRequest[] | undefined {
    const { height } = block;
    if (!(height >= this.next && height < this.cursor)) return undefined;
    const source = this.creditor(from, height);
    if (source === undefined) return undefined;
    const asked = source.inFlight.get(height) ?? source.lapsed.get(height);
    if (asked !== undefined) {
      source.inFlight.delete(height);
      source.lapsed.delete(height);
      measure(source, now - asked);
    }
    source.silence = 0;
    source.refusals = 0;
    source.heard = now;
    source.answered++;
    judgeLosses(source);
    if (source.shed === undefined && !source.unfit.has(height) && !this.received.has(height)) {
      source.delivered++;
      grow(source);
      this.received.set(height, { block, source });
    }
    const requests: BlockRequest[] = [];
    if (source.shed === undefined) this.fill(source, now, MAX_WINDOW, requests);
    return requests;
  }

  /** "I have no such block": which one is not said, so it counts for the one asked longest ago. */
  onRefusal(from: Address): void {
    const source = this.byKey.get(addressKey(from));
    if (source === undefined || source.shed !== undefined) return;
    const [height] = source.inFlight.keys();
    if (height === undefined) return;
    source.inFlight.delete(height);
    if (source.refused.size >= MAX_AHEAD) forgetBelow(source.refused, this.next);
    source.refused.add(height);
    this.askAgain([height]);
    if (++source.refusals >= MAX_REFUSALS) this.shed(source, 'refused');
  }

  /** The next block in order, if it is there; it stays until {@link accept} or {@link reject}. */
  peek(): Delivery | undefined {
    return this.received.get(this.next);
  }

  /** The block of {@link peek} is right. */
  accept(): void {
    this.received.delete(this.next);
    this.next++;
  }

  /** The block of {@link peek} is false: it is asked of others, and its source no more for this height. */
  reject(): void {
    const delivery = this.received.get(this.next);
    if (delivery === undefined) return;
    this.received.delete(this.next);
    delivery.source.unfit.add(this.next);
    this.askAgain([this.next]);
  }

  /** Gives a source up; what it delivered and nobody has looked at yet is asked of others. */
  shed(source: Source, why: Shedding): void {
    if (source.shed !== undefined) return;
    source.shed = why;
    const heights = [...source.inFlight.keys()];
    source.inFlight.clear();
    if (why === 'false') {
      for (const [height, delivery] of this.received) if (delivery.source === source) heights.push(height);
      for (const height of heights) this.received.delete(height);
    }
    this.askAgain(heights);
  }

  /** Whether any source is left that may be asked for the next height. */
  get possible(): boolean {
    return this.sources.some(({ shed, unfit }) => shed === undefined && !unfit.has(this.next));
  }

  /** Takes out of flight what has not been answered in time. */
  private expire(source: Source, now: number): void {
    const { timeout } = source;
    const late: number[] = [];
    for (const [height, asked] of source.inFlight) {
      if (now - asked < timeout) break;
      source.inFlight.delete(height);
      source.lapsed.set(height, asked);
      late.push(height);
    }
    for (const height of source.lapsed.keys()) {
      if (source.lapsed.size <= MAX_WINDOW) break;
      source.lapsed.delete(height);
    }
    if (late.length === 0) return;
    this.askAgain(late);
    source.silence += late.length;
    source.lost += late.length;
    source.timeout = Math.min(MAX_TIMEOUT, source.timeout * BACK_OFF);
    judgeLosses(source);
    // Who has answered before gets more time, and the last one left even more.
    const patience = source.delivered === 0 ? 1 : this.active.length > 1 ? 2 : 3;
    const silent =
      source.silence >= patience * MAX_SILENCE && now - source.heard >= patience * MAX_SILENT_TIME;
    if (silent) this.shed(source, 'silent');
  }

  /** A source that is far slower than the best only holds things up. */
  private shedSlow(): void {
    const { active } = this;
    if (active.length < 2) return;
    const best = Math.min(...active.map(({ roundTrip }) => roundTrip ?? Infinity));
    for (const source of active) {
      const { roundTrip } = source;
      if (roundTrip !== undefined && roundTrip > SLOW_ROUND_TRIP && roundTrip > SLOW_FACTOR * best) {
        this.shed(source, 'slow');
      }
    }
  }

  /** Gives a source as many heights as its window has room for, `most` at the most. */
  private fill(source: Source, now: number, most: number, requests: BlockRequest[]): number {
    let given = 0;
    const room = Math.min(most, Math.floor(source.window) - source.inFlight.size);
    while (given < room) {
      const height = this.takeHeight(source);
      if (height === undefined) break;
      if (source.heard === 0) source.heard = now;
      source.inFlight.set(height, now);
      requests.push({ to: source.address, height });
      given++;
    }
    return given;
  }

  /** The lowest height that nobody is asked for and that this source may have. */
  private takeHeight(source: Source): number | undefined {
    for (let index = this.again.length - 1; index >= 0; index--) {
      const height = this.again[index] ?? 0;
      if (height < this.next || this.received.has(height)) {
        this.again.splice(index, 1);
      } else if (!source.unfit.has(height) && !source.refused.has(height)) {
        this.again.splice(index, 1);
        return height;
      }
    }
    if (this.cursor >= this.to || this.cursor >= this.next + MAX_AHEAD) return undefined;
    return this.cursor++;
  }

  /**
   * A source with nothing to do asks for the heights that hold everything up, if whoever was asked first is overdue
   * but not timed out yet.
   */
  private hedge(source: Source, now: number, requests: BlockRequest[]): void {
    let room = Math.min(CHUNK, Math.floor(source.window) - source.inFlight.size);
    const end = Math.min(this.cursor, this.next + MAX_WINDOW);
    for (let height = this.next; room > 0 && height < end; height++) {
      if (this.received.has(height) || source.unfit.has(height) || source.inFlight.has(height)) continue;
      const holders = this.sources.filter(({ inFlight }) => inFlight.has(height));
      const [holder] = holders;
      if (holder === undefined || holders.length > 1) continue;
      const overdue = 2 * (source.roundTrip ?? holder.roundTrip ?? INITIAL_TIMEOUT / 4);
      if (now - (holder.inFlight.get(height) ?? now) < overdue) continue;
      source.inFlight.set(height, now);
      requests.push({ to: source.address, height });
      room--;
    }
  }

  /** Puts heights back among those to be asked, unless they are there or somebody else is asked already. */
  private askAgain(heights: Iterable<number>): void {
    const { active } = this;
    for (const height of heights) {
      const settled = height < this.next || this.received.has(height);
      if (!settled && !active.some(({ inFlight }) => inFlight.has(height))) this.again.push(height);
    }
    this.again.sort((a, b) => b - a);
  }

  /**
   * Whom a block is credited to: the source at this address, else one on the same host (or of a host name, which no
   * address can be compared with) that was asked for it.
   */
  private creditor(from: Address, height: number): Source | undefined {
    const exact = this.byKey.get(addressKey(from));
    if (exact !== undefined) return exact;
    const possible = this.sources.filter(
      ({ address }) => address.host === from.host || !/^[\d.]+$/.test(address.host),
    );
    return possible.find(({ inFlight }) => inFlight.has(height));
  }
}

/** Drops what is no longer of interest. */
function forgetBelow(heights: Set<number>, next: number): void {
  for (const height of heights) if (height < next) heights.delete(height);
}

function newSource(address: Address): Source {
  return {
    key: addressKey(address),
    address,
    window: INITIAL_WINDOW,
    threshold: MAX_WINDOW,
    roundTrip: undefined,
    variation: 0,
    timeout: INITIAL_TIMEOUT,
    silence: 0,
    refusals: 0,
    heard: 0,
    answered: 0,
    lost: 0,
    baseLoss: 0,
    inFlight: new Map(),
    lapsed: new Map(),
    unfit: new Set(),
    refused: new Set(),
    delivered: 0,
    shed: undefined,
  };
}

/** Smooths a measured round trip and sets the timeout by it. Source: RFC 6298, section 2. */
function measure(source: Source, sample: number): void {
  if (source.roundTrip === undefined) {
    source.roundTrip = sample;
    source.variation = sample / 2;
  } else {
    source.variation += (Math.abs(source.roundTrip - sample) - source.variation) / 4;
    source.roundTrip += (sample - source.roundTrip) / 8;
  }
  source.timeout = Math.min(MAX_TIMEOUT, Math.max(MIN_TIMEOUT, source.roundTrip + 4 * source.variation));
}

/** An answer came: the window grows, doubling in a round trip at first and by one later. Source: RFC 5681. */
function grow(source: Source): void {
  const step = source.window < source.threshold ? 1 : 1 / source.window;
  source.window = Math.min(MAX_WINDOW, source.window + step);
}

/**
 * Looks, once in a window, at how many requests were lost, and halves the window if they were clearly more than are
 * lost anyway. A class peer may lose half of all datagrams however few it gets; only what more requests at a time
 * add to that is a reason to send fewer.
 */
function judgeLosses(source: Source): void {
  const total = source.answered + source.lost;
  if (total < Math.max(INITIAL_WINDOW, source.window)) return;
  const loss = source.lost / total;
  if (source.window <= INITIAL_WINDOW) source.baseLoss = (source.baseLoss + loss) / 2;
  if (loss > source.baseLoss + TOLERATED_LOSS) {
    source.window = Math.max(MIN_WINDOW, source.window / 2);
    source.threshold = source.window;
  }
  source.answered = 0;
  source.lost = 0;
}
