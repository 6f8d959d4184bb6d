/** The proof-of-work engine in the simulator: its miners, its users, what must hold, and how it reports. */
import type { Address } from '../../../../shared/address.ts';
import { blockToJson, type Block } from '../../../../shared/block.ts';
import type { WorkTemplate } from '../../../../shared/work.ts';
import { Chain, type ChainTuning } from '../protocol/chain.ts';
import { powCodec } from '../protocol/codec.ts';
import type { PowConfig, PowNotice, PowRequest, PowResult } from '../protocol/interface.ts';
import type { PowMessage } from '../protocol/messages.ts';
import { PowEngine } from '../protocol/pow.ts';
import { MemoryStore } from '../../../storage/memory.ts';
import type { StoreView, StoreWrite } from '../../../core/store.ts';
import { offer } from '../../../simulator/offer.ts';
import type { Chance } from '../../../simulator/chance.ts';
import { AddressTable } from '../../../simulator/peers.ts';
import { distribution, type Distribution, type Figure, type NodeRow } from '../../../simulator/report.ts';
import type {
  Body,
  Corruption,
  LivenessGoal,
  SimulatedNode,
  Subject,
  SubjectRun,
  World,
} from '../../../simulator/subject.ts';
import { ACTORS, type Actor } from './actors.ts';
import { Agreement } from './agreement.ts';
import { FOREIGN, ForeignNodes, TREATED_WELL } from './foreign.ts';
import { Prospector } from './mining.ts';
import { verifyStub } from './stub.ts';
import { POW_SETTINGS } from './settings.ts';
import type { PowTypes } from '../protocol/types.ts';
import { verifier, type Verify } from './verifier.ts';
import { CHECKERS, CommonKnowledge, NodeWatch } from './watch.ts';
import { Words } from './words.ts';

/** Milliseconds in a second. */
const SECOND = 1_000;
/** From the miner to its peer, on average, in milliseconds. */
const MINER_LATENCY = 2;
/** What is mined, at the least, before words are given up: so many times the mean time that each of them takes. */
const WORD_PATIENCE = 60;
/** Nodes that everybody knows from the start, all honest: who knows only liars can't be helped. */
const WELL_KNOWN = 3;
/** Longest datagram that UDP can carry, in bytes. */
const MAX_UDP = 65_507;
/** Share of the nodes that start with the whole chain, where there is one; the others have lost a part of it. */
const COMPLETE_SHARE = 0.5;

/** All kinds of nodes that are not as ours are. */
const KINDS: Readonly<Record<string, Actor>> = { ...ACTORS, ...FOREIGN };

class PowRun implements SubjectRun<PowTypes> {
  readonly goals: readonly LivenessGoal[];
  private readonly world: World<PowTypes>;
  private readonly prospector: Prospector;
  private readonly stub: boolean;
  private readonly tuning: ChainTuning;
  private readonly chance: Chance;
  private readonly watches: readonly NodeWatch[];
  private readonly engines: (PowEngine | undefined)[] = [];
  private readonly templates: (WorkTemplate | null)[] = [];
  private readonly lives: number[] = [];
  private readonly miners: readonly SimulatedNode[];
  private readonly words: Words;
  private readonly minedAt = new Map<string, number>();
  private readonly arrivals: number[] = [];
  /** When each node, or the one that has its place now, started for the first time; undefined before. */
  private readonly cameAt: (number | undefined)[] = [];
  private readonly agreement: Agreement;
  private readonly foreign: ForeignNodes;
  /** Honest nodes that may still hold blocks of chains that were given up. */
  private unswept = new Set<SimulatedNode>();
  private readonly reorgs: number[] = [];
  private readonly reorgsOf: number[] = [];
  private readonly tally = { accepted: 0, stale: 0, rejected: 0 };
  /** For every block that was made its height and what it stands on. */
  private readonly made = new Map<string, string>();
  /** Blocks mined at each height. */
  private readonly siblings = new Map<number, number>();
  private mode: 'mining' | 'resting' | 'finishing' = 'mining';

