/**
 * Moving to another chain: find where it leaves ours, download what is above from everybody who claims it, verify
 * every block, and only then adopt it as a whole. Our own chain stays as it is until that moment.
 */
import type { Address } from '../../../../shared/address.ts';
import { BLOCK_RULES, MAX_MESSAGES, type Block, type BlockFault } from '../../../../shared/block.ts';
import type { Gauge } from '../../../core/engine.ts';
import type { Context } from './context.ts';
import { Download, type BlockRequest, type Delivery, type Source } from './download.ts';
import { ForkSearch } from './fork-search.ts';
import type { ChainClaim } from './interface.ts';
import {
  DOWNLOAD_TICK,
  MAX_ORPHANED_BLOCKS,
  MAX_SINGLE_ATTEMPTS,
  MAX_SOURCES,
  MAX_STAGED_MESSAGES,
  MAX_STALL,
  PROGRESS_INTERVAL,
  VERIFY_SLICE,
} from './limits.ts';
import { ownWords, type WordQueue } from './words.ts';

/** The name of the timer that drives a sync. */
export const SYNC_TIMER = 'sync';

/** How a sync ended. */
export type SyncOutcome =
  /** `exact`: it ends in the block that was claimed, rather than in another one of that height. */
  | { readonly outcome: 'adopted'; readonly exact: boolean }
  /** These claimants served something that breaks a rule. */
  | { readonly outcome: 'false'; readonly liars: readonly Address[]; readonly fault: string }
  /**
   * Nobody served the whole chain, or not in the time there was (`slow`). `partial`: what was served is longer than our
   * chain was, and has replaced it.
   */
  | { readonly outcome: 'unavailable'; readonly partial: boolean; readonly slow: boolean }
  /** Our own chain has become at least as good in the meantime. */
  | { readonly outcome: 'outdated' };

/** A claimed chain and, for one of our own height, the tip of ours that it shall replace. */
export interface SyncTarget extends ChainClaim {
  /** How many claim it. */
  readonly votes: number;
  /** Whether one of them has served us blocks that we adopted. */
  readonly served: boolean;
  /** Who is asked for its blocks. */
  readonly sources: readonly Address[];
  /** The hosts of those who claim just this length. */
  readonly claimantHosts: readonly string[];
  readonly insteadOf: string | null;
}

/** A false block of the height that the download stands at. */
interface Rejection {
  readonly source: Source;
  readonly height: number;
  readonly fault: BlockFault;
}

export class ChainSync {
  readonly target: SyncTarget;
  private readonly context: Context;
  private readonly words: WordQueue;
  private readonly timeLimit: () => number;
  private readonly onDone: (outcome: SyncOutcome) => void;
  private search: ForkSearch | undefined;
  private download: Download | undefined;
  private forkPoint = -1;
  private stepBack = 1;
  private rejections: Rejection[] = [];
  /** Sources still to be tried one by one, once the blocks of all together did not fit; undefined before. */
  private singles: Address[] | undefined;
  private readonly liars = new Map<string, Address>();
  private fault = '';
  /** Messages of the staged blocks, so that no word of theirs is mined again. */
  private messages = new Set<string>();
  private lastProgress = -Infinity;
  private startedAt = Infinity;
  /** When the download last took in a block, and which was next then. */
  private advance = { at: -Infinity, next: -1 };
  private continuing = false;
  /** Whether the block above the last one claimed is being asked for. */
  private beyond = false;
  /** The download of all below that one. */
  private whole: Download | undefined;
  private done = false;

  /** @param hooks.timeLimit how long this sync may take, as things stand */
  constructor(
    context: Context,
    words: WordQueue,
    target: SyncTarget,
    hooks: { timeLimit: () => number; onDone: (outcome: SyncOutcome) => void },
  ) {
    this.context = context;
    this.words = words;
    this.target = target;
    this.timeLimit = hooks.timeLimit;
    this.onDone = hooks.onDone;
  }

