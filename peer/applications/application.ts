/**
 * What is decided: an application takes operations in the order in which an engine has them, and answers each. It is
 * deterministic, so replicas that execute the same operations in the same order have the same state.
 *
 * An application does no input or output, reads no clock and draws no random numbers; time comes in with the operation.
 * Its state lies in pages: two states are equal just if all their pages are, and only pages that changed since the last
 * checkpoint are hashed, written and sent to replicas that fell behind.
 */

/** What an application is told of an operation besides the operation itself. */
export interface OperationContext {
  /** Who asks: the number of a member. */
  readonly client: number;
  /** Milliseconds since 1970, as agreed upon by the replicas: never before that of an earlier operation. */
  readonly time: number;
}

/** See the top of this file. */
export interface Application {
  /** As on the command line. */
  readonly name: string;
  /** How many pages there are: always the same number. */
  readonly pageCount: number;
  /**
   * Executes an operation. Any text may come: one that is no operation changes nothing, and the answer says so.
   *
   * @returns the answer: JSON, the same at every replica, at most {@link MAX_RESULT_LENGTH} characters long
   */
  execute(operation: string, context: OperationContext): string;
  /**
   * The text of a page: the same for the same contents, whatever order led to them. A page with nothing in it has the
   * empty text.
   */
  page(index: number): string;
  /**
   * Replaces the contents of a page by those of a text that {@link page} once gave.
   *
   * @throws Error if it is no such text
   */
  restore(index: number, text: string): void;
  /** The pages that may have changed since this was last called. */
  takeChanged(): readonly number[];
  /**
   * Reads a line that a person typed.
   *
   * @throws UserError if it says nothing that can be done, with a sentence that says what can
   */
  parse(line: string): string;
  /** The answer to an operation in words for people. */
  describe(result: string): string;
}

/** The longest operation, in UTF-16 code units. */
export const MAX_OPERATION_LENGTH = 16_384;
/** The longest answer, in UTF-16 code units. */
export const MAX_RESULT_LENGTH = 32_768;
