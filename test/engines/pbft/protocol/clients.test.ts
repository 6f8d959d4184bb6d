import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { MAX_PAGE_LENGTH } from '../../../../peer/core/application.ts';
import {
  ClientTables,
  MAX_CLIENT_WINDOW,
  MAX_KEPT_RESULTS,
} from '../../../../peer/engines/pbft/protocol/clients.ts';

const WINDOW = 4;

function tablesWith(...timestamps: readonly number[]): ClientTables {
  const tables = new ClientTables(2, WINDOW);
  for (const timestamp of timestamps) tables.record(0, timestamp, `"${timestamp}"`);
  return tables;
}

describe('the tables of the clients', () => {
  it('know a request by its client and its timestamp', () => {
    const tables = tablesWith(7);
    expect(tables.look(0, 7)).toEqual({ result: '"7"' });
    expect(tables.look(0, 8)).toBe('new');
    expect(tables.look(1, 7)).toBe('new');
  });

  it('take requests that are executed in another order than they were made', () => {
    const tables = tablesWith(3, 1);
    expect(tables.look(0, 2)).toBe('new');
    tables.record(0, 2, '"two"');
    expect([1, 2, 3].map((timestamp) => tables.look(0, timestamp))).toEqual([
      { result: '"1"' },
      { result: '"two"' },
      { result: '"3"' },
    ]);
  });

  it('give up the oldest when more than the window are held, and all that are older still with it', () => {
    const tables = tablesWith(2, 4, 6, 8, 10);
    expect(tables.floor(0)).toBe(2);
    expect([1, 2].map((timestamp) => tables.look(0, timestamp))).toEqual(['old', 'old']);
    expect(tables.look(0, 3)).toBe('new');
    expect(tables.look(0, 4)).toEqual({ result: '"4"' });
  });

  it('drop the oldest answers when they are too long together, but not that their requests were executed', () => {
    const tables = new ClientTables(1, WINDOW);
    const long = JSON.stringify('x'.repeat(MAX_KEPT_RESULTS / 2));
    tables.record(0, 1, long);
    tables.record(0, 3, '"short"');
    tables.record(0, 5, long);
    expect([1, 3, 5].map((timestamp) => tables.look(0, timestamp))).toEqual([
      'old',
      { result: '"short"' },
      { result: long },
    ]);
    expect(tables.look(0, 2)).toBe('new');
    expect(tables.floor(0)).toBe(0);
  });

  it('have a page that fits into a message when the window is the widest and the answers are the longest', () => {
    const tables = new ClientTables(1, MAX_CLIENT_WINDOW);
    const first = Number.MAX_SAFE_INTEGER - MAX_CLIENT_WINDOW;
    for (let place = 0; place <= MAX_CLIENT_WINDOW; place++) tables.record(0, first + place, '"'.repeat(200));
    const text = tables.page(0);
    expect(text.length).toBeGreaterThan(MAX_KEPT_RESULTS);
    expect(text.length).toBeLessThan(MAX_PAGE_LENGTH);
    expect(() => new ClientTables(1, MAX_CLIENT_WINDOW + 1)).toThrow(RangeError);
  });

  it('name the pages that changed', () => {
    const tables = tablesWith(1, 2);
    expect(tables.takeChanged()).toEqual([0]);
    expect(tables.takeChanged()).toEqual([]);
    expect([tables.page(0), tables.page(1)]).toEqual(['[0,[[1,"\\"1\\""],[2,"\\"2\\""]]]', '']);
  });

  it.each([
    ['no JSON', '[0'],
    ['no array', '{}'],
    ['a floor below 0', '[-1,[]]'],
    ['a floor that is no integer', '[0.5,[]]'],
    ['no list', '[1]'],
    ['an empty table that is written out', '[0,[]]'],
    ['an entry that is no pair', '[0,[1]]'],
    ['an entry with a third part', '[0,[[1,"1",0]]]'],
    ['a timestamp that is the floor', '[1,[[1,"1"]]]'],
    ['timestamps out of order', '[0,[[2,"2"],[1,"1"]]]'],
    ['a timestamp twice', '[0,[[2,"2"],[2,"2"]]]'],
    ['a timestamp beyond the safe integers', '[0,[[9007199254740992,"1"]]]'],
    ['an answer that is no text', '[0,[[1,1]]]'],
    ['an answer that is not well-formed', '[0,[[1,"\\ud800"]]]'],
    ['another way to write the same', '[0, []]'],
    ['more than the window', '[0,[[1,"1"],[2,"2"],[3,"3"],[4,"4"],[5,"5"]]]'],
    ['answers that are too long together', JSON.stringify([0, [[1, 'x'.repeat(MAX_KEPT_RESULTS)]]])],
  ])('refuse a page with %s', (_, text) => {
    const tables = tablesWith(1);
    expect(() => {
      tables.restore(0, text);
    }).toThrow('no table of a client');
    expect(tables.look(0, 1)).toEqual({ result: '"1"' });
  });

  it('refuse a client that there is not', () => {
    expect(() => tablesWith().look(2, 1)).toThrow(RangeError);
    expect(() => {
      tablesWith().restore(2, '');
    }).toThrow(RangeError);
  });
});

