/** Tables that people can sort by any column, with the keyboard too. */
import { fill, make, type Child } from './dom.ts';

export interface Column<Row> {
  readonly name: string;
  /** What a cell shows. */
  readonly cell: (row: Row) => Child;
  /** What the column is sorted by; null stands last either way. */
  readonly key: (row: Row) => string | number | null;
  readonly numeric?: boolean;
}

export interface TableOptions<Row> {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  /** What a row is about: the same row is drawn again, not made anew. */
  readonly id: (row: Row) => string;
  /** Index of the column to sort by at first, descending if so set. */
  readonly sort: number;
  readonly descending?: boolean;
  /** What stands there while there are no rows. */
  readonly empty: string;
  /** Rows drawn at most; the first in the order of the moment. */
  readonly limit?: number;
}

/** Rows drawn at most, so that a thousand peers do not make the page slow. */
const DEFAULT_LIMIT = 200;

function compare(one: string | number | null, other: string | number | null): number {
  if (typeof one === 'number' && typeof other === 'number') return one - other;
  return String(one).localeCompare(String(other), 'en', { numeric: true });
}

export class Table<Row> {
  readonly #options: TableOptions<Row>;
  readonly #body = make('tbody');
  readonly #headers: HTMLTableCellElement[];
  readonly #table: HTMLTableElement;
  readonly #empty: HTMLElement;
  readonly #more = make('p', { class: 'muted small', hidden: true });
  readonly #drawn = new Map<string, HTMLTableRowElement>();
  #rows: readonly Row[] = [];
  #sort: number;
  #descending: boolean;

  constructor(host: Element, options: TableOptions<Row>) {
    this.#options = options;
    this.#sort = options.sort;
    this.#descending = options.descending ?? false;
    this.#headers = options.columns.map((column, index) => {
      const button = make('button', { type: 'button', class: 'sort' }, column.name);
      button.addEventListener('click', () => {
        this.#descending = this.#sort === index ? !this.#descending : column.numeric === true;
        this.#sort = index;
        this.#draw();
      });
      return make('th', { scope: 'col', class: column.numeric === true ? 'number' : null }, button);
    });
    this.#table = make(
      'table',
      {},
      make('caption', { class: 'visually-hidden' }, options.caption),
      make('thead', {}, make('tr', {}, ...this.#headers)),
      this.#body,
    );
    this.#empty = make('p', { class: 'muted small' }, options.empty);
    fill(host, this.#table, this.#empty, this.#more);
    this.#draw();
  }

  /** Shows other rows, in the order chosen. */
  update(rows: readonly Row[]): void {
    this.#rows = rows;
    this.#draw();
  }

  #draw(): void {
    const { columns, id, limit = DEFAULT_LIMIT } = this.#options;
    for (const [index, header] of this.#headers.entries()) {
      if (index === this.#sort)
        header.setAttribute('aria-sort', this.#descending ? 'descending' : 'ascending');
      else header.removeAttribute('aria-sort');
    }
    const key = columns[this.#sort]?.key;
    const sign = this.#descending ? -1 : 1;
    const sorted = this.#rows.toSorted((one, other) => {
      const [left, right] = [key?.(one) ?? null, key?.(other) ?? null];
      if (left === null || right === null) return Number(left === null) - Number(right === null);
      return sign * compare(left, right) || compare(id(one), id(other));
    });
    const shown = sorted.slice(0, limit);
    const ids = new Set(shown.map(id));
    for (const [gone, row] of this.#drawn) {
      if (ids.has(gone)) continue;
      row.remove();
      this.#drawn.delete(gone);
    }
    for (const [index, row] of shown.entries()) {
      const drawn = this.#row(row);
      // Moved only if it must be: moving takes the focus away.
      if (this.#body.children[index] !== drawn)
        this.#body.insertBefore(drawn, this.#body.children[index] ?? null);
    }
    this.#table.hidden = shown.length === 0;
    this.#empty.hidden = shown.length > 0;
    this.#more.hidden = sorted.length <= limit;
    this.#more.textContent = `The first ${limit} of ${sorted.length} rows; sort by another column to see others.`;
  }

  #row(row: Row): HTMLTableRowElement {
    const id = this.#options.id(row);
    const cells = this.#options.columns.map((column) =>
      make('td', { class: column.numeric === true ? 'number' : null }, column.cell(row)),
    );
    const drawn = this.#drawn.get(id);
    if (drawn === undefined) {
      const made = make('tr', {}, ...cells);
      this.#drawn.set(id, made);
      return made;
    }
    for (const [index, cell] of cells.entries()) {
      const old = drawn.cells[index];
      if (old !== undefined && !old.isEqualNode(cell)) old.replaceWith(cell);
    }
    return drawn;
  }
}
