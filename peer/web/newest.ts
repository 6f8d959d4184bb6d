/** The newest of what happened, newest first: as many as there is room for. */
export class Newest<T> {
  readonly items: T[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(item: T): void {
    this.items.unshift(item);
    if (this.items.length > this.#limit) this.items.pop();
  }
}
