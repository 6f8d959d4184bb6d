/** What must hold of a proof-of-work node, whatever happens to it: one watch for each honest node. */
import { addressKey, type Address } from '../../../../shared/address.ts';
import { meetsDifficulty, type Block } from '../../../../shared/block.ts';
import { RecentMap, RecentSet } from '../../../core/bounded.ts';
import type { ChainClaim, PowNotice } from '../protocol/interface.ts';
import type { PowMessage } from '../protocol/messages.ts';
import { claimKey } from '../protocol/sync.ts';
import type { StoreWrite } from '../../../core/store.ts';
import type { SimulatedNode, World } from '../../../simulator/subject.ts';
import { Ballot, beats, type Candidate } from './ballot.ts';
import type { PowTypes } from '../protocol/types.ts';
import { BlockReader, isOfChain, LayoutReader, storedHash, type Layout, type Verify } from './verifier.ts';

/** The checkers, each by the sentence that it holds the node to. */
export const CHECKERS = {
  valid: 'every stored chain is valid, by a second verifier',
  better: 'a chain gives way only to a better one',
  best: 'of the chains that were claimed none is better than the one that a consensus chooses',
  kept: 'no acknowledged block is lost',
  reported: 'nothing is told before it is stored',
  once: 'nothing is passed on twice, and no block sent again to whoever was not asked whether it lacks it',
  liars: 'a chain proved false is not tried again with the same liars',
  words: 'no word is in the chain more often than it was submitted',
} as const;

/** Ids remembered as passed on: those of a minute or two. */
const MAX_PASSED_ON = 1_000;
/** Blocks remembered as sent, for each peer since its last answer, and those peers: some never answer. */
const MAX_SENT = 64;
const MAX_RECIPIENTS = 2_048;
/**
 * For how long a node must remember an id, in milliseconds: half as long as it means to by its own, maybe wrong, clock. A
 * number of its own, or a node that forgets at once would be held to nothing.
 */
const ID_MEMORY = 150_000;

/** A stored block that was found valid on top of the one with `previousHash`. */
interface VerifiedBlock {
  readonly previousHash: string;
  readonly hash: string;
}

/** Blocks that were verified before, by their JSON. All nodes store the same, so most are looked up. */
class VerifiedBlocks {
  private readonly blocks = new Map<string, VerifiedBlock>();
  private readonly verify: Verify;

  constructor(verify: Verify) {
    this.verify = verify;
  }

  /** The hash of a stored block, or what is wrong with it. */
  look(json: string, previousHash: string, height: number): { hash: string } | { fault: string } {
    const known = this.blocks.get(json);
    if (known?.previousHash === previousHash) return known;
    const fault = this.verify(json, previousHash, height);
    if (fault !== undefined) return { fault };
    const block = { previousHash, hash: storedHash(json) };
    this.blocks.set(json, block);
    return block;
  }

  /** The hash of a stored block, whatever it stands on. */
  hashOf(json: string): string {
    return this.blocks.get(json)?.hash ?? storedHash(json);
  }
}

/** Who has passed on what lately, and when. */
class PassedOn {
  /** For each id when each node passed it on last, in milliseconds. */
  private readonly times = new RecentMap<number[]>(MAX_PASSED_ON);
  private readonly nodes: number;

  constructor(nodes: number) {
    this.nodes = nodes;
  }

  /** @returns when that node passed it on before, in milliseconds; -Infinity if it did not */
  add(id: string, { index }: SimulatedNode, now: number): number {
    let times = this.times.get(id);
    if (times === undefined) {
      times = new Array<number>(this.nodes).fill(-Infinity);
      this.times.set(id, times);
    }
    const before = times[index] ?? -Infinity;
    times[index] = now;
    return before;
  }
}

/** What all watches of a run know together: all nodes meet the same blocks and ids, about the same time. */
export class CommonKnowledge {
  readonly blocks: VerifiedBlocks;
  readonly passedOn: PassedOn;
  readonly layouts = new LayoutReader();
  readonly stored = new BlockReader();

  constructor(verify: Verify, nodes: number) {
    this.blocks = new VerifiedBlocks(verify);
    this.passedOn = new PassedOn(nodes);
  }
}

/** What a watch reports, and what it asks. */
export interface WatchHooks {
  /** Notified of every block that the node has in its chain for the first time. */
  onBlock(hash: string): void;
  /** Whom a consensus that begins now asks. */
  asked(): readonly Address[];
  /** Whether the node still asks which chains there are, and which of them are served. */
  isAsking(): boolean;
}