  constructor(world: World<PowTypes>) {
    this.world = world;
    this.chance = world.chance('mining');
    this.words = new Words(world, {
      able: () => this.miners.filter((node) => node.honest && node.up),
      submitting: () => this.mode === 'mining',
      lifeOf: ({ index }) => this.lives[index] ?? 0,
      waitingAt: ({ index }) => this.engines[index]?.status().words ?? [],
    });
    this.stub = world.setting('stub') >= 1;
    const batch = world.setting('batch');
    this.tuning = {
      ...(this.stub && { rule: verifyStub }),
      ...(batch > 0 && { stageBatch: batch, inPlaceLimit: Math.floor(batch / 2) }),
    };
    this.prospector = new Prospector(this.stub);
    const verify = this.stub ? this.ledger() : verifier(world.setting('difficulty'));
    const common = new CommonKnowledge(verify, world.nodes.length);
    this.watches = world.nodes.map(
      (node) =>
        new NodeWatch(node, world, common, {
          onBlock: (hash) => {
            this.onArrival(node, hash);
          },
          asked: () => this.askedBy(node),
          isAsking: () => this.engines[node.index]?.status().phase === 'asking',
        }),
    );
    this.agreement = new Agreement(world, (index) => this.watches[index]?.hashes ?? []);
    this.foreign = new ForeignNodes(world, {
      chainOf: (node) => this.chainOf(node),
      mine: (node) => this.mineAtOnce(node),
    });
    const share = world.setting('miners') / 100;
    const { nodes } = world;
    const willing = nodes.filter(({ honest }) => !honest || this.chance.happens(share));
    const [first] = nodes;
    this.miners = willing.some(({ honest }) => honest) || first === undefined ? willing : [first, ...willing];
    this.foundChain();
    const period = world.setting('consensus-interval') * SECOND * (1 + world.setting('drift') * 1e-6);
    const interval = world.setting('block-interval') * SECOND;
    const patience = 4 * period + WORD_PATIENCE * interval * this.miners.length;
    this.goals = [
      {
        checker: 'two consensus periods after healing all honest nodes have the same tip',
        limit: 2 * period,
        missing: () => this.disagreement(),
      },
      {
        checker: 'blocks that are in no chain any more are deleted',
        limit: period,
        begin: () => {
          this.unswept = new Set(this.honest);
        },
        missing: () => this.leftovers(),
      },
      ...this.foreign.goals(period),
      {
        checker: 'every word that reached a node and has not gone with a crash is in the chain of all',
        limit: patience,
        begin: () => {
          this.mode = 'finishing';
          this.mineOn();
        },
        missing: () => this.missingWords(),
      },
      {
        checker: 'a word that is sent to a node after that is in the chain of all',
        limit: patience,
        begin: () => {
          this.words.sendLast();
        },
        missing: () => this.missingWords(),
      },
    ];
    this.mineOn();
    this.words.begin();
  }

  engine(node: SimulatedNode, { view, entropy }: { view: StoreView; entropy: Uint8Array }): PowEngine {
    const config = this.configOf(node);
    const engine = new PowEngine(config, { view, entropy, tuning: this.tuning });
    this.engines[node.index] = engine;
    return engine;
  }

  corrupt(kind: string, body: Body<PowTypes>): Corruption<PowTypes> {
    const actor = KINDS[kind];
    if (actor === undefined) throw new Error(`there is no kind "${kind}"`);
    return actor.corrupt(body, {
      difficulty: this.world.setting('difficulty'),
      find: (template) => this.find(body.node, template),
      engine: () => this.engines[body.node.index],
      chain: () => this.chainOf(body.node),
      misses: (block) => this.foreign.misses(body.node, block),
    });
  }

  onStart(node: SimulatedNode): void {
    this.templates[node.index] = null;
    this.lives[node.index] = (this.lives[node.index] ?? 0) + 1;
    this.cameAt[node.index] ??= this.world.now();
    if (!node.honest) return;
    this.watches[node.index]?.onStart();
    this.foreign.onStart(node);
    this.onTip(node);
  }

