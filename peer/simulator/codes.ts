/** What stands for everything that happens to a node in a digest; messages have higher codes, by their types. */
export const CODES = {
  started: 1,
  malformed: 2,
  continue: 3,
  timer: 4,
  request: 5,
  crashed: 6,
  disconnected: 7,
  clock: 8,
} as const;
export const FIRST_MESSAGE_CODE = 16;
