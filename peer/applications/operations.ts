/** What applications have in common: operations are JSON arrays that begin with a verb, and answers JSON objects. */
import { UserError } from '../../shared/errors.ts';
import { isJsonObject, jsonOrUndefined } from '../../shared/json.ts';
import { escapeControls } from '../../shared/escape.ts';
import { MAX_OPERATION_LENGTH } from '../core/application.ts';

/** The parts of an operation, the verb first; none if the text is no JSON array or too long. */
export function readOperation(operation: string): readonly unknown[] {
  if (operation.length > MAX_OPERATION_LENGTH) return [];
  const parts = jsonOrUndefined(operation);
  return Array.isArray(parts) ? parts : [];
}

/**
 * Whether something is a text that survives being written as UTF-8 and is not too long.
 *
 * @param limit as {@link lengthInJson} counts
 */
export function isText(value: unknown, limit: number): value is string {
  return typeof value === 'string' && value.isWellFormed() && lengthInJson(value) <= limit;
}

/** How long a text is as a JSON string, without the quotes: what it takes in pages, operations and answers. */
export function lengthInJson(text: string): number {
  return JSON.stringify(text).length - 2;
}

/** An answer that says which rule an operation breaks. */
export function refusal(rule: string): string {
  return JSON.stringify({ error: rule });
}

/**
 * An answer in words for people.
 *
 * @param rules the sentence of each rule that {@link refusal} may name
 * @param words what an answer that is none says, undefined if it is none of the application's
 */
export function describeAnswer(
  answer: string,
  rules: Readonly<Record<string, string>>,
  words: (fields: Readonly<Record<string, unknown>>) => string | undefined,
): string {
  const fields = jsonOrUndefined(answer);
  if (!isJsonObject(fields)) return escapeControls(answer);
  const { error } = fields;
  const rule = typeof error === 'string' && Object.hasOwn(rules, error) ? rules[error] : undefined;
  return escapeControls(rule ?? words(fields) ?? answer);
}

/** A word of a line that a person typed. */
export interface Word {
  readonly text: string;
  readonly quoted: boolean;
}

/**
 * The words of a line: parted by spaces, or, to have spaces and others in them, in quotes as JSON strings are.
 *
 * @throws UserError for quotes that do not end
 */
export function wordsOf(line: string): Word[] {
  return Array.from(line.matchAll(/"(?:[^"\\]|\\.)*"(?=\s|$)|\S+/gu), ([word]) => {
    if (!word.startsWith('"')) return { text: word, quoted: false };
    const text = jsonOrUndefined(word);
    if (typeof text !== 'string') {
      throw new UserError(
        `the quotes at ${word} do not end; within quotes, \\" stands for a quote and \\\\ for \\`,
      );
    }
    return { text, quoted: true };
  });
}
