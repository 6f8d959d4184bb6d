/**
 * How a replica that fell behind, or has lost its store, gets the state of the others: the page digests of a checkpoint
 * that a quorum has signed, from anybody, then the pages that differ, from everybody; each is checked against its digest.
 */
import { RateLimit } from '../../../core/bounded.ts';
import type { Gauge } from '../../../core/engine.ts';
import {
  FETCHES_BURST,
  FETCHES_PER_SECOND,
  MAX_PAGES_LENGTH,
  PAGES_PER_REQUEST,
  PATIENCE_ROUNDS,
  WINDOW,
} from './limits.ts';
import type { Certificate } from './messages.ts';
import type { Replica } from './replica.ts';
import { DIGESTS } from './state.ts';

/** A state that is being fetched. */
interface Fetch {
  readonly certificate: Certificate;
  readonly sequence: number;
  /** Of the whole state. */
  readonly digest: string;
  /** Of all pages, once they are known. */
  index: readonly string[] | undefined;
  /** Pages that are to be replaced. */
  differing: readonly number[];
  /** Of these, those that are not here yet, and of those, the ones that nobody has been asked for. */
  readonly missing: Set<number>;
  readonly needed: Set<number>;
  /** What each replica was asked for. */
  readonly asked: Map<number, readonly number[]>;
}

/** What it needs of a replica. */
type Parts = Pick<
  Replica,
  | 'changes'
  | 'checkpoints'
  | 'client'
  | 'context'
  | 'execution'
  | 'journal'
  | 'log'
  | 'ordering'
  | 'pool'
  | 'state'
>;

export class Transfer {
  private readonly replica: Parts;
  private readonly served: RateLimit;
  private fetch: Fetch | undefined;
  /** A checkpoint that is not far ahead: we may get there by ourselves. */
  private wanted: Certificate | undefined;
  /** Rounds without progress, and where we were at the last one. */
  private quiet = 0;
  private executedBefore = 0;
  /** Which replica is asked first. */
  private turn = 0;
  /** Pages that were fetched, by digest; also for the next checkpoint, if this one is gone before all are here. */
  private readonly pages = new Map<string, string>();

  constructor(replica: Parts) {
    this.replica = replica;
    this.served = new RateLimit({
      ...{ perSecond: FETCHES_PER_SECOND, burst: FETCHES_BURST },
      maxKeys: replica.context.replicas,
    });
  }

  /** Whether our state is being replaced. */
  get active(): boolean {
    return this.fetch !== undefined;
  }

  /** {@link active}, asked again after something that may have changed it. */
  isActive(): boolean {
    return this.active;
  }

  measure(report: Gauge): void {
    report('fetched pages', this.pages.size, this.replica.state.pageCount);
    this.served.measure('replicas that fetch', report);
  }

  /** A checkpoint that we have not reached is stable; `from` has reported it, if it was one replica. */
  want(certificate: Certificate, from?: number): void {
    const { log, context, execution } = this.replica;
    const sequence = certificate[0]?.sequence ?? 0;
    if (this.fetch !== undefined) {
      if (sequence <= this.fetch.sequence) return;
      this.wanted = certificate;
      // Whom we have asked has given up the state that we wanted.
      if (from !== undefined && this.fetch.asked.has(from)) this.begin(certificate);
      return;
    }
    if (sequence <= (this.wanted?.[0]?.sequence ?? 0)) return;
    this.wanted = certificate;
    this.quiet = 0;
    this.executedBefore = execution.executed;
    if (sequence > log.low + WINDOW * context.config.checkpointInterval) this.begin(certificate);
  }

  /** Our own state has got to a checkpoint. */
  onTaken(sequence: number): void {
    const { wanted } = this;
    if (wanted?.[0]?.sequence === sequence) this.replica.checkpoints.settle(wanted);
  }

  onStable(sequence: number): void {
    if ((this.wanted?.[0]?.sequence ?? Infinity) <= sequence) this.wanted = undefined;
  }

  /** Gives up our state for that of a checkpoint. */
  begin(certificate: Certificate): void {
    const { context, log, journal, checkpoints, execution, ordering } = this.replica;
    const [first] = certificate;
    if (first === undefined) return;
    const { sequence, digest } = first;
    this.wanted = undefined;
    this.quiet = 0;
    this.fetch = {
      ...{ certificate, sequence, digest, index: undefined },
      ...{ differing: [], missing: new Set(), needed: new Set(), asked: new Map() },
    };
    checkpoints.replace(certificate);
    journal.stable(certificate, log.dropTo(sequence));
    ordering.skipTo(sequence);
    context.count('transfer.begun');
    context.notify({ kind: 'transfer-started', sequence, executed: execution.executed });
    this.askIndex();
  }

  onRound(): void {
    const { execution } = this.replica;
    const { fetch, wanted } = this;
    if (fetch === undefined) {
      if (wanted === undefined) return;
      const moved = execution.executed > this.executedBefore;
      this.executedBefore = execution.executed;
      this.quiet = moved ? 0 : this.quiet + 1;
      if (this.quiet >= PATIENCE_ROUNDS) this.begin(wanted);
      return;
    }
    if (++this.quiet < PATIENCE_ROUNDS) return;
    this.quiet = 0;
    this.turn++;
    if (wanted !== undefined) {
      this.begin(wanted);
      return;
    }
    for (const page of fetch.missing) fetch.needed.add(page);
    fetch.asked.clear();
    if (fetch.index === undefined) this.askIndex();
    else this.askPages();
  }

