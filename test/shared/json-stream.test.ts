import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { JsonObjectStream, STREAM_RULES, type StreamFault } from '../../shared/json-stream.ts';

/** Feeds bytes in the given pieces and collects everything that comes out. */
function feed(
  bytes: Uint8Array,
  cuts: readonly number[],
  limits = { objectBytes: 65_536, depth: 32 },
): { objects: string[]; fault: StreamFault | undefined; pending: number } {
  const stream = new JsonObjectStream(limits);
  const objects: string[] = [];
  let from = 0;
  for (const cut of [...cuts, bytes.length].sort((a, b) => a - b)) {
    const to = Math.min(cut, bytes.length);
    objects.push(...stream.push(bytes.subarray(from, to)).objects);
    from = to;
  }
  return { objects, fault: stream.fault, pending: stream.pending };
}

const utf8 = (text: string): Uint8Array => Buffer.from(text, 'utf8');
const whole = (text: string, limits?: { objectBytes: number; depth: number }): ReturnType<typeof feed> =>
  feed(utf8(text), [], limits);

describe('a stream of JSON objects', () => {
  it.each([
    ['one bare object', '{"a":1}', ['{"a":1}']],
    ['one a line', '{"a":1}\n{"b":2}\r\n', ['{"a":1}', '{"b":2}']],
    ['separated by blanks', ' \t{"a":1}  {"b":2} ', ['{"a":1}', '{"b":2}']],
    ['one after the other', '{"a":1}{"b":{"c":[{}]}}{}', ['{"a":1}', '{"b":{"c":[{}]}}', '{}']],
    ['braces in texts', '{"}":"{{["}{"b":"]"}', ['{"}":"{{["}', '{"b":"]"}']],
    [
      'escaped quotes',
      String.raw`{"a":"\"}\\"}{"b":"\\\""}`,
      [String.raw`{"a":"\"}\\"}`, String.raw`{"b":"\\\""}`],
    ],
    ['nothing', '', []],
  ])('cuts %s', (_, text, objects) => {
    expect(whole(text)).toEqual({ objects, fault: undefined, pending: 0 });
  });

  it('keeps an unfinished object and says how long it is', () => {
    expect(whole('{"a":1}{"b":')).toEqual({ objects: ['{"a":1}'], fault: undefined, pending: 5 });
  });

  it.each([
    ['not-an-object', 'hello'],
    ['not-an-object', '{"a":1},{"b":2}'],
    ['not-an-object', '{}}'],
    ['not-an-object', '[{}]'],
    ['not-an-object', 'null'],
    ['not-an-object', '\ufeff{}'],
    ['too-deep', `{"a":${'['.repeat(32)}`],
    ['too-deep', '{"a":'.repeat(33)],
    ['too-long', `{"a":"${'x'.repeat(65_536)}"}`],
    ['too-long', `{"a":"${'x'.repeat(65_536)}`],
  ] as const)('breaks with %s', (fault, text) => {
    expect(whole(text).fault).toBe(fault);
    expect(STREAM_RULES[fault]).toMatch(/^[A-Z].*\.$/);
  });

  it('takes objects up to the limits and not one byte or level more', () => {
    const limits = { objectBytes: 20, depth: 3 };
    expect(whole(`{"a":"${'x'.repeat(12)}"}`, limits).objects).toHaveLength(1);
    expect(whole(`{"a":"${'x'.repeat(13)}"}`, limits).fault).toBe('too-long');
    expect(whole('{"a":[[]]}', limits).objects).toHaveLength(1);
    expect(whole('{"a":[[[]]]}', limits).fault).toBe('too-deep');
  });

  it('breaks on bytes that are not UTF-8', () => {
    expect(feed(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), []).fault).toBe('not-utf8');
  });

  it('is dead after a fault, holds nothing, and delivers what came before it', () => {
    const stream = new JsonObjectStream();
    expect(stream.push(utf8('{"a":1}!{"b":2}'))).toEqual({ objects: ['{"a":1}'], fault: 'not-an-object' });
    expect(stream.push(utf8('{"c":3}'))).toEqual({ objects: [], fault: 'not-an-object' });
    expect(stream.pending).toBe(0);
  });

  const blank = fc.stringMatching(/^[ \t\r\n]{0,3}$/);

  it('gives the same objects however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(blank, fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 4 }))),
        ),
        fc.array(fc.nat(400)),
        (parts, cuts) => {
          const texts = parts.map(([, value]) => JSON.stringify(value));
          const bytes = utf8(parts.map(([gap], at) => gap + (texts[at] ?? '')).join(''));
          expect(feed(bytes, cuts)).toEqual({ objects: texts, fault: undefined, pending: 0 });
        },
      ),
    );
  });

  it('gives the same objects and the same fault for any bytes, however they are cut', () => {
    const noise = fc.array(fc.constantFrom('{', '}', '[', ']', '"', '\\', ' ', '\n', ',', 'a', 'é'), {
      maxLength: 120,
    });
    fc.assert(
      fc.property(noise, fc.array(fc.nat(150)), (characters, cuts) => {
        const bytes = utf8(characters.join(''));
        const limits = { objectBytes: 40, depth: 4 };
        expect(feed(bytes, cuts, limits)).toEqual(feed(bytes, [], limits));
      }),
      { numRuns: 500, seed: 1 },
    );
  });

  it('takes a long object byte by byte in linear time', () => {
    const bytes = utf8(`{"a":"${'x'.repeat(60_000)}"}`);
    const cuts = Array.from({ length: bytes.length }, (_, at) => at);
    expect(feed(bytes, cuts).objects).toHaveLength(1);
  });
});
