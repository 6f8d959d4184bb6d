/**
 * Foreign nodes: honest ones that other people wrote, with the quirks of their programs. Each is a true node whose
 * messages are made what such a program would send and take, so nothing of it is under the checkers of ours; but ours
 * must get on with it, and it must stay in step. Source: meshes with foreign peers.
 */
import { addressKey, type Address } from '../../../../shared/address.ts';
import type { Block } from '../../../../shared/block.ts';
import { RecentMap, RecentSet } from '../../../core/bounded.ts';
import type { Chain } from '../protocol/chain.ts';
import type { PowMessage } from '../protocol/messages.ts';
import type {
  Body as AnyBody,
  Corruption as AnyCorruption,
  LivenessGoal,
  SimulatedNode,
  World,
} from '../../../simulator/subject.ts';
import type { Actor, Means } from './actors.ts';
import type { PowTypes } from '../protocol/types.ts';

type Body = AnyBody<PowTypes>;
type Corruption = AnyCorruption<PowTypes>;

/** What one kind does besides what they all do. */
interface Quirk {
  /** @returns what it sends instead; undefined for nothing */
  readonly sends?: (message: PowMessage) => PowMessage | undefined;
  /** @returns whether it takes the message */
  readonly takes?: (message: PowMessage) => boolean;
}

/** For how long a node that is downloading blocks takes no new ones, in milliseconds. */
const DEAF_TIME = 40_000;
/**
 * For how long an ANNOUNCE may be on its way, in milliseconds: an answer to what was asked before shows nothing of it.
 * A number of our own; of a node that sleeps the clock jumps.
 */
const ON_ITS_WAY = 1_000;
/** Rounds of gossip in which whoever missed a block is brought up, besides the time in which it may be deaf. */
const ROUNDS = 4;
/** Blocks remembered as announced or as held, and copies as sent: more than any node is sent in the meantime. */
const MAX_REMEMBERED = 1_024;

/** What all foreign nodes have in common: they are simpler than ours. */
function foreign(description: string, quirkOf: (body: Body, means: Means) => Quirk): Actor {
  return { description, corrupt: (body, means) => corrupted(body, means, quirkOf(body, means)) };
}

function corrupted(body: Body, means: Means, quirk: Quirk): Corruption {
  const reported = new RecentSet(MAX_REMEMBERED);
  const plain = (to: Address, message: PowMessage): PowMessage | undefined => {
    switch (message.type) {
      case 'GOSSIP_REPLY': {
        const { host, port, name } = message;
        return { type: 'GOSSIP_REPLY', host, port, name };
      }
      case 'STATS':
        // Outside of a consensus nobody asks.
        return means.engine()?.status().phase === 'asking' ? message : undefined;
      case 'ANNOUNCE':
        // Only the miner announces a block, once.
        return message.block.minedBy === body.self.host &&
          reported.add(`${addressKey(to)} ${message.block.hash}`)
          ? message
          : undefined;
      default:
        return message;
    }
  };
  return {
    onReceive(message) {
      if (message.type === 'ANNOUNCE' && means.misses(message.block)) return false;
      if (quirk.takes?.(message) === false) return false;
      // What does not go on top of its chain is no reason to look for another one.
      return message.type !== 'ANNOUNCE' || message.block.height === means.chain().height;
    },
    onSend(to, message) {
      const sent = plain(to, message);
      const changed = sent && (quirk.sends === undefined ? sent : quirk.sends(sent));
      if (changed !== undefined) body.send(to, changed);
    },
  };
}