  onReplaced(node: SimulatedNode): void {
    this.lives[node.index] = (this.lives[node.index] ?? 0) + 1;
    this.cameAt[node.index] = undefined;
    this.watches[node.index]?.onReplaced();
    this.agreement.leaveOut();
  }

  onNotice(node: SimulatedNode, notice: PowNotice): void {
    if (notice.kind === 'work') this.templates[node.index] = notice.template;
    if (!node.honest) return;
    this.watches[node.index]?.onNotice(notice);
    if (notice.kind === 'chain-adopted' && notice.depth > 0) {
      this.reorgs.push(notice.depth);
      this.reorgsOf[node.index] = (this.reorgsOf[node.index] ?? 0) + 1;
    }
  }

  onMessage(node: SimulatedNode, message: PowMessage, from: Address): void {
    if (message.type === 'NEW_WORD') this.words.onDatagram(node, message.word);
    this.watches[node.index]?.onMessage(message, from);
  }

  onSend(node: SimulatedNode, message: PowMessage, to: readonly Address[]): void {
    this.watches[node.index]?.onSend(message, to);
    this.foreign.onSend(node, message, to);
  }

  onStore(node: SimulatedNode, writes: readonly StoreWrite[]): void {
    this.watches[node.index]?.onStore(writes);
    this.onTip(node);
  }

  onReply(node: SimulatedNode, request: PowRequest, { status }: PowResult): void {
    if (request.kind !== 'submit-block' || status !== 'accepted') return;
    this.watches[node.index]?.onAccepted(request.block);
  }

  onHealed(): void {
    this.mode = 'resting';
  }

  progress(node: SimulatedNode): number {
    return this.engines[node.index]?.status().height ?? 0;
  }

  mostTips(): number {
    return this.agreement.mostBranches();
  }

  figures(): { figures: Figure[]; distributions: Distribution[] } {
    const { tally } = this;
    const height = Math.max(0, ...this.watches.map(({ hashes }) => hashes.length));
    const forks = [...this.siblings.values()].filter((count) => count > 1).length;
    const mined = this.minedAt.size;
    const figure = (title: string, value: number, unit = ''): Figure => ({ title, value, unit });
    return {
      figures: [
        { ...figure('height', height), additive: false },
        figure('blocks mined', mined),
        figure('blocks not in the longest chain', this.orphans()),
        figure('found too late', tally.stale),
        figure('heights with more than one block', forks),
        figure('reorganisations', this.reorgs.length),
        figure('words submitted', this.words.size),
      ],
      distributions: [
        distribution('a block to reach a node', 'ms', this.arrivals),
        distribution('all nodes to agree again', 'ms', this.agreement.spans),
        distribution('depth of reorganisations', 'blocks', this.reorgs),
      ],
    };
  }

  describe(node: SimulatedNode): NodeRow {
    const status = this.engines[node.index]?.status();
    return {
      height: status?.height ?? 0,
      tip: status?.hash?.slice(0, 8) ?? 'none',
      peers: status?.peers.length ?? 0,
      offenders: status?.peers.filter(({ offences }) => offences > 0).length ?? 0,
      reorgs: this.reorgsOf[node.index] ?? 0,
    };
  }

  /** The chain of an honest node has been looked at. */
  private onTip(node: SimulatedNode): void {
    const tip = this.watches[node.index]?.tip;
    this.agreement.hold(node, tip);
    this.foreign.hold(node, tip);
  }

  /** Whom a node knows, so whom it asks for STATS. */
  private askedBy(node: SimulatedNode): readonly Address[] {
    return [...(this.engines[node.index]?.addresses() ?? []), ...this.joinOf(node)];
  }

  /** The well-known peers of a node. */
  private joinOf(node: SimulatedNode): readonly Address[] {
    const { world } = this;
    return world.lasting.filter((other) => other !== node).map((other) => world.peerOf(other));
  }

