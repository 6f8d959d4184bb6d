/**
 * The settings of a simulation: each is a number or a range, from which each seed draws its own. One table lists them;
 * the command line, the draw and the report are made from it.
 */
import { Chance } from './chance.ts';
import type { PartitionKind } from './faults.ts';
import { LATENCY_SHAPES, type LatencyShape } from './network.ts';

/** From `least` to `most`, both possible; equal for a fixed number. */
export interface Range {
  readonly least: number;
  readonly most: number;
}

/** One numeric setting. */
export interface SettingSpec {
  readonly description: string;
  /** What it counts, as shown to people; an empty text for a plain number. */
  readonly unit: string;
  /** What may be asked for. */
  readonly bounds: Range;
  readonly whole: boolean;
  readonly initial: number;
  /** What `--faults mixed` draws from, where it is not given. */
  readonly mixed?: Range;
  /** Whether `--faults mixed` leaves it out (at 0) in two seeds of five: each kind of fault is to be met alone too. */
  readonly fault?: boolean;
  /** In which share of the seeds it is drawn then, if not in those three of five. */
  readonly share?: number;
  /** Under which heading it is explained; that of its engine where this is left out. */
  readonly topic?: 'network' | 'faults';
}

const share = (mixed: Range | undefined, description: string): SettingSpec => ({
  description,
  unit: '%',
  bounds: { least: 0, most: 100 },
  whole: false,
  initial: 0,
  ...(mixed && { mixed }),
  fault: true,
  topic: 'faults',
});

const rate = (mixed: Range, description: string, most = 3_600): SettingSpec => ({
  description,
  unit: 'an hour',
  bounds: { least: 0, most },
  whole: false,
  initial: 0,
  mixed,
  fault: true,
  topic: 'faults',
});

/** The settings of every engine's simulation, by the name of the option. */
export const SETTINGS = {
  nodes: {
    description: 'nodes in the network, Byzantine ones included',
    unit: '',
    bounds: { least: 1, most: 200 },
    whole: true,
    initial: 7,
    mixed: { least: 3, most: 10 },
    topic: 'network',
  },
  hours: {
    description:
      'simulated time in which faults happen; after it everything heals and the network must agree',
    unit: 'h',
    bounds: { least: 0.01, most: 8_760 },
    whole: false,
    initial: 1,
    topic: 'network',
  },
  latency: {
    description: 'mean time that a datagram takes',
    unit: 'ms',
    bounds: { least: 0, most: 10_000 },
    whole: false,
    initial: 50,
    mixed: { least: 1, most: 500 },
    topic: 'network',
  },
  loss: share({ least: 0, most: 30 }, 'datagrams lost'),
  duplicate: share({ least: 0, most: 50 }, 'datagrams that arrive twice'),
  reorder: share({ least: 0, most: 50 }, 'datagrams held up so that later ones overtake them'),
  bandwidth: {
    description: 'what a node can send; 0 for no limit',
    unit: 'kB/s',
    bounds: { least: 0, most: 1_000_000 },
    whole: false,
    initial: 0,
    mixed: { least: 20, most: 1_000 },
    fault: true,
    topic: 'network',
  },
  partitions: rate({ least: 1, most: 30 }, 'partitions of the network'),
  'partition-length': {
    description: 'mean time until a partition heals',
    unit: 's',
    bounds: { least: 1, most: 100_000 },
    whole: false,
    initial: 120,
    mixed: { least: 10, most: 600 },
    topic: 'faults',
  },
  crashes: rate(
    { least: 1, most: 40 },
    'crashes, two of three in the midst of a step, one over a write, which is then lost, torn or done',
  ),
  down: {
    description: 'mean time until a crashed node starts again',
    unit: 's',
    bounds: { least: 0.001, most: 100_000 },
    whole: false,
    initial: 30,
    mixed: { least: 0.1, most: 300 },
    topic: 'faults',
  },
  churn: rate({ least: 1, most: 10 }, 'nodes that leave for good, replaced by new ones'),
  skew: {
    description: 'by how much the clock of a node is wrong, at most',
    unit: 'ms',
    bounds: { least: 0, most: 86_400_000 },
    whole: false,
    initial: 0,
    mixed: { least: 0, most: 2_000 },
    fault: true,
    topic: 'faults',
  },
  drift: {
    description: 'by how much the clock of a node is too fast or too slow, at most',
    unit: 'ppm',
    bounds: { least: 0, most: 100_000 },
    whole: false,
    initial: 0,
    mixed: { least: 0, most: 10_000 },
    fault: true,
    topic: 'faults',
  },
  'clock-jumps': rate(
    { least: 1, most: 20 },
    'times that a clock is set, by up to five seconds, or by up to an hour for a minute, back or forth',
  ),
  suspensions: rate({ least: 1, most: 10 }, 'times that the machine of a node sleeps'),
  'suspension-length': {
    description: 'mean time until a machine that sleeps wakes',
    unit: 's',
    bounds: { least: 0.001, most: 100_000 },
    whole: false,
    initial: 300,
    mixed: { least: 1, most: 900 },
    topic: 'faults',
  },
  slow: share({ least: 5, most: 50 }, 'nodes that are slow'),
  'slow-by': {
    description: 'time that a slow node takes for each event',
    unit: 'ms',
    bounds: { least: 0, most: 10_000 },
    whole: false,
    initial: 5,
    mixed: { least: 0.1, most: 20 },
    topic: 'faults',
  },
  codec: {
    description: 'whether messages are encoded and decoded on their way (1) or handed over as they are (0)',
    unit: '',
    bounds: { least: 0, most: 1 },
    whole: true,
    initial: 0,
    mixed: { least: 0, most: 1 },
    topic: 'network',
  },
} as const satisfies Record<string, SettingSpec>;

