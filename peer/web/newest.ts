/** The newest of what happened: as many as there is room for. */
export class Newest<T> {
  /** Oldest first, and some more than are wanted, so that not each one that is added moves all others. */
  readonly #items: T[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Newest first. */
  get items(): T[] {
    return this.#items.slice(-this.#limit).reverse();
  }

  get newest(): T | undefined {
    return this.#items.at(-1);
  }

  add(item: T): void {
    this.#items.push(item);
    if (this.#items.length >= 2 * this.#limit) this.#items.splice(0, this.#items.length - this.#limit);
  }

  /** Puts something in the place of the newest; there must be one. */
  replaceNewest(item: T): void {
    this.#items[this.#items.length - 1] = item;
  }
}