  get phase(): 'searching' | 'downloading' {
    return this.download === undefined ? 'searching' : 'downloading';
  }

  measure(report: Gauge): void {
    report('sources', this.target.sources.length, MAX_SOURCES);
    report('rejected blocks', this.rejections.length, 2 * MAX_SOURCES);
    report('liars', this.liars.size, MAX_SOURCES);
    report('messages of staged blocks', this.messages.size, MAX_STAGED_MESSAGES + MAX_MESSAGES);
    for (const download of [this.download, this.whole]) download?.measure(report);
  }

  begin(): void {
    this.startedAt = this.context.now;
    this.context.timer(SYNC_TIMER, DOWNLOAD_TICK);
    this.findFork(this.target.sources);
  }

  /** The timer of the sync has run out. */
  tick(): void {
    const { context } = this;
    context.timer(SYNC_TIMER, DOWNLOAD_TICK);
    if (this.search !== undefined) {
      this.drive(this.search);
    } else if (this.download !== undefined) {
      this.ask(this.download.poll(context.now));
      this.tellProgress(this.download);
      this.lookAfter(this.download);
    }
  }

  /**
   * A block came in, whatever the message said it was.
   *
   * @returns whether it may be one that was asked for
   */
  onBlock(block: Block, from: Address): boolean {
    const { search, download, context } = this;
    if (search !== undefined) {
      const expected = this.target.sources.some(({ host }) => host === from.host || !isNumeric(host));
      if (!expected) return false;
      search.onBlock(block);
      this.drive(search);
    } else if (download !== undefined) {
      const requests = download.onBlock(block, from, context.now);
      if (requests === undefined) return false;
      this.ask(requests);
      if (!this.continuing) this.verify(download);
    }
    return true;
  }

  /** Somebody answered that he has not got a block. */
  onRefusal(from: Address): void {
    this.download?.onRefusal(from);
  }

  /** Goes on with verifying. */
  goOn(): void {
    if (!this.continuing) return;
    this.continuing = false;
    if (this.download !== undefined) this.verify(this.download);
  }

  /** Stops without an outcome. */
  stop(outcome: SyncOutcome): void {
    if (this.done) return;
    this.done = true;
    this.context.chain.dropStaging();
    this.context.cancel(SYNC_TIMER);
    this.onDone(outcome);
  }

  /** Whom to ask: everybody, or only the one whose turn it is. */
  private get sources(): readonly Address[] {
    const [single] = this.singles ?? [];
    return single === undefined ? this.target.sources : [single];
  }

  private findFork(sources: readonly Address[]): void {
    const { chain, random } = this.context;
    this.download = undefined;
    const shorter = Math.min(chain.height, this.target.height);
    this.search = new ForkSearch((height) => chain.block(height)?.hash, shorter, sources, random);
    this.drive(this.search);
  }

  private drive(search: ForkSearch): void {
    this.ask(search.poll(this.context.now));
    const { result } = search;
    if (result === undefined) return;
    this.search = undefined;
    this.stepBack = 1;
    this.startDownload(result);
  }

  private startDownload(forkPoint: number): void {
    const { context, target } = this;
    const { sources } = this;
    this.beyond = false;
    this.whole = undefined;
    this.forkPoint = forkPoint;
    this.rejections = [];
    this.messages = new Set();
    context.chain.beginStaging(forkPoint);
    const download = new Download(sources, forkPoint + 1, target.height);
    this.download = download;
    this.advance = { at: context.now, next: download.next };
    const { height, hash } = target;
    context.notify({ kind: 'sync-started', target: { height, hash }, forkPoint, peers: sources.length });
    this.ask(download.poll(context.now));
    // A claim no longer than the fork point has nothing to download.
    if (download.complete) this.finish();
  }

  private ask(requests: readonly BlockRequest[]): void {
    for (const { to, height } of requests) this.context.send(to, { type: 'GET_BLOCK', height });
  }

