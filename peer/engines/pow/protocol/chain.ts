/**
 * The chain in the store.
 *
 * Blocks lie under `b/<branch>/<height>`, and one small record, `chain`, says which branch holds which heights:
 * the chain is a list of segments, each the blocks of one branch from some height on. A chain that is being
 * downloaded goes to a branch of its own, beside ours; adopting it, however long it is, is one write of the
 * record, so a crash leaves either the old chain or the new one. What the record no longer names is garbage and
 * is swept away in slices.
 */
import { blockToJson, verifyBlock, type Block, type BlockFault } from '../../../../shared/block.ts';
import { UserError } from '../../../../shared/errors.ts';
import { isJsonObject, parseJson } from '../../../../shared/json.ts';
import type { StoreView, StoreWrite } from '../../../core/store.ts';
import type { Gauge } from '../../../core/engine.ts';

/** Where the record lies. */
const RECORD_KEY = 'chain';
/** Format of the record; another number means another program wrote it. */
const FORMAT = 1;
/**
 * Blocks of a staged chain that are held in memory before they are written to their branch, at once. A durable write
 * costs milliseconds however small it is, so a sync would spend its time on writes of a few hundred blocks; this many
 * are about 2 MB and take tens of milliseconds.
 */
export const STAGE_BATCH = 4096;
/** A staged chain no longer than this is written straight over ours, so that everyday reorganisations add no segment. */
const IN_PLACE_LIMIT = 1024;

/** What a simulation may have otherwise than the network has it. */
export interface ChainTuning {
  /** Which rule a block breaks on top of the one before it, as {@link verifyBlock} reports it. */
  readonly rule?: typeof verifyBlock;
  /** {@link STAGE_BATCH} and {@link IN_PLACE_LIMIT}: small ones bring out in short chains what only long ones meet. */
  readonly stageBatch?: number;
  readonly inPlaceLimit?: number;
}

/** The blocks of `branch` from height `from` on, up to where the next segment begins. */
interface Segment {
  readonly branch: number;
  readonly from: number;
}

/** Blocks that no chain names any more: heights `from` to `to` of `branch`, both included. */
interface Range extends Segment {
  readonly to: number;
}

/** Where the blocks of a chain lie. */
interface Layout {
  readonly segments: readonly Segment[];
  /** The first branch number never used. */
  readonly nextBranch: number;
  /** Still to be deleted; after a restart also what was being downloaded. */
  readonly garbage: readonly Range[];
}

interface ChainRecord extends Layout {
  readonly format: typeof FORMAT;
  /** Number of blocks. */
  readonly height: number;
  /** The difficulty at which all of them were verified. */
  readonly difficulty: number;
}

/** A chain on its way in: beside ours, verified block by block. */
interface Staging {
  /** The last block that both chains are known to have in common. */
  forkPoint: number;
  readonly branch: number;
  /** The last verified block, on which the next must stand; null before a genesis. */
  last: Block | null;
  /** Verified, not yet written: as JSON, because thousands of small objects would keep the garbage collector busy. */
  pending: string[];
  /** Number of blocks written to the branch. */
  written: number;
}

/** The key of a block: fixed width, so that the store keeps the blocks of a branch together and in order. */
function blockKey(branch: number, height: number): string {
  return `b/${branch.toString(36).padStart(4, '0')}/${height.toString(36).padStart(6, '0')}`;
}

/**
 * Our chain: reads through the store's view, and says with {@link StoreWrite}s what is to be changed. Its own
 * memory moves on at once, so the writes it returns must be carried out, in order, before the next event.
 */
export class Chain {
  /** Our last block. */
  tip: Block | null = null;
  /** Number of blocks; the height of the tip plus one. */
  height = 0;

  readonly difficulty: number;
  /** The lowest difficulty at which any of our blocks was verified. */
  private verifiedAt: number;
  private readonly view: StoreView;
  private readonly rule: typeof verifyBlock;
  private readonly stageBatch: number;
  private readonly inPlaceLimit: number;
  private segments: readonly Segment[] = [];
  private nextBranch = 0;
  private garbage: readonly Range[] = [];
  private staging: Staging | null = null;
  /** The layout that was written last, and its JSON. */
  private written: Layout & { readonly json: string } = {
    segments: [],
    nextBranch: 0,
    garbage: [],
    json: '',
  };

