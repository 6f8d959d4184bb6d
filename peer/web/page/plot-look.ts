/** What all plots look like: their room, text and colours, which style.css has, the look of an axis, and moments marked. */
import type UPlot from 'uplot';

import type { Color, Mark } from './plot-data.ts';

/**
 * Room around what is plotted, in CSS pixels where text has its usual size; the same in all plots, so x is aligned. On
 * the left and on the right there is more where labels need it, of which `label` is between them and what is plotted.
 */
export const ROOM = { left: 52, top: 15, right: 20, bottom: 26, label: 11 };
const FONT_SIZE = 12;
/** Between two values of an axis of whole numbers. */
export const WHOLE_STEPS = [1, 2, 5]
  .flatMap((step) => Array.from({ length: 9 }, (_, zeros) => step * 10 ** zeros))
  .sort((a, b) => a - b);

/** Room for the labels of a y axis, at least as much as usual. */
export function leftRoom(labels: readonly string[] = []): number {
  return Math.max(ROOM.left * scale(), ...labels.map((label) => textWidth(label) + ROOM.label * scale()));
}

export function axisLook(): UPlot.Axis {
  return {
    font: labelFont(),
    stroke: () => color('muted'),
    grid: { stroke: () => color('line'), width: 1 },
    ticks: { stroke: () => color('line'), width: 1, size: 4 },
  };
}

/** Vertical lines with a label at their top. */
export function drawMarks(plot: UPlot, marks: readonly Mark[]): void {
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

function labelFont(): string {
  return `${FONT_SIZE * scale()}px ${css('--sans')}`;
}

/** How wide a label is, in CSS pixels. */
export function textWidth(text: string): number {
  const context = document.createElement('canvas').getContext('2d');
  if (context === null) return 0;
  context.font = labelFont();
  return context.measureText(text).width;
}

/** How much larger than usual text is: on large screens, or as people have set it. */
export function scale(): number {
  return parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
}

/** A custom property of style.css. */
export function css(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A colour of style.css, as the theme has it; with `alpha`, so much of it. */
export function color(name: Color, alpha = 1): string {
  const value = css(`--${name}`);
  return alpha === 1
    ? value
    : `${value}${Math.round(alpha * 255)
        .toString(16)
        .padStart(2, '0')}`;
}