  /** Somebody wants to know which pages a checkpoint has. */
  onFetchIndex(from: number, sequence: number): void {
    const { context, state } = this.replica;
    if (!this.mayServe(from)) return;
    const snapshot = state.snapshot(sequence);
    if (snapshot === undefined) this.sendNewer(from, sequence);
    else context.send(from, { type: 'INDEX', sequence, digests: snapshot.pageDigests });
  }

  onFetchPages(from: number, sequence: number, wanted: readonly number[]): void {
    const { context, state } = this.replica;
    if (!this.mayServe(from)) return;
    const snapshot = state.snapshot(sequence);
    if (snapshot === undefined) {
      this.sendNewer(from, sequence);
      return;
    }
    const pages: [number, string][] = [];
    let length = 0;
    for (const index of wanted) {
      const text = snapshot.pages[index];
      if (text === undefined) continue;
      length += text.length;
      if (pages.length > 0 && length > MAX_PAGES_LENGTH) break;
      pages.push([index, text]);
    }
    context.send(from, { type: 'PAGES', sequence, pages });
  }

  onIndex(from: number, sequence: number, digests: readonly string[]): void {
    const { context, state } = this.replica;
    const { fetch } = this;
    if (fetch?.sequence !== sequence || fetch.index !== undefined) return;
    if (digests.length !== state.pageCount || DIGESTS.root(digests) !== fetch.digest) {
      context.offend(from, 'index');
      return;
    }
    fetch.index = digests;
    fetch.asked.clear();
    fetch.differing = state.differing(digests);
    const wanted = new Set(fetch.differing.map((page) => digests[page]));
    for (const digest of [...this.pages.keys()]) if (!wanted.has(digest)) this.pages.delete(digest);
    for (const page of fetch.differing) {
      if (this.pages.has(digests[page] ?? '')) continue;
      fetch.missing.add(page);
      fetch.needed.add(page);
    }
    this.quiet = 0;
    this.goOn(fetch, digests);
  }

  onPages(from: number, sequence: number, pages: readonly (readonly [number, string])[]): void {
    const { context } = this.replica;
    const { fetch } = this;
    if (fetch?.sequence !== sequence || fetch.index === undefined) return;
    // An answer may come when we have lost patience and asked somebody else: it is as good.
    const asked = fetch.asked.get(from) ?? [];
    fetch.asked.delete(from);
    const before = fetch.missing.size;
    for (const [page, text] of pages) {
      const digest = fetch.index[page];
      if (digest === undefined || !DIGESTS.isPage(page, text, digest)) {
        context.offend(from, 'page');
        break;
      }
      if (fetch.missing.delete(page)) this.pages.set(digest, text);
      fetch.needed.delete(page);
    }
    for (const page of asked) if (fetch.missing.has(page)) fetch.needed.add(page);
    // Whoever sends nothing is not asked again before the next round.
    if (fetch.missing.size === before) return;
    this.quiet = 0;
    context.notify({
      kind: 'transfer-progress',
      pages: fetch.differing.length - fetch.missing.size,
      total: fetch.differing.length,
    });
    this.goOn(fetch, fetch.index);
  }

  private goOn(fetch: Fetch, index: readonly string[]): void {
    if (fetch.missing.size > 0) this.askPages();
    else this.finish(fetch, index);
  }

  private askIndex(): void {
    const { context } = this.replica;
    const { fetch } = this;
    const source = context.others[this.turn % context.others.length];
    if (fetch === undefined || source === undefined) return;
    fetch.asked.set(source, []);
    context.send(source, { type: 'FETCH_INDEX', sequence: fetch.sequence });
  }

  /** Everybody who is not busy with it is asked for some of what is still needed. */
  private askPages(): void {
    const { context } = this.replica;
    const { fetch } = this;
    if (fetch === undefined) return;
    const { others } = context;
    for (let place = 0; place < others.length && fetch.needed.size > 0; place++) {
      const source = others[(place + this.turn) % others.length];
      if (source === undefined || fetch.asked.has(source)) continue;
      const pages = [...fetch.needed].slice(0, PAGES_PER_REQUEST);
      for (const page of pages) fetch.needed.delete(page);
      fetch.asked.set(source, pages);
      context.send(source, { type: 'FETCH_PAGES', sequence: fetch.sequence, pages });
    }
  }

  /** Every page is here: from now on this is our state. */
  private finish({ sequence, digest, differing }: Fetch, index: readonly string[]): void {
    const { context, state, journal, execution, pool, client, changes } = this.replica;
    for (const page of differing) state.restore(page, this.pages.get(index[page] ?? '') ?? '');
    if (state.digest() !== digest) throw new Error(`the state of ${sequence} is not what its pages are`);
    state.dropBefore(Infinity);
    journal.pages(state.checkpoint(sequence));
    this.fetch = undefined;
    this.pages.clear();
    execution.executed = sequence;
    pool.keepWhere((request) => state.look(request.client, request.timestamp) === 'new');
    client.onReplaced((timestamp) => state.look(context.self, timestamp));
    changes.onProgress();
    context.notify({ kind: 'transfer-finished', sequence, pages: differing.length });
    const newer = this.wanted;
    this.wanted = undefined;
    if (newer !== undefined) this.want(newer);
    execution.run();
  }

  private sendNewer(to: number, sequence: number): void {
    const { certificate } = this.replica.checkpoints;
    if ((certificate[0]?.sequence ?? 0) > sequence && !this.active) {
      this.replica.context.send(to, { type: 'STABLE', certificate });
    }
  }

  private mayServe(from: number): boolean {
    const { context } = this.replica;
    if (this.served.take(String(from), context.now)) return true;
    context.count('limit.fetches');
    return false;
  }
}