  /**
   * @param difficulty the zeros that a hash must end in; every block of the chain is held to it
   * @throws UserError if the store holds something else than a chain, or one of a lower difficulty
   */
  constructor(view: StoreView, difficulty: number, tuning: ChainTuning = {}) {
    this.view = view;
    this.rule = tuning.rule ?? verifyBlock;
    this.stageBatch = tuning.stageBatch ?? STAGE_BATCH;
    this.inPlaceLimit = tuning.inPlaceLimit ?? IN_PLACE_LIMIT;
    this.difficulty = difficulty;
    this.verifiedAt = difficulty;
    const text = view.get(RECORD_KEY);
    if (text === undefined) return;
    const record = readRecord(text);
    if (record.difficulty < difficulty) {
      throw new UserError(
        `the stored chain was verified at difficulty ${record.difficulty}, not ${difficulty}; ` +
          `use --difficulty ${record.difficulty}, or another --data-dir`,
      );
    }
    this.verifiedAt = record.difficulty;
    this.height = record.height;
    this.segments = record.segments;
    this.nextBranch = record.nextBranch;
    this.garbage = record.garbage;
    this.tip = this.block(record.height - 1) ?? null;
    if (this.height > 0 && this.tip === null) throw damaged(`block ${this.height - 1} is missing`);
  }

  measure(report: Gauge): void {
    report('segments of the chain', this.segments.length, this.height + 1);
    report('staged blocks not yet written', this.staging?.pending.length ?? 0, this.stageBatch);
  }

  /** The block at `height`, or undefined if the chain does not reach it. */
  block(height: number): Block | undefined {
    if (height === this.height - 1 && this.tip !== null) return this.tip;
    const json = this.stored(height);
    return json === undefined ? undefined : parseStored(json);
  }

  /**
   * The JSON of the block at `height`, as {@link parseStored} reads it. Only for what is stored: not between a change
   * of the chain and its writes.
   *
   * @throws UserError if the block is of the chain, but not in the store
   */
  blockJson(height: number): string | undefined {
    if (height === this.height - 1 && this.tip !== null) return blockToJson(this.tip);
    const json = this.stored(height);
    if (json === undefined && Number.isInteger(height) && height >= 0 && height < this.height)
      throw damaged(`block ${height} is missing`);
    return json;
  }

  private stored(height: number): string | undefined {
    if (!(height >= 0 && height < this.height)) return undefined;
    let index = this.segments.length - 1;
    while (index > 0 && (this.segments[index]?.from ?? 0) > height) index--;
    const segment = this.segments[index];
    return segment && this.view.get(blockKey(segment.branch, height));
  }

  /** Which rule `block` would break as our next one. */
  faultOf(block: Block): BlockFault | undefined {
    return this.rule(block, this.tip, this.difficulty);
  }

  /** Puts a block, verified with {@link faultOf}, on top. */
  append(block: Block): StoreWrite[] {
    let segment = this.segments.at(-1);
    if (segment === undefined) {
      segment = { branch: this.nextBranch++, from: 0 };
      this.segments = [segment];
    }
    this.tip = block;
    this.height = block.height + 1;
    this.verifiedAt = Math.min(this.verifiedAt, this.difficulty);
    return [put(segment.branch, block.height, blockToJson(block)), this.record()];
  }

  /**
   * Begins to take in another chain that has the blocks up to `forkPoint` in common with ours (-1: none). What was
   * staged before is dropped.
   */
  beginStaging(forkPoint: number): void {
    this.dropStaging();
    const last = forkPoint < 0 ? null : (this.block(forkPoint) ?? null);
    this.staging = { forkPoint, branch: this.nextBranch++, last, pending: [], written: 0 };
  }

  /** Number of blocks that the staged chain has so far, or undefined if nothing is being staged. */
  get stagedHeight(): number | undefined {
    return this.staging === null ? undefined : (this.staging.last?.height ?? -1) + 1;
  }

  /** Height of the last block that the staged chain has in common with ours, as far as is known; -1 if none. */
  get stagedForkPoint(): number {
    return this.staging?.forkPoint ?? -1;
  }

  /** The last staged block (the block at the fork point before the first one). */
  get stagedTip(): Block | null {
    return this.staging?.last ?? null;
  }

  /**
   * Verifies the next block of the staged chain and takes it in.
   *
   * @returns the rule it breaks (it is not taken then), or what is to be written now
   */
  stage(block: Block): BlockFault | StoreWrite[] {
    const { staging } = this;
    if (staging === null) throw new Error('no chain is being staged');
    const fault = this.rule(block, staging.last, this.difficulty);
    if (fault !== undefined) return fault;
    staging.last = block;
    if (staging.forkPoint === block.height - 1 && this.block(block.height)?.hash === block.hash) {
      // Whoever claimed where the chains part was wrong: this one is ours as well.
      staging.forkPoint = block.height;
      return [];
    }
    staging.pending.push(blockToJson(block));
    return staging.pending.length >= this.stageBatch ? this.flushStaging(staging) : [];
  }

