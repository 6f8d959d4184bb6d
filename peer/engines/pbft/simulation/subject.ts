/** The PBFT engine in the simulator: its users, what must hold, and how it reports. */
import { KeyValueStore } from '../../../applications/key-value.ts';
import { OrderedLog } from '../../../applications/ordered-log.ts';
import { pbftCodec } from '../protocol/codec.ts';
import {
  type PbftConfig,
  type PbftMembership,
  type PbftNotice,
  type PbftResult,
  type PbftStatus,
  type Signatures,
} from '../protocol/interface.ts';
import { MAX_DOUBLINGS, MAX_RECEIVED } from '../protocol/limits.ts';
import type { PbftMessage } from '../protocol/messages.ts';
import { PbftEngine } from '../protocol/pbft.ts';
import { faultyOf, quorumOf } from '../protocol/quorum.ts';
import { Signing } from '../protocol/signing.ts';
import { MemoryStore } from '../../../storage/memory.ts';
import type { StoreView } from '../../../core/store.ts';
import { offer } from '../../../simulator/offer.ts';
import { MemberTable } from '../../../simulator/peers.ts';
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
import { ACTORS, type ActorKind } from './actors.ts';
import { mostHealingViews } from './healing-views.ts';
import { realKeys, stubKeys } from './keys.ts';
import { AgreedOrder } from './order.ts';
import { PBFT_SETTINGS } from './settings.ts';
import type { PbftTypes } from '../protocol/types.ts';
import { KeyValueModel, LogModel, type Model, type Operation } from './users.ts';
import { CHECKERS, NodeWatch } from './watch.ts';

/** Milliseconds in a second and an hour. */
const SECOND = 1_000;
const HOUR = 3_600_000;
/** What all that is signed in a simulation begins with. */
const CLUSTER = 'simulated';

type Answer = Extract<PbftResult, { status: 'answered' }>;

class PbftRun implements SubjectRun<PbftTypes> {
  readonly goals: readonly LivenessGoal[];
  private readonly world: World<PbftTypes>;
  private readonly config: PbftConfig;
  private readonly keys: readonly Signatures[];
  private readonly model: Model;
  private readonly order: AgreedOrder;
  private readonly watches: readonly NodeWatch[];
  private readonly engines: (PbftEngine | undefined)[] = [];
  private readonly lives: number[] = [];
  /** Nodes that have once lost their store: they count as faulty, as they can't know what they have promised. */
  private readonly replaced = new Set<number>();
  private readonly operations = new Set<Operation>();
  /** The highest place in the order of an operation that is answered. */
  private answeredUpTo = 0;
  private readonly waits: number[] = [];
  private readonly tally = { rejected: 0, viewChanges: 0, checkpoints: 0, transfers: 0, offences: 0 };
  /** What nodes that work together have in common, and the stores of those who lead two lives. */
  private readonly plot = new Map<string, string>();
  private readonly secondStores = new Map<number, MemoryStore>();
  private resting = false;
  /** The view of each honest node, and the most different ones at the same time since that was asked last. */
  private readonly views: (number | undefined)[] = [];
  private mostViews = 0;
  /** How far the nodes were when everything healed. */
  private healed: { readonly view: number; readonly executed: number } | undefined;

  constructor(world: World<PbftTypes>) {
    this.world = world;
    const { nodes } = world;
    this.config = {
      viewChangeTimeout: world.setting('view-change-timeout') * SECOND,
      checkpointInterval: world.setting('checkpoint-interval'),
      messageBuffer: world.setting('message-buffer'),
      batchSize: world.setting('batch-size'),
      pipeline: world.setting('pipeline'),
    };
    const makeKeys = world.setting('real-keys') >= 1 ? realKeys : stubKeys;
    this.keys = makeKeys(world.seed, nodes.length);
    this.model = world.setting('kv') >= 1 ? new KeyValueModel() : new LogModel();
    const violate = (checker: keyof typeof CHECKERS, node: SimulatedNode, detail: string): void => {
      world.violate(CHECKERS[checker], node, detail);
    };
    const isHonest = (member: number): boolean => this.isHonest(member);
    this.order = new AgreedOrder({ model: this.model, isHonest, violate });
    const modules = { order: this.order, replicas: nodes.length, violate, isHonest };
    this.watches = nodes.map((node) => new NodeWatch(node, modules));
    this.goals = this.goalsOf();
    this.submitOperations();
  }