export const FOREIGN = {
  plain: foreign(
    'does nothing but what the class does: it passes nothing on, and catches up every five minutes',
    () => ({}),
  ),

  'from-zero': foreign('says the height of its last block in STATS rather than how many it has', () => ({
    sends: (message) =>
      message.type === 'STATS_REPLY' && message.hash !== null
        ? { ...message, height: message.height - 1 }
        : message,
  })),

  doubling: foreign(
    'counts a second copy of its last block as one more block, and takes no others until its next consensus',
    (_, { chain }) => {
      let doubled: string | undefined;
      return {
        sends: (message) =>
          message.type === 'STATS_REPLY' && message.hash !== null && message.hash === doubled
            ? { ...message, height: message.height + 1 }
            : message,
        takes(message) {
          if (message.type !== 'ANNOUNCE') return true;
          const { tip } = chain();
          if (tip !== null && tip.hash === message.block.hash) doubled = tip.hash;
          return tip === null || tip.hash !== doubled;
        },
      };
    },
  ),

  deaf: foreign('takes no new block in the 40 s after it has downloaded one', (body) => {
    let until = 0;
    return {
      takes(message) {
        if (message.type === 'GET_BLOCK_REPLY' && message.block !== null) until = body.now() + DEAF_TIME;
        return message.type !== 'ANNOUNCE' || body.now() >= until;
      },
    };
  }),

  quiet: foreign('mines, and never announces what it finds', () => ({
    sends: (message) => (message.type === 'ANNOUNCE' ? undefined : message),
  })),

  'without-genesis': foreign('never serves block 0', () => ({
    sends: (message) =>
      message.type === 'GET_BLOCK_REPLY' && message.block?.height === 0
        ? { ...message, block: null }
        : message,
  })),
} as const satisfies Record<string, Actor>;

/** How a foreign node is to be treated: the name of the checker. */
export const TREATED_WELL =
  'a foreign node is sent a block of others, and any block again, only after it was asked whether it lacks it';

/** How one of our nodes treats foreign ones, since its last start. */
class Manners {
  private readonly node: SimulatedNode;
  private readonly world: World<PowTypes>;
  private readonly askedAt = new RecentMap<number>(MAX_REMEMBERED);
  /** When the node had which tip first. */
  private readonly hadAt = new RecentMap<number>(MAX_REMEMBERED);
  private readonly sentAt = new RecentMap<number>(MAX_REMEMBERED);
  private readonly onItsWay: number;
  private tip: string | undefined;

  constructor(node: SimulatedNode, world: World<PowTypes>) {
    this.node = node;
    this.world = world;
    this.onItsWay = world.setting('suspensions') > 0 ? 0 : ON_ITS_WAY;
  }

  hold(tip: string | undefined): void {
    this.tip = tip;
    if (tip !== undefined && this.hadAt.get(tip) === undefined) this.hadAt.set(tip, this.world.now());
  }

  onAsk(peer: string): void {
    this.askedAt.set(peer, this.world.now());
  }

  onTell({ hash, minedBy }: Block, peer: string): void {
    const { world, node, sentAt } = this;
    const copy = `${peer} ${hash}`;
    const asked = this.askedAt.get(peer) ?? -Infinity;
    const before = sentAt.get(copy);
    sentAt.set(copy, world.now());
    if (before !== undefined) {
      if (asked < before + this.onItsWay) world.violate(TREATED_WELL, node, `${hash} again to ${peer}`);
    } else if (
      hash === this.tip &&
      minedBy !== world.peerOf(node).host &&
      asked < (this.hadAt.get(hash) ?? 0)
    ) {
      // Its miner announces it to all at that moment.
      world.violate(TREATED_WELL, node, `${hash} of another miner to ${peer}`);
    }
  }
}

/** What the run knows of its nodes. */
interface Surroundings {
  /** What a node has stored. */
  chainOf(node: SimulatedNode): Chain;
  /** One of our nodes finds a block now, and takes it; undefined if it can't. */
  mine(node: SimulatedNode): Block | undefined;
}

/** The foreign nodes of a run, and how ours get on with them. */
export class ForeignNodes {
  private readonly world: World<PowTypes>;
  private readonly surroundings: Surroundings;
  private readonly nodes: readonly SimulatedNode[];
  private readonly ours: SimulatedNode | undefined;
  private readonly manners: Manners[] = [];
  /** The block of which these are not to get the first copy. */
  private missed: { readonly block: Block; readonly nodes: Set<SimulatedNode> } | undefined;
  /** Those who are to get another one. */
  private owed: readonly SimulatedNode[] = [];

