/**
 * What is decided. An application has two halves: a state machine, which takes operations in the order in which an engine
 * has them and answers each, and a language, in which people write operations and read answers.
 *
 * A state machine is deterministic, so nodes that execute the same operations in the same order have the same state. It does
 * no input or output, reads no clock and draws no random numbers; time comes in with the operation. Its state lies in pages:
 * two states are equal just if all their pages are, and only pages that changed are hashed, written, sent to nodes that fell
 * behind, and put back where a fork is left. The root over them, snapshots, marks and the way back to one are
 * `paged-state.ts`'s, the same for all applications.
 */

/** What an application is given of an operation besides the operation itself. */
export interface OperationContext {
  /** Who asks: the number of a member. */
  readonly client: number;
  /** Milliseconds since 1970, as agreed upon by the replicas: never before that of an earlier operation. */
  readonly time: number;
}

/** State that lies in pages. */
export interface Paged {
  /** How many pages there are: always the same number. */
  readonly pageCount: number;
  /**
   * The text of a page: the same for the same contents, whatever order led to them, well-formed and at most
   * {@link MAX_PAGE_LENGTH} long. A page with nothing in it has the empty text.
   */
  page(index: number): string;
  /**
   * Replaces the contents of a page by those of a text that {@link page} once gave, or, for the empty text, by nothing;
   * the other pages stay as they are.
   *
   * @throws Error if it is no such text; the page is as it was
   */
  restore(index: number, text: string): void;
  /** The pages that may have changed since this was last called; those that were restored need not be among them. */
  takeChanged(): readonly number[];
}

/** The half of an application that all nodes must agree about. */
export interface StateMachine extends Paged {
  /**
   * Looks at an operation before an engine takes it into its pool. It depends on the text alone, so that all nodes
   * answer the same whatever they have executed so far.
   *
   * @returns the rule that it breaks, in a sentence; undefined if it may be ordered
   */
  check(operation: string): string | undefined;
  /**
   * Executes an operation. Any text may come: one that is no operation changes nothing, and the answer says so.
   *
   * @returns the answer: JSON, well-formed, the same at every replica, at most {@link MAX_RESULT_LENGTH} long
   */
  execute(operation: string, context: OperationContext): string;
}

/** The half of an application that people meet: it may differ from node to node. */
export interface Language {
  /** What can be typed, in a few words, as in "put key value". */
  readonly hint: string;
  /**
   * Reads a line that a person typed.
   *
   * @throws UserError if it says nothing that can be done, with a sentence that says what can
   */
  parse(line: string): string;
  /** The answer to an operation in words for people. */
  describe(result: string): string;
}

/** See the top of this file. */
export interface Application {
  /** As on the command line. */
  readonly name: string;
  readonly language: Language;
  /** A state machine in its first state. */
  create(): StateMachine;
}

/** The longest operation, in UTF-16 code units. */
export const MAX_OPERATION_LENGTH = 16_384;
/** The longest answer, in UTF-16 code units. */
export const MAX_RESULT_LENGTH = 32_768;
/**
 * The longest text of a page, in UTF-16 code units: one that another replica asks for goes in one message, and is encoded
 * and hashed in one step.
 */
export const MAX_PAGE_LENGTH = 262_144;
