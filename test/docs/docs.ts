/**
 * What of the documents is made of the program: tables of options, routes and metrics, and the panels of the dashboard for
 * metrics that no panel shows. A block of a document begins with a comment that names it, and ends with another one.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Command } from 'commander';
import { format, resolveConfig } from 'prettier';

import { commandsOfEngine } from '../../peer/commands/node-commands.ts';
import { engineNamed } from '../../peer/engines/registry.ts';
import { ROOT } from '../../peer/web/assets.ts';
import { ReplicaRig, live } from '../engines/pbft/face/replica-rig.ts';
import { buildChain } from '../support/chains.ts';
import { readMetrics } from '../web/metrics-text.ts';
import { DIFFICULTY, WebRig } from '../web/web-rig.ts';

/** A web server over a node that a test has made. */
interface Served {
  get(path: string): Promise<Response>;
  readonly web: { close(): void };
}

/** An engine as its node describes itself. */
interface Described {
  readonly name: string;
  /** Summaries by method and path, and explanations by name. */
  readonly routes: ReadonlyMap<string, string>;
  readonly metrics: ReadonlyMap<string, Metric>;
  readonly options: ReadonlyMap<string, Option>;
}

interface Metric {
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
}

interface Option {
  readonly description: string;
  readonly initial: string;
}

const RIGS: Readonly<Record<string, () => Served>> = {
  pow: () => new WebRig(buildChain(5, { difficulty: DIFFICULTY })),
  pbft: () => {
    const rig = new ReplicaRig();
    // So that every label of its metrics is seen.
    live(rig);
    return rig;
  },
};

async function describeEngine(name: string, served: Served): Promise<Described> {
  const api = (await (await served.get('/openapi.json')).json()) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly summary: string }>>>>;
  };
  const routes = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, { summary }]) => [`${method.toUpperCase()} ${path}`, summary] as const,
    ),
  );
  const scraped = await served.get('/metrics');
  const text = await scraped.clone().text();
  const { types } = await readMetrics(scraped);
  const metrics = [...types].flatMap(([metric, type]) => {
    if (!metric.startsWith('gossip_peer_')) return [];
    const help = new RegExp(`^# HELP ${metric} (.*)$`, 'm').exec(text)?.[1] ?? '';
    const labels = new RegExp(`^${metric}(?:_bucket)?\\{([^}]*)\\}`, 'm').exec(text)?.[1] ?? '';
    const named = [...labels.matchAll(/(\w+)=/g)].map(([, label = '']) => label);
    return [[metric, { type, help, labels: named.filter((label) => label !== 'le') }] as const];
  });
  served.web.close();
  const command = await commandsOfEngine(await engineNamed(name)).start(`node peer ${name} start`);
  return { name, routes: new Map(routes), metrics: new Map(metrics), options: optionsOf(command) };
}

function optionsOf({ options }: Command): ReadonlyMap<string, Option> {
  return new Map(
    options
      .filter(({ hidden }) => !hidden)
      .map(({ flags, description, defaultValue, defaultValueDescription }) => {
        const plain = ['string', 'number'].includes(typeof defaultValue) ? String(defaultValue) : '';
        return [flags, { description, initial: defaultValueDescription ?? plain }];
      }),
  );
}

/** What all have, as the last of them says it. */
function shared<T>(maps: readonly ReadonlyMap<string, T>[]): ReadonlyMap<string, T> {
  const [last = new Map<string, T>(), ...others] = maps.toReversed();
  return new Map([...last].filter(([key]) => others.every((other) => other.has(key))));
}

function without<T>(map: ReadonlyMap<string, T>, known: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  return new Map([...map].filter(([key]) => !known.has(key)));
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(titles), line(titles.map(() => '-')), ...rows.map(line)].join('\n');
}

function routesTable(routes: Described['routes']): string {
  return table(
    ['route', 'what it gives'],
    [...routes].map(([route, summary]) => [`\`${route}\``, summary]),
  );
}

function metricsTable(metrics: Described['metrics']): string {
  return table(
    ['metric', 'what it says'],
    [...metrics].map(([name, { type, help, labels }]) => [
      ...[
        `\`${name}\``,
        `${help} (${[type, ...(labels.length > 0 ? [`by ${labels.join(', ')}`] : [])].join(', ')})`,
      ],
    ]),
  );
}

function optionsTable(options: Described['options']): string {
  return table(
    ['option', 'what for', 'default'],
    [...options].map(([flags, { description, initial }]) => [`\`${flags}\``, description, initial]),
  );
}

