/**
 * What a simulation is to do, in words as on the command line: reads it into a plan, and writes it as the command that
 * runs the same again.
 */
import { UserError } from '../../shared/errors.ts';
import { PARTITION_KINDS } from './faults.ts';
import { LATENCY_SHAPES } from './network.ts';
import type { SimulatedEngine } from './offer.ts';
import { SETTINGS, settingsOf, type Plan, type Range, type SettingSpec } from './settings.ts';

/** Texts by the name of the option; options that were not given are missing. */
export type Wording = Readonly<Record<string, string>>;

/** Options of a plan that are no numbers, each with the words that it takes. */
export const PLAN_OPTIONS = ['faults', 'latency-shape', 'partition-kinds', 'byzantine', 'foreign'] as const;
const FAULT_MENUS = ['none', 'mixed'] as const;

/** A seed is any whole number that JavaScript holds exactly. */
export const MAX_SEED = Number.MAX_SAFE_INTEGER;
/** Seeds of one campaign: some months of work. */
const MAX_SEEDS = 10_000_000;

/** @throws UserError if there is no such engine */
export function findEngine(name: string, engines: readonly SimulatedEngine[]): SimulatedEngine {
  const engine = engines.find((one) => one.name === name);
  if (engine !== undefined) return engine;
  const names = engines.map((one) => one.name).join(', ');
  throw new UserError(`there is no engine "${name}" to simulate; there is: ${names}`);
}

/**
 * Reads a plan.
 *
 * @throws UserError, in one sentence, if something does not fit
 */
export function readPlan(engine: SimulatedEngine, wording: Wording): Plan {
  const specs = settingsOf(engine);
  const ranges: Record<string, Range> = {};
  for (const [name, text] of Object.entries(wording)) {
    if (PLAN_OPTIONS.some((option) => option === name)) continue;
    const spec = specs[name];
    if (spec === undefined) throw new UserError(`--${name} is no setting of ${engine.name}`);
    ranges[name] = readRange(name, text, spec);
  }
  const faults = readWord('faults', wording['faults'] ?? 'none', FAULT_MENUS);
  const shape = wording['latency-shape'];
  const kinds = wording['partition-kinds'];
  const plan: Plan = {
    faults,
    ranges,
    ...(shape !== undefined && { shape: readWord('latency-shape', shape, LATENCY_SHAPES) }),
    ...(kinds !== undefined && { partitionKinds: readKinds('partition-kinds', kinds, PARTITION_KINDS) }),
    ...readByzantine(wording['byzantine'], Object.keys(engine.byzantine)),
    ...readForeign(wording['foreign'], engine),
  };
  checkHonest(plan, engine);
  checkForeign(plan, engine);
  return plan;
}

/** A command that runs the simulation of such a wording. White space, which means nothing in any, would split it. */
export function commandLine(engine: string, wording: Wording, more: Wording = {}): string {
  const options = Object.entries({ ...wording, ...more }).map(
    ([name, text]) => ` --${name} ${text.replace(/\s/g, '')}`,
  );
  return `node peer simulate ${engine}${options.join('')}`;
}

/**
 * The first and the last seed of a campaign.
 *
 * @throws UserError if they are no such thing
 */
export function readSeeds(text: string): { readonly from: number; readonly to: number } {
  const match = /^(\d+)\.\.(\d+)$/.exec(text);
  const [from, to] = [Number(match?.[1] ?? NaN), Number(match?.[2] ?? NaN)];
  if (!(from <= to) || to > MAX_SEED || to - from >= MAX_SEEDS) {
    throw new UserError(
      `--seeds ${text}: it must be a range of whole numbers, at most ${MAX_SEEDS} of them, for example 1..1000`,
    );
  }
  return { from, to };
}

/** A number, or two with `..` between them. */
function splitRange(text: string): Range | undefined {
  const match = /^(\d+(?:\.\d+)?|\.\d+)(?:\.\.(\d+(?:\.\d+)?|\.\d+))?$/.exec(text);
  if (match === null) return undefined;
  const least = Number(match[1]);
  return { least, most: Number(match[2] ?? least) };
}

