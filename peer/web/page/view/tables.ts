/** The tables of a view, each in a card of its own. */
import type { CellJson, ViewJson } from '../../schemas.ts';
import { byId, foreign, make, setText } from '../dom.ts';
import { whole } from '../format.ts';
import { Table } from '../table.ts';

type TableJson = ViewJson['tables'][number];

interface Row {
  readonly id: string;
  readonly cells: readonly CellJson[];
}

interface Card {
  readonly host: HTMLElement;
  readonly count: HTMLElement;
  table?: Table<Row>;
  /** The columns that are drawn, and which of them are numbers. */
  drawn: string;
}

export class Tables {
  readonly #cards = new Map<string, Card>();

  update({ tables }: ViewJson): void {
    for (const table of tables) {
      const card = this.#cards.get(table.name) ?? this.#add(table);
      const { columns, rows, count } = table;
      setText(
        card.count,
        rows.length < count ? `the first ${whole(rows.length)} of ${whole(count)}` : whole(count),
      );
      const numeric = columns.map((_, at) => rows.some((row) => typeof row[at]?.number === 'number'));
      const drawn = JSON.stringify([columns, numeric]);
      if (card.table === undefined || card.drawn !== drawn) {
        card.drawn = drawn;
        card.table = tableIn(card.host, table, numeric);
      }
      card.table.update(rows.map((cells, at) => ({ id: String(at), cells })));
    }
  }

  #add({ name, title, help }: TableJson): Card {
    const count = make('p', { class: 'muted small' });
    const host = make('div', {
      class: 'scroll view-table',
      tabindex: 0,
      role: 'region',
      'aria-label': title,
    });
    byId('panels').append(
      make(
        'section',
        { class: 'card view-card', 'aria-label': title },
        make('div', { class: 'card-head' }, make('h2', {}, title), count),
        make('p', { class: 'muted small' }, help),
        host,
      ),
    );
    const card: Card = { host, count, drawn: '' };
    this.#cards.set(name, card);
    return card;
  }
}

function tableIn(host: HTMLElement, { title, columns }: TableJson, numeric: readonly boolean[]): Table<Row> {
  return new Table<Row>(host, {
    caption: title,
    columns: columns.map((name, at) => ({
      name,
      numeric: numeric[at] === true,
      cell: ({ cells }) => foreign(cells[at]?.text ?? '', 'cut'),
      key: ({ cells }) => cells[at]?.number ?? cells[at]?.text ?? null,
    })),
    id: ({ id }) => id,
    sort: 0,
    empty: 'There is nothing.',
  });
}
