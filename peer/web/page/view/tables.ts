/** The tables of a view, each in a card of its own. */
import type { CellJson, TableJson } from '../../schemas.ts';
import { foreign, make, setText, type Child } from '../dom.ts';
import { timeOfDay, whole } from '../format.ts';
import { Table } from '../table.ts';
import { cardAt, type Card } from './place.ts';

/** In the order in which they came. */
const AS_TOLD = -1;

interface Row {
  readonly id: string;
  readonly cells: readonly CellJson[];
}

interface Drawn extends Card {
  table?: Table<Row>;
  /** The columns that are drawn, and which of them are numbers. */
  drawn: string;
}

export class Tables {
  readonly #drawn = new Map<string, Drawn>();

  update(tables: readonly TableJson[]): void {
    for (const table of tables) {
      const card = this.#drawn.get(table.name) ?? this.#add(table);
      const { columns, rows, count } = table;
      setText(card.note, rows.length < count ? `the first ${whole(rows.length)} of ${whole(count)}` : '');
      const numeric = columns.map((_, at) => rows.some((row) => numberOf(row[at]) !== null));
      const drawn = JSON.stringify([columns, numeric]);
      if (card.table === undefined || card.drawn !== drawn) {
        card.drawn = drawn;
        card.table = tableIn(card.host, table, numeric);
      }
      card.table.update(rows.map((cells, at) => ({ id: String(at), cells })));
    }
  }

  #add({ name, title, help }: TableJson): Drawn {
    const host = make('div', {
      class: 'scroll view-table',
      tabindex: 0,
      role: 'region',
      'aria-label': title,
    });
    const drawn = { ...cardAt(`table-${name}`, title, help, host), drawn: '' };
    this.#drawn.set(name, drawn);
    return drawn;
  }
}

function numberOf(cell: CellJson | undefined): number | null {
  return typeof cell === 'object' && 'number' in cell ? cell.number : null;
}

function textOf(cell: CellJson | undefined): string {
  return typeof cell === 'object' ? cell.text : (cell ?? '');
}

function cellOf(cell: CellJson | undefined, unit: string | null, numeric: boolean): Child {
  if (typeof cell === 'object' && 'tone' in cell)
    return make('span', { class: 'badge', 'data-state': cell.tone }, cell.text);
  const number = numberOf(cell);
  // What is cut begins at the left.
  if (number === null) return foreign(textOf(cell), numeric ? undefined : 'cut');
  return unit === 'time' ? timeOfDay(number) : textOf(cell);
}

function tableIn(
  host: HTMLElement,
  { title, columns, empty }: TableJson,
  numeric: readonly boolean[],
): Table<Row> {
  return new Table<Row>(host, {
    ...{ caption: title, sort: AS_TOLD, empty, id: ({ id }) => id },
    columns: columns.map(({ title: name, unit }, at) => ({
      name,
      numeric: numeric[at] === true && unit !== 'time',
      cell: ({ cells }) => cellOf(cells[at], unit, numeric[at] === true),
      key: ({ cells }) => numberOf(cells[at]) ?? textOf(cells[at]),
    })),
  });
}
