import { parse as parseLossless } from 'lossless-json';

/**
 * A number token that a double may not hold exactly. It may also match digits inside a text, which only costs
 * the slower parser: both give the same value there.
 */
const LONG_INTEGER = /[:,[\s]-?\d{16}/;

/**
 * Parses JSON without losing integers beyond 2^53, which Python implementations of the network send and hash
 * exactly: those come back as `bigint`, every other number as `number`.
 *
 * @throws SyntaxError (or RangeError, for nesting deeper than the stack) when `text` is not JSON
 */
export function parseJson(text: string): unknown {
  return LONG_INTEGER.test(text)
    ? parseLossless(text, undefined, parseNumber)
    : (JSON.parse(text) as unknown);
}

function parseNumber(token: string): number | bigint {
  const value = Number(token);
  return Number.isSafeInteger(value) || !/^-?\d+$/.test(token) ? value : BigInt(token);
}

/** Whether a parsed value is a JSON object (not an array, not null). */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