function readRange(name: string, text: string, { bounds, whole, initial, mixed }: SettingSpec): Range {
  const range = splitRange(text);
  const fits =
    range !== undefined &&
    bounds.least <= range.least &&
    range.least <= range.most &&
    range.most <= bounds.most &&
    (!whole || (Number.isInteger(range.least) && Number.isInteger(range.most)));
  if (fits) return range;
  const example = mixed === undefined ? `${initial}` : `${mixed.least}..${mixed.most}`;
  const number = whole ? 'whole number' : 'number';
  throw new UserError(
    `--${name} ${text}: it must be a ${number} from ${bounds.least} to ${bounds.most}, or a range of such, ` +
      `for example ${example}`,
  );
}

function readWord<T extends string>(name: string, text: string, words: readonly T[]): T {
  const word = words.find((one) => one === text);
  if (word === undefined) throw new UserError(`--${name} ${text}: it must be one of ${words.join(', ')}`);
  return word;
}

/** Kinds with commas between them. */
function readKinds<T extends string>(name: string, text: string, kinds: readonly T[]): T[] {
  return text.split(',').map((part) => {
    const word = part.trim();
    const kind = kinds.find((one) => one === word);
    if (kind === undefined)
      throw new UserError(`--${name}: there is no kind "${word}"; there is: ${kinds.join(', ')}`);
    return kind;
  });
}

/** How many Byzantine nodes, or which. */
function readByzantine(
  text: string | undefined,
  kinds: readonly string[],
): Pick<Plan, 'byzantine' | 'byzantineKinds'> {
  if (text === undefined) return { byzantineKinds: [] };
  const nodes = readNodes('byzantine', text, kinds);
  return 'least' in nodes ? { byzantine: nodes, byzantineKinds: [] } : { byzantineKinds: nodes };
}

/** How many foreign nodes, or which. */
function readForeign(text: string | undefined, { name, foreign }: SimulatedEngine): Pick<Plan, 'foreign'> {
  if (text === undefined) return {};
  if (foreign === undefined) throw new UserError(`--foreign is no setting of ${name}`);
  return { foreign: readNodes('foreign', text, Object.keys(foreign)) };
}

/** How many nodes, all but one at the most, or of which kinds each. */
function readNodes(name: string, text: string, kinds: readonly string[]): Range | string[] {
  if (!/^[\d.]/.test(text)) return readKinds(name, text, kinds);
  const { least, most } = SETTINGS.nodes.bounds;
  const bounds = { least: 0, most: most - least };
  return readRange(name, text, { ...SETTINGS.nodes, bounds, mixed: { least: 0, most: 2 } });
}

/** At least one node of the largest network that may be drawn is neither Byzantine nor foreign. */
function checkForeign(
  { faults, ranges, byzantine, byzantineKinds, foreign = [] }: Plan,
  engine: SimulatedEngine,
): void {
  const asked = 'least' in foreign ? foreign.most : foreign.length;
  const all = nodesOf({ faults, ranges }, engine).most;
  const bad = byzantine?.least ?? byzantineKinds.length;
  if (asked === 0 || asked + bad < all) return;
  throw new UserError(
    `--foreign: of ${all} nodes at most ${Math.max(0, all - 1 - bad)} can be foreign, not ${asked}; one must be neither ` +
      'foreign nor Byzantine',
  );
}

/** How many nodes there may be. */
function nodesOf({ faults, ranges }: Pick<Plan, 'faults' | 'ranges'>, engine: SimulatedEngine): Range {
  const { initial, mixed } = settingsOf(engine)['nodes'] ?? SETTINGS.nodes;
  return ranges['nodes'] ?? (faults === 'mixed' ? mixed : undefined) ?? { least: initial, most: initial };
}

/** No more nodes are Byzantine than the engine can bear in the smallest network that may be drawn. */
function checkHonest({ faults, ranges, byzantine, byzantineKinds }: Plan, engine: SimulatedEngine): void {
  const { bounds } = settingsOf(engine)['nodes'] ?? SETTINGS.nodes;
  const nodes = nodesOf({ faults, ranges }, engine);
  const named = byzantineKinds.length;
  const asked = byzantine ?? { least: named, most: named };
  const places: (readonly [number, number])[] = [
    [asked.least, nodes.least],
    [asked.most, nodes.most],
  ];
  for (const [bad, all] of places) {
    const most = Math.max(0, engine.mostByzantine(all));
    if (bad <= most) continue;
    let enough = all;
    while (enough <= bounds.most && engine.mostByzantine(enough) < bad) enough++;
    throw new UserError(
      `--byzantine: ${engine.name} can bear ${most} Byzantine nodes of ${all}, not ${bad}; ` +
        (enough > bounds.most ? 'no network is large enough' : `--nodes must be at least ${enough}`),
    );
  }
}
