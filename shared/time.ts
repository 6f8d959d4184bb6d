/**
 * A time in ISO 8601, in UTC.
 *
 * @param milliseconds since 1970, at most 8.64e15 of them
 * @throws RangeError if there is no such date
 */
export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
