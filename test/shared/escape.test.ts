import { Readable, Writable } from 'node:stream';

import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';

import { escapeControls, escapeJson, toJson } from '../../shared/escape.ts';
import { createLog, type LogFormat } from '../../shared/log.ts';
import { readRecord, writeRecord, MAX_LINE_LENGTH } from '../../shared/record.ts';
import { hashBlock, blockToJson } from '../../shared/block.ts';

/** Each kind of what nobody sees: the first and the last of a range where there is one. */
const UNSEEN = {
  C0: ['\u0000', '\u001b', '\u001f'],
  C1: ['\u007f', '\u0080', '\u0085', '\u009b', '\u009f'],
  lines: ['\u2028', '\u2029'],
  bidirectional: ['\u061c', '\u200e', '\u200f', '\u202a', '\u202e', '\u2066', '\u2069'],
  'zero width': ['\u00ad', '\u034f', '\u180e', '\u200b', '\u200d', '\u2060', '\u2064', '\u3164', '\ufeff'],
  annotations: ['\ufff9', '\ufffb'],
  variations: ['\ufe00', '\ufe0f', '\u{e0100}', '\u{e01ef}'],
  tags: ['\u{e0001}', '\u{e0020}', '\u{e007f}'],
  halves: ['\ud800', '\udfff'],
} as const;
const ALL = Object.values(UNSEEN).flat();
/** Letters, signs and spaces of many scripts, which stay. */
const SEEN = 'a Z~ é ß 漢 あ ع ש ก \u00a0 ё 🙂 \u{1f600} \\ " \u2026 \u0301';
/** What of a text nobody would see. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;

describe('what nobody sees', () => {
  test.each(Object.entries(UNSEEN))('is written as an escape: %s', (_, characters) => {
    for (const character of characters) {
      const escaped = Array.from(
        { length: character.length },
        (__, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
      ).join('');
      expect(escapeControls(`a${character}b`)).toBe(`a${escaped}b`);
      expect(toJson(`a${character}b`)).not.toMatch(HIDDEN);
    }
  });

  test('is all that is', () => {
    expect(escapeControls(SEEN)).toBe(SEEN);
    expect(toJson(SEEN)).toBe(JSON.stringify(SEEN));
  });
});

const text = fc.string({
  unit: fc.oneof(fc.constantFrom(...ALL), fc.string({ unit: 'binary', maxLength: 1 })),
});

test('JSON shows nothing unseen, and means what it meant', () => {
  fc.assert(
    fc.property(fc.jsonValue(), text, text, (value, one, other) => {
      const all = { value, [one]: other, list: [other, { one }] };
      for (const indent of [undefined, 2]) {
        const json = toJson(all, indent);
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(all)));
        expect(json.replaceAll('\n', '')).not.toMatch(HIDDEN);
      }
    }),
  );
  expect(toJson({ big: 2n ** 64n })).toBe('{"big":"18446744073709551616"}');
});

test.each<LogFormat>(['text', 'json'])('no log line shows anything unseen: %s', (format) => {
  // Winston writes to the console's own stream, which a test runner may have replaced.
  const stream = (console as unknown as { _stderr: NodeJS.WriteStream })._stderr;
  const write = vi.spyOn(stream, 'write').mockImplementation(() => true);
  const hostile = ALL.join('x');
  createLog({ level: 'info', format, colour: false }).info(`m ${hostile}`, { name: hostile });
  const line = write.mock.calls.map(([chunk]) => String(chunk)).join('');
  write.mockRestore();
  expect(line.replace(/\n$/, '')).not.toMatch(HIDDEN);
  expect(line).toContain('\\u202e');
  if (format === 'json') expect(JSON.parse(line)).toMatchObject({ message: `m ${hostile}`, name: hostile });
});

test('an exported block shows nothing unseen and is the same when it is read again, however long', async () => {
  const messages = ALL.filter((one) => one.isWellFormed())
    .map((one) => `a${one}b`)
    .slice(0, 10);
  // What an escape makes longest: two bytes of a datagram each.
  const minedBy = '\u0085'.repeat(32_000);
  const fields = { height: 0, minedBy, messages, timestamp: 1n, nonce: '\u202e' };
  const block = { ...fields, hash: hashBlock(fields, '') };
  let record = '';
  const output = new Writable({
    write: (chunk: Buffer, _, done) => {
      record += chunk.toString();
      done();
    },
  });
  await writeRecord([block], output, { end: true });
  expect(record.slice(0, -1)).not.toMatch(HIDDEN);
  expect(record.length).toBeLessThan(MAX_LINE_LENGTH);
  expect(escapeJson(blockToJson(block))).toBe(record.trim());
  const read = [];
  for await (const line of readRecord(Readable.from([record]))) read.push(line);
  expect(read).toMatchObject([{ block: { hash: block.hash, minedBy, messages, nonce: '\u202e' } }]);
});
