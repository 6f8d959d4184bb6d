import { parse as parseLossless } from 'lossless-json';

/**
 * Parses JSON without losing integers beyond 2^53, which Python implementations of the network send and hash
 * exactly: where one stands in a field of the object itself, all such integers come back as `bigint`. Every other
 * number is a `number`. Of a key that stands twice the last value counts, as in every implementation.
 *
 * @throws SyntaxError (or RangeError, for nesting deeper than the stack) when `text` is not JSON
 */
export function parseJson(text: string): unknown {
  const value = parseQuickly(text);
  return hasInexactField(value) ? parseLossless(text, undefined, { parseNumber, onDuplicateKey }) : value;
}

/** As {@link parseJson}, but undefined for a text that is not JSON. */
export function jsonOrUndefined(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

/**
 * Parses without keeping a stack trace for the error: to walk the stack takes several times as long as to find out
 * that a text is not JSON, and whoever sends such texts by the thousand shall not have that for nothing.
 */
function parseQuickly(text: string): unknown {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return JSON.parse(text) as unknown;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Whether a field of an object is a number that may stand for another one in the text. */
function hasInexactField(value: unknown): boolean {
  if (!isJsonObject(value)) return false;
  for (const key in value) {
    const field = value[key];
    if (typeof field === 'number' && (field > Number.MAX_SAFE_INTEGER || field < Number.MIN_SAFE_INTEGER))
      return true;
  }
  return false;
}

function parseNumber(token: string): number | bigint {
  const value = Number(token);
  return Number.isSafeInteger(value) || !/^-?\d+$/.test(token) ? value : BigInt(token);
}

function onDuplicateKey({ newValue }: { newValue: unknown }): unknown {
  return newValue;
}

/** Whether a parsed value is a JSON object (not an array, not null). */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