  engine(node: SimulatedNode, { view }: { view: StoreView }): PbftEngine {
    const engine = this.engineOver(node, view);
    this.engines[node.index] = engine;
    return engine;
  }

  corrupt(kind: string, body: Body<PbftTypes>): Corruption<PbftTypes> {
    const { node } = body;
    const membership = this.membershipOf(node);
    const keys = this.keysOf(node);
    return ACTORS[kind as ActorKind].corrupt(body, {
      ...membership,
      config: this.config,
      quorum: quorumOf(membership.replicas),
      signing: new Signing(membership, keys),
      plot: this.plot,
      status: () => this.engines[node.index]?.status(),
      localNow: () => this.world.localNow(node),
      secondLife: () => {
        const store = this.secondStores.get(node.index) ?? new MemoryStore();
        this.secondStores.set(node.index, store);
        return { store, engine: this.engineOver(node, store) };
      },
    });
  }

  onStart(node: SimulatedNode): void {
    this.lives[node.index] = (this.lives[node.index] ?? 0) + 1;
    const { executed = 0, view = 0 } = this.statusOf(node) ?? {};
    this.watches[node.index]?.onStart(executed);
    if (node.honest) this.onView(node, view);
  }

  onReplaced(node: SimulatedNode): void {
    this.replaced.add(node.index);
    this.lives[node.index] = (this.lives[node.index] ?? 0) + 1;
    this.watches[node.index]?.onReplaced();
  }

  onNotice(node: SimulatedNode, notice: PbftNotice): void {
    if (!node.honest) return;
    this.watches[node.index]?.onNotice(notice);
    const { tally } = this;
    if (notice.kind === 'view-change-started' || notice.kind === 'view-entered') {
      this.onView(node, notice.view);
    }
    if (notice.kind === 'view-change-started') tally.viewChanges++;
    else if (notice.kind === 'checkpoint') tally.checkpoints++;
    else if (notice.kind === 'transfer-finished') tally.transfers++;
    else if (notice.kind === 'offence') tally.offences++;
  }

  onMessage(): void {
    // What a node makes of a message shows in what it sends and stores.
  }

  onSend(node: SimulatedNode, message: PbftMessage): void {
    this.watches[node.index]?.onSend(message);
  }

  onStore(): void {
    // The store is looked at when a notice comes.
  }

  onReply(): void {
    // Answers are looked at where they were asked for.
  }

  onHealed(): void {
    this.resting = true;
    this.healed = { view: this.highestView(), executed: this.order.last };
  }

  progress(node: SimulatedNode): number {
    return this.statusOf(node)?.executed ?? 0;
  }

  mostTips(): number {
    const { mostViews } = this;
    this.mostViews = this.differentViews();
    return mostViews;
  }

  figures(): { figures: Figure[]; distributions: Distribution[] } {
    const { tally, order } = this;
    const healing = this.healingViews();
    const answered = this.waits.length;
    const figure = (title: string, value: number, unit = ''): Figure => ({ title, value, unit });
    return {
      figures: [
        figure('sequence numbers executed', order.last),
        figure('operations submitted', this.operations.size),
        figure('operations answered', answered),
        figure('operations refused', tally.rejected),
        figure('view changes', tally.viewChanges),
        figure('stable checkpoints', tally.checkpoints),
        figure('state transfers', tally.transfers),
        figure('offences noticed', tally.offences),
        ...(healing === undefined
          ? []
          : [
              {
                title: 'views needed after healing',
                value: healing.needed,
                unit: `of ${healing.allowed} allowed`,
                additive: false,
              },
            ]),
      ],
      distributions: [
        distribution('an operation to be answered', 'ms', this.waits),
        distribution('size of batches', 'operations', order.batchSizes),
      ],
    };
  }

