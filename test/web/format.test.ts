import { expect, test } from 'vitest';

import { duration, later } from '../../peer/web/page/format.ts';

test('times that are equal are not a millisecond apart', () => {
  expect([0, 0.2, 40, 400, 26_000].map(duration)).toEqual(['0 s', '1 ms', '40 ms', '0.4 s', '26 s']);
  expect([0, 1, 90].map(later)).toEqual(['in the same second as', '1 s after', '1.5 min after']);
});