  /** Takes in the blocks that are there, in order, a slice at a time. */
  private verify(download: Download): void {
    const { context } = this;
    for (let left = VERIFY_SLICE; left > 0; left--) {
      const delivery = download.peek();
      if (delivery === undefined) break;
      const staged = context.chain.stage(delivery.block);
      if (typeof staged === 'string') {
        this.reject(download, delivery, staged);
        if (this.download !== download) return;
      } else {
        context.store(staged);
        download.accept();
        if (this.messages.size < MAX_STAGED_MESSAGES) {
          for (const message of delivery.block.messages) this.messages.add(message);
        }
      }
    }
    if (download.complete) {
      this.finish();
    } else if (download.peek() !== undefined) {
      this.continuing = true;
      context.goOn();
    }
  }

  /** A block does not fit on the one before it, or breaks another rule. */
  private reject(download: Download, { block, source }: Delivery, fault: BlockFault): void {
    this.context.count(`sync.${fault}`);
    this.fault = BLOCK_RULES[fault];
    this.rejections.push({ source, height: block.height, fault });
    download.reject();
    // Right above the fork point the fault may be ours: the chains may part further down.
    if (block.height > this.forkPoint + 1 || this.forkPoint < 0) download.shed(source, 'false');
    if (download.possible) this.ask(download.poll(this.context.now));
    else this.exhausted(download);
  }

  /** Ends what leads nowhere: no source left, nothing got for long, or not all in good time. */
  private lookAfter(download: Download): void {
    const { now } = this.context;
    const { advance } = this;
    if (download.next !== advance.next) this.advance = { at: now, next: download.next };
    else if (now - advance.at >= MAX_STALL)
      for (const source of download.active) download.shed(source, 'silent');
    if (download.peek() !== undefined) return;
    if (!download.possible) this.exhausted(download);
    else if (now - this.startedAt >= this.timeLimit()) this.giveUp(true);
  }

  /** No source is left for the next block. */
  private exhausted(download: Download): void {
    if (this.beyond) {
      this.finish();
      return;
    }
    const first = download.next === this.forkPoint + 1;
    if (first && this.forkPoint >= 0 && this.rejections.some(({ height }) => height === download.next)) {
      const forkPoint = Math.max(-1, this.forkPoint - this.stepBack);
      this.stepBack *= 2;
      this.startDownload(forkPoint);
      return;
    }
    const liars = download.sources.filter(({ shed }) => shed === 'false');
    if (this.singles !== undefined) {
      this.blame(liars);
      this.nextSingle();
      return;
    }
    // Whether a hash is wrong depends on the block below, which may be somebody else's lie; all else is the block's own.
    const proved = new Set(
      this.rejections.filter(({ fault }) => fault !== 'wrong-hash').map(({ source }) => source),
    );
    if (liars.length > 0 && (download.sources.length === 1 || proved.size === download.sources.length)) {
      this.blame(liars);
      this.giveUp();
    } else if (liars.length > 0) {
      this.trySingly(download);
    } else {
      this.giveUp();
    }
  }

  private blame(sources: readonly Source[]): void {
    for (const { key, address } of sources) this.liars.set(key, address);
  }

  /** Somebody mixed false blocks among good ones, and it can't be found out who: of one source alone it can. */
  private trySingly(download: Download): void {
    const suspects = download.sources.filter(({ shed }) => shed !== 'silent' && shed !== 'refused');
    const { peers } = this.context;
    const offences = ({ address }: Source): number => peers.get(address)?.offences ?? 0;
    const order = [...suspects]
      .sort((a, b) => offences(a) - offences(b) || b.delivered - a.delivered)
      .slice(0, MAX_SINGLE_ATTEMPTS);
    this.singles = order.map(({ address }) => address);
    if (this.singles.length > 0) this.findFork(this.singles.slice(0, 1));
    else this.giveUp();
  }