  constructor(world: World<PowTypes>, surroundings: Surroundings) {
    this.world = world;
    this.surroundings = surroundings;
    this.nodes = world.nodes.filter(({ kind }) => kind !== undefined && kind in FOREIGN);
    this.ours = world.nodes.find(({ honest }) => honest);
  }

  /** A node of ours has started. */
  onStart(node: SimulatedNode): void {
    if (this.nodes.length > 0) this.manners[node.index] = new Manners(node, this.world);
  }

  /** The chain of one of ours ends in that tip. */
  hold({ index }: SimulatedNode, tip: string | undefined): void {
    this.manners[index]?.hold(tip);
  }

  onSend({ index }: SimulatedNode, message: PowMessage, to: readonly Address[]): void {
    const manners = this.manners[index];
    if (manners === undefined || (message.type !== 'STATS' && message.type !== 'ANNOUNCE')) return;
    const peers = new Set(this.nodes.map((node) => addressKey(this.world.peerOf(node))));
    for (const peer of to.map(addressKey)) {
      if (!peers.has(peer)) continue;
      if (message.type === 'STATS') manners.onAsk(peer);
      else manners.onTell(message.block, peer);
    }
  }

  /** Whether a node is not to get this copy of a block, because the goal is that it gets another. */
  misses(node: SimulatedNode, { hash }: Block): boolean {
    return this.missed?.block.hash === hash && this.missed.nodes.delete(node);
  }

  /** What must come true of foreign nodes once all of ours agree and nobody mines. */
  goals(period: number): LivenessGoal[] {
    if (this.nodes.length === 0) return [];
    const { world, surroundings, ours } = this;
    const has = (node: SimulatedNode, { height, hash }: Block): boolean =>
      surroundings.chainOf(node).block(height)?.hash === hash;
    const round = world.setting('gossip-interval') * 1_000 * (1 + world.setting('drift') * 1e-6);
    return [
      {
        checker: 'a foreign node that misses a block is sent it again, within some rounds of gossip',
        limit: DEAF_TIME + ROUNDS * round,
        begin: () => {
          const before = ours && surroundings.chainOf(ours).tip;
          const block = ours && surroundings.mine(ours);
          if (block === undefined || !before) return;
          this.owed = this.nodes.filter(
            // Two of ours may have brought one up at the same moment, so one that minds may take no block at all.
            (node) => node.kind !== 'doubling' && surroundings.chainOf(node).tip?.hash === before.hash,
          );
          this.missed = { block, nodes: new Set(this.owed) };
        },
        missing: () => {
          const block = this.missed?.block;
          // One who mined in secret may have had a longer chain all the time.
          if (block === undefined || ours === undefined || !has(ours, block)) return undefined;
          return listed(this.owed.filter((node) => !has(node, block)));
        },
      },
      {
        checker: 'two consensus periods later foreign nodes have the tip of ours',
        limit: 2 * period,
        missing: () => listed(this.apart()),
      },
    ];
  }

  /** Those whose chains end in another block than those of ours, all of which agree. */
  private apart(): readonly SimulatedNode[] {
    const { surroundings, ours } = this;
    if (ours === undefined) return [];
    const { tip, height } = surroundings.chainOf(ours);
    return this.nodes.filter((node) => {
      const chain = surroundings.chainOf(node);
      return chain.tip?.hash !== tip?.hash && !hidesLead(node, chain.height - height);
    });
  }
}

/** Whether a foreign node has one block more than ours, and can't be followed as it does not say so. */
function hidesLead({ kind }: SimulatedNode, lead: number): boolean {
  return kind === 'from-zero' && lead === 1;
}

function listed(nodes: readonly SimulatedNode[]): string | undefined {
  if (nodes.length === 0) return undefined;
  return nodes.map(({ index, kind }) => `node ${index}, ${kind ?? 'ours'}`).join('; ');
}
