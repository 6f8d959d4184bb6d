import { expect, test } from 'vitest';

import { Newest } from '../../peer/web/newest.ts';

test('as many as there is room for are given, the newest first, however many came', () => {
  const newest = new Newest<number>(3);
  expect([newest.newest, newest.items]).toEqual([undefined, []]);
  for (let item = 1; item <= 20; item++) {
    newest.add(item);
    expect(newest.newest).toBe(item);
    expect(newest.items).toEqual([item, item - 1, item - 2].filter((one) => one > 0));
  }
});

test('the newest gives its place to another, and no other does', () => {
  const newest = new Newest<string>(3);
  for (const item of ['a', 'b', 'c']) newest.add(item);
  newest.replaceNewest('d');
  expect([newest.newest, newest.items]).toEqual(['d', ['d', 'b', 'a']]);
});
