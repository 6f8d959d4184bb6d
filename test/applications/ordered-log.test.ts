import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';

import { MAX_PAGE_LENGTH } from '../../peer/core/application.ts';
import {
  LOG_RULES,
  MAX_ENTRIES,
  MAX_TEXT_LENGTH,
  OrderedLog,
  orderedLog,
} from '../../peer/applications/ordered-log.ts';

const CONTEXT = { client: 2, time: 1_700_000_000_000 };

function ask(log: OrderedLog, ...operation: readonly unknown[]): Record<string, unknown> {
  return JSON.parse(log.execute(JSON.stringify(operation), CONTEXT)) as Record<string, unknown>;
}

function logOf(count: number): OrderedLog {
  const log = new OrderedLog();
  for (let index = 1; index <= count; index++) ask(log, 'append', `text ${index}`);
  return log;
}

describe('the log', () => {
  it('numbers what is appended, and has it with when and by whom', () => {
    const log = new OrderedLog();
    expect([ask(log, 'append', 'hello world'), ask(log, 'append', '👋')]).toEqual([
      { index: 1 },
      { index: 2 },
    ]);
    expect(ask(log, 'entry', 2)).toEqual({ entry: { index: 2, ...CONTEXT, text: '👋' } });
    expect([ask(log, 'entry', 0), ask(log, 'entry', 3)]).toEqual([{ entry: null }, { entry: null }]);
  });

  it('has a digest that is a chain of hashes over all entries', () => {
    const hash = (...parts: readonly unknown[]): string =>
      createHash('sha256').update(JSON.stringify(parts)).digest('hex');
    const log = new OrderedLog();
    expect(ask(log, 'length')).toEqual({ length: 0, digest: '' });
    ask(log, 'append', 'a');
    ask(log, 'append', 'b');
    const first = hash('', 1, CONTEXT.time, 2, 'a');
    expect(ask(log, 'length')).toEqual({ length: 2, digest: hash(first, 2, CONTEXT.time, 2, 'b') });
  });

  it('keeps the last entries only, and goes on from its pages in the second round of the ring', () => {
    const log = logOf(MAX_ENTRIES + 200);
    expect(ask(log, 'entry', 200)).toEqual({ entry: null });
    expect(ask(log, 'entry', 201)['entry']).toMatchObject({ index: 201, text: 'text 201' });
    expect(ask(log, 'entry', MAX_ENTRIES + 200)['entry']).toMatchObject({
      text: `text ${MAX_ENTRIES + 200}`,
    });
    expect(ask(log, 'length')).toMatchObject({ length: MAX_ENTRIES + 200 });

    const copy = new OrderedLog();
    for (let page = 0; page < log.pageCount; page++) copy.restore(page, log.page(page));
    expect(ask(copy, 'entry', 201)).toEqual(ask(log, 'entry', 201));
    expect(ask(copy, 'append', 'next')).toEqual({ index: MAX_ENTRIES + 201 });
    // What a round has replaced and what it has not stand on one page, and none of the two before.
    const [page = ''] = [1, 2]
      .map((index) => copy.page(index))
      .filter((text) => text.includes(`[${MAX_ENTRIES + 201},`));
    expect(page).toContain('[202,');
    expect(page).not.toContain('[201,');
    for (const wrong of [
      page.replace('[202,', `[${2 * MAX_ENTRIES + 202},`),
      page.replace(`[${MAX_ENTRIES + 200},`, '[200,'),
      page.replace(/,\[\d+,[^[]*\]\]$/, ']'),
    ]) {
      expect(wrong).not.toBe(page);
      expect(() => {
        copy.restore(2, wrong);
      }).toThrow('no page of a log');
    }
  });

  it('has as many entries and pages as at every other member, and no page beyond', () => {
    const log = logOf(130);
    expect([MAX_ENTRIES, log.pageCount]).toEqual([100_096, 783]);
    expect([log.page(1), log.page(2)].map((text) => (JSON.parse(text) as unknown[]).length)).toEqual([
      128, 2,
    ]);
    expect(log.page(782)).toBe('');
    for (const index of [-1, 783]) {
      expect(() => log.page(index)).toThrow(RangeError);
      expect(() => {
        log.restore(index, '');
      }).toThrow(RangeError);
    }
    // A page that is put in place leaves the others as they are.
    log.restore(1, '');
    expect([log.page(1), (JSON.parse(log.page(2)) as unknown[]).length]).toEqual(['', 2]);
    expect([ask(log, 'entry', 128), ask(log, 'entry', 129)]).toMatchObject([
      { entry: null },
      { entry: { index: 129 } },
    ]);
  });

  it('takes texts and operations that are as long as may be, and none that is longer', () => {
    const log = new OrderedLog();
    const operation = (length: number): string => '["length"]'.padEnd(length, ' ');
    expect(ask(log, 'append', 'x'.repeat(1_000))).toEqual({ index: 1 });
    expect(ask(log, 'append', 'x'.repeat(1_001))).toEqual({ error: 'bad-text' });
    expect(JSON.parse(log.execute(operation(16_384), CONTEXT))).toMatchObject({ length: 1 });
    expect(JSON.parse(log.execute(operation(16_385), CONTEXT))).toEqual({ error: 'no-operation' });
  });

  it('has pages that fit into a message when the texts are the longest', () => {
    const log = new OrderedLog();
    const context = { client: 1000, time: Number.MAX_SAFE_INTEGER };
    const operation = JSON.stringify(['append', '"'.repeat(MAX_TEXT_LENGTH / 2)]);
    for (let count = 0; count < 129; count++) log.execute(operation, context);
    expect(log.page(2)).not.toBe('');
    expect(log.page(1).length).toBeGreaterThan(128 * MAX_TEXT_LENGTH);
    expect(log.page(1).length).toBeLessThan(MAX_PAGE_LENGTH);
  });

  it.each([
    ['an empty text', '["append",""]', 'bad-text'],
    ['a text that is not well-formed', '["append","\\ud800"]', 'bad-text'],
    ['a text that is too long', JSON.stringify(['append', 'x'.repeat(MAX_TEXT_LENGTH + 1)]), 'bad-text'],
    ['no text', '["append",5]', 'bad-text'],
    ['too much', '["append","a","b"]', 'no-operation'],
    ['a number that is none', '["entry","1"]', 'no-operation'],
    ['a verb that it does not know', '["remove",1]', 'no-operation'],
  ])('refuses %s', (_, operation, error) => {
    const log = new OrderedLog();
    expect(JSON.parse(log.execute(operation, CONTEXT))).toEqual({ error });
    expect(ask(log, 'length')).toEqual({ length: 0, digest: '' });
  });

  it('names the pages that changed', () => {
    const log = logOf(128);
    expect(log.takeChanged()).toEqual([0, 1]);
    ask(log, 'append', 'more');
    expect(log.takeChanged()).toEqual([0, 2]);
    ask(log, 'length');
    expect(log.takeChanged()).toEqual([]);
  });

  it.each([
    [0, '[0,""]'],
    [0, '[1,"abc"]'],
    [0, `[1.5,"${'0'.repeat(64)}"]`],
    [0, `[1, "${'0'.repeat(64)}"]`],
    [1, '[]'],
    [1, '{}'],
    [1, '[[2,5,0,"a"]]'],
    [1, '[[1,5,0,""]]'],
    [1, '[[1,-5,0,"a"]]'],
    [1, '[[1,5,"0","a"]]'],
    [1, '[[1,5,0,"a",1]]'],
    [1, '[[1,5,0,"a"],[3,5,0,"a"]]'],
    [1, `[[${MAX_ENTRIES + 1},5,0,"a"]]`],
    [2, '[[1,5,0,"a"]]'],
  ])('refuses as page %i the text %s', (page, text) => {
    const log = logOf(3);
    const before = log.page(page);
    expect(() => {
      log.restore(page, text);
    }).toThrow(/no (page|head) of a log/);
    expect(log.page(page)).toBe(before);
  });
});

