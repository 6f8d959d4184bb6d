/** When the network falls apart, nodes crash and nodes leave: everything that goes wrong besides single datagrams. */
import type { Chance } from './chance.ts';
import type { Network } from './network.ts';
import type { Doom, SimNode } from './node.ts';
import type { EngineTypes } from '../core/engine.ts';

/** How partitions cut the network. */
export const PARTITION_KINDS = ['symmetric', 'one-way', 'isolate-one', 'swizzle'] as const;
export type PartitionKind = (typeof PARTITION_KINDS)[number];

/** What each does. */
export const PARTITION_TEXTS: Readonly<Record<PartitionKind, string>> = {
  symmetric: 'two parts do not hear each other',
  'one-way': 'one part does not hear what the other sends',
  'isolate-one': 'one node and the others do not hear each other',
  swizzle: 'nodes hear nothing, one after the other, and all of it later, in another order',
};

/** Milliseconds in an hour and a second. */
const HOUR = 3_600_000;
const SECOND = 1_000;
/** How long it takes, on average, until a new node takes the place of one that left, in milliseconds. */
const REPLACEMENT_DELAY = 10_000;
/** By how much a clock is set at most, in milliseconds. */
const MAX_JUMP = 5_000;
/** Every so many times a clock is set to something that is altogether wrong, by up to an hour, and soon set right. */
const WRONG_SHARE = 0.25;
const MAX_WRONG = HOUR;
const WRONG_LENGTH = 60_000;
/** Spans kept for the report: more can't be told apart in a plot. */
const MAX_SPANS = 2_000;

/** A fault, and from when to when it lasted, in microseconds. */
interface Span {
  readonly kind: string;
  readonly from: number;
  to: number;
  readonly nodes: readonly number[];
}

/** What the schedule does to the simulated network. */
interface Victim<T extends EngineTypes> {
  readonly nodes: readonly SimNode<T>[];
  setting(name: string): number;
  chance(label: string): Chance;
  now(): number;
  after(delay: number, run: () => void): void;
  start(node: SimNode<T>): void;
  crash(node: SimNode<T>): void;
  doom(node: SimNode<T>, doom: Doom): void;
  replace(node: SimNode<T>, after: number): void;
  suspend(node: SimNode<T>, until: number, counted: boolean): void;
  trace(node: Pick<SimNode<T>, 'index'> | undefined, what: string, details: Record<string, unknown>): void;
}

export class FaultSchedule<T extends EngineTypes> {
  /** How many partitions of each kind there were. */
  readonly partitions: Record<PartitionKind, number> = {
    symmetric: 0,
    'one-way': 0,
    'isolate-one': 0,
    swizzle: 0,
  };
  crashes = 0;
  readonly spans: Span[] = [];
  /** Spans that came after those. */
  furtherSpans = 0;
  private readonly victim: Victim<T>;
  private readonly network: Network;
  private readonly lasting: readonly SimNode<T>[];
  private readonly kinds: readonly PartitionKind[];
  /** Takes down the walls that stand. */
  private readonly walls = new Set<() => void>();
  /** Sets clocks right that are altogether wrong. */
  private readonly wrong = new Set<() => void>();
  private readonly downSpans = new Map<SimNode<T>, Span>();
  private over = false;
  /** When it is to be over, in microseconds. */
  private limit = Infinity;
  private readonly downTimes: Chance;

  /**
   * @param modules.lasting nodes that never leave for good
   * @param modules.kinds of partitions: at least one
   */
  constructor(
    victim: Victim<T>,
    modules: {
      network: Network;
      lasting: readonly SimNode<T>[];
      kinds: readonly PartitionKind[];
    },
  ) {
    this.victim = victim;
    this.network = modules.network;
    this.lasting = modules.lasting;
    this.kinds = modules.kinds;
    this.downTimes = victim.chance('time down');
  }

