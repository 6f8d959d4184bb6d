/** The clock of a simulation counts whole microseconds: so many are in a millisecond, a second and an hour. */
export const MS = 1_000;
export const SECOND = 1_000_000;
export const HOUR = 3_600 * SECOND;
