/** Bars side by side. */
import type UPlot from 'uplot';

import type { Color, Mark } from './plot-data.ts';
import { mount, type Plot, type PlotOptions } from './plot-frame.ts';
import { ROOM, WHOLE_STEPS, axisLook, color, drawMarks, scale } from './plot-look.ts';

declare const uPlot: typeof UPlot;

export interface BarOptions extends PlotOptions {
  readonly labels: readonly string[];
  /** What the readout calls the bars; by default their labels. */
  readonly names?: readonly string[];
  readonly values: readonly number[];
  readonly color: Color;
  /** What the bars count, as in "blocks". */
  readonly unit: string;
  /** Lines between two bars: `at` counts bars from the left edge of the first. */
  readonly marks?: readonly Mark[];
}

/** Draws bars side by side, each with its label. */
export function barPlot(element: HTMLElement, options: BarOptions): Plot {
  const { labels, names = labels, values, unit } = options;
  const places = labels.map((_, place) => place + 0.5);
  const { bars } = uPlot.paths;
  return mount(
    element,
    [places, [...values]],
    {
      ...options,
      report: (place) => `${names[place] ?? ''}: ${(values[place] ?? 0).toLocaleString('en')} ${unit}`,
    },
    () => ({
      cursor: { y: false, drag: { setScale: false, x: false, y: false }, points: { show: false } },
      scales: {
        x: { time: false, range: [0, Math.max(1, labels.length)] },
        y: { range: (_plot, _least, most) => [0, Math.max(1, most * 1.05)] },
      },
      axes: [
        {
          ...axisLook(),
          size: () => ROOM.bottom * scale(),
          grid: { show: false },
          splits: (plot) => {
            const every = Math.ceil(
              labels.length / Math.max(1, (plot.width - ROOM.left * scale()) / (52 * scale())),
            );
            return places.filter((_, place) => place % every === 0);
          },
          values: (_plot, splits) => splits.map((value) => labels[Math.floor(value)] ?? ''),
        },
        { ...axisLook(), size: () => ROOM.left * scale(), incrs: WHOLE_STEPS },
      ],
      series: [
        {},
        {
          stroke: () => color(options.color),
          fill: () => color(options.color, 0.65),
          width: 0,
          points: { show: false },
          ...(bars && { paths: bars({ size: [0.85, 80] }) }),
        },
      ],
      hooks: {
        draw: [
          (drawn) => {
            drawMarks(drawn, options.marks ?? []);
          },
        ],
      },
    }),
  );
}
