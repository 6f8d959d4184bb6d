/** What every application must do so that an engine can replicate it: one suite for all of them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  MAX_OPERATION_LENGTH,
  MAX_PAGE_LENGTH,
  MAX_RESULT_LENGTH,
  type Application,
  type OperationContext,
} from '../../peer/core/application.ts';
import { UserError } from '../../shared/errors.ts';

/** An application and what to try it with. */
export interface Subject {
  /** A fresh one. */
  readonly create: () => Application;
  /** Operations, most of them right ones, that meet each other: few keys, few values. */
  readonly operations: fc.Arbitrary<string>;
  /** Lines that a person may type. */
  readonly lines: readonly string[];
  /** How many of its first pages a refusal leaves as they were, if it remembers in others what it has refused. */
  readonly unchanged?: number;
}

interface Call extends OperationContext {
  readonly operation: string;
}

/** Any text: JSON, nearly JSON, well-formed or not. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: fc.nat({ max: 0xffff }).map((unit) => String.fromCharCode(unit)), maxLength: 40 }),
  fc.json({ depthSize: 'small' }),
  fc.array(fc.jsonValue(), { maxLength: 5 }).map((parts) => JSON.stringify(parts)),
  fc.constantFrom('[]', '['.repeat(MAX_OPERATION_LENGTH), ' '.repeat(MAX_OPERATION_LENGTH + 1)),
);

/** An operation that was damaged: a character too few, one too many, or another one. */
function damaged(operations: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .record({
      operation: operations,
      at: fc.nat(),
      cut: fc.boolean(),
      put: fc.constantFrom('', '"', ',0', '\ud800'),
    })
    .map(({ operation, at, cut, put }) => {
      const place = at % (operation.length + 1);
      return operation.slice(0, place) + put + operation.slice(place + (cut ? 1 : 0));
    });
}

/** Calls with times that never go back. */
function callsOf(operations: fc.Arbitrary<string>): fc.Arbitrary<readonly Call[]> {
  const call = fc.record({
    operation: operations,
    client: fc.nat({ max: 4 }),
    passed: fc.nat({ max: 5000 }),
  });
  return fc.array(call, { maxLength: 60 }).map((calls) => {
    let time = 1_700_000_000_000;
    return calls.map(({ operation, client, passed }) => ({ operation, client, time: (time += passed) }));
  });
}

function run(application: Application, calls: readonly Call[]): string[] {
  return calls.map(({ operation, client, time }) => application.execute(operation, { client, time }));
}

function pagesOf(application: Application): string[] {
  return Array.from({ length: application.pageCount }, (_, index) => application.page(index));
}

/** Checks that a page or an answer survives being sent and written. */
function expectFit(text: string, limit: number): void {
  expect(text.isWellFormed()).toBe(true);
  expect(text.length).toBeLessThanOrEqual(limit);
}

