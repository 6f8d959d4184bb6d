/** Lines over the time of day that grow while one looks on, with their legend. */
import { byId, fill, make, setText } from './dom.ts';
import { linePlot, type LineSeries } from './line-plot.ts';
import type { Mark } from './plot-data.ts';
import type { Plot, PlotData } from './plot-frame.ts';

/** Time that a plot shows at least by default, in seconds. */
const LEAST_SPAN = 600;

/** Values at even steps, as the API sends them. */
export interface Steps {
  readonly stepSeconds: number;
  /** Of the last value. */
  readonly endsAt: string;
}

/** The times of so many values, in seconds since 1970. */
export function timesOf({ endsAt, stepSeconds }: Steps, values: number): number[] {
  const end = Math.round(Date.parse(endsAt) / 1000 / stepSeconds) * stepSeconds;
  return Array.from({ length: values }, (_, index) => end - (values - 1 - index) * stepSeconds);
}

/** What is plotted. */
export interface Drawing {
  readonly title: string;
  /** What it shows, in a sentence, for those who don't see it. */
  readonly description: string;
  readonly series: readonly LineSeries[];
  readonly format?: (value: number) => string;
  /** Time that is shown at least, in seconds: less of it would make every wobble look like an event. */
  readonly leastSpan?: number;
  /** Moments worth marking. */
  readonly marks?: readonly Mark[];
}

export class LivePlot {
  readonly #name: string;
  #plot: Plot | undefined;
  #drawn = '';
  /** Those that are drawn: the plot looks at them again whenever it draws. */
  readonly #marks: Mark[] = [];

  /** @param name the ids of its parts are this with -figure, -title, -readout, -plot and -legend */
  constructor(name: string) {
    this.#name = name;
  }

  /** Shows the data, as soon as any of the first series is known. */
  update(data: PlotData, drawing: Drawing): void {
    const [times, first] = data;
    const known = first?.findIndex((value) => value !== null) ?? -1;
    byId(`${this.#name}-figure`).hidden = known < 0;
    if (known < 0) return;
    const { title, series, description, format, leastSpan = LEAST_SPAN, marks = [] } = drawing;
    const end = times.at(-1) ?? 0;
    const range = [Math.min(times[known] ?? end, end - leastSpan), end] as const;
    this.#marks.splice(0, this.#marks.length, ...marks.filter(({ at }) => at >= range[0]));
    const drawn = JSON.stringify([title, series]);
    if (this.#plot !== undefined && drawn === this.#drawn) {
      this.#plot.setData(data, range);
      return;
    }
    this.#drawn = drawn;
    this.#plot?.destroy();
    setText(byId(`${this.#name}-title`), title);
    this.#plot = linePlot(byId(`${this.#name}-plot`), data, {
      description,
      x: 'clock',
      range,
      fromZero: true,
      series,
      marks: this.#marks,
      readout: byId(`${this.#name}-readout`),
      ...(format && { format }),
    });
    fill(
      byId(`${this.#name}-legend`),
      ...series.map(({ label, color, dashed }) => {
        const shape = dashed === true ? 'dashed' : null;
        return make(
          'li',
          {},
          make('span', { class: 'swatch', 'data-color': color, 'data-shape': shape }),
          label,
        );
      }),
    );
  }
}