export class NodeWatch {
  /** The hashes of the chain that was last seen in the store. */
  readonly hashes: string[] = [];
  private readonly node: SimulatedNode;
  private readonly world: World<PowTypes>;
  private readonly common: CommonKnowledge;
  private readonly hooks: WatchHooks;
  private segments = '';
  private readonly ballot = new Ballot();
  /** Whether a consensus runs that has not been seen to choose yet. */
  private choosing = false;
  /** Heights that it asked for since that consensus began, and the hashes of blocks that came while it asked. */
  private probed = new Set<number>();
  private served = new Set<string>();
  /** The blocks that each peer was sent since it last reported where it stands, and since the node's last start. */
  private sent = new RecentMap<RecentSet>(MAX_RECIPIENTS);
  /** Whether any chain was unavailable since the last start: whoever was slow is put off from then on. */
  private putsOff = false;
  /** Chains that were proved false since the last start: whose claims still count is the node's own affair. */
  private disproved = new Set<string>();
  private readonly met = new Set<string>();
  /** When it was started last, in milliseconds: before that it may have passed on the same. */
  private startedAt = 0;
  private blamed = new Set<string>();

  constructor(node: SimulatedNode, world: World<PowTypes>, common: CommonKnowledge, hooks: WatchHooks) {
    this.node = node;
    this.world = world;
    this.common = common;
    this.hooks = hooks;
  }

  get tip(): string | undefined {
    return this.hashes.at(-1);
  }

  /** The chain as the node would claim it; without a hash where it has none. */
  private get own(): ChainClaim {
    return { height: this.hashes.length, hash: this.tip ?? '' };
  }

  /** The node has started: its memory is empty, its store must not be. */
  onStart(): void {
    this.startedAt = this.world.now();
    this.blamed = new Set();
    this.disproved = new Set();
    this.putsOff = false;
    this.choosing = false;
    this.sent = new RecentMap(MAX_RECIPIENTS);
    this.look(true);
  }

  /** The node has left; another one, with an empty store, has its place. */
  onReplaced(): void {
    this.hashes.length = 0;
    this.segments = '';
    this.met.clear();
  }

  onMessage(message: PowMessage, from: Address): void {
    switch (message.type) {
      case 'STATS_REPLY':
        this.ballot.add(message, from);
        this.sent.delete(addressKey(from));
        break;
      case 'ANNOUNCE':
      case 'GET_BLOCK_REPLY':
        if (this.choosing && this.probed.size > 0 && message.block !== null && this.hooks.isAsking())
          this.served.add(message.block.hash);
        break;
      default:
        break;
    }
  }

  /** The node has carried out writes: what is deleted must be in no chain, and the rest be a better chain, if any. */
  onStore(writes: readonly StoreWrite[]): void {
    this.look();
    const { node, common } = this;
    for (const { type, key } of writes) {
      if (type !== 'delete' || node.store.get(key) !== undefined) continue;
      if (isOfChain(common.layouts.read(node.store), key)) this.violate('kept', `it deletes ${key}`);
    }
  }

  onNotice(notice: PowNotice): void {
    switch (notice.kind) {
      case 'block':
        this.mustHave(notice.block, 'reported', 'it tells its user of');
        break;
      case 'chain-adopted':
        if (notice.height !== this.hashes.length || notice.hash !== this.tip)
          this.violate('reported', `it tells its user of ${notice.height} blocks, ${notice.hash}`);
        break;
      case 'consensus-started':
        this.ballot.begin(this.hooks.asked());
        this.choosing = true;
        this.probed = new Set();
        this.served = new Set();
        break;
      case 'sync-started':
        if (this.choosing && !this.putsOff) this.mustBeBest(this.ballot.most(notice.target), 'it goes for');
        this.choosing = false;
        break;
      case 'chain-unavailable':
        this.putsOff = true;
        break;
      case 'consensus-finished':
        // Nothing was tried at all.
        if (this.choosing && notice.outcome === 'current') {
          this.mustBeBest(this.ballot.ownMost(this.own), 'it keeps');
        }
        this.choosing = false;
        this.ballot.close();
        break;
      case 'false-chain':
        this.onFalseChain(notice.target, notice.claimedBy);
        break;
      default:
        break;
    }
  }

  onSend(message: PowMessage, to: readonly Address[]): void {
    switch (message.type) {
      case 'STATS_REPLY':
        if (message.height !== this.hashes.length || (message.hash ?? undefined) !== this.tip) {
          this.violate('reported', `it says ${message.height} blocks, the store has ${this.hashes.length}`);
        }
        break;
      case 'GET_BLOCK':
        // It asks for blocks once it has chosen a chain.
        this.ballot.close();
        if (this.choosing && message.height !== undefined) this.probed.add(message.height);
        break;
      case 'GET_BLOCK_REPLY':
        if (message.block !== null) this.mustHave(message.block, 'reported', 'it serves');
        break;
      case 'ANNOUNCE':
        this.mustHave(message.block, 'reported', 'it announces');
        this.mustBeNew(message.block, to);
        break;
      case 'GOSSIP':
        // To newcomers and in each round a node sends GOSSIPs of its own, each with a new id.
        if (message.id !== undefined) this.mustBeFirst(message.id);
        break;
      default:
        break;
    }
  }

