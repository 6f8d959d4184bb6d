/** The miners that work for this peer, and their hash rates over time. */
import type { MinersJson, RateHistoryJson } from '../schemas.ts';
import { byId, fill, foreign, make, setText } from './dom.ts';
import { ago, hashRate, rateUnit, whole } from './format.ts';
import { linePlot, type LineSeries, type Plot, type PlotData } from './plots.ts';
import { Table } from './table.ts';

type Miner = MinersJson['miners'][number];

/** Time that the plot shows at least, in seconds: less of it would make every wobble look like an event. */
const LEAST_SPAN = 600;
/** Lines drawn beside the one of all miners together: as many as can be told apart. */
const MAX_LINES = 6;

function nameOf({ address }: Miner): string {
  return `${address.host}:${address.port}`;
}

/** The times of a history, in seconds since 1970. */
function timesOf({ endsAt, stepSeconds, values }: RateHistoryJson): number[] {
  const end = Math.round(Date.parse(endsAt) / 1000 / stepSeconds) * stepSeconds;
  return values.map((_, index) => end - (values.length - 1 - index) * stepSeconds);
}

export class Miners {
  readonly #table = new Table<Miner>(byId('miners'), {
    caption: 'Miners that are connected',
    columns: [
      {
        name: 'Miner',
        cell: (miner) => foreign(miner.agent ?? 'says nothing', 'cut'),
        key: ({ agent }) => agent,
      },
      { name: 'Address', cell: nameOf, key: nameOf },
      {
        name: 'Hash rate',
        numeric: true,
        cell: ({ hashesPerSecond, rateSource }) =>
          hashesPerSecond === null
            ? '–'
            : `${rateSource === 'estimated' ? '~' : ''}${hashRate(hashesPerSecond)}`,
        key: ({ hashesPerSecond }) => hashesPerSecond,
      },
      {
        name: 'Processes',
        numeric: true,
        cell: ({ processes }) => (processes === null ? '–' : whole(processes)),
        key: ({ processes }) => processes,
      },
      {
        name: 'Accepted',
        numeric: true,
        cell: ({ accepted }) => whole(accepted),
        key: ({ accepted }) => accepted,
      },
      { name: 'Stale', numeric: true, cell: ({ stale }) => whole(stale), key: ({ stale }) => stale },
      {
        name: 'Rejected',
        numeric: true,
        cell: ({ rejected }) => whole(rejected),
        key: ({ rejected }) => rejected,
      },
      {
        name: 'Connected',
        numeric: true,
        cell: ({ connectedAt }) => ago(Date.now() - Date.parse(connectedAt)),
        key: ({ connectedAt }) => -Date.parse(connectedAt),
      },
    ],
    id: nameOf,
    sort: 2,
    descending: true,
    empty: 'No miner is connected. Start one with: node miner --peer_host … --peer_port …',
  });
  #plot: Plot | undefined;
  #lines = '';

  update({ miners, history, hashesPerSecond }: MinersJson): void {
    this.#table.update(miners);
    const total = hashesPerSecond === null ? '' : `, ${hashRate(hashesPerSecond)} together`;
    setText(byId('miners-count'), `${whole(miners.length)} connected${total}`);
    this.#draw(miners, history);
  }

  #draw(miners: readonly Miner[], history: RateHistoryJson): void {
    const known = history.values.some((value) => value !== null);
    byId('rate-figure').hidden = !known;
    if (!known) return;
    // With one miner, its line would be the same as that of all.
    const drawn = miners.length > 1 ? miners.slice(0, MAX_LINES) : [];
    const series: LineSeries[] = [
      { label: 'all miners', color: 'series-1', filled: true },
      ...drawn.map((miner, index) => ({ label: nameOf(miner), color: `series-${index + 2}` })),
    ];
    const times = timesOf(history);
    const end = times.at(-1) ?? 0;
    const first = history.values.findIndex((value) => value !== null);
    const range = [Math.min(times[first] ?? end, end - LEAST_SPAN), end] as const;
    const unit = rateUnit(Math.max(...history.values.map((value) => value ?? 0)));
    const scaled = (value: number | null): number | null => (value === null ? null : value / unit.size);
    const data: PlotData = [
      times,
      history.values.map(scaled),
      ...drawn.map((miner) => {
        const own = new Map(
          timesOf(miner.history).map((time, index) => [time, miner.history.values[index] ?? null]),
        );
        return times.map((time) => scaled(own.get(time) ?? null));
      }),
    ];
    const lines = JSON.stringify([unit, series]);
    if (this.#plot !== undefined && lines === this.#lines) {
      this.#plot.setData(data, range);
      return;
    }
    this.#lines = lines;
    this.#plot?.destroy();
    setText(byId('rate-title'), `Hash rate, ${unit.name}`);
    this.#plot = linePlot(byId('rate-plot'), data, {
      description: `Hash rate of our miners in ${unit.name} over the last ${Math.round((times.length * history.stepSeconds) / 60)} minutes`,
      x: 'clock',
      range,
      fromZero: true,
      series,
      readout: byId('rate-readout'),
    });
    fill(
      byId('rate-legend'),
      ...series.map(({ label, color }) =>
        make('li', {}, make('span', { class: 'swatch', 'data-color': color }), label),
      ),
    );
  }
}