/** Runs the suite. */
export function complies(name: string, { create, operations, lines, unchanged }: Subject): void {
  describe(`the application "${name}"`, () => {
    const calls = callsOf(fc.oneof({ weight: 8, arbitrary: operations }, anyText, damaged(operations)));

    it('has its name, and pages that are all empty at first', () => {
      expect(create().name).toBe(name);
      expect(create().pageCount).toBeGreaterThan(0);
      expect(pagesOf(create()).every((text) => text === '')).toBe(true);
    });

    it('answers the same and has the same state wherever it executes the same', () => {
      fc.assert(
        fc.property(calls, (made) => {
          const [one, other] = [create(), create()];
          const answers = made.map((call) => {
            // When a replica makes its checkpoints must make no difference.
            other.takeChanged();
            return [...run(one, [call]), ...run(other, [call])];
          });
          expect(answers.every(([first, second]) => first === second)).toBe(true);
          expect(pagesOf(one)).toEqual(pagesOf(other));
        }),
        { numRuns: 50, seed: 1 },
      );
    });

    it('answers any text with JSON that is not too long, and has pages that are not', () => {
      fc.assert(
        fc.property(calls, (made) => {
          const application = create();
          for (const answer of run(application, made)) {
            expectFit(answer, MAX_RESULT_LENGTH);
            expect(JSON.parse(answer)).toBeTypeOf('object');
            expect(application.describe(answer)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
          }
          for (const text of pagesOf(application)) if (text !== '') expectFit(text, MAX_PAGE_LENGTH);
        }),
        { numRuns: 50, seed: 1 },
      );
    });

    it('is changed by nothing that it refuses', () => {
      fc.assert(
        fc.property(calls, (made) => {
          const application = create();
          for (const call of made) {
            application.takeChanged();
            const before = pagesOf(application).slice(0, unchanged);
            const [answer = ''] = run(application, [call]);
            const refused = Object.hasOwn(JSON.parse(answer) as object, 'error');
            if (refused) expect(pagesOf(application).slice(0, unchanged)).toEqual(before);
          }
        }),
        { numRuns: 20, seed: 1 },
      );
    });

    it('refuses an operation that is too long, whatever it says', () => {
      fc.assert(
        fc.property(operations, (operation) => {
          const application = create();
          const long = operation + ' '.repeat(MAX_OPERATION_LENGTH + 1 - operation.length);
          expect(run(application, [{ operation: long, client: 0, time: 1 }])).toEqual([
            '{"error":"no-operation"}',
          ]);
          expect(pagesOf(application)).toEqual(pagesOf(create()));
        }),
        { numRuns: 20, seed: 1 },
      );
    });

    it('names every page that changed', () => {
      fc.assert(
        fc.property(fc.array(calls, { maxLength: 4 }), (rounds) => {
          const application = create();
          let before = pagesOf(application);
          application.takeChanged();
          for (const made of rounds) {
            run(application, made);
            const after = pagesOf(application);
            const named = application.takeChanged();
            expect(after.flatMap((text, index) => (text === before[index] ? [] : [index]))).toSatisfy(
              (changed: number[]) => changed.every((index) => named.includes(index)),
            );
            before = after;
          }
        }),
        { numRuns: 50, seed: 1 },
      );
    });

    it('goes on from its pages, put in place in any order over any other state, as if nothing had been', () => {
      fc.assert(
        fc.property(calls, calls, calls, fc.boolean(), (made, others, later, backwards) => {
          const original = create();
          run(original, made);
          const copy = create();
          run(copy, others);
          const pages = [...pagesOf(original).entries()];
          for (const [index, text] of backwards ? pages.reverse() : pages) copy.restore(index, text);
          expect(pagesOf(copy)).toEqual(pagesOf(original));
          expect(run(copy, later)).toEqual(run(original, later));
          expect(pagesOf(copy)).toEqual(pagesOf(original));
        }),
        { numRuns: 50, seed: 1 },
      );
    });

    it('restores no page but one that it writes just so, and keeps what it has if it does not', () => {
      fc.assert(
        fc.property(calls, anyText, fc.nat(), fc.nat(), (made, text, chosen, at) => {
          const application = create();
          run(application, made);
          const before = pagesOf(application);
          const used = before.flatMap((page, index) => (page === '' ? [] : [index]));
          const index = used[chosen % Math.max(used.length, 1)] ?? 0;
          const page = before[index] ?? '';
          const place = at % (page.length + 1);
          const wrong = [
            text,
            ` ${page}`,
            page.slice(0, place),
            page.slice(0, place) + text + page.slice(place),
          ];
          for (const attempt of wrong) {
            let refused = false;
            try {
              application.restore(index, attempt);
            } catch {
              refused = true;
            }
            expect(application.page(index)).toBe(refused ? page : attempt);
            application.restore(index, page);
          }
          expect(pagesOf(application)).toEqual(before);
        }),
        { numRuns: 50, seed: 1 },
      );
    });

    it.each(lines)('makes an operation that it knows of the line %s', (line) => {
      const operation = create().parse(line);
      expectFit(operation, MAX_OPERATION_LENGTH);
      const [answer = ''] = run(create(), [{ operation, client: 0, time: 1 }]);
      expect(JSON.parse(answer)).not.toHaveProperty('error');
    });

    it('says what is wrong with a line, or makes an operation of it that it knows', () => {
      fc.assert(
        fc.property(fc.oneof(anyText, damaged(fc.constantFrom(...lines))), (line) => {
          const application = create();
          let operation: string;
          try {
            operation = application.parse(line);
          } catch (error) {
            expect(error).toBeInstanceOf(UserError);
            return;
          }
          expectFit(operation, MAX_OPERATION_LENGTH);
          const [answer = ''] = run(application, [{ operation, client: 0, time: 1 }]);
          expect(answer).not.toBe(JSON.stringify({ error: 'no-operation' }));
        }),
      );
    });

    it('describes whatever it is shown without throwing', () => {
      fc.assert(
        fc.property(anyText, (text) => {
          expect(create().describe(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
        }),
      );
    });
  });
}