  /** Lets faults come until `end`, in microseconds since the start. */
  begin(end: number): void {
    const { victim } = this;
    this.limit = end;
    const slow = victim.nodes.filter(({ service }) => service > 0).map(({ index }) => index);
    if (slow.length > 0) this.spans.push({ kind: 'slow', from: 0, to: end, nodes: slow });
    this.often('partitions', (chance) => {
      this.partition(chance);
    });
    this.often('crashes', (chance) => {
      const up = victim.nodes.filter((node) => node.up && node.doomed === undefined);
      if (up.length === 0) return;
      const node = chance.pick(up);
      const how = chance.pick(['at once', 'step', 'store'] as const);
      if (how === 'at once') victim.crash(node);
      else victim.doom(node, how);
    });
    this.often('clock-jumps', (chance) => {
      const node = chance.pick(victim.nodes);
      if (!chance.happens(WRONG_SHARE)) {
        this.setClock(node, chance.between(-MAX_JUMP, MAX_JUMP));
        return;
      }
      const by = chance.between(-MAX_WRONG, MAX_WRONG);
      const right = (): void => {
        if (this.wrong.delete(right)) this.setClock(node, -by);
      };
      this.setClock(node, by);
      this.wrong.add(right);
      victim.after(chance.exponential(WRONG_LENGTH), right);
    });
    this.often('suspensions', (chance) => {
      const awake = victim.nodes.filter((node) => node.up);
      if (awake.length === 0) return;
      const node = chance.pick(awake);
      const length = chance.exponential(victim.setting('suspension-length') * SECOND) * 1000;
      const until = Math.min(this.limit, Math.round(this.now + length));
      victim.suspend(node, until, chance.happens(0.5));
      this.span('asleep', [node.index], until);
    });
    this.often('churn', (chance) => {
      const leaving = victim.nodes.filter((node) => node.honest && node.up && !this.lasting.includes(node));
      if (leaving.length === 0) return;
      const node = chance.pick(leaving);
      this.span('replaced', [node.index], this.now);
      victim.replace(node, chance.exponential(REPLACEMENT_DELAY));
    });
  }

  /** A node has crashed: schedules its next start. */
  onCrash(node: SimNode<T>): void {
    this.crashes++;
    node.crashes++;
    if (this.over) return;
    const span = this.span('down', [node.index]);
    this.downSpans.set(node, span);
    const { life } = node;
    this.victim.after(this.downTimes.exponential(this.victim.setting('down') * SECOND), () => {
      if (this.over) return;
      span.to = this.now;
      if (node.life === life) this.victim.start(node);
    });
  }

  /** No more faults: walls fall, and what was held back has just been let go. Who is down is the simulation's to start. */
  end(): void {
    this.over = true;
    for (const fall of [...this.walls]) fall();
    for (const right of [...this.wrong]) right();
    for (const span of this.downSpans.values()) span.to = Math.min(span.to, this.now);
    for (const node of this.victim.nodes) node.service = 0;
  }

  /** The time in microseconds. */
  private get now(): number {
    return this.victim.now() * 1000;
  }

  private setClock(node: SimNode<T>, by: number): void {
    node.clock.jump(by);
    this.victim.trace(node, 'clock set', { by });
    this.span('clock set', [node.index], this.now);
  }

  private span(kind: string, nodes: readonly number[], to = Infinity): Span {
    const span = { kind, from: this.now, to, nodes };
    if (this.spans.length < MAX_SPANS) this.spans.push(span);
    else this.furtherSpans++;
    return span;
  }

  /** Does something as often as a setting says, at times that are independent of each other. */
  private often(setting: string, run: (chance: Chance) => void): void {
    const { victim } = this;
    const perHour = victim.setting(setting);
    if (perHour <= 0) return;
    const chance = victim.chance(setting);
    const next = (): void => {
      victim.after(chance.exponential(HOUR / perHour), () => {
        if (this.over) return;
        run(chance);
        next();
      });
    };
    next();
  }

  private partition(chance: Chance): void {
    const { victim } = this;
    const { nodes } = victim;
    if (nodes.length < 2) return;
    const length = chance.exponential(victim.setting('partition-length') * SECOND);
    const kind = chance.pick(this.kinds);
    this.partitions[kind]++;
    const size = kind === 'isolate-one' ? 1 : chance.integer(1, nodes.length - 1);
    const inside = chance.sample(nodes, size).map(({ index }) => index);
    if (kind === 'swizzle') {
      this.swizzle(chance, inside, length);
      return;
    }
    const span = this.span(kind, inside);
    const pairs = inside.flatMap((one) =>
      nodes
        .filter(({ index }) => !inside.includes(index))
        .flatMap(({ index: other }): (readonly [number, number])[] =>
          kind === 'one-way'
            ? [[one, other]]
            : [
                [one, other],
                [other, one],
              ],
        ),
    );
    this.network.wall(pairs, true);
    const cut = kind === 'one-way' ? 'what they send' : 'both ways';
    victim.trace(undefined, 'partition begins', { kind, nodes: inside, cut });
    const fall = (): void => {
      if (!this.walls.delete(fall)) return;
      this.network.wall(pairs, false);
      span.to = this.now;
      victim.trace(undefined, 'partition ends', { kind, nodes: inside });
    };
    this.walls.add(fall);
    victim.after(length, fall);
  }

  /** Some nodes stop hearing anything, one after the other, and hear it all, late, in another order. */
  private swizzle(chance: Chance, inside: readonly number[], length: number): void {
    for (const site of inside) {
      const from = chance.between(0, length / 2);
      const to = chance.between(length / 2, length);
      this.victim.after(from, () => {
        if (this.over) return;
        const end = Math.min(this.limit, this.now + (to - from) * 1000);
        this.network.clog(site, end);
        this.victim.trace({ index: site }, 'clogged', { until: end / 1_000_000 });
        this.span('clogged', [site], end);
      });
    }
  }
}
