/** Requests a second and the times of the phases over the last minutes, with the view changes marked. */
import type { PerformanceJson, ViewChangesJson } from '../face/schemas.ts';
import { byId } from '../../../web/page/dom.ts';
import { LivePlot, timesOf } from '../../../web/page/live-plot.ts';
import type { Mark } from '../../../web/page/plot-data.ts';

/** Time that the plots show at least, in seconds: a view change is to be seen while it happens. */
const LEAST_SPAN = 120;

export class Performance {
  readonly #throughput = new LivePlot('throughput');
  readonly #phases = new LivePlot('phases');
  #marks: readonly Mark[] = [];
  #last: PerformanceJson | undefined;

  /** Marks when a primary was given up. */
  updateViewChanges({ viewChanges }: ViewChangesJson): void {
    this.#marks = viewChanges.map(({ startedAt, view }) => ({
      at: Date.parse(startedAt) / 1000,
      label: `view ${view}`,
      color: 'warn',
    }));
    if (this.#last !== undefined) this.update(this.#last);
  }

  update(performance: PerformanceJson): void {
    this.#last = performance;
    const { requestsPerSecond, batchesPerSecond, prepareMs, commitMs, totalMs, totalP99Ms } = performance;
    const times = timesOf(performance, requestsPerSecond.length);
    const some = totalMs.some((value) => value !== null) || requestsPerSecond.some((value) => value > 0);
    byId('performance-none').hidden = some;
    const minutes = Math.max(1, Math.round((times.length * performance.stepSeconds) / 60));
    this.#throughput.update([times, some ? requestsPerSecond : [], some ? batchesPerSecond : []], {
      title: 'Executed a second',
      description: `Requests and batches executed a second over the last ${minutes} minutes`,
      series: [
        { label: 'requests', color: 'series-1', filled: true },
        { label: 'batches', color: 'series-2' },
      ],
      leastSpan: LEAST_SPAN,
      marks: this.#marks,
    });
    this.#phases.update([times, totalMs, totalP99Ms, prepareMs, commitMs], {
      title: 'Agreement takes, ms',
      description: `Milliseconds that the phases of a batch took over the last ${minutes} minutes: the median of all phases together, what 99 % were within, and the medians of prepare and commit`,
      series: [
        { label: 'total, median', color: 'series-1' },
        { label: 'total, 99 %', color: 'series-4', dashed: true },
        { label: 'prepare, median', color: 'series-2' },
        { label: 'commit, median', color: 'series-3' },
      ],
      format: (value) => value.toLocaleString('en', { maximumFractionDigits: 1 }),
      leastSpan: LEAST_SPAN,
      marks: this.#marks,
    });
  }
}
