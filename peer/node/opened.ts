/** Something that is open. */
export interface Closable {
  close(): unknown;
}

/** What a node has opened so far: it is closed in the opposite order, each part when those after it are closed. */
export class Opened {
  readonly #parts: Closable[];

  constructor(...parts: readonly Closable[]) {
    this.#parts = [...parts];
  }

  push<T extends Closable>(part: T): T {
    this.#parts.push(part);
    return part;
  }

  /** Puts these in the place of everything opened so far: they close it. */
  replace(...parts: readonly Closable[]): void {
    this.#parts.splice(0, this.#parts.length, ...parts);
  }

  /** May be called again. */
  async close(): Promise<void> {
    for (let last = this.#parts.pop(); last !== undefined; last = this.#parts.pop()) await last.close();
  }
}