  describe(node: SimulatedNode): NodeRow {
    const status = this.statusOf(node);
    return {
      executed: status?.executed ?? 0,
      stable: status?.low ?? 0,
      view: status?.view ?? 0,
      phase: status?.phase ?? 'down',
      waiting: status?.waiting ?? 0,
      'view changes': status?.viewChanges ?? 0,
      offenders: status?.others.filter(({ offences }) => offences > 0).length ?? 0,
    };
  }

  private goalsOf(): LivenessGoal[] {
    const { nodes } = this.world;
    const faulty = faultyOf(nodes.length);
    const drift = 1 + this.world.setting('drift') * 1e-6;
    const longest = this.config.viewChangeTimeout * 2 ** MAX_DOUBLINGS * drift;
    return [
      {
        checker: 'after healing every operation is answered whose node kept running',
        limit: (faulty + 3) * 2 * longest,
        missing: () => this.unanswered(),
      },
      {
        checker:
          'after healing all honest nodes have executed the same, and all but f are at work in the same view',
        limit: (faulty + 3) * 2 * longest,
        missing: () => {
          const missing = this.disagreement();
          if (missing === undefined) this.order.onEnd();
          return missing;
        },
      },
      {
        checker: 'after healing that takes no more views than PBFT may need',
        // It has come true by now, or never will.
        limit: 0,
        missing: () => {
          const { needed = 0, allowed = 0 } = this.healingViews() ?? {};
          return needed > allowed ? `${needed} views were needed, of ${allowed} that may be` : undefined;
        },
      },
    ];
  }

  private engineOver(node: SimulatedNode, view: StoreView): PbftEngine {
    return new PbftEngine(this.config, this.membershipOf(node), {
      view,
      signatures: this.keysOf(node),
      machine: this.world.setting('kv') >= 1 ? new KeyValueStore() : new OrderedLog(),
    });
  }

  private membershipOf({ index }: SimulatedNode): PbftMembership {
    return { cluster: CLUSTER, replicas: this.world.nodes.length, self: index };
  }

  private keysOf({ index }: SimulatedNode): Signatures {
    const keys = this.keys[index];
    if (keys === undefined) throw new RangeError(`no member ${index}`);
    return keys;
  }

  private statusOf(node: SimulatedNode): PbftStatus | undefined {
    return this.engines[node.index]?.status();
  }

  /** Whether a member obeys the rules, and has kept its store from the start. */
  private isHonest(member: number): boolean {
    return this.world.nodes[member]?.honest === true && !this.replaced.has(member);
  }

  private submitOperations(): void {
    const { world } = this;
    const perHour = world.setting('operations');
    if (perHour === 0) return;
    const chance = world.chance('operations');
    const next = (): void => {
      world.after(chance.exponential(HOUR / perHour), () => {
        if (this.resting) return;
        const able = world.nodes.filter(({ honest, up }) => honest && up);
        if (able.length > 0) this.submit(chance.pick(able), this.model.draw(chance));
        next();
      });
    };
    next();
  }

  private submit(node: SimulatedNode, operation: string): void {
    const { answeredUpTo: after, world } = this;
    const submitted = { node, life: this.lives[node.index] ?? 0, after, answered: false };
    this.operations.add(submitted);
    // It may be executed before it is answered, and although it is never answered.
    this.order.onSubmit(node.index, operation);
    world.ask(node, { kind: 'submit', operation }, (answer) => {
      if (answer.status === 'rejected') {
        this.tally.rejected++;
        this.operations.delete(submitted);
      } else {
        this.waits.push(Math.round(answer.waited * 1000) / 1000);
        this.conclude(submitted, answer);
      }
    });
  }

