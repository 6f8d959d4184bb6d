/** The report of a simulation as a page: one file that needs nothing else, neither a network nor a server. */
import { createHash } from 'node:crypto';

import { toJson } from '../../shared/escape.ts';
import { pageScript, pageText, uPlotFile } from '../web/assets.ts';
import type { Lane, Mark } from '../web/page/plot-data.ts';
import type { ReportData, ReportHistogram, ReportLine, ReportTimeline } from '../web/page/report-data.ts';
import { Markup, markup, type Content } from './markup.ts';
import { passed, type Distribution, type FaultSpan, type RunReport, type Timeline } from './report.ts';
import { kindsOf, settingsOf, type Drawable } from './settings.ts';

/** The engine of a run, as far as a report needs it. */
type Settled = Pick<Drawable, 'settings'>;

/** Colours that lines have in turn, by their names in style.css. */
const LINE_COLORS = 8;
/** Colours of faults, all of them told apart; those of a kind that is not here come in turn. */
const FAULT_COLORS: Readonly<Record<string, string>> = {
  down: 'bad',
  replaced: 'series-2',
  slow: 'series-8',
  symmetric: 'series-3',
  'one-way': 'series-4',
  'isolate-one': 'series-7',
  clogged: 'series-5',
  'clock set': 'series-1',
  asleep: 'series-6',
};
/** More lines than that have no legend, and lanes only for nodes that something happened to. */
const MAX_LEGEND = 16;
/** Faults in the table: what is more is to be seen in the plot. */
const MAX_FAULT_ROWS = 200;

/**
 * Makes the page.
 *
 * @param command how the run can be repeated; by default a command line that says every setting of it
 */
export function renderHtml(
  report: RunReport,
  engine: Settled,
  command = replayCommand(report, engine),
): string {
  const { timeline } = report;
  const data: ReportData = {
    timeline: timeline === null ? null : timelineData(report, timeline),
    histograms: report.distributions.map(histogramData),
  };
  const title = `Simulation of ${report.engine}, seed ${report.seed}`;
  return `${page(title, data, body(report, engine, title, data, command)).text}\n`;
}

/** A command line that repeats a run: what differs from what is said if nothing is. */
export function replayCommand({ engine: name, seed, settings }: RunReport, engine: Settled): string {
  const specs = settingsOf(engine);
  const values = Object.entries(settings.values).flatMap(([name, value]) =>
    specs[name]?.initial === value ? [] : [`--${name} ${value}`],
  );
  return [
    `node peer simulate ${name} --seed ${seed}`,
    ...values,
    ...(settings.shape === 'exponential' ? [] : [`--latency-shape ${settings.shape}`]),
    ...(settings.byzantine.length === 0 ? [] : [`--byzantine ${settings.byzantine.join(',')}`]),
    ...(settings.foreign === undefined ? [] : [`--foreign ${settings.foreign.join(',')}`]),
  ].join(' ');
}

