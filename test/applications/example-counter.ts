/**
 * The smallest complete application, to begin one's own with: a number that counts up and down. Operations are
 * `["add", number]` and `["value"]`; both are answered with `{"value": the number}`.
 */
import type { Application } from '../../peer/core/application.ts';
import { describeAnswer, readOperation, refusal } from '../../peer/applications/operations.ts';
import { UserError } from '../../shared/errors.ts';

const RULES = {
  'no-operation': 'An operation is value, or add with an integer; the value stays a safe integer.',
};

export class Counter implements Application {
  readonly name = 'counter';
  readonly pageCount = 1;
  private value = 0;

  execute(operation: string): string {
    const [verb, amount = 0] = readOperation(operation);
    const next = this.value + (typeof amount === 'number' ? amount : NaN);
    if ((verb !== 'add' && verb !== 'value') || !Number.isSafeInteger(next)) return refusal('no-operation');
    if (verb === 'add') this.value = next;
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

  parse(line: string): string {
    const [, verb, amount] = /^(?:(value)|add (-?\d{1,15}))$/.exec(line) ?? [];
    if (amount !== undefined) return JSON.stringify(['add', Number(amount)]);
    if (verb !== undefined) return JSON.stringify(['value']);
    throw new UserError('what is to be done? As in: add 5, add -1 or value');
  }

  describe(result: string): string {
    return describeAnswer(result, RULES, ({ value }) => String(value));
  }
}
