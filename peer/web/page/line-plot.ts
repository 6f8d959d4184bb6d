/** Lines over time. */
import type UPlot from 'uplot';

import type { Color } from './plot-data.ts';
import { mount, type Plot, type PlotData } from './plot-frame.ts';
import { WHOLE_STEPS, axisLook, color, drawMarks, leftRoom } from './plot-look.ts';
import { timeAxis, timeFormat, timedCursor, type TimedOptions } from './plot-time.ts';

declare const uPlot: typeof UPlot;

export interface LineSeries {
  readonly label: string;
  readonly color: Color;
  readonly dashed?: boolean;
  readonly dotted?: boolean;
  /** Whether values hold until the next one, or since the one before; lines are straight otherwise. */
  readonly stepped?: 'until next' | 'since last';
  /** Whether what is below the line is tinted. */
  readonly filled?: boolean;
}

export interface LineOptions extends TimedOptions {
  readonly series: readonly LineSeries[];
  /** Whether there is nothing between two whole numbers. */
  readonly whole?: boolean;
  /** Whether the y axis begins at 0 wherever the values are. */
  readonly fromZero?: boolean;
  readonly format?: (value: number) => string;
  /** What the readout shows of the sample at that place; by default the values of all series. */
  readonly report?: (place: number, nearest: LineSeries | undefined) => string;
}

/** Draws lines over time. */
export function linePlot(element: HTMLElement, data: PlotData, options: LineOptions): Plot {
  const format = options.format ?? ((value: number) => value.toLocaleString('en'));
  const time = timeFormat(options.x);
  let nearest: LineSeries | undefined;
  const report = (place: number): string => {
    if (options.report !== undefined) return options.report(place, nearest);
    const values = options.series.map(({ label }, index) => {
      const value = plot.current[index + 1]?.[place] ?? null;
      return `${label} ${value === null ? 'none' : format(value)}`;
    });
    return [time(plot.current[0][place] ?? 0), ...values].join(', ');
  };
  const plot = mount(element, data, { ...options, labelX: time, report }, (x) => ({
    cursor: timedCursor(options.sync),
    scales: {
      x: { time: false, range: x },
      y: {
        range: (_plot, least, most) =>
          spread(options.fromZero === true ? 0 : least, most, options.whole === true),
      },
    },
    axes: [
      timeAxis(options.x),
      {
        ...axisLook(),
        size: () => leftRoom(options.yLabels),
        values: (_plot, splits) => splits.map((value) => format(value)),
        ...(options.whole === true && { incrs: WHOLE_STEPS }),
      },
    ],
    focus: { alpha: 0.35 },
    series: [
      {},
      ...options.series.map((series): UPlot.Series => {
        const { stepped } = uPlot.paths;
        return {
          label: series.label,
          stroke: () => color(series.color),
          width: 1.5,
          points: { show: true, size: 4, fill: () => color(series.color), filter: lonely },
          ...(series.dashed === true && { dash: [5, 4] }),
          ...(series.dotted === true && { dash: [1.5, 2.5] }),
          ...(series.stepped !== undefined &&
            stepped && { paths: stepped({ align: series.stepped === 'until next' ? 1 : -1 }) }),
          ...(series.filled === true && { fill: () => color(series.color, 0.15) }),
        };
      }),
    ],
    hooks: {
      draw: [
        (drawn) => {
          drawMarks(drawn, options.marks ?? []);
        },
      ],
      setSeries: [
        (_plot, index) => {
          nearest = index === null ? undefined : options.series[index - 1];
        },
      ],
    },
  }));
  return plot;
}

/** The places of values that stand between two that are missing, through which no line goes. */
function lonely(plot: UPlot, series: number): number[] {
  const values = plot.data[series] ?? [];
  const missing = (place: number): boolean => (values[place] ?? null) === null;
  return Array.from(values.keys()).filter(
    (place) => !missing(place) && missing(place - 1) && missing(place + 1),
  );
}

/** From where to where y goes: whole numbers have room for at least one step. */
function spread(least: number | null, most: number | null, whole: boolean): UPlot.Range.MinMax {
  if (least === null || most === null) return [0, 1];
  if (least === most)
    return whole || least === 0 ? [Math.min(0, least), most + 1] : [least * 0.9, most * 1.1];
  const room = (most - least) * 0.05;
  return [least >= 0 && least - room < 0 ? 0 : least - room, most + room];
}
