/** What every application must do so that an engine can replicate it: one suite for all of them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  MAX_OPERATION_LENGTH,
  MAX_PAGE_LENGTH,
  MAX_RESULT_LENGTH,
  type Application,
  type OperationContext,
  type StateMachine,
} from '../../peer/core/application.ts';
import { digestsOf, PagedState } from '../../peer/core/paged-state.ts';
import { UserError } from '../../shared/errors.ts';

/** An application and what to try it with. */
export interface Subject {
  readonly application: Pick<Application, 'create' | 'language'>;
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

function run(machine: StateMachine, calls: readonly Call[]): string[] {
  return calls.map(({ operation, client, time }) => machine.execute(operation, { client, time }));
}

function pagesOf(machine: StateMachine): string[] {
  return Array.from({ length: machine.pageCount }, (_, index) => machine.page(index));
}

/** Checks that a page or an answer survives being sent and written. */
function expectFit(text: string, limit: number): void {
  expect(text.isWellFormed()).toBe(true);
  expect(text.length).toBeLessThanOrEqual(limit);
}

/** Runs the suite. */
export function complies(name: string, { application, operations, lines, unchanged }: Subject): void {
  const { language } = application;
  const create = (): StateMachine => application.create();
  describe(`the application "${name}"`, () => {
    const calls = callsOf(fc.oneof({ weight: 8, arbitrary: operations }, anyText, damaged(operations)));

    it('has pages that are all empty at first', () => {
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
          const machine = create();
          for (const answer of run(machine, made)) {
            expectFit(answer, MAX_RESULT_LENGTH);
            expect(JSON.parse(answer)).toBeTypeOf('object');
            expect(language.describe(answer)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
          }
          for (const text of pagesOf(machine)) if (text !== '') expectFit(text, MAX_PAGE_LENGTH);
        }),
        { numRuns: 50, seed: 1 },
      );
    });

    it('is changed by nothing that it refuses', () => {
      fc.assert(
        fc.property(calls, (made) => {
          const machine = create();
          for (const call of made) {
            machine.takeChanged();
            const before = pagesOf(machine).slice(0, unchanged);
            const [answer = ''] = run(machine, [call]);
            const refused = Object.hasOwn(JSON.parse(answer) as object, 'error');
            if (refused) expect(pagesOf(machine).slice(0, unchanged)).toEqual(before);
          }
        }),
        { numRuns: 20, seed: 1 },
      );
    });

    it('refuses an operation that is too long, whatever it says', () => {
      fc.assert(
        fc.property(operations, (operation) => {
          const machine = create();
          const long = operation + ' '.repeat(MAX_OPERATION_LENGTH + 1 - operation.length);
          expect(run(machine, [{ operation: long, client: 0, time: 1 }])).toEqual([
            '{"error":"no-operation"}',
          ]);
          expect(pagesOf(machine)).toEqual(pagesOf(create()));
        }),
        { numRuns: 20, seed: 1 },
      );
    });

    it('checks an operation by its text alone: what it refuses is refused, and changes nothing, in every state', () => {
      fc.assert(
        fc.property(calls, (made) => {
          const machine = create();
          for (const call of made) {
            const rule = machine.check(call.operation);
            expect(create().check(call.operation)).toBe(rule);
            const before = pagesOf(machine).slice(0, unchanged);
            const [answer = ''] = run(machine, [call]);
            if (rule === undefined) {
              expect(answer).not.toBe('{"error":"no-operation"}');
            } else {
              expect(rule).toMatch(/^[A-Z].*\.$/);
              expect(JSON.parse(answer)).toHaveProperty('error');
              expect(pagesOf(machine).slice(0, unchanged)).toEqual(before);
            }
          }
        }),
        { numRuns: 30, seed: 1 },
      );
    });

    it('can be taken back to any mark, and goes on from there as if nothing had been', () => {
      fc.assert(
        fc.property(
          fc.array(calls, { minLength: 1, maxLength: 5 }),
          fc.nat(),
          calls,
          (rounds, chosen, later) => {
            const machine = create();
            const state = new PagedState([machine], digestsOf('test'), { snapshots: 1, marks: 8 });
            const marks = rounds.map((made) => {
              const mark = { mark: state.mark(), root: state.digest(), pages: pagesOf(machine) };
              run(machine, made);
              return mark;
            });
            const back = marks[chosen % marks.length];
            if (back === undefined) return;
            const ahead = pagesOf(machine);
            for (let times = 0; times < 2; times++) {
              state.rewind(back.mark);
              expect(pagesOf(machine)).toEqual(back.pages);
              expect(state.digest()).toBe(back.root);
              // The same blocks once more lead to the same state, and others to none that remembers the first.
              if (times === 0) for (const made of rounds.slice(chosen % marks.length)) run(machine, made);
              if (times === 0) expect(pagesOf(machine)).toEqual(ahead);
            }
            const fresh = create();
            for (const [index, text] of back.pages.entries()) fresh.restore(index, text);
            expect(run(machine, later)).toEqual(run(fresh, later));
            expect(pagesOf(machine)).toEqual(pagesOf(fresh));
          },
        ),
        { numRuns: 30, seed: 1 },
      );
    });

    it('names every page that changed', () => {
      fc.assert(
        fc.property(fc.array(calls, { maxLength: 4 }), (rounds) => {
          const machine = create();
          let before = pagesOf(machine);
          machine.takeChanged();
          for (const made of rounds) {
            run(machine, made);
            const after = pagesOf(machine);
            const named = machine.takeChanged();
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
          const machine = create();
          run(machine, made);
          const before = pagesOf(machine);
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
              machine.restore(index, attempt);
            } catch {
              refused = true;
            }
            expect(machine.page(index)).toBe(refused ? page : attempt);
            machine.restore(index, page);
          }
          expect(pagesOf(machine)).toEqual(before);
        }),
        { numRuns: 50, seed: 1 },
      );
    });

    it.each(lines)('makes an operation that it knows of the line %s', (line) => {
      const operation = language.parse(line);
      expectFit(operation, MAX_OPERATION_LENGTH);
      const [answer = ''] = run(create(), [{ operation, client: 0, time: 1 }]);
      expect(JSON.parse(answer)).not.toHaveProperty('error');
    });

    it('says what is wrong with a line, or makes an operation of it that it knows', () => {
      fc.assert(
        fc.property(fc.oneof(anyText, damaged(fc.constantFrom(...lines))), (line) => {
          let operation: string;
          try {
            operation = language.parse(line);
          } catch (error) {
            expect(error).toBeInstanceOf(UserError);
            return;
          }
          expectFit(operation, MAX_OPERATION_LENGTH);
          const [answer = ''] = run(create(), [{ operation, client: 0, time: 1 }]);
          expect(answer).not.toBe(JSON.stringify({ error: 'no-operation' }));
        }),
      );
    });

    it('describes whatever it is shown without throwing', () => {
      fc.assert(
        fc.property(anyText, (text) => {
          expect(language.describe(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
        }),
      );
    });
  });
}
