/** The cards of a report: each shows one thing about a run. */
import type { ReportData, ReportLine, ReportTimeline } from '../web/page/report-data.ts';
import { faultColor, MAX_LEGEND } from './html-data.ts';
import { bar, card, plot, table, type LegendEntry } from './html-parts.ts';
import { capitalised, duration, number, percent } from './html-words.ts';
import { markup, type Markup } from './markup.ts';
import type { Distribution, FaultSpan, RunReport, Timeline } from './report.ts';
import { settingsOf, type Drawable } from './settings.ts';

/** Faults in the table: what is more is to be seen in the plot. */
const MAX_FAULT_ROWS = 200;

/** The engine of a run, as far as a report needs it. */
export type Settled = Pick<Drawable, 'settings'>;

export function violationsCard({ violations }: RunReport): Markup {
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

export function figuresCard({ figures, faults, network }: RunReport): Markup {
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

export function plotsCard(report: RunReport, timeline: ReportTimeline): Markup {
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

export function distributionCard(of: Distribution, index: number, { histograms }: ReportData): Markup {
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

export function verdictsCard({ verdicts }: RunReport): Markup {
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

export function messagesCard({ network }: RunReport): Markup {
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

export function nodesCard({ nodes }: RunReport): Markup {
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

export function settingsCard({ settings }: RunReport, engine: Settled): Markup {
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

export function replayCard({ digest }: RunReport, command: string): Markup {
  return card(
    'Again',
    markup`<p>The same command gives the same run, with the digest <code>${digest}</code>:</p>
<pre tabindex="0">${command}</pre>`,
  );
}

function lineLegend(lines: readonly ReportLine[]): LegendEntry[] {
  return lines.map(({ label, color, shape }) => ({ label, color, shape }));
}
