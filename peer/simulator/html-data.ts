/** What the script of a report draws: lines, lanes of faults and histograms. */
import type { Lane, Mark } from '../web/page/plot-data.ts';
import type { ReportHistogram, ReportLine, ReportTimeline } from '../web/page/report-data.ts';
import { compact, duration, number, percent, plural } from './html-words.ts';
import type { Distribution, FaultSpan, RunReport, Timeline } from './report.ts';
import { kindsOf } from './settings.ts';

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
export const MAX_LEGEND = 16;

export function timelineData(report: RunReport, timeline: Timeline): ReportTimeline {
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

export function faultColor(kind: string, place: number): string {
  return FAULT_COLORS[kind] ?? `series-${(place % LINE_COLORS) + 1}`;
}

function nodeLabel({ nodes, settings }: RunReport, index: number): string {
  const kinds = kindsOf(settings);
  const kind = kinds[index - (nodes.length - kinds.length)];
  return kind === undefined ? `node ${index}` : `node ${index}, ${kind}`;
}

export function histogramData({
  title,
  unit,
  count,
  median,
  p90,
  p99,
  buckets,
}: Distribution): ReportHistogram {
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