  /**
   * Makes the staged chain ours, at once and as a whole.
   *
   * @returns what is to be written, in one piece
   */
  adopt(): StoreWrite[] {
    const { staging } = this;
    if (!staging?.last) throw new Error('no chain is being staged');
    const { forkPoint, branch, last } = staging;
    const kept = this.segments.filter(({ from }) => from <= forkPoint);
    const below = kept.at(-1);
    // Blocks of ours above the fork point, segment by segment.
    const dropped: Range[] = this.segments
      .slice(Math.max(0, kept.length - 1))
      .map((segment, index, list) => ({
        branch: segment.branch,
        from: Math.max(segment.from, forkPoint + 1),
        to: (list[index + 1]?.from ?? this.height) - 1,
      }));
    const inPlace =
      staging.written === 0 &&
      staging.pending.length <= this.inPlaceLimit &&
      below !== undefined &&
      !this.garbage.some((range) => range.branch === below.branch);
    const writes: StoreWrite[] = [];
    if (inPlace) {
      writes.push(...pendingWrites(staging, below.branch));
      // What the new blocks do not overwrite is still to be deleted.
      const first = dropped[0];
      if (first?.branch === below.branch)
        dropped[0] = { ...first, from: Math.max(first.from, last.height + 1) };
      this.segments = kept;
    } else {
      writes.push(...this.flushStaging(staging));
      this.segments = [...kept, { branch, from: forkPoint + 1 }];
    }
    this.garbage = [...this.garbage, ...dropped.filter(({ from, to }) => from <= to)];
    this.staging = null;
    this.tip = last;
    this.height = last.height + 1;
    this.verifiedAt = Math.min(this.verifiedAt, this.difficulty);
    writes.push(this.record());
    return writes;
  }

  /** Forgets the staged chain; what was written of it becomes garbage. */
  dropStaging(): void {
    const { staging } = this;
    if (staging === null) return;
    if (staging.written > 0) this.garbage = [...this.garbage, stagedRange(staging)];
    this.staging = null;
  }

  /** Whether {@link sweep} has something to do. */
  get hasGarbage(): boolean {
    return this.garbage.length > 0;
  }

  /** Deletes some of the blocks that no chain names any more. */
  sweep(limit: number): StoreWrite[] {
    const [first, ...rest] = this.garbage;
    if (first === undefined) return [];
    const to = Math.min(first.to, first.from + limit - 1);
    const writes: StoreWrite[] = [];
    for (let height = first.from; height <= to; height++) {
      writes.push({ type: 'delete', key: blockKey(first.branch, height) });
    }
    this.garbage = to === first.to ? rest : [{ ...first, from: to + 1 }, ...rest];
    writes.push(this.record());
    return writes;
  }

  private flushStaging(staging: Staging): StoreWrite[] {
    const writes = pendingWrites(staging, staging.branch);
    staging.written += staging.pending.length;
    staging.pending = [];
    writes.push(this.record());
    return writes;
  }

  /** The record as it is to be written. What is being staged is named as garbage: after a crash it is just that. */
  private record(): StoreWrite {
    const { staging, segments, nextBranch, verifiedAt } = this;
    const unswept =
      staging !== null && staging.written > 0 ? [...this.garbage, stagedRange(staging)] : this.garbage;
    const { written } = this;
    // Most records only differ in the height from the one before, and the layout takes longest to write.
    if (written.segments !== segments || written.nextBranch !== nextBranch || written.garbage !== unswept) {
      const layout: Layout = { segments, nextBranch, garbage: unswept };
      this.written = { ...layout, json: JSON.stringify(layout).slice(1) };
    }
    const head = `{"format":${FORMAT},"height":${this.height},"difficulty":${verifiedAt},`;
    return { type: 'put', key: RECORD_KEY, value: head + this.written.json };
  }
}

/** Reads a block that was stored; it was verified before, so its shape is known. */
export function parseStored(json: string): Block {
  return parseJson(json) as Block;
}

function stagedRange({ branch, forkPoint, written }: Staging): Range {
  return { branch, from: forkPoint + 1, to: forkPoint + written };
}

function put(branch: number, height: number, json: string): StoreWrite {
  return { type: 'put', key: blockKey(branch, height), value: json };
}

/** The writes of the staged blocks that wait, into `branch`. */
function pendingWrites({ forkPoint, written, pending }: Staging, branch: number): StoreWrite[] {
  const first = forkPoint + 1 + written;
  return pending.map((json, index) => put(branch, first + index, json));
}

function damaged(what: string): UserError {
  return new UserError(
    `the store is damaged (${what}); move the data folder away and let the peer download the chain again`,
  );
}

function readRecord(text: string): ChainRecord {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    throw damaged('its record is not JSON');
  }
  if (!isJsonObject(value)) throw damaged('its record is not an object');
  if (value['format'] !== FORMAT) {
    throw new UserError(
      `the data folder has format ${String(value['format'])}, which this program does not know`,
    );
  }
  // Written by record(), and whole, because every write of the store is atomic.
  return value as unknown as ChainRecord;
}
