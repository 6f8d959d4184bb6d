/** The miners that work for this peer, and their hash rates over time. */
import type { MinersJson, RateHistoryJson } from '../face/schemas.ts';
import { byId, foreign, setText } from '../../../web/page/dom.ts';
import { ago, whole } from '../../../web/page/format.ts';
import type { LineSeries } from '../../../web/page/line-plot.ts';
import { LivePlot, timesOf } from '../../../web/page/live-plot.ts';
import type { PlotData } from '../../../web/page/plot-frame.ts';
import { Table } from '../../../web/page/table.ts';
import { hashRate, rateUnit } from './hashes.ts';

type Miner = MinersJson['miners'][number];

/** Lines drawn beside the one of all miners together: as many as can be told apart. */
const MAX_LINES = 6;

function nameOf({ address }: Miner): string {
  return `${address.host}:${address.port}`;
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
  readonly #plot = new LivePlot('rate');

  update({ miners, history, hashesPerSecond }: MinersJson): void {
    this.#table.update(miners);
    const total = hashesPerSecond === null ? '' : `, ${hashRate(hashesPerSecond)} together`;
    setText(byId('miners-count'), `${whole(miners.length)} connected${total}`);
    this.#draw(miners, history);
  }

  #draw(miners: readonly Miner[], history: RateHistoryJson): void {
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