describe('the lines of the log', () => {
  it.each([
    ['hello world', ['append', 'hello world']],
    ['entry 5', ['append', 'entry 5']],
    ['/entry 5', ['entry', 5]],
    ['/length', ['length']],
    ['/append /length', ['append', '/length']],
  ])('are operations: %s', (line, operation) => {
    expect(JSON.parse(orderedLog.language.parse(line))).toEqual(operation);
  });

  it.each([
    ['', LOG_RULES['bad-text']],
    ['\ud800', LOG_RULES['bad-text']],
    ['x'.repeat(1001), LOG_RULES['bad-text']],
    ['/append ', LOG_RULES['bad-text']],
    ['/entry five', 'after / stands entry <number>'],
    ['/lenght', 'after / stands entry <number>'],
  ])('say what is wrong: %s', (line, message) => {
    expect(() => orderedLog.language.parse(line)).toThrow(message);
  });

  it.each([
    ['{"index":5}', 'entry 5'],
    ['{"length":2,"digest":"ab"}', '2 entries, digest ab'],
    ['{"entry":null}', 'there is no such entry'],
    [
      '{"entry":{"index":1,"time":1700000000000,"client":2,"text":"\\u001bhi"}}',
      'entry 1, 2023-11-14T22:13:20.000Z, by 2: \\u001bhi',
    ],
    ['{"error":"bad-text"}', LOG_RULES['bad-text']],
    ['{"entry":{"time":1e300}}', '{"entry":{"time":1e300}}'],
    ['{"entry":{"time":8640000000000001}}', '{"entry":{"time":8640000000000001}}'],
    [
      '{"entry":{"index":1,"time":8640000000000000,"client":2,"text":"hi"}}',
      'entry 1, +275760-09-13T00:00:00.000Z, by 2: hi',
    ],
    ['{"entry":{"time":-1}}', '{"entry":{"time":-1}}'],
  ])('answer %s in words', (result, words) => {
    expect(orderedLog.language.describe(result)).toBe(words);
  });
});
