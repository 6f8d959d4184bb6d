/** Draws the plots of a simulation's report, from the data that the page carries. */
import { barPlot } from './bar-plot.ts';
import { lanePlot } from './lane-plot.ts';
import { linePlot } from './line-plot.ts';
import type { Plot } from './plot-frame.ts';
import { elapsed } from './plot-time.ts';
import type { ReportData, ReportLine, ReportTimeline } from './report-data.ts';

const source = document.getElementById('report-data')?.textContent;
if (source !== undefined) draw(JSON.parse(source) as ReportData);

function draw({ timeline, histograms }: ReportData): void {
  if (timeline !== null) drawTimeline(timeline);
  for (const [index, { labels, names, counts, unit, description, marks }] of histograms.entries()) {
    place(`histogram-${index}`, (element, readout) =>
      barPlot(element, {
        labels,
        names,
        values: counts,
        unit,
        description,
        marks,
        color: 'series-1',
        height: 180,
        readout,
      }),
    );
  }
}

function drawTimeline({
  range,
  seconds,
  marks,
  progress,
  behind,
  tips,
  tipsName,
  lanes,
  ...rest
}: ReportTimeline): void {
  // The axis may go a little further than the values.
  const highest = Math.ceil(1.1 * Math.max(0, ...progress.flatMap(({ values }) => values)));
  const yLabels = [highest.toLocaleString('en'), ...lanes.map(({ label }) => label)];
  const shared = { x: 'elapsed', range, marks, yLabels, sync: 'timeline' } as const;
  const lines = (id: string, series: readonly ReportLine[], report?: Teller): void => {
    place(id, (element, readout) =>
      linePlot(element, [seconds, ...series.map(({ values }) => values)], {
        ...shared,
        series: series.map(({ label, color, shape }) => ({
          label,
          color,
          dashed: shape === 'dashed',
          dotted: shape === 'dotted',
        })),
        whole: true,
        description: rest.descriptions[id] ?? '',
        readout,
        ...(report && { report }),
      }),
    );
  };
  lines('progress', progress, (at, nearest) => {
    const values = progress.map((line) => line.values[at] ?? 0);
    const own = progress.find(({ label }) => label === nearest?.label);
    return [
      elapsed(seconds[at] ?? 0),
      `lowest ${Math.min(...values)}`,
      `highest ${Math.max(...values)}`,
      ...(own === undefined ? [] : [`${own.label} ${own.values[at] ?? 0}`]),
    ].join(', ');
  });
  lines('behind', behind);
  place('tips', (element, readout) =>
    linePlot(element, [seconds, tips], {
      ...shared,
      series: [{ label: tipsName, color: 'series-2', stepped: 'since last', filled: true }],
      whole: true,
      // What is tinted is a quantity, also when a part of it is looked at.
      fromZero: true,
      height: 130,
      description: rest.descriptions['tips'] ?? '',
      readout,
    }),
  );
  place('faults', (element, readout) =>
    lanePlot(element, { ...shared, lanes, description: rest.descriptions['faults'] ?? '', readout }),
  );
}

type Teller = (at: number, nearest: { readonly label: string } | undefined) => string;

/** Draws into the element with that id, if the page has it. */
function place(id: string, plot: (element: HTMLElement, readout: HTMLElement | null) => Plot): void {
  const element = document.getElementById(id);
  if (element !== null) plot(element, document.getElementById(`${id}-readout`));
}
