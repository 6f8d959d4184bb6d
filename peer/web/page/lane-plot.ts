/** Lanes of what lasted from when to when. */
import type UPlot from 'uplot';

import type { Lane, Range, Span } from './plot-data.ts';
import { mount, type Plot } from './plot-frame.ts';
import { ROOM, axisLook, color, drawMarks, leftRoom, scale } from './plot-look.ts';
import { timeAxis, timeFormat, timedCursor, type TimedOptions } from './plot-time.ts';

export interface LaneOptions extends TimedOptions {
  readonly lanes: readonly Lane[];
  readonly range: Range;
}

/** In CSS pixels where text has its usual size. */
const LANE_HEIGHT = { least: 6, most: 20 };

/** Draws a lane for each of several things, with what happened to it. Spans that overlap share the lane's height. */
export function lanePlot(element: HTMLElement, options: LaneOptions): Plot {
  const { lanes } = options;
  const laneHeight =
    scale() * Math.max(LANE_HEIGHT.least, Math.min(LANE_HEIGHT.most, 600 / Math.max(1, lanes.length)));
  const [from, to] = options.range;
  // The cursor snaps to x values, so there are many.
  const steps = Array.from({ length: 501 }, (_, place) => from + ((to - from) * place) / 500);
  const time = timeFormat(options.x);
  const tracks = lanes.map(({ spans }) => packed(spans));
  const report = (place: number): string => {
    const at = steps[place] ?? 0;
    const half = (to - from) / 1000;
    const now = lanes.flatMap(({ label, spans }) => {
      const here = spans.filter((span) => span.from <= at + half && span.to >= at - half);
      return here.length === 0
        ? []
        : [`${label} ${[...new Set(here.map((span) => span.label))].join(' and ')}`];
    });
    return [time(at), ...now].join(', ');
  };
  return mount(
    element,
    [steps, steps.map(() => null)],
    {
      ...options,
      height: options.height ?? lanes.length * laneHeight + (ROOM.top + ROOM.bottom) * scale(),
      labelX: time,
      report,
    },
    (x) => ({
      cursor: timedCursor(options.sync),
      scales: {
        x: { time: false, range: x },
        // The first lane is on top.
        y: { range: [-lanes.length, 0] },
      },
      axes: [
        timeAxis(options.x),
        {
          ...axisLook(),
          size: () => leftRoom(options.yLabels ?? lanes.map(({ label }) => label)),
          grid: { show: false },
          ticks: { show: false },
          splits: () => thinned(lanes.length, laneHeight).map((lane) => -lane - 0.5),
          values: (_plot, splits) => splits.map((value) => lanes[Math.round(-value - 0.5)]?.label ?? ''),
        },
      ],
      series: [{}, { show: false }],
      hooks: {
        draw: [
          (drawn) => {
            drawLanes(drawn, lanes, tracks);
            drawMarks(drawn, options.marks ?? []);
          },
        ],
      },
    }),
  );
}

function drawLanes(plot: UPlot, lanes: readonly Lane[], tracks: readonly Packed[]): void {
  const { ctx, bbox } = plot;
  const pixel = devicePixelRatio;
  const height = bbox.height / Math.max(1, lanes.length);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const [index, lane] of lanes.entries()) {
    const top = bbox.top + index * height;
    ctx.fillStyle = color('line');
    ctx.fillRect(bbox.left, Math.round(top + height) - pixel, bbox.width, pixel);
    const { track, count } = tracks[index] ?? { track: [], count: 1 };
    const room = height - Math.min(4 * pixel, height / 3);
    // One alone does not fill its lane: it would be louder than several.
    const each = room / Math.max(2, count);
    for (const [place, span] of lane.spans.entries()) {
      const left = plot.valToPos(span.from, 'x', true);
      const right = plot.valToPos(span.to, 'x', true);
      const y = top + (height - room) / 2 + (track[place] ?? 0) * each;
      ctx.fillStyle = color(span.color);
      // What lasted for a moment only is to be seen as well.
      ctx.fillRect(left, y, Math.max(2 * pixel, right - left), Math.max(pixel, each - pixel));
    }
  }
  ctx.restore();
}

/** Which track each span of a lane is on, so that none covers another, and how many tracks there are. */
interface Packed {
  readonly track: readonly number[];
  readonly count: number;
}

function packed(spans: readonly Span[]): Packed {
  const ends: number[] = [];
  const track = Array.from(spans, () => 0);
  const order = [...spans.entries()].sort(([, one], [, other]) => one.from - other.from);
  for (const [place, { from, to }] of order) {
    const free = ends.findIndex((end) => end <= from);
    const chosen = free < 0 ? ends.length : free;
    ends[chosen] = to;
    track[place] = chosen;
  }
  return { track, count: Math.max(1, ends.length) };
}

/** The lanes whose labels have room. */
function thinned(lanes: number, laneHeight: number): number[] {
  const every = Math.ceil((13 * scale()) / laneHeight);
  return Array.from({ length: Math.ceil(lanes / every) }, (_, place) => place * every);
}
