/**
 * Finding the fork point: the last block that another chain and ours have in common.
 *
 * A few heights at a time are asked of the peers that claim the chain, and each answer shows on which side of the
 * fork it lies. First the heights close to the top, at doubling distances, because most forks are young; then evenly
 * spaced ones between the highest known to be common and the lowest known to differ. Answers are claims: a lie makes
 * the download start at the wrong place, where the blocks will not fit, and no more.
 */
import type { Address } from '../../../../shared/address.ts';
import type { Block } from '../../../../shared/block.ts';
import type { Random } from '../../../core/random.ts';
import type { BlockRequest } from './download.ts';
import { MAX_PROBE_ROUNDS, MAX_SILENT_ROUNDS, PROBES, STATS_RETRY } from './limits.ts';

/** Of how many sources each height is asked. */
const COPIES = 2;

export class ForkSearch {
  private readonly hashAt: (height: number) => string | undefined;
  private readonly sources: readonly Address[];
  private readonly random: Random;
  /** Highest height known to be common, -1 if none is. */
  private common = -1;
  /** Lowest height known not to be, or that one of the chains does not have. */
  private different: number;
  /** Distance from the top at which the next round begins to double, while nothing common is known. */
  private span = 1;
  /** Heights of this round that nobody has answered yet. */
  private awaited = new Set<number>();
  /** Heights of all rounds that nobody has answered yet: over a long way answers come when the next round has begun. */
  private readonly asked = new Set<number>();
  private roundStart = -Infinity;
  private rounds = 0;
  private silentRounds = 0;
  private answered = false;
  private over = false;

  /**
   * @param hashAt our own hash at a height
   * @param height the length of the shorter of the two chains
   */
  constructor(
    hashAt: (height: number) => string | undefined,
    height: number,
    sources: readonly Address[],
    random: Random,
  ) {
    this.hashAt = hashAt;
    this.different = height;
    this.sources = sources;
    this.random = random;
  }

  /** The fork point, once it is known: -1 if no block is common. */
  get result(): number | undefined {
    return this.over || this.different === this.common + 1 ? this.common : undefined;
  }

  /** What to ask now: nothing while answers of this round may still come. Call it at every tick and answer. */
  poll(now: number): BlockRequest[] {
    if (this.result !== undefined) return [];
    if (this.awaited.size > 0 && now - this.roundStart < STATS_RETRY) return [];
    if (this.rounds > 0) this.silentRounds = this.answered ? 0 : this.silentRounds + 1;
    if (this.rounds++ >= MAX_PROBE_ROUNDS || this.silentRounds >= MAX_SILENT_ROUNDS) {
      this.over = true;
      return [];
    }
    this.roundStart = now;
    this.answered = false;
    this.awaited = new Set(this.heights());
    for (const height of this.awaited) this.asked.add(height);
    return [...this.awaited].flatMap((height) =>
      this.random.sample(this.sources, COPIES).map((to) => ({ to, height })),
    );
  }

  /** A block has come in. */
  onBlock(block: Block): void {
    const { height, hash } = block;
    this.awaited.delete(height);
    if (!this.asked.delete(height)) return;
    this.answered = true;
    if (height <= this.common || height >= this.different) return;
    if (hash === this.hashAt(height)) this.common = height;
    else this.different = height;
  }

  /** The heights of the next round. */
  private heights(): number[] {
    const { common, different } = this;
    if (common >= 0) {
      const gap = different - common;
      const count = Math.min(PROBES, gap - 1);
      return Array.from(
        { length: count },
        (_, index) => common + Math.floor((gap * (index + 1)) / (count + 1)),
      );
    }
    const heights: number[] = [];
    for (let count = 0; count < PROBES; count++) {
      heights.push(Math.max(0, different - this.span));
      if (different <= this.span) break;
      this.span *= 2;
    }
    return heights;
  }
}
