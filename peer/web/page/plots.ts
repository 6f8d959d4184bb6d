/**
 * Plots in the look of the pages: lines over time, lanes of what lasted from when to when, and bars. They are drawn by
 * uPlot, which the page has loaded before as a classic script, in the colours of style.css, fill their element in
 * width, follow the theme, and can be read with the arrow keys as well as with the mouse.
 */
import type UPlot from 'uplot';

import type { Color, Lane, Mark, Range, Span } from './plot-data.ts';

declare const uPlot: typeof UPlot;

/** What all plots can be told. */
interface PlotOptions {
  /** What it shows, in a sentence, for those who don't see it. */
  readonly description: string;
  /** In CSS pixels; by default what style.css says. */
  readonly height?: number;
  /** Where the values under the cursor are told. */
  readonly readout?: HTMLElement | null;
}

interface TimedOptions extends PlotOptions {
  /** What x counts: seconds since a start, or seconds since 1970. */
  readonly x: 'elapsed' | 'clock';
  /** From where to where x goes; by default as far as there is data. */
  readonly range?: Range;
  /** What the y axis needs room for, also in plots that this one is aligned with; it has some for usual numbers. */
  readonly yLabels?: readonly string[];
  readonly marks?: readonly Mark[];
  /** Plots with the same key share cursor and zoom. */
  readonly sync?: string;
}

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
  /** What the readout says of the sample at that place; by default the values of all series. */
  readonly tell?: (place: number, nearest: LineSeries | undefined) => string;
}

export interface LaneOptions extends TimedOptions {
  readonly lanes: readonly Lane[];
  readonly range: Range;
}

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

/** A plot that is on the page. */
export interface Plot {
  /** Draws other data, with as many series, from where to where x goes now: by default as far as there is data. */
  setData(data: PlotData, range?: Range): void;
  destroy(): void;
}

/** x values first, ascending, then the values of each series; null where there is none. */
export type PlotData = readonly [readonly number[], ...(readonly (number | null)[])[]];

/**
 * Room around what is plotted, in CSS pixels where text has its usual size; the same in all plots, so x is aligned. On
 * the left and on the right there is more where labels need it, of which `label` is between them and what is plotted.
 */
const ROOM = { left: 52, top: 15, right: 20, bottom: 26, label: 11 };
const FONT_SIZE = 12;
/** Between two values of an axis: whole numbers, and seconds. */
const WHOLE_STEPS = [1, 2, 5]
  .flatMap((step) => Array.from({ length: 9 }, (_, zeros) => step * 10 ** zeros))
  .sort((a, b) => a - b);
const TIME_STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400, 604800,
];
/** Of lanes, likewise. */
const LANE_HEIGHT = { least: 6, most: 20 };
/** How near the cursor must be to a line that it is called the nearest, in CSS pixels. */
const NEAR = 30;