  private configOf(node: SimulatedNode): PowConfig {
    const { world } = this;
    const self = world.peerOf(node);
    return {
      self,
      selfHosts: [],
      name: `node ${node.index}`,
      difficulty: world.setting('difficulty'),
      join: this.joinOf(node),
      consensusInterval: world.setting('consensus-interval') * SECOND,
      gossipInterval: world.setting('gossip-interval') * SECOND,
      peerTimeout: world.setting('peer-timeout') * SECOND,
      minedBy: self.host,
      idleWord: 'idle',
      genesis: world.lasting.includes(node),
    };
  }

  /** The stub's second verifier: a block is valid if it was made by one of the miners, just so. */
  private ledger(): Verify {
    return (json, previousHash, height) =>
      this.made.get(json) === `${height} ${previousHash}` ? undefined : 'nobody mined such a block';
  }

  private find(node: SimulatedNode, template: WorkTemplate): Block {
    const block = this.prospector.find(template, Math.floor(this.world.localNow(node) / SECOND));
    this.enter(block, template.previousHash);
    this.minedAt.set(block.hash, this.world.now());
    return block;
  }

  private enter(block: Block, previousHash: string): void {
    if (this.stub) this.made.set(blockToJson(block), `${block.height} ${previousHash}`);
    this.words.onBlock(block);
    this.siblings.set(block.height, (this.siblings.get(block.height) ?? 0) + 1);
  }

  /** The chain that the network starts with: some nodes have all of it, others a part or nothing. */
  private foundChain(): void {
    const { world } = this;
    const length = world.setting('start-blocks');
    const difficulty = world.setting('difficulty');
    if (length === 0) return;
    const chain = this.prospector.found(length, difficulty);
    for (const block of chain) this.enter(block, chain[block.height - 1]?.hash ?? '');
    const chance = world.chance('who has which part of the first chain');
    for (const node of world.nodes) {
      const store = new MemoryStore();
      const own = new Chain(store, difficulty, this.tuning);
      const count = node.index === 0 || chance.happens(COMPLETE_SHARE) ? length : chance.below(length);
      for (const block of chain.slice(0, count)) store.write(own.append(block));
      const entries = [...store.entries()].map(([key, value]) => ({ type: 'put', key, value }) as const);
      world.preload(node, entries);
    }
  }

  private chainOf(node: SimulatedNode): Chain {
    return new Chain(node.store, this.world.setting('difficulty'), this.tuning);
  }

  /** Somebody finds the next block, sooner or later: a Poisson process over all miners. */
  private mineOn(): void {
    const { world, chance } = this;
    if (this.mode === 'resting') return;
    const { mode } = this;
    world.after(chance.exponential(world.setting('block-interval') * SECOND), () => {
      if (this.mode !== mode) return;
      const willing = mode === 'mining' ? this.miners : this.finishers();
      if (willing.length > 0) this.mine(chance.pick(willing));
      this.mineOn();
    });
  }

  /** While words are only waited for, those who have some mine; before there is a chain, those who may found one. */
  private finishers(): readonly SimulatedNode[] {
    if (this.watches.every(({ hashes }) => hashes.length === 0)) {
      return this.world.nodes.filter(({ index }) => (this.templates[index] ?? null) !== null);
    }
    return this.miners.filter((node) => (this.engines[node.index]?.status().words.length ?? 0) > 0);
  }

  private mine(node: SimulatedNode): void {
    const template = this.templates[node.index];
    if (!node.up || template === undefined || template === null) return;
    const block = this.find(node, template);
    const life = this.lives[node.index];
    this.world.after(this.chance.exponential(MINER_LATENCY), () => {
      if (this.lives[node.index] !== life) return;
      const result = this.world.request(node, { kind: 'submit-block', block });
      if (result !== undefined) this.tally[result.status]++;
    });
  }