/** What the user asked for: ranges for some of the settings; the rest is as the menu says. */
export interface Plan {
  /** `mixed` has every seed draw its own mixture of faults, `none` leaves out what is not asked for. */
  readonly faults: 'none' | 'mixed';
  /** By the name of the setting, the engine's own included. */
  readonly ranges: Readonly<Record<string, Range>>;
  /** Undefined: exponential, or any where faults are mixed. */
  readonly shape?: LatencyShape;
  /** Undefined: partitions of all kinds. */
  readonly partitionKinds?: readonly PartitionKind[];
  /** How many Byzantine nodes, of whatever kinds; undefined leaves it to the menu. */
  readonly byzantine?: Range;
  /** Byzantine nodes asked for by kind. */
  readonly byzantineKinds: readonly string[];
  /** How many foreign nodes, of whatever kinds, or of which; undefined for none. */
  readonly foreign?: Range | readonly string[];
}

/** The settings that one seed has drawn. */
export interface Drawn {
  readonly values: Readonly<Record<string, number>>;
  readonly shape: LatencyShape;
  /** Kinds of partitions; undefined for all. */
  readonly partitionKinds?: readonly PartitionKind[];
  /** A kind for each Byzantine node. */
  readonly byzantine: readonly string[];
  /** A kind for each foreign node, if there are any: runs without them have the digests that they always had. */
  readonly foreign?: readonly string[];
}

/** The kinds of all nodes that are not as ours are, in their order: they have the last places. */
export function kindsOf({ foreign = [], byzantine }: Drawn): readonly string[] {
  return [...foreign, ...byzantine];
}

/** Share of the seeds in which `--faults mixed` draws a kind of fault at all. */
const FAULT_SHARE = 0.6;

/** What of an engine decides about the settings of its simulations: see `Subject`. */
export interface Drawable {
  /** The engine's own; one that has the name of a common one takes its place. */
  readonly settings: Readonly<Record<string, SettingSpec>>;
  readonly byzantine: Readonly<Record<string, string>>;
  readonly foreign?: Readonly<Record<string, string>>;
  mostByzantine(nodes: number): number;
}

/** All settings of an engine: those of every simulation, and its own. */
export function settingsOf({ settings }: Pick<Drawable, 'settings'>): Readonly<Record<string, SettingSpec>> {
  return { ...SETTINGS, ...settings };
}

/** Draws the settings of one seed: always the same for the same seed and plan. */
export function draw(seed: number, plan: Plan, engine: Drawable): Drawn {
  const values: Record<string, number> = {};
  for (const [name, spec] of Object.entries(settingsOf(engine))) {
    const chance = new Chance(seed, `setting ${name}`);
    const asked = plan.ranges[name];
    if (asked !== undefined) values[name] = drawFrom(asked, spec, chance);
    else if (plan.faults === 'none' || spec.mixed === undefined) values[name] = spec.initial;
    else if (spec.fault === true && !chance.happens(spec.share ?? FAULT_SHARE)) values[name] = 0;
    else values[name] = drawFrom(spec.mixed, spec, chance);
  }
  const chance = new Chance(seed, 'setting byzantine');
  const mixed = plan.faults === 'mixed';
  const nodes = values['nodes'] ?? 0;
  const tolerated = Math.max(0, engine.mostByzantine(nodes));
  const most = Math.min(tolerated, Math.floor((nodes - 1) / 3));
  const kinds = Object.keys(engine.byzantine);
  const count =
    plan.byzantine !== undefined
      ? chance.integer(plan.byzantine.least, plan.byzantine.most)
      : mixed && plan.byzantineKinds.length === 0 && chance.happens(FAULT_SHARE)
        ? chance.integer(0, most)
        : 0;
  const drawn = Array.from({ length: kinds.length > 0 ? count : 0 }, () => chance.pick(kinds));
  const bad = [...plan.byzantineKinds, ...drawn].slice(0, tolerated);
  // Somebody is to be as ours are.
  const foreign = drawForeign(seed, plan, engine).slice(0, Math.max(0, nodes - 1 - bad.length));
  return {
    values,
    shape: plan.shape ?? (mixed ? chance.pick(LATENCY_SHAPES) : 'exponential'),
    ...(plan.partitionKinds && { partitionKinds: plan.partitionKinds }),
    byzantine: bad,
    ...(foreign.length > 0 && { foreign }),
  };
}

function drawForeign(seed: number, { foreign }: Plan, engine: Drawable): readonly string[] {
  if (foreign === undefined) return [];
  if (!('least' in foreign)) return foreign;
  const chance = new Chance(seed, 'setting foreign');
  const kinds = Object.keys(engine.foreign ?? {});
  return Array.from({ length: chance.integer(foreign.least, foreign.most) }, () => chance.pick(kinds));
}

function drawFrom({ least, most }: Range, { whole }: SettingSpec, chance: Chance): number {
  if (least === most) return least;
  return whole ? chance.integer(least, most) : chance.between(least, most);
}
