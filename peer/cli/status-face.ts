/** How terminals show the nodes of an engine. */
import type { Painter } from '../../shared/text-table.ts';

/** What a node has answered, and how it is shown: in full, and as one line that changes when something has happened. */
export interface StatusAnswer {
  json(): object | Promise<object>;
  text(paint: Painter): string;
  line(): string;
}

/** What is shown of a node of a network besides where it is. */
export interface NodeRow {
  readonly cells: readonly (string | number)[];
  /** In one word, where it says more than that it runs. */
  readonly word?: string;
  /** What it does, where that is not what a node usually does. */
  readonly phase?: string;
}

export interface StatusFace {
  /**
   * Asks a node for everything that is shown of it.
   *
   * @param base address of its API, without a slash at the end
   * @throws UserError if nobody answers there, or not as such a node does
   */
  ask(base: string): Promise<StatusAnswer>;
  /** Titles of the cells of {@link row}. */
  readonly columns: readonly string[];
  /**
   * @param status what `/status` gives; null if the node does not run, or does not answer
   * @param miners that work for the node
   * @returns undefined if nothing is known of it
   */
  row(status: unknown, miners: number): NodeRow | undefined;
}
