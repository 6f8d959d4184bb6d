/** Plots over time: what their x axis shows, and how their cursor moves. */
import type UPlot from 'uplot';

import type { Mark, Range } from './plot-data.ts';
import type { PlotOptions } from './plot-frame.ts';
import { ROOM, axisLook, scale } from './plot-look.ts';

export interface TimedOptions extends PlotOptions {
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

/** Seconds between two values of an axis. */
const TIME_STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400, 604800,
];
/** How near the cursor must be to a line that it is called the nearest, in CSS pixels. */
const NEAR = 30;

/** A time since a start, as in "4:05" or "1:04:05". */
export function elapsed(seconds: number): string {
  const whole = Math.round(seconds);
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, '0'));
  return whole < 3600
    ? `${Math.floor(whole / 60)}:${parts[1] ?? ''}`
    : `${Math.floor(whole / 3600)}:${parts.join(':')}`;
}

export function timeFormat(x: TimedOptions['x']): (seconds: number) => string {
  if (x === 'elapsed') return elapsed;
  const clock = new Intl.DateTimeFormat('en', { timeStyle: 'medium', hourCycle: 'h23' });
  return (seconds) => clock.format(seconds * 1000);
}

export function timeAxis(x: TimedOptions['x']): UPlot.Axis {
  const format = timeFormat(x);
  return {
    ...axisLook(),
    size: () => ROOM.bottom * scale(),
    space: 64 * scale(),
    incrs: TIME_STEPS,
    values: (_plot, splits) => splits.map(format),
  };
}

export function timedCursor(sync: string | undefined): UPlot.Cursor {
  return {
    y: false,
    drag: { x: true, y: false },
    focus: { prox: NEAR },
    points: { size: 6 },
    ...(sync !== undefined && { sync: { key: sync, setSeries: false } }),
  };
}