  /** A miner is being notified that its block is in the chain: so it must be in the store, whatever comes next. */
  onAccepted(block: Block): void {
    this.mustHave(block, 'kept', 'it accepted');
  }

  /**
   * Looks at what is stored now.
   *
   * @param all whether everything is to be looked at, rather than what lies above the last look
   */
  look(all = false): void {
    const { hashes, node, common } = this;
    const layout = common.layouts.read(node.store);
    const { height } = layout;
    const old = this.own;
    let from = height;
    if (all || layout.text !== this.segments) {
      from = 0;
    } else {
      while (from > 0 && (from > old.height || this.hashOf(layout, from - 1) !== hashes[from - 1])) from--;
    }
    this.segments = layout.text;
    for (let at = from; at < height; at++) {
      const json = common.stored.read(node.store, layout, at);
      const seen =
        json === undefined
          ? { fault: 'a block is missing' }
          : common.blocks.look(json, hashes[at - 1] ?? '', at);
      if ('fault' in seen) {
        this.violate('valid', `${seen.fault} at height ${at} of ${height}`);
        return;
      }
      const { hash } = seen;
      if (at < old.height && hashes[at] === hash) continue;
      hashes[at] = hash;
      if (this.met.has(hash)) continue;
      this.met.add(hash);
      this.hooks.onBlock(hash);
    }
    hashes.length = height;
    if (!this.isBetter(old)) {
      this.violate('better', `${old.height} blocks, ${old.hash}, gave way to ${height}, ${this.own.hash}`);
    }
  }

  private onFalseChain(target: ChainClaim, claimedBy: readonly Address[]): void {
    const chain = claimKey(target);
    const lies = claimedBy.map((address) => `${chain} ${addressKey(address)}`);
    if (lies.length > 0 && lies.every((lie) => this.blamed.has(lie))) {
      this.violate('liars', `once more proved false: ${lies.join(', ')}`);
    }
    for (const lie of lies) this.blamed.add(lie);
    this.disproved.add(chain);
  }

  private hashOf(layout: Layout, height: number): string | undefined {
    const { stored, blocks } = this.common;
    const json = stored.read(this.node.store, layout, height);
    return json === undefined ? undefined : blocks.hashOf(json);
  }

  /** Whether what is there now may take the place of what was there. */
  private isBetter(old: ChainClaim): boolean {
    const { own } = this;
    if (old.height !== own.height) return own.height > old.height;
    if (old.height === 0 || own.hash === old.hash) return true;
    return beats(this.ballot.most(own), this.ballot.ownLeast(old));
  }

  /**
   * Whoever chose must have known of no better chain, whatever he counted besides the answers of those he asked. Chains
   * that his own one goes on from are none, nor are those whose last block he asked for and was not served. A chain is
   * what its last block makes it, so who claims that with another height counts otherwise.
   */
  private mustBeBest(chosen: Candidate, what: string): void {
    const difficulty = this.world.setting('difficulty');
    const better = this.ballot.claimed.find(
      (claim) =>
        beats(claim, chosen) &&
        claim.hash !== chosen.hash &&
        meetsDifficulty(claim.hash, difficulty) &&
        !this.disproved.has(claimKey(claim)) &&
        !(this.probed.has(claim.height - 1) && !this.served.has(claim.hash)) &&
        !this.hashes.includes(claim.hash),
    );
    if (better === undefined) return;
    this.violate('best', `${what} ${described(chosen)}, and was told of ${described(better)}`);
  }

  private mustHave({ height, hash }: Block, checker: keyof typeof CHECKERS, what: string): void {
    if (this.hashes[height] !== hash) this.violate(checker, `${what} ${hash} at height ${height}`);
  }

  private mustBeFirst(id: string): void {
    const now = this.world.now();
    const before = this.common.passedOn.add(id, this.node, now);
    if (before >= this.startedAt && now - before < ID_MEMORY) this.violate('once', id);
  }

  private mustBeNew({ hash }: Block, to: readonly Address[]): void {
    const again = to.map(addressKey).filter((key) => {
      const sent = this.sent.get(key) ?? new RecentSet(MAX_SENT);
      this.sent.set(key, sent);
      return !sent.add(hash);
    });
    if (again.length > 0) this.violate('once', `${hash} to ${again.join(', ')}`);
  }

  private violate(checker: keyof typeof CHECKERS, detail: string): void {
    this.world.violate(CHECKERS[checker], this.node, detail);
  }
}

function described({ height, hash, votes }: Candidate): string {
  return `${height} blocks, ${hash}, with ${votes} votes`;
}
