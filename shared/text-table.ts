/** Figures and tables as text for people, with colours where a terminal wants them. */
import { stripVTControlCharacters, styleText } from 'node:util';

import { escapeControls } from './escape.ts';

export type Style = Parameters<typeof styleText>[0];
/** Gives a text a style, or leaves it as it is. */
export interface Painter {
  (style: Style, text: string): string;
  /** Columns that a table may have; as many as it takes if that is not given. */
  readonly width?: number;
}
export type Cell = string | number;

/** Columns of a terminal that does not know it. */
const USUAL_COLUMNS = 80;
/** Characters that are left of a text which is cut: enough to tell one from the other. */
const LEAST_TEXT = 8;

/** @param colour whether to paint at all */
export function painter(colour: boolean): Painter {
  // Whether there is a terminal is not ours to find out.
  return (style, text) => (colour ? styleText(style, text, { validateStream: false }) : text);
}

/** A painter for what a stream is: in colours where they are wanted, as wide as the terminal. */
export function painterFor(stream: NodeJS.WriteStream): Painter {
  return Object.defineProperty(painter(wantsColour(stream)), 'width', {
    // It may be made wider or narrower at any time, and some don't know how wide they are.
    get: () => (stream.isTTY ? stream.columns || USUAL_COLUMNS : Infinity),
  });
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

/** A number and what it counts: `1 peer`, `2,000 peers`. */
export function counted(number: number, one: string, several = `${one}s`): string {
  return `${formatNumber(number)} ${number === 1 ? one : several}`;
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

/** Cut to so many characters, the last of which says so. */
function cut(text: string, room: number): string {
  return text.length > room ? `${text.slice(0, room - 1)}…` : text;
}

/**
 * Columns below their titles: numbers end, texts begin in line.
 *
 * @param width columns of the terminal: where the table is wider, its own columns stand closer together, and the longest
 *   texts are cut
 */
export function table(
  titles: readonly string[],
  rows: readonly (readonly Cell[])[],
  paint: Painter,
  width = paint.width ?? Infinity,
): string[] {
  const show = (cell: Cell | undefined): string =>
    typeof cell === 'number' ? formatNumber(cell) : escapeControls(cell ?? '');
  const widths = titles.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => show(row[column]).length)),
  );
  const whole = widths.reduce((sum, one) => sum + one + 2, 0);
  const tooWide = whole > width;
  const right = titles.map((_, column) => rows.some((row) => typeof row[column] === 'number'));
  if (tooWide) narrow(widths, right, whole - widths.length + 1 - width);
  const line = (cells: readonly (Cell | undefined)[]): string =>
    cells
      .map((cell, column) => {
        const room = widths[column] ?? 0;
        return right[column] === true ? show(cell).padStart(room) : cut(show(cell), room).padEnd(room);
      })
      .join(tooWide ? ' ' : '  ')
      .trimEnd();
  const head = titles.some((title) => title !== '') ? [`  ${paint('dim', line(titles))}`] : [];
  return [...head, ...rows.map((row) => `  ${line(row)}`)];
}

/** Takes what is too much from the widest columns of texts. */
function narrow(widths: number[], right: readonly boolean[], excess: number): void {
  const texts = widths.map((room, column) => (right[column] === true ? 0 : room));
  const widest = Math.max(...texts);
  if (excess <= 0 || widest <= LEAST_TEXT) return;
  const room = Math.max(LEAST_TEXT, widest - excess);
  widths[texts.indexOf(widest)] = room;
  narrow(widths, right, excess - (widest - room));
}

/** Lines under a heading; nothing if there are none. */
export function section(title: string, lines: readonly string[], paint: Painter): string[] {
  return lines.length === 0 ? [] : ['', paint('bold', title), ...lines];
}
