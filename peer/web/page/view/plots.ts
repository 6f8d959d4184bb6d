/** The series of a view: a plot for each. */
import type { ViewJson } from '../../schemas.ts';
import { byId, make } from '../dom.ts';
import { LivePlot, timesOf } from '../live-plot.ts';

/** Time that a plot shows at least, in seconds: something is to be seen in the first minutes. */
const LEAST_SPAN = 120;
/** Colours that style.css has for lines. */
const COLORS = 8;

export class Plots {
  readonly #plots = new Map<string, LivePlot>();

  update({ series }: ViewJson): void {
    byId('series').hidden = series.length === 0;
    for (const one of series) {
      const plot = this.#plots.get(one.name) ?? this.#add(one.name);
      const [first = { values: [] }] = one.lines;
      plot.update([timesOf(one, first.values.length), ...one.lines.map(({ values }) => values)], {
        title: one.title,
        description: one.help,
        series: one.lines.map(({ title }, at) => ({
          label: title,
          color: `series-${(at % COLORS) + 1}`,
          filled: one.lines.length === 1,
        })),
        leastSpan: LEAST_SPAN,
      });
    }
  }

  #add(name: string): LivePlot {
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
    const plot = new LivePlot(`series-${name}`);
    this.#plots.set(name, plot);
    return plot;
  }
}
