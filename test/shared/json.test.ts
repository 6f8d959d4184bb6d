import { describe, expect, it } from 'vitest';

import { jsonOrUndefined, parseJson } from '../../shared/json.ts';

describe('JSON with integers beyond 2^53', () => {
  it('keeps them exactly where one is a field of the object, and all other numbers as they are', () => {
    expect(parseJson('{"a":12345678901234567890,"b":[9007199254740993],"c":1.5,"d":1e400}')).toStrictEqual({
      a: 12345678901234567890n,
      b: [9007199254740993n],
      c: 1.5,
      d: Infinity,
    });
  });

  it.each(['{"a":1,"n":0,"a":2}', '{"a":1,"n":12345678901234567890,"a":2}'])(
    'takes the last value of a key that stands twice: %s',
    (text) => {
      expect(parseJson(text)).toHaveProperty('a', 2);
    },
  );
});

describe('JSON that may be none', () => {
  it('is undefined if it is none', () => {
    expect(jsonOrUndefined('{"a":[1]}')).toEqual({ a: [1] });
    expect(['', '{', 'undefined', '['.repeat(1_000_000)].map(jsonOrUndefined)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});