/** Draws lines over time. */
export function linePlot(element: HTMLElement, data: PlotData, options: LineOptions): Plot {
  const format = options.format ?? ((value: number) => value.toLocaleString('en'));
  const time = timeFormat(options.x);
  let nearest: LineSeries | undefined;
  const tell = (place: number): string => {
    if (options.tell !== undefined) return options.tell(place, nearest);
    const values = options.series.map(({ label }, index) => {
      const value = plot.current[index + 1]?.[place] ?? null;
      return `${label} ${value === null ? 'none' : format(value)}`;
    });
    return [time(plot.current[0][place] ?? 0), ...values].join(', ');
  };
  const plot = mount(element, data, options, tell, (x) => ({
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
  const tell = (place: number): string => {
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
    { ...options, height: options.height ?? lanes.length * laneHeight + (ROOM.top + ROOM.bottom) * scale() },
    tell,
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

/** Draws bars side by side, each with its label. */
export function barPlot(element: HTMLElement, options: BarOptions): Plot {
  const { labels, names = labels, values, unit } = options;
  const places = labels.map((_, place) => place + 0.5);
  const { bars } = uPlot.paths;
  return mount(
    element,
    [places, [...values]],
    options,
    (place) => `${names[place] ?? ''}: ${(values[place] ?? 0).toLocaleString('en')} ${unit}`,
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

/** A time since a start, as in "4:05" or "1:04:05". */
export function elapsed(seconds: number): string {
  const whole = Math.round(seconds);
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, '0'));
  return whole < 3600
    ? `${Math.floor(whole / 60)}:${parts[1] ?? ''}`
    : `${Math.floor(whole / 3600)}:${parts.join(':')}`;
}

interface Mounted extends Plot {
  current: PlotData;
}

type Look = Omit<UPlot.Options, 'width' | 'height'>;

/** Puts a plot into its element and keeps it in size and colours. */
function mount(
  element: HTMLElement,
  data: PlotData,
  options: PlotOptions & Partial<Pick<TimedOptions, 'x' | 'range'>>,
  tell: (place: number) => string,
  look: (x: UPlot.Range.Function) => Look,
): Mounted {
  const height = (): number => options.height ?? Number(css('--plot-height'));
  let { range } = options;
  let shown = data;
  const { readout, x } = options;
  // The last label of a time axis may have its middle where what is plotted ends.
  const right = (): number => {
    const last = range?.[1] ?? shown[0].at(-1);
    const label = x === undefined || last === undefined ? '' : timeFormat(x)(last);
    return Math.max(ROOM.right * scale(), textWidth(label) / 2 + 2);
  };
  const own = look((plot, least, most) => {
    // As far as there is data, so not zoomed into.
    const whole = least === plot.data[0][0] && most === plot.data[0].at(-1);
    return whole && range !== undefined ? [...range] : [least, most];
  });
  const plot = new uPlot(
    {
      ...own,
      width: Math.max(1, element.clientWidth),
      height: height(),
      padding: [ROOM.top * scale(), right, 0, 0],
      legend: { show: false },
      hooks: {
        ...own.hooks,
        setCursor: [
          ({ cursor: { idx } }) => {
            if (readout) readout.textContent = idx === null || idx === undefined ? '' : tell(idx);
          },
        ],
      },
    },
    mutable(data),
    element,
  );
  element.setAttribute('role', 'img');
  element.setAttribute('aria-label', options.description);
  element.tabIndex = 0;
  const stop = new AbortController();
  const { signal } = stop;
  const onKey = (event: KeyboardEvent): void => {
    if (moveCursor(plot, event.key)) event.preventDefault();
  };
  element.addEventListener('keydown', onKey, { signal });
  const redraw = (): void => {
    plot.redraw();
  };
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw, { signal });
  const resize = new ResizeObserver(() => {
    const size = { width: Math.max(1, element.clientWidth), height: height() };
    if (size.width !== plot.width || size.height !== plot.height) plot.setSize(size);
  });
  resize.observe(element);
  const mounted: Mounted = {
    current: data,
    setData(next, nextRange) {
      mounted.current = shown = next;
      range = nextRange;
      plot.setData(mutable(next));
    },
    destroy() {
      stop.abort();
      resize.disconnect();
      plot.destroy();
    },
  };
  return mounted;
}

/** Arrow keys, Home and End move the cursor; Escape takes it away and shows everything again. */
function moveCursor(plot: UPlot, key: string): boolean {
  const [x] = plot.data;
  const { min, max } = plot.scales['x'] ?? {};
  if (min === undefined || max === undefined || x.length === 0) return false;
  const { key: group } = plot.cursor.sync ?? {};
  const plots = typeof group === 'string' ? uPlot.sync(group).plots : [plot];
  if (key === 'Escape') {
    for (const each of plots) {
      each.setCursor({ left: -10, top: -10 });
      each.setData(each.data);
    }
    return true;
  }
  const first = plot.valToIdx(min);
  const last = plot.valToIdx(max);
  const stride = Math.max(1, Math.round((last - first) / 100));
  const now = plot.cursor.idx ?? undefined;
  const places: Partial<Record<string, number>> = {
    ArrowLeft: now === undefined ? last : now - stride,
    ArrowRight: now === undefined ? first : now + stride,
    Home: first,
    End: last,
  };
  const place = places[key];
  if (place === undefined) return false;
  const at = x[Math.max(first, Math.min(last, place))] ?? 0;
  for (const each of plots) each.setCursor({ left: each.valToPos(at, 'x'), top: each.over.clientHeight / 2 });
  return true;
}

function timedCursor(sync: string | undefined): UPlot.Cursor {
  return {
    y: false,
    drag: { x: true, y: false },
    focus: { prox: NEAR },
    points: { size: 6 },
    ...(sync !== undefined && { sync: { key: sync, setSeries: false } }),
  };
}

function timeAxis(x: TimedOptions['x']): UPlot.Axis {
  const format = timeFormat(x);
  return {
    ...axisLook(),
    size: () => ROOM.bottom * scale(),
    space: 64 * scale(),
    incrs: TIME_STEPS,
    values: (_plot, splits) => splits.map(format),
  };
}

function timeFormat(x: TimedOptions['x']): (seconds: number) => string {
  if (x === 'elapsed') return elapsed;
  const clock = new Intl.DateTimeFormat('en', { timeStyle: 'medium', hourCycle: 'h23' });
  return (seconds) => clock.format(seconds * 1000);
}

function axisLook(): UPlot.Axis {
  return {
    font: labelFont(),
    stroke: () => color('muted'),
    grid: { stroke: () => color('line'), width: 1 },
    ticks: { stroke: () => color('line'), width: 1, size: 4 },
  };
}

/** From where to where y goes: whole numbers have room for at least one step. */
function spread(least: number | null, most: number | null, whole: boolean): UPlot.Range.MinMax {
  if (least === null || most === null) return [0, 1];
  if (least === most)
    return whole || least === 0 ? [Math.min(0, least), most + 1] : [least * 0.9, most * 1.1];
  const room = (most - least) * 0.05;
  return [least >= 0 && least - room < 0 ? 0 : least - room, most + room];
}

/** Vertical lines with a label at their top. */
function drawMarks(plot: UPlot, marks: readonly Mark[]): void {
  const { ctx, bbox } = plot;
  const pixel = devicePixelRatio;
  ctx.save();
  ctx.font = `${11 * scale() * pixel}px ${css('--sans')}`;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'bottom';
  const taken: [from: number, to: number][] = [];
  for (const { at, label, color: name } of marks) {
    const x = plot.valToPos(at, 'x', true);
    if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) continue;
    ctx.strokeStyle = ctx.fillStyle = color(name);
    ctx.lineWidth = pixel;
    ctx.setLineDash([3 * pixel, 3 * pixel]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const width = ctx.measureText(label).width;
    const left = Math.max(bbox.left, Math.min(bbox.left + bbox.width - width, x - width / 2));
    // A label that has no room is left out; its line is there.
    if (taken.some(([from, to]) => left < to && left + width > from)) continue;
    taken.push([left - 4 * pixel, left + width + 4 * pixel]);
    ctx.fillText(label, left, bbox.top - 1);
  }
  ctx.restore();
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

/** Room for the labels of a y axis, at least as much as usual. */
function leftRoom(labels: readonly string[] = []): number {
  return Math.max(ROOM.left * scale(), ...labels.map((label) => textWidth(label) + ROOM.label * scale()));
}

function labelFont(): string {
  return `${FONT_SIZE * scale()}px ${css('--sans')}`;
}

/** How wide a label is, in CSS pixels. */
function textWidth(text: string): number {
  const context = document.createElement('canvas').getContext('2d');
  if (context === null) return 0;
  context.font = labelFont();
  return context.measureText(text).width;
}

/** How much larger than usual text is: on large screens, or as people have set it. */
function scale(): number {
  return parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
}

/** A custom property of style.css. */
function css(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A colour of style.css, as the theme has it; with `alpha`, so much of it. */
function color(name: Color, alpha = 1): string {
  const value = css(`--${name}`);
  return alpha === 1
    ? value
    : `${value}${Math.round(alpha * 255)
        .toString(16)
        .padStart(2, '0')}`;
}

/** uPlot's types do not say that it leaves the data as they are. */
function mutable(data: PlotData): UPlot.AlignedData {
  return data as unknown as UPlot.AlignedData;
}