  private conclude(operation: Operation, { timestamp, result }: Answer): void {
    operation.answered = true;
    // Whoever takes the place of another node can't know which timestamps that one has used.
    if (this.replaced.has(operation.node.index)) return;
    const position = this.order.onAnswer(operation.node, timestamp, result, operation.after);
    this.answeredUpTo = Math.max(this.answeredUpTo, position);
  }

  private get honest(): readonly SimulatedNode[] {
    return this.world.nodes.filter(({ honest }) => honest);
  }

  private onView({ index }: SimulatedNode, view: number): void {
    this.views[index] = view;
    this.mostViews = Math.max(this.mostViews, this.differentViews());
  }

  private differentViews(): number {
    return new Set(this.honest.flatMap(({ index, up }) => (up ? [this.views[index]] : []))).size;
  }

  private unanswered(): string | undefined {
    const open = [...this.operations].filter(
      ({ answered, node, life }) => !answered && this.lives[node.index] === life,
    );
    if (open.length === 0) return undefined;
    const nodes = [...new Set(open.map(({ node }) => node.index))].join(', ');
    return `${open.length} operations of nodes ${nodes} have no answer; ${this.whereAllStand()}`;
  }

  /** How many views were needed since everything has healed, and how many may be; undefined before. */
  private healingViews(): { readonly needed: number; readonly allowed: number } | undefined {
    if (this.healed === undefined) return undefined;
    const { view, executed } = this.healed;
    const allowed = mostHealingViews({
      replicas: this.world.nodes.length,
      timeout: this.config.viewChangeTimeout,
      latency: this.world.setting('latency'),
      executed: this.order.last - executed,
    });
    return { needed: this.highestView() - view, allowed };
  }

  /** The highest view that an honest node is in, or wants. */
  private highestView(): number {
    return Math.max(0, ...this.honest.map((node) => this.statusOf(node)?.view ?? 0));
  }

  private disagreement(): string | undefined {
    const statuses = this.honest.map((node) => this.statusOf(node));
    const executed = new Set(statuses.map((status) => status?.executed));
    const working = statuses.filter((status) => status?.phase === 'normal');
    const views = new Set(working.map((status) => status?.view));
    const enough = statuses.length - working.length <= faultyOf(this.world.nodes.length);
    return executed.size === 1 && views.size === 1 && enough ? undefined : this.whereAllStand();
  }

  private whereAllStand(): string {
    return this.honest
      .map((node) => {
        const status = this.statusOf(node);
        return `${node.index}: ${status?.executed ?? 0} executed, view ${status?.view ?? 0}, ${status?.phase ?? 'down'}`;
      })
      .join('; ');
  }
}

export const pbftSubject: Subject<PbftTypes> = {
  name: 'pbft',
  title: 'practical Byzantine fault tolerance',
  examples: ['--nodes 7 --byzantine twins,forger --crashes 20'],
  codec: pbftCodec,
  settings: PBFT_SETTINGS,
  byzantine: Object.fromEntries(Object.entries(ACTORS).map(([kind, { description }]) => [kind, description])),
  mostByzantine: faultyOf,
  // A node that has lost its store counts as faulty, and together no more than that may be.
  lasting: (nodes) => nodes - faultyOf(nodes),
  numbered: true,
  peers: (nodes) => new MemberTable(nodes),
  maxMessage: MAX_RECEIVED,
  checkers: Object.values(CHECKERS),
  progressName: 'executed',
  tipWords: {
    name: 'views',
    title: 'Views that honest nodes are in',
    caption:
      'The most at the same time since the sample before, of nodes that are up. More than one is no fork: a view change is under way, or a node has yet to hear of it.',
  },
  begin: (world) => new PbftRun(world),
};

export const simulatedPbft = offer(pbftSubject);
