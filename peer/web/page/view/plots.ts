/** The series of a view: a plot for each, with marks for what happened. */
import type { HappeningJson, SeriesJson, StepJson, ViewJson } from '../../schemas.ts';
import { byId, make } from '../dom.ts';
import { LivePlot, timesOf } from '../live-plot.ts';
import type { Mark } from '../plot-data.ts';

/** Time that a plot shows at least, in seconds: something is to be seen in the first minutes. */
const LEAST_SPAN = 120;
/** Values of a line and marks that are kept, as many as the node has. */
const MAX_VALUES = 300;
/** Colours that style.css has for lines. */
const COLORS = 8;

/** A series as far as it has come. */
type Drawn = Omit<SeriesJson, 'endsAt'> & { readonly plot: LivePlot; endsAt: string };

export class Plots {
  readonly #drawn = new Map<string, Drawn>();
  #marks: Mark[] = [];

  update({ series, journals }: Pick<ViewJson, 'series' | 'journals'>): void {
    byId('series').hidden = series.length === 0;
    this.#marks = journals.flatMap(({ entries }) => entries.flatMap((entry) => markOf(entry) ?? []));
    for (const one of series) {
      const plot = this.#drawn.get(one.name)?.plot ?? add(one.name);
      this.#drawn.set(one.name, { ...one, plot });
      this.#draw(one.name);
    }
  }

  /** A value of each line has come. */
  step({ endsAt, values }: StepJson): void {
    for (const [name, newest] of Object.entries(values)) {
      const drawn = this.#drawn.get(name);
      if (drawn === undefined) continue;
      drawn.endsAt = endsAt;
      for (const [at, { values: line }] of drawn.lines.entries()) {
        line.push(newest[at] ?? null);
        if (line.length > MAX_VALUES) line.shift();
      }
      this.#draw(name);
    }
  }

  /** Marks what happened, if that is worth it. */
  mark(entry: HappeningJson): void {
    const mark = markOf(entry);
    if (mark === null) return;
    this.#marks = [...this.#marks, mark].slice(-MAX_VALUES);
    for (const name of this.#drawn.keys()) this.#draw(name);
  }

  #draw(name: string): void {
    const drawn = this.#drawn.get(name);
    if (drawn === undefined) return;
    const { plot, title, help, lines } = drawn;
    const [first = { values: [] }] = lines;
    plot.update([timesOf(drawn, first.values.length), ...lines.map(({ values }) => values)], {
      ...{ title, description: help, marks: this.#marks, leastSpan: LEAST_SPAN },
      series: lines.map(({ title: label, dashed }, at) => ({
        ...{ label, color: `series-${(at % COLORS) + 1}`, filled: at === 0, dashed },
      })),
      format: (value) => value.toLocaleString('en', { maximumFractionDigits: 1 }),
    });
  }
}

const MARKED = { good: 'good', warn: 'warn', bad: 'bad', quiet: 'muted' } as const;

function markOf({ at, mark, tone }: HappeningJson): Mark | null {
  return mark === null ? null : { at: Date.parse(at) / 1000, label: mark, color: MARKED[tone] };
}

function add(name: string): LivePlot {
  const id = (part: string): string => `series-${name}-${part}`;
  byId('series').append(
    make(
      'figure',
      { id: id('figure'), class: 'plot', hidden: true },
      make(
        'figcaption',
        {},
        make('span', { id: id('title'), class: 'plot-title' }),
        ' ',
        make('span', { id: id('readout'), class: 'plot-readout' }),
      ),
      make('div', { id: id('plot'), class: 'plot-area' }),
      make('ul', { id: id('legend'), class: 'legend' }),
    ),
  );
  return new LivePlot(`series-${name}`);
}