  /** A node finds a block at this moment, and takes it. */
  private mineAtOnce(node: SimulatedNode): Block | undefined {
    const template = this.templates[node.index];
    if (template === undefined || template === null) return undefined;
    const block = this.find(node, template);
    return this.world.request(node, { kind: 'submit-block', block })?.status === 'accepted'
      ? block
      : undefined;
  }

  private onArrival({ index }: SimulatedNode, hash: string): void {
    const at = this.minedAt.get(hash);
    // What a newcomer catches up with was not on its way to it.
    if (at === undefined || at < (this.cameAt[index] ?? Infinity)) return;
    this.arrivals.push(Math.round((this.world.now() - at) * 1000) / 1000);
  }

  private get honest(): readonly SimulatedNode[] {
    return this.world.nodes.filter(({ honest }) => honest);
  }

  /** Which honest nodes have which tip, if not all have the same. */
  private disagreement(): string | undefined {
    const holders = new Map<string, number[]>();
    for (const { index } of this.honest) {
      const watch = this.watches[index];
      const tip = `${watch?.tip?.slice(0, 12) ?? 'none'} at ${watch?.hashes.length ?? 0}`;
      holders.set(tip, [...(holders.get(tip) ?? []), index]);
    }
    if (holders.size <= 1) return undefined;
    return [...holders].map(([tip, nodes]) => `nodes ${nodes.join(', ')} have ${tip}`).join('; ');
  }

  /** Who has not been seen yet, since this goal was set, to hold nothing but his chain and the record of it. */
  private leftovers(): string | undefined {
    for (const node of this.unswept) {
      const length = this.watches[node.index]?.hashes.length ?? 0;
      if (node.store.size <= length + 1) this.unswept.delete(node);
    }
    if (this.unswept.size === 0) return undefined;
    return `nodes ${[...this.unswept].map(({ index }) => index).join(', ')} still have others`;
  }

  private missingWords(): string | undefined {
    const disagreement = this.disagreement();
    if (disagreement !== undefined) return disagreement;
    const [first] = this.honest;
    return this.words.missingIn((first && this.watches[first.index])?.hashes ?? []);
  }

  /** Mined blocks that are not in the longest chain. */
  private orphans(): number {
    const longest = this.watches.reduce<readonly string[]>(
      (best, { hashes }) => (hashes.length > best.length ? hashes : best),
      [],
    );
    const inChain = new Set(longest);
    return [...this.minedAt.keys()].filter((hash) => !inChain.has(hash)).length;
  }
}

export const powSubject: Subject<PowTypes> = {
  name: 'pow',
  title: 'proof of work, the class network',
  examples: [
    '--nodes 20 --loss 10 --crashes 0..20 --seed 7',
    '--partitions 10 --partition-kinds one-way,swizzle',
    '--nodes 7 --byzantine goose,eclipse --html report.html',
    '--nodes 7 --foreign 3 --loss 10',
    '--faults mixed --hours 0.5 --seeds 1..1000 --keep-going',
    '--faults mixed --seed 17 --trace trace.jsonl',
  ],
  codec: powCodec,
  settings: POW_SETTINGS,
  byzantine: Object.fromEntries(Object.entries(ACTORS).map(([kind, { description }]) => [kind, description])),
  foreign: Object.fromEntries(Object.entries(FOREIGN).map(([kind, { description }]) => [kind, description])),
  // At least one node is honest: there would be nothing to look at.
  mostByzantine: (nodes) => nodes - 1,
  lasting: () => WELL_KNOWN,
  numbered: false,
  peers: (nodes) => new AddressTable(nodes),
  maxMessage: MAX_UDP,
  checkers: [...Object.values(CHECKERS), TREATED_WELL],
  progressName: 'height',
  tipWords: {
    name: 'branches',
    title: 'Branches that honest nodes stand on',
    caption:
      'The most at the same time since the sample before, of nodes that are up. More than one is a fork; a node that only lags behind has no branch of its own.',
  },
  begin: (world) => new PowRun(world),
};

export const simulatedPow = offer(powSubject);