  /** Goes on with the next of the sources that are tried one by one. */
  private nextSingle(): void {
    this.singles?.shift();
    if (this.singles !== undefined && this.singles.length > 0) this.findFork(this.singles.slice(0, 1));
    else this.giveUp();
  }

  /** @param slow whether the time is over, rather than every source tried */
  private giveUp(slow = false): void {
    const { chain } = this.context;
    const liars = [...this.liars.values()];
    if (liars.length > 0) {
      this.stop({ outcome: 'false', liars, fault: this.fault });
      return;
    }
    // What was served is a valid chain: if longer than ours it is adopted, so that no false promise costs it twice.
    const partial = (chain.stagedHeight ?? 0) > chain.height;
    if (partial) this.adopt();
    this.stop({ outcome: 'unavailable', partial, slow });
  }

  /** Every block is there and verified. */
  private finish(): void {
    const { target } = this;
    const { chain } = this.context;
    const staged = chain.stagedTip;
    if (staged !== null && staged.hash !== target.hash && !this.beyond) {
      // Some report the height of the last block instead of the number of blocks: then there is one more.
      this.beyond = true;
      this.whole = this.download;
      this.download = new Download(this.sources, target.height, target.height + 1);
      this.advance = { at: this.context.now, next: target.height };
      this.ask(this.download.poll(this.context.now));
      return;
    }
    const exact = staged?.hash === target.hash;
    const tie = staged !== null && staged.height === chain.height - 1 && chain.tip?.hash === target.insteadOf;
    // Their tip may have been replaced by another since they claimed it: if longer than ours it is still better.
    if (staged !== null && (staged.height >= chain.height || (tie && exact))) {
      this.adopt();
      this.stop({ outcome: 'adopted', exact });
      return;
    }
    const download = this.whole ?? this.download;
    if (!tie || download === undefined) {
      this.stop({ outcome: 'outdated' });
      return;
    }
    this.fault = 'The last block has the hash that was claimed.';
    if (download.sources.length > 1) {
      this.trySingly(download);
    } else {
      this.blame(download.sources);
      this.nextSingle();
    }
  }

  /** Makes the staged chain ours. */
  private adopt(): void {
    const { context } = this;
    const { chain, config } = context;
    const forkPoint = chain.stagedForkPoint;
    const dropped: Block[] = [];
    for (
      let height = chain.height - 1;
      height > forkPoint && dropped.length < MAX_ORPHANED_BLOCKS;
      height--
    ) {
      const block = chain.block(height);
      if (block !== undefined) dropped.unshift(block);
    }
    const depth = chain.height - 1 - forkPoint;
    context.store(chain.adopt());
    this.words.remove(this.messages);
    const orphaned = ownWords(dropped, config).filter((word) => !this.messages.has(word));
    const returnedWords = this.words.putBack(orphaned);
    for (const { shed, address, delivered } of this.download?.sources ?? []) {
      if (shed === 'false') context.peers.offend(address);
      else if (delivered > 0) context.peers.noteService(address);
    }
    const { height } = chain;
    const hash = chain.tip?.hash ?? '';
    const added = height - 1 - forkPoint;
    context.notify({ kind: 'chain-adopted', height, hash, added, depth, returnedWords });
  }

  private tellProgress(download: Download): void {
    const { context } = this;
    if (context.now - this.lastProgress < PROGRESS_INTERVAL) return;
    this.lastProgress = context.now;
    context.notify({ kind: 'sync-progress', verified: download.next, total: this.target.height });
  }
}

/** Whether a host is an address rather than a name: a name can't be compared with where a datagram came from. */
export function isNumeric(host: string): boolean {
  return /^[\d.]+$/.test(host);
}

/** The key under which a claimed chain is remembered. */
export function claimKey({ height, hash }: ChainClaim): string {
  return `${height}:${hash}`;
}
