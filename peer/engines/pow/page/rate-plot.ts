/** The hash rates of the miners that work for this peer, over time. */
import type { MinersJson } from '../face/schemas.ts';
import { rateUnit } from '../../../web/page/format.ts';
import type { LineSeries } from '../../../web/page/line-plot.ts';
import { LivePlot, timesOf } from '../../../web/page/live-plot.ts';
import type { PlotData } from '../../../web/page/plot-frame.ts';

type Miner = MinersJson['miners'][number];

/** Lines drawn beside the one of all miners together: as many as can be told apart. */
const MAX_LINES = 6;

function nameOf({ address }: Miner): string {
  return `${address.host}:${address.port}`;
}

export class RatePlot {
  readonly #plot = new LivePlot('rate');

  update({ miners, history }: MinersJson): void {
    // With one miner, its line would be the same as that of all.
    const drawn = miners.length > 1 ? miners.slice(0, MAX_LINES) : [];
    const series: LineSeries[] = [
      { label: 'all miners', color: 'series-1', filled: true },
      ...drawn.map((miner, index) => ({ label: nameOf(miner), color: `series-${index + 2}` })),
    ];
    const times = timesOf(history, history.values.length);
    const unit = rateUnit(Math.max(...history.values.map((value) => value ?? 0)));
    const scaled = (value: number | null): number | null => (value === null ? null : value / unit.size);
    const data: PlotData = [
      times,
      history.values.map(scaled),
      ...drawn.map((miner) => {
        const { values } = miner.history;
        const own = new Map(
          timesOf(miner.history, values.length).map((time, index) => [time, values[index] ?? null]),
        );
        return times.map((time) => scaled(own.get(time) ?? null));
      }),
    ];
    this.#plot.update(data, {
      title: `Hash rate, ${unit.name}`,
      description: `Hash rate of our miners in ${unit.name} over the last ${Math.round((times.length * history.stepSeconds) / 60)} minutes`,
      series,
    });
  }
}
