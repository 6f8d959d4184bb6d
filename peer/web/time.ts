/** A time as the API tells it. */
export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