function page(title: string, data: ReportData, content: Markup): Markup {
  const json = toJson(data).replace(/</g, '\\u003c');
  const script = pageScript('report');
  // Only scripts that bear this are run, so none that came from the report's texts; and nothing is loaded at all.
  const nonce = createHash('sha256').update(json).update(content.text).digest('base64');
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    "style-src 'unsafe-inline'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const plots = Buffer.from(pageScript('plots')).toString('base64');
  const imports = { imports: { './plots.js': `data:text/javascript;base64,${plots}` } };
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${raw(uPlotFile('uPlot.min.css'))}</style>
<style>
${raw(pageText('style.css'))}${raw(pageText('report.css'))}</style>
</head>
<body>
${content}
<script type="application/json" id="report-data">${raw(json)}</script>
<script nonce="${nonce}">${raw(uPlotFile('uPlot.iife.min.js'))}</script>
<script type="importmap" nonce="${nonce}">${raw(JSON.stringify(imports))}</script>
<script type="module" nonce="${nonce}">
${raw(script)}</script>
</body>
</html>`;
}

function body(report: RunReport, engine: Settled, title: string, data: ReportData, command: string): Markup {
  const { violations, verdicts } = report;
  const verdict = passed(report)
    ? markup`<span class="badge" data-state="good">held</span> ${plural(verdicts.length, 'checker')}, and everything held.`
    : markup`<span class="badge" data-state="bad">violated</span> ${plural(violations.length, 'violation')} of what must hold.`;
  return markup`<a class="skip-link" href="#main">Skip to the report</a>
<main class="page" id="main">
<header class="masthead">
<h1>${title}</h1>
<p class="verdict">${verdict}</p>
<ul class="facts">
<li>${plural(report.nodes.length, 'node')}, ${report.settings.byzantine.length} of them Byzantine</li>
<li>${duration(report.simulatedSeconds)} simulated</li>
<li>${number(report.events)} events</li>
<li>digest <code>${report.digest}</code></li>
</ul>
</header>
${passed(report) ? undefined : violationsCard(report)}
${figuresCard(report)}
${data.timeline === null ? undefined : plotsCard(report, data.timeline)}
${
  report.distributions.length === 0
    ? undefined
    : markup`<div class="row">${report.distributions.map((each, index) => distributionCard(each, index, data))}</div>`
}
<div class="row">
${verdictsCard(report)}
${messagesCard(report)}
</div>
${nodesCard(report)}
${settingsCard(report, engine)}
${replayCard(report, command)}
</main>`;
}

function violationsCard({ violations }: RunReport): Markup {
  return card(
    'Violations',
    table({
      caption: 'What does not hold although it must',
      heads: ['At', 'Node', 'Kind', 'What must hold', 'What was found'],
      rows: violations.map(({ at, node, kind, checker, detail }) => [
        duration(at),
        node ?? 'all',
        kind,
        checker,
        markup`<span class="detail">${detail}</span>`,
      ]),
      headNowrap: true,
    }),
    markup` data-state="bad"`,
    'violations',
  );
}

function figuresCard({ figures, faults, network }: RunReport): Markup {
  const all = [
    ...figures,
    { title: 'datagrams sent', value: network.sent, unit: '' },
    { title: 'delivered', value: network.delivered, unit: '' },
    { title: 'duplicated', value: network.duplicated, unit: '' },
    { title: 'reordered', value: network.reordered, unit: '' },
    { title: 'held back', value: network.heldBack, unit: '' },
    { title: 'malformed', value: network.malformed, unit: '' },
    { title: 'partitions', value: faults.partitions, unit: '' },
    { title: 'crashes', value: faults.crashes, unit: '' },
    { title: 'of these in the midst of a step', value: faults.crashesMidStep, unit: '' },
    { title: 'writes lost', value: faults.lostWrites, unit: '' },
    { title: 'writes torn', value: faults.tornWrites, unit: '' },
    { title: 'nodes replaced', value: faults.replaced, unit: '' },
  ];
  return card(
    'In figures',
    markup`<dl class="figures">${all.map(
      ({ title, value, unit }) =>
        markup`<div><dt>${title}</dt><dd>${number(value)}${unit === '' ? '' : markup` <span class="unit">${unit}</span>`}</dd></div>`,
    )}</dl>`,
  );
}

function plotsCard(report: RunReport, timeline: ReportTimeline): Markup {
  const { progressName } = report;
  const { faults = [], tipWords } = report.timeline ?? {};
  const kinds = [...new Set(faults.map(({ kind }) => kind))];
  return card(
    'Over time',
    markup`<p class="muted small">Simulated time. Drag to zoom in, double-click to see everything again; in a plot, the arrow keys move the cursor and Escape takes it away.</p>
${plot('progress', capitalised(progressName), timeline.progress.length <= MAX_LEGEND ? lineLegend(timeline.progress) : [])}
${plot('behind', `Behind the highest ${progressName}, honest nodes`, lineLegend(timeline.behind))}
${plot('tips', tipWords?.title ?? '', [], tipWords?.caption)}
${
  timeline.lanes.length === 0
    ? markup`<p class="muted small">No fault that lasts: no partition, no crash, no slow node.</p>`
    : [
        plot(
          'faults',
          'Faults, and the nodes that they hit',
          kinds.map((kind, place) => ({ label: kind, color: faultColor(kind, place), shape: 'block' })),
        ),
        leftOut(report.timeline),
        faultsTable(faults),
      ]
}`,
    undefined,
    'plots',
  );
}

/** What is not in the plot of the faults, lest it look as if there had been none. */
function leftOut(timeline: Timeline | null): Markup | undefined {
  const last = timeline?.faults.at(-1);
  if (timeline === null || last === undefined || timeline.furtherFaults === 0) return undefined;
  return markup`<p class="muted small">Only the first ${number(timeline.faults.length)} faults are drawn, those that began by ${duration(last.from)}; ${number(timeline.furtherFaults)} that came later are not.</p>`;
}

function faultsTable(faults: readonly FaultSpan[]): Markup {
  const left = faults.length - MAX_FAULT_ROWS;
  return markup`<details><summary>The faults as a table</summary>${table({
    caption:
      left > 0
        ? `The first ${MAX_FAULT_ROWS} faults; ${left} more are in the plot`
        : 'All faults that lasted',
    heads: ['From', 'To', 'Fault', 'Nodes'],
    rows: faults
      .slice(0, MAX_FAULT_ROWS)
      .map(({ kind, from, to, nodes }) => [duration(from), duration(to), kind, nodes.join(', ')]),
  })}</details>`;
}

function distributionCard(of: Distribution, index: number, { histograms }: ReportData): Markup {
  const { title, unit, count, least, median, p90, p99, most } = of;
  const heading = capitalised(title);
  if (count === 0) return card(heading, markup`<p class="muted">There was none.</p>`);
  return card(
    heading,
    markup`${
      (histograms[index]?.labels.length ?? 0) > 1
        ? plot(`histogram-${index}`, `How often, by ${unit}`)
        : undefined
    }
${table({
  caption: `${number(count)} measured, in ${unit}`,
  heads: ['Least', 'Median', '90 %', '99 %', 'Most'],
  numbers: [0, 1, 2, 3, 4],
  rows: [[least, median, p90, p99, most].map(number)],
  headless: true,
})}`,
  );
}

function verdictsCard({ verdicts }: RunReport): Markup {
  const order = { violated: 0, 'not reached': 1, held: 2 };
  const states = { violated: 'bad', 'not reached': 'warn', held: 'good' };
  const sorted = [...verdicts].sort((one, other) => order[one.result] - order[other.result]);
  return card(
    'What must hold',
    table({
      caption: 'Safety: at all times. Liveness: once all is healed',
      heads: ['Checker', 'Kind', 'Result', 'Reached after'],
      rows: sorted.map(({ checker, kind, result, reached }) => [
        checker,
        kind,
        markup`<span class="badge" data-state="${states[result]}">${result}</span>`,
        reached === undefined ? '' : duration(reached),
      ]),
      nowrap: 3,
    }),
  );
}

function messagesCard({ network }: RunReport): Markup {
  const types = Object.entries(network.byType).sort(([, one], [, other]) => other.sent - one.sent);
  const most = Math.max(1, ...types.map(([, { sent }]) => sent));
  const drops = Object.entries(network.dropped).sort(([, one], [, other]) => other - one);
  const dropped = drops.reduce((sum, [, count]) => sum + count, 0);
  return card(
    'Messages',
    markup`${table({
      caption: 'By type',
      heads: ['Type', 'Sent', 'Delivered', 'Share of the most frequent'],
      numbers: [1, 2],
      rows: types.map(([type, { sent, delivered }]) => [
        type,
        number(sent),
        number(delivered),
        bar(sent / most),
      ]),
    })}
${
  drops.length === 0
    ? markup`<p class="muted small">No datagram was dropped.</p>`
    : table({
        caption: 'Dropped, by reason',
        heads: ['Reason', 'Datagrams', 'Of those sent', 'Share of those dropped'],
        numbers: [1, 2],
        rows: drops.map(([reason, count]) => [
          reason,
          number(count),
          percent(count / Math.max(1, network.sent)),
          bar(count / dropped, 'bad'),
        ]),
      })
}`,
  );
}

function nodesCard({ nodes }: RunReport): Markup {
  const columns = [...new Set(nodes.flatMap((row) => Object.keys(row)))];
  const numbers = columns.flatMap((column, place) =>
    column !== 'node' && nodes.every((row) => typeof row[column] !== 'string') ? [place] : [],
  );
  return card(
    'Nodes',
    table({
      caption: 'Each node at the end of the run',
      heads: columns.map(capitalised),
      numbers,
      rows: nodes.map((row) =>
        columns.map((column) => {
          const value = row[column] ?? '';
          return typeof value === 'number' ? number(value) : value;
        }),
      ),
    }),
  );
}

function settingsCard({ settings }: RunReport, engine: Settled): Markup {
  const specs = settingsOf(engine);
  const rows = Object.entries(settings.values).map(([name, value]) => {
    const spec = specs[name];
    return [name, `${number(value)} ${spec?.unit ?? ''}`.trim(), spec?.description ?? ''];
  });
  return card(
    'Settings',
    table({
      caption: 'What this seed has drawn',
      heads: ['Setting', 'Value', 'What it is'],
      rows: [
        ...rows,
        ['latency-shape', settings.shape, 'how the time that datagrams take is distributed'],
        [
          'byzantine',
          settings.byzantine.length === 0 ? 'none' : settings.byzantine.join(', '),
          'the kinds of nodes that mean ill',
        ],
        ...(settings.foreign === undefined
          ? []
          : [['foreign', settings.foreign.join(', '), 'the kinds of honest nodes that have quirks']]),
      ],
      nowrap: 1,
    }),
    undefined,
    'settings',
  );
}

function replayCard({ digest }: RunReport, command: string): Markup {
  return card(
    'Again',
    markup`<p>The same command gives the same run, with the digest <code>${digest}</code>:</p>
<pre tabindex="0">${command}</pre>`,
  );
}

function card(heading: string, content: Content, attributes?: Markup, kind = ''): Markup {
  const id = `card-${heading.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`;
  return markup`<section class="card ${kind}" aria-labelledby="${id}"${attributes}>
<h2 id="${id}">${heading}</h2>
${content}
</section>`;
}

interface Table {
  readonly caption: string;
  readonly heads: readonly string[];
  readonly rows: readonly (readonly Content[])[];
  /** Which columns hold numbers. */
  readonly numbers?: readonly number[];
  /** A column whose cells are not broken into lines. */
  readonly nowrap?: number;
  /** Whether cells of the first column are not broken into lines. */
  readonly headNowrap?: boolean;
  /** Whether the first column does not say what its row is about. */
  readonly headless?: boolean;
}

function table({
  caption,
  heads,
  rows,
  numbers = [],
  nowrap,
  headNowrap = false,
  headless = false,
}: Table): Markup {
  const kind = (place: number): string =>
    numbers.includes(place) ? 'number' : place === nowrap ? 'nowrap' : '';
  const cell = (content: Content, place: number): Markup =>
    place === 0 && !headless
      ? markup`<th scope="row" class="${headNowrap ? 'nowrap' : ''}">${content}</th>`
      : markup`<td class="${kind(place)}">${content}</td>`;
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table>
<caption><span>${caption}</span></caption>
<thead><tr>${heads.map((head, place) => markup`<th scope="col" class="${kind(place)}">${head}</th>`)}</tr></thead>
<tbody>${rows.map((row) => markup`<tr>${row.map(cell)}</tr>\n`)}</tbody>
</table></div>`;
}

function plot(id: string, title: string, entries: readonly LegendEntry[] = [], explanation?: string): Markup {
  return markup`<figure class="plot">
<figcaption><span class="plot-title">${title}</span><output class="plot-readout" id="${id}-readout"></output></figcaption>
<div class="plot-area" id="${id}"></div>
${legend(entries)}
${explanation === undefined ? undefined : markup`<p class="muted small">${explanation}</p>`}
</figure>`;
}

interface LegendEntry {
  readonly label: string;
  readonly color: string;
  readonly shape: ReportLine['shape'] | 'block';
}

function legend(entries: readonly LegendEntry[]): Markup | undefined {
  if (entries.length === 0) return undefined;
  return markup`<ul class="legend">${entries.map(
    ({ label, color, shape }) =>
      markup`<li><span class="swatch" data-color="${color}" data-shape="${shape}"></span>${label}</li>`,
  )}</ul>`;
}

function lineLegend(lines: readonly ReportLine[]): LegendEntry[] {
  return lines.map(({ label, color, shape }) => ({ label, color, shape }));
}

function bar(share: number, color = 'accent'): Markup {
  return markup`<span class="bar" style="--share: ${share.toFixed(4)}; --bar: var(--${color})"></span><span class="visually-hidden">${percent(share)}</span>`;
}

function timelineData(report: RunReport, timeline: Timeline): ReportTimeline {
  const { nodes, progressName, simulatedSeconds } = report;
  const { seconds, tips, tipWords, faults, healedAt } = timeline;
  const honest = nodes.length - report.settings.byzantine.length;
  const progress = timeline.progress.map((values, index): ReportLine => ({
    label: nodeLabel(report, index),
    color: index < honest ? `series-${(index % LINE_COLORS) + 1}` : 'bad',
    shape: index >= honest ? 'dashed' : lineShape(index),
    values,
  }));
  const sorted = seconds.map((_, place) =>
    timeline.progress
      .slice(0, honest)
      .map((values) => values[place] ?? 0)
      .sort((one, other) => other - one),
  );
  const behind = (rank: (count: number) => number): number[] =>
    sorted.map((values) => (values[0] ?? 0) - (values[rank(values.length)] ?? 0));
  const marks: Mark[] = report.violations.map(({ at, node }) => ({
    at,
    label: node === null ? 'violation' : `violation, node ${node}`,
    color: 'bad',
  }));
  if (healedAt < simulatedSeconds) marks.push({ at: healedAt, label: 'healed', color: 'good' });
  const furthest = behind((count) => count - 1);
  const heights = sorted.at(-1) ?? [];
  const span = `over ${duration(simulatedSeconds)} of simulated time`;
  const several = tips.filter((count) => count > 1).length;
  return {
    range: [0, simulatedSeconds],
    seconds: seconds.map((second) => Math.round(second * 1000) / 1000),
    marks,
    progress,
    behind: [
      { label: 'the one furthest behind', color: 'series-2', shape: 'line', values: furthest },
      { label: 'the middle one', color: 'series-1', shape: 'line', values: behind((count) => count >> 1) },
    ],
    tips,
    tipsName: tipWords.name,
    lanes: lanes(report, faults),
    descriptions: {
      progress: `Line plot: the ${progressName} of ${nodes.length} nodes ${span}. At the end honest nodes are between ${heights.at(-1) ?? 0} and ${heights[0] ?? 0}.`,
      behind: `Line plot: how far honest nodes are behind the highest ${progressName}, ${span}: at most ${Math.max(0, ...furthest)}, at the end ${furthest.at(-1) ?? 0}.`,
      tips: `Line plot: ${tipWords.title}, the most at the same time between two samples, ${span}: at most ${Math.max(0, ...tips)}, more than one in ${percent(several / Math.max(1, tips.length))} of the samples.`,
      faults: `Lanes: ${plural(faults.length, 'fault')} that lasted, and the nodes that they hit, ${span}. The table below has the same.`,
    },
  };
}

/** Colours come again after so many nodes: then lines are dotted, and dashed ones are those of Byzantine nodes. */
function lineShape(index: number): ReportLine['shape'] {
  return Math.floor(index / LINE_COLORS) % 2 === 0 ? 'line' : 'dotted';
}

function lanes(report: RunReport, faults: readonly FaultSpan[]): Lane[] {
  if (faults.length === 0) return [];
  const kinds = [...new Set(faults.map(({ kind }) => kind))];
  const all = report.nodes.map((_, index): Lane => ({
    label: `node ${index}`,
    spans: faults
      .filter(({ nodes }) => nodes.includes(index))
      .map(({ kind, from, to }) => ({ from, to, label: kind, color: faultColor(kind, kinds.indexOf(kind)) })),
  }));
  return all.length <= MAX_LEGEND ? all : all.filter(({ spans }) => spans.length > 0);
}

function faultColor(kind: string, place: number): string {
  return FAULT_COLORS[kind] ?? `series-${(place % LINE_COLORS) + 1}`;
}

function nodeLabel({ nodes, settings }: RunReport, index: number): string {
  const kinds = kindsOf(settings);
  const kind = kinds[index - (nodes.length - kinds.length)];
  return kind === undefined ? `node ${index}` : `node ${index}, ${kind}`;
}

function histogramData({ title, unit, count, median, p90, p99, buckets }: Distribution): ReportHistogram {
  const whole = buckets.every(({ from, to }) => to - from === 1);
  /** Where a value is, counted in bars. */
  const place = (value: number): number => {
    const index = Math.max(
      0,
      buckets.findIndex(({ to }) => value < to),
    );
    const { from, to } = buckets[index] ?? { from: 0, to: 1 };
    return index + (whole ? 0.5 : (value - from) / (to - from));
  };
  return {
    // The first one takes what is smaller, too.
    labels: buckets.map(({ from, to }, index) =>
      whole || index > 0 ? compact.format(from) : `<${compact.format(to)}`,
    ),
    names: buckets.map(({ from, to }) =>
      whole ? `${number(from)} ${unit}` : `${number(from)} to ${number(to)} ${unit}`,
    ),
    counts: buckets.map((bucket) => bucket.count),
    unit: 'times',
    description: `Bar plot: ${title}, in ${unit}, ${count} times. Half of them at most ${number(median)}, nine of ten at most ${number(p90)}.`,
    marks: (
      [
        ['median', median],
        ['90 %', p90],
        ['99 %', p99],
      ] as const
    ).map(([label, value]) => ({ at: place(value), label, color: 'muted' })),
  };
}

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });
const plain = new Intl.NumberFormat('en', { maximumFractionDigits: 3 });
const rounded = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

function number(value: number): string {
  return (Math.abs(value) < 1000 ? plain : rounded).format(value);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function plural(count: number, what: string): string {
  return `${number(count)} ${what}${count === 1 ? '' : 's'}`;
}

/** Simulated seconds as people say them. */
function duration(seconds: number): string {
  if (seconds < 60) return `${number(seconds)} s`;
  const whole = Math.round(seconds);
  const parts = [
    [Math.floor(whole / 3600), 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ] as const;
  return parts
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ');
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** What is put in as it is: what the project itself has written, and JSON whose brackets are escaped. */
function raw(text: string): Markup {
  return new Markup(text);
}
