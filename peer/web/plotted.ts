/** The values of series over time: one of each line at every step. */
import { isoTime } from '../../shared/time.ts';
import type { Line, Plots, Series } from './face.ts';
import { STEP_BATCHES, STEP_SECONDS, STEP_VALUES } from './limits.ts';
import { quantile } from './quantiles.ts';
import type { SeriesJson, StepJson } from './schemas.ts';

/** A line and its last values. */
class PlottedLine<Status, Notice> {
  readonly values: (number | null)[] = [];
  readonly #line: Line<Status, Notice>;
  readonly #rises: boolean;
  /** What was notified in this step. */
  #notified: number[] = [];
  /** What was read at the last step. */
  #before: number | null;

  constructor(line: Line<Status, Notice>, rises: boolean, status: Status) {
    this.#line = line;
    this.#rises = rises;
    this.#before = this.#read(status);
  }

  onNotice(notice: Notice): void {
    if (!('values' in this.#line) || this.#notified.length >= STEP_BATCHES) return;
    this.#notified.push(...this.#line.values(notice));
  }

  sample(status: Status): void {
    const current = this.#read(status);
    const before = this.#before;
    this.#before = current;
    this.#notified = [];
    const rise = current === null || before === null ? null : (current - before) / STEP_SECONDS;
    this.values.push(this.#rises ? rise : current);
    if (this.values.length > STEP_VALUES) this.values.shift();
  }

  #read(status: Status): number | null {
    const line = this.#line;
    if ('of' in line) return line.of(status);
    return quantile(this.#notified, line.quantile);
  }
}

/** All series of a face. */
export class Plotted<Status, Notice> implements Plots {
  readonly stepSeconds = STEP_SECONDS;
  readonly #series: readonly {
    readonly of: Series<Status, Notice>;
    readonly lines: PlottedLine<Status, Notice>[];
  }[];
  readonly #status: () => Status;
  readonly #now: () => number;
  #steppedAt: number;

  /** @param now wall clock in milliseconds */
  constructor(series: readonly Series<Status, Notice>[], status: () => Status, now: () => number) {
    this.#status = status;
    this.#now = now;
    this.#steppedAt = now();
    const current = status();
    this.#series = series.map((of) => ({
      of,
      lines: of.lines.map((line) => new PlottedLine(line, of.draw === 'rise', current)),
    }));
  }

  get endsAt(): string {
    return isoTime(this.#steppedAt);
  }

  onNotice(notice: Notice): void {
    for (const { lines } of this.#series) for (const line of lines) line.onNotice(notice);
  }

  /** Takes down a value of each line; to be called as often as a step is long. */
  step(): StepJson {
    this.#steppedAt = this.#now();
    const status = this.#status();
    for (const { lines } of this.#series) for (const line of lines) line.sample(status);
    const newest = this.#series.map(({ of: { name }, lines }) => [
      name,
      lines.map(({ values }) => values.at(-1) ?? null),
    ]);
    return { endsAt: this.endsAt, values: Object.fromEntries(newest) as StepJson['values'] };
  }

  values(name: string): (number | null)[][] {
    const lines = this.#series.find(({ of }) => of.name === name)?.lines ?? [];
    return lines.map(({ values }) => [...values]);
  }

  view(): SeriesJson[] {
    return this.#series.map(({ of: { name, title, help, lines: declared }, lines }) => ({
      ...{ name, title, help, stepSeconds: STEP_SECONDS, endsAt: this.endsAt },
      lines: declared.map(({ title: line, dashed = false }, at) => ({
        ...{ title: line, dashed, values: [...(lines[at]?.values ?? [])] },
      })),
    }));
  }
}