/** The blocks of all documents, by the document and the name of the block. */
function blocksOf(engines: readonly Described[]): ReadonlyMap<string, Readonly<Record<string, string>>> {
  const routes = shared(engines.map((engine) => engine.routes));
  const metrics = shared(engines.map((engine) => engine.metrics));
  const options = shared(engines.map((engine) => engine.options));
  return new Map([
    [
      'peer/web/README.md',
      { options: optionsTable(options), routes: routesTable(routes), metrics: metricsTable(metrics) },
    ],
    ...engines.map(
      (engine) =>
        [
          `peer/engines/${engine.name}/README.md`,
          {
            options: optionsTable(without(engine.options, options)),
            routes: routesTable(without(engine.routes, routes)),
            metrics: metricsTable(without(engine.metrics, metrics)),
          },
        ] as const,
    ),
  ]);
}

function withBlocks(text: string, blocks: Readonly<Record<string, string>>): string {
  return Object.entries(blocks).reduce((whole, [name, block]) => {
    const place = new RegExp(`(<!-- generated: ${name} -->\\n)[^]*?(<!-- end -->)`);
    if (!place.test(whole)) throw new Error(`there is no place for the ${name}`);
    return whole.replace(place, (_, start: string, end: string) => `${start}\n${block}\n\n${end}`);
  }, text);
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
}

/** The row below which panels are made by this. */
const GENERATED_ROW = 'Everything else';
const RATE = '[$__rate_interval]';

function expressionsOf(
  name: string,
  { type, labels }: Metric,
): readonly (readonly [expr: string, legend: string])[] {
  const by = labels.length > 0 ? labels : ['instance'];
  const legend = by.map((label) => `{{${label}}}`).join(' ');
  if (type === 'gauge') return [[name, ['{{instance}}', ...labels.map((label) => `{{${label}}}`)].join(' ')]];
  if (type === 'counter') return [[`sum by (${by.join(', ')}) (rate(${name}${RATE}))`, legend]];
  return [0.5, 0.99].map((part) => [
    `histogram_quantile(${part}, sum by (${['le', ...by].join(', ')}) (rate(${name}_bucket${RATE})))`,
    `${legend} ${part * 100} %`,
  ]);
}

function unitOf(name: string, type: string): string {
  if (type === 'counter') return 'cps';
  return name.endsWith('_seconds') ? 's' : name.endsWith('_bytes') ? 'bytes' : 'short';
}

/** The dashboard with a panel for each metric that none made by hand shows. */
function dashboardWith(text: string, metrics: ReadonlyMap<string, Metric>): string {
  const dashboard = JSON.parse(text) as { panels: readonly Panel[] };
  const row = dashboard.panels.findIndex(({ title }) => title === GENERATED_ROW);
  const byHand = row < 0 ? dashboard.panels : dashboard.panels.slice(0, row);
  const shown = byHand.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)).join('\n');
  const missing = [...metrics].filter(([name]) => !new RegExp(`\\b${name}(_bucket)?\\b`).test(shown));
  const last = Math.max(...byHand.map(({ gridPos }) => gridPos.y + gridPos.h));
  const id = Math.max(...byHand.map((panel) => panel.id)) + 1;
  const datasource = { type: 'prometheus', uid: 'prometheus' };
  const panels = missing.map(([name, metric], at) => ({
    ...{
      id: id + 1 + at,
      type: 'timeseries',
      title: name.replace('gossip_peer_', ''),
      description: metric.help,
    },
    datasource,
    gridPos: { x: 12 * (at % 2), y: last + 1 + 8 * Math.floor(at / 2), w: 12, h: 8 },
    fieldConfig: { defaults: { unit: unitOf(name, metric.type) }, overrides: [] },
    targets: expressionsOf(name, metric).map(([expr, legendFormat], target) => ({
      ...{ refId: String.fromCharCode(65 + target), expr, legendFormat },
    })),
  }));
  const head = {
    ...{ id, type: 'row', title: GENERATED_ROW, collapsed: false },
    ...{ gridPos: { x: 0, y: last, w: 24, h: 1 }, panels: [] },
  };
  return `${JSON.stringify({ ...dashboard, panels: [...byHand, head, ...panels] }, null, 2)}\n`;
}

export const DASHBOARD = 'peer/web/deploy/grafana-dashboard.json';

/** Every document that has generated parts, by its path, as it should be. */
export async function documents(): Promise<ReadonlyMap<string, string>> {
  const engines = await Promise.all(Object.entries(RIGS).map(([name, rig]) => describeEngine(name, rig())));
  const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
  const metrics = new Map(engines.flatMap((engine) => [...engine.metrics]));
  const texts = new Map([
    ...[...blocksOf(engines)].map(([path, blocks]) => [path, withBlocks(read(path), blocks)] as const),
    [DASHBOARD, dashboardWith(read(DASHBOARD), metrics)],
  ]);
  const tidy = [...texts].map(async ([path, text]) => {
    const filepath = join(ROOT, path);
    return [path, await format(text, { ...(await resolveConfig(filepath)), filepath })] as const;
  });
  return new Map(await Promise.all(tidy));
}
