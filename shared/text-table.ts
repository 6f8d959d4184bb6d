/** Figures and tables as text for people, with colours where a terminal wants them. */
import { stripVTControlCharacters, styleText } from 'node:util';

import { escapeControls } from './escape.ts';

export type Style = Parameters<typeof styleText>[0];
/** Gives a text a style, or leaves it as it is. */
export type Painter = (style: Style, text: string) => string;
export type Cell = string | number;

/** @param colour whether to paint at all */
export function painter(colour: boolean): Painter {
  // Whether there is a terminal is not ours to find out.
  return (style, text) => (colour ? styleText(style, text, { validateStream: false }) : text);
}

/** Whether a stream is a terminal that wants colours. */
export function wantsColour({ isTTY }: { readonly isTTY: boolean }): boolean {
  return isTTY && (process.env['NO_COLOR'] ?? '') === '';
}

/** A number as people read it: `1,234,567`, `12.3`, `0.00123`. */
export function formatNumber(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 1_000) return Math.round(value).toLocaleString('en');
  return value.toLocaleString('en', { maximumSignificantDigits: 3 });
}

/** How far lines that continue another one are set in, beyond it. */
const HANGING = 4;

/** A line broken at spaces so that none is longer than `width` columns, as far as that is possible. */
export function wrap(line: string, width: number): string[] {
  if (columnsOf(line) <= width) return [line];
  const indent = line.length - line.trimStart().length;
  const lines: string[] = [];
  let current = ' '.repeat(indent);
  for (const word of line.trimStart().split(' ')) {
    const empty = current.trim() === '';
    if (!empty && columnsOf(current) + 1 + columnsOf(word) > width) {
      lines.push(current);
      current = `${' '.repeat(indent + HANGING)}${word}`;
    } else {
      current += empty ? word : ` ${word}`;
    }
  }
  return [...lines, current];
}

/** Columns that a text takes on a terminal, styles aside. */
function columnsOf(text: string): number {
  return stripVTControlCharacters(text).length;
}

/**
 * Columns below their titles: numbers end, texts begin in line.
 *
 * @param width columns of the terminal: where the table is wider, its own columns stand closer together
 */
export function table(
  titles: readonly string[],
  rows: readonly (readonly Cell[])[],
  paint: Painter,
  width = Infinity,
): string[] {
  const show = (cell: Cell | undefined): string =>
    typeof cell === 'number' ? formatNumber(cell) : escapeControls(cell ?? '');
  const widths = titles.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => show(row[column]).length)),
  );
  const whole = widths.reduce((sum, one) => sum + one + 2, 0);
  const gap = whole > width ? ' ' : '  ';
  const right = titles.map((_, column) => rows.some((row) => typeof row[column] === 'number'));
  const line = (cells: readonly (Cell | undefined)[]): string =>
    cells
      .map((cell, column) => {
        const room = widths[column] ?? 0;
        return right[column] === true ? show(cell).padStart(room) : show(cell).padEnd(room);
      })
      .join(gap)
      .trimEnd();
  const head = titles.some((title) => title !== '') ? [`  ${paint('dim', line(titles))}`] : [];
  return [...head, ...rows.map((row) => `  ${line(row)}`)];
}

/** Lines under a heading; nothing if there are none. */
export function section(title: string, lines: readonly string[], paint: Painter): string[] {
  return lines.length === 0 ? [] : ['', paint('bold', title), ...lines];
}