describe('the tables of the clients against a list of all that happened', () => {
  it('execute nothing twice, and remember all within the window', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 24 }), { maxLength: 60 }), (timestamps) => {
        let tables = new ClientTables(1, WINDOW);
        const executed = new Set<number>();
        for (const timestamp of timestamps) {
          const known = tables.look(0, timestamp);
          const youngest = [...executed].sort((one, other) => other - one).slice(0, WINDOW);
          if (youngest.includes(timestamp)) expect(known).toEqual({ result: `"${timestamp}"` });
          else if (executed.has(timestamp)) expect(known).toBe('old');
          else expect(known).toBe(timestamp > tables.floor(0) ? 'new' : 'old');
          if (known === 'new') {
            executed.add(timestamp);
            tables.record(0, timestamp, `"${timestamp}"`);
          }
          // A replica that was restarted, or was sent the page, goes on just so.
          const restored = new ClientTables(1, WINDOW);
          restored.restore(0, tables.page(0));
          expect(restored.page(0)).toBe(tables.page(0));
          tables = restored;
        }
      }),
    );
  });

  it('answer alike whether they ran through or were restored once, also where answers are given up', () => {
    // Two or three of the longer ones together are too long, and the window is small.
    const lengths = [10, MAX_KEPT_RESULTS / 3, MAX_KEPT_RESULTS / 2, MAX_KEPT_RESULTS - 100];
    const requests = fc.array(
      fc.record({
        timestamp: fc.integer({ min: 1, max: 24 }),
        result: fc.constantFrom(...lengths.map((length) => JSON.stringify('x'.repeat(length)))),
      }),
      { minLength: 10, maxLength: 30 },
    );
    const known = (tables: ClientTables): unknown[] =>
      Array.from({ length: 24 }, (_, index) => tables.look(0, index + 1));
    fc.assert(
      fc.property(requests, fc.nat(30), (made, at) => {
        const through = new ClientTables(1, WINDOW);
        let once = new ClientTables(1, WINDOW);
        for (const [step, { timestamp, result }] of made.entries()) {
          for (const tables of [through, once]) {
            if (tables.look(0, timestamp) === 'new') tables.record(0, timestamp, result);
          }
          if (step === at) {
            const page = once.page(0);
            once = new ClientTables(1, WINDOW);
            once.restore(0, page);
          }
          expect(known(once)).toEqual(known(through));
        }
        expect(once.page(0) === through.page(0)).toBe(true);
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  it('lose no request of a client that keeps to its window', () => {
    const steps = fc.array(fc.record({ gap: fc.integer({ min: 1, max: 9 }), choice: fc.nat() }), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(steps, (chosen) => {
        const tables = new ClientTables(1, WINDOW);
        /** Requests from the oldest without an answer on, and which of them have none. */
        const made: number[] = [];
        const open = new Set<number>();
        let youngest = 0;
        for (const { gap, choice } of chosen) {
          while (made.length < WINDOW) {
            youngest += gap;
            made.push(youngest);
            open.add(youngest);
          }
          const timestamp = [...open][choice % open.size] ?? NaN;
          expect(tables.look(0, timestamp)).toBe('new');
          tables.record(0, timestamp, 'true');
          open.delete(timestamp);
          while (made[0] !== undefined && !open.has(made[0])) made.shift();
        }
      }),
    );
  });
});
