/**
 * The smallest complete application, to begin one's own with: a number that counts up and down. Operations are
 * `["add", number]` and `["value"]`; both are answered with `{"value": the number}`.
 */
import type { Application, StateMachine } from '../../peer/core/application.ts';
import { describeAnswer, readOperation, refusal } from '../../peer/applications/operations.ts';
import { UserError } from '../../shared/errors.ts';

const RULES = {
  'no-operation': 'An operation is value, or add with an integer; the value stays a safe integer.',
};

export class Counter implements StateMachine {
  readonly pageCount = 1;
  private value = 0;

  check(operation: string): string | undefined {
    return amountOf(operation) === undefined ? RULES['no-operation'] : undefined;
  }

  execute(operation: string): string {
    const next = this.value + (amountOf(operation) ?? NaN);
    if (!Number.isSafeInteger(next)) return refusal('no-operation');
    this.value = next;
    return JSON.stringify({ value: this.value });
  }

  page(): string {
    return this.value === 0 ? '' : String(this.value);
  }

  restore(_index: number, text: string): void {
    const value = Number(text);
    if (text !== '' && (!Number.isSafeInteger(value) || value === 0 || String(value) !== text)) {
      throw new Error('This is no value of a counter.');
    }
    this.value = value;
  }

  takeChanged(): readonly number[] {
    return [0];
  }
}

export const counter: Application = {
  name: 'counter',
  create: () => new Counter(),
  language: {
    hint: 'add 5',
    parse(line: string): string {
      const [, verb, amount] = /^(?:(value)|add (-?\d{1,15}))$/.exec(line) ?? [];
      if (amount !== undefined) return JSON.stringify(['add', Number(amount)]);
      if (verb !== undefined) return JSON.stringify(['value']);
      throw new UserError('what is to be done? As in: add 5, add -1 or value');
    },
    describe(result: string): string {
      return describeAnswer(result, RULES, ({ value }) => String(value));
    },
  },
};

/** By how much an operation changes the value; undefined if it is none. */
function amountOf(operation: string): number | undefined {
  const [verb, amount] = readOperation(operation);
  if (verb === 'value') return 0;
  return verb === 'add' && Number.isSafeInteger(amount) ? Number(amount) : undefined;
}
