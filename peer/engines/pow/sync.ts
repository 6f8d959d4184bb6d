/**
 * Moving to another chain: find where it leaves ours, download what is above from everybody who claims it, verify
 * every block, and only then adopt it as a whole. Our own chain stays as it is until that moment.
 */
import { addressKey, type Address } from '../../../shared/address.ts';
import { BLOCK_RULES, type Block, type BlockFault } from '../../../shared/block.ts';
import type { Context } from './context.ts';
import { Download, type BlockRequest, type Delivery, type Source } from './download.ts';
import { ForkSearch } from './fork-search.ts';
import type { ChainClaim } from './interface.ts';
import {
  DOWNLOAD_TICK,
  MAX_ORPHANED_BLOCKS,
  MAX_SINGLE_ATTEMPTS,
  MAX_STAGED_MESSAGES,
  PROGRESS_INTERVAL,
  VERIFY_SLICE,
} from './limits.ts';
import { ownWords, type WordQueue } from './words.ts';

/** The name of the timer that drives a sync. */
export const SYNC_TIMER = 'sync';

/** How a sync ended. */
export type SyncOutcome =
  | { readonly outcome: 'adopted' }
  /** These claimants served something that breaks a rule. */
  | { readonly outcome: 'false'; readonly liars: readonly Address[]; readonly fault: string }
  /** Nobody served the whole chain. */
  | { readonly outcome: 'unavailable' }
  /** Our own chain has become at least as good in the meantime. */
  | { readonly outcome: 'outdated' };

/** A claimed chain, who claims it, and, for one of our own height, the tip of ours that it shall replace. */
export interface SyncTarget extends ChainClaim {
  readonly sources: readonly Address[];
  readonly insteadOf: string | null;
}

/** A false block of the height that the download stands at. */
interface Rejection {
  readonly source: Source;
  readonly height: number;
  readonly hash: string;
}

export class ChainSync {
  readonly target: SyncTarget;
  private readonly context: Context;
  private readonly words: WordQueue;
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
  private continuing = false;
  private done = false;

  constructor(
    context: Context,
    words: WordQueue,
    target: SyncTarget,
    onDone: (outcome: SyncOutcome) => void,
  ) {
    this.context = context;
    this.words = words;
    this.target = target;
    this.onDone = onDone;
  }

  get phase(): 'searching' | 'downloading' {
    return this.download === undefined ? 'searching' : 'downloading';
  }

  begin(): void {
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
      if (!this.download.possible && this.download.peek() === undefined) this.exhausted(this.download);
    }
  }

  /** A block came in, whatever the message said it was. */
  onBlock(block: Block, from: Address): void {
    const { search, download, context } = this;
    if (search !== undefined) {
      if (!this.target.sources.some(({ host }) => host === from.host || !isNumeric(host))) return;
      search.onBlock(block);
      this.drive(search);
    } else if (download !== undefined) {
      const requests = download.onBlock(block, from, context.now);
      if (requests === undefined) {
        context.count('get-block-reply.unexpected');
        return;
      }
      this.ask(requests);
      if (!this.continuing) this.verify(download);
    }
  }

  /** Somebody said that he has not got a block. */
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
    const [single] = this.singles ?? [];
    const sources = single === undefined ? target.sources : [single];
    this.forkPoint = forkPoint;
    this.rejections = [];
    this.messages = new Set();
    context.chain.beginStaging(forkPoint);
    const download = new Download(sources, forkPoint + 1, target.height);
    this.download = download;
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
    this.rejections.push({ source, height: block.height, hash: block.hash });
    download.reject();
    // Right above the fork point the fault may be ours: the chains may part further down.
    if (block.height > this.forkPoint + 1 || this.forkPoint < 0) download.shed(source, 'false');
    if (download.possible) this.ask(download.poll(this.context.now));
    else this.exhausted(download);
  }

  /** No source is left for the next block. */
  private exhausted(download: Download): void {
    const first = download.next === this.forkPoint + 1;
    if (first && this.forkPoint >= 0 && this.rejections.some(({ height }) => height === download.next)) {
      const forkPoint = Math.max(-1, this.forkPoint - this.stepBack);
      this.stepBack *= 2;
      this.startDownload(forkPoint);
      return;
    }
    const liars = download.sources.filter(({ shed }) => shed === 'false');
    const { singles } = this;
    if (singles !== undefined) {
      for (const { key, address } of liars) this.liars.set(key, address);
      singles.shift();
      if (singles.length > 0) this.findFork(singles.slice(0, 1));
      else this.giveUp();
      return;
    }
    const last = this.rejections.filter(({ height }) => height === download.next);
    const agreed =
      last.length === download.sources.length && new Set(last.map(({ hash }) => hash)).size === 1;
    if (liars.length > 0 && (download.sources.length === 1 || agreed)) {
      for (const { key, address } of liars) this.liars.set(key, address);
      this.giveUp();
    } else if (liars.length > 0) {
      // Somebody mixed false blocks among good ones, and it can't be told who: one source alone can be told.
      const suspects = download.sources.filter(({ shed }) => shed !== 'silent' && shed !== 'refused');
      const order = [...suspects].sort((a, b) => b.delivered - a.delivered).slice(0, MAX_SINGLE_ATTEMPTS);
      this.singles = order.map(({ address }) => address);
      this.findFork(this.singles.slice(0, 1));
    } else {
      this.giveUp();
    }
  }

  private giveUp(): void {
    const liars = [...this.liars.values()];
    this.stop(liars.length > 0 ? { outcome: 'false', liars, fault: this.fault } : { outcome: 'unavailable' });
  }

  /** Every block is there and verified. */
  private finish(): void {
    const { context, target, forkPoint } = this;
    const { chain, config } = context;
    const staged = chain.stagedTip;
    const longer = target.height > chain.height;
    // Their tip may have been replaced by another since they told of it: if longer than ours it is still better.
    const wins =
      longer ||
      (target.height === chain.height &&
        chain.tip?.hash === target.insteadOf &&
        staged?.hash === target.hash);
    if (staged === null || !wins) {
      const mismatch = staged !== null && staged.hash !== target.hash && this.download?.sources.length === 1;
      const sources = this.download?.sources ?? [];
      const fault = 'The last block has the hash that was claimed.';
      this.stop(
        mismatch
          ? { outcome: 'false', liars: sources.map(({ address }) => address), fault }
          : { outcome: 'outdated' },
      );
      return;
    }
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
    for (const { shed, address } of this.download?.sources ?? []) {
      if (shed === 'false') context.peers.offend(address);
    }
    const added = target.height - 1 - forkPoint;
    const { height, hash } = { height: chain.height, hash: staged.hash };
    context.notify({ kind: 'chain-adopted', height, hash, added, depth, returnedWords });
    this.stop({ outcome: 'adopted' });
  }

  private tellProgress(download: Download): void {
    const { context } = this;
    if (context.now - this.lastProgress < PROGRESS_INTERVAL) return;
    this.lastProgress = context.now;
    context.notify({ kind: 'sync-progress', verified: download.next, total: this.target.height });
  }
}

/** Whether a host is an address rather than a name: a name can't be compared with where a datagram came from. */
function isNumeric(host: string): boolean {
  return /^[\d.]+$/.test(host);
}

/** The key under which a claimed chain is remembered. */
export function claimKey({ height, hash }: ChainClaim): string {
  return `${height}:${hash}`;
}

/** The keys of several addresses. */
export function keysOf(addresses: readonly Address[]): string[] {
  return addresses.map(addressKey);
}
