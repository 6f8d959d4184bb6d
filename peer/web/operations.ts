/** What engines show that order operations, whichever application executes them: how one is submitted, and what was. */
import { z } from 'zod';

import { isReused, readOnce } from '../applications/once.ts';
import type { Application, Language } from '../core/application.ts';
import type { Action, Outcome } from './face.ts';
import { reused } from './idempotency.ts';
import { MAX_LINE_LENGTH, MAX_SHOWN_TEXT } from './limits.ts';
import { bounded } from './words.ts';

/** A node that has operations executed. */
export interface Submitter {
  /** How people read and write the operations of the application that runs. */
  readonly application: Language & Pick<Application, 'name'>;
  /** @returns the answer, as the application has it @throws UserError if there is none */
  submit(operation: string, id?: string): Promise<string>;
  /** The answers to what was executed under an id, as far as they are remembered. */
  recall(id: string): readonly string[];
}

const textOf = (what: string): z.ZodString =>
  z
    .string()
    .max(MAX_SHOWN_TEXT)
    .describe(`${what}; cut where it is longer than ${MAX_SHOWN_TEXT} characters`);

/** What is shown of an operation that was executed, besides where and when. */
export const executedSchema = z.strictObject({
  id: z.string().nullable().describe('that it was given to be executed once'),
  operation: textOf('as the application has it'),
  result: textOf('the answer, as the application has it'),
  text: textOf('the answer in words'),
});

export function executedJson(
  operation: string,
  result: string,
  application: Submitter['application'],
): z.infer<typeof executedSchema> {
  const once = readOnce(operation);
  return {
    ...{ id: once?.id ?? null, operation: bounded(once?.operation ?? operation) },
    ...{ result: bounded(result), text: bounded(application.describe(result)) },
  };
}

const newSchema = z.strictObject({
  line: z
    .string()
    .min(1, 'it must not be empty')
    .max(MAX_LINE_LENGTH, `it has at most ${MAX_LINE_LENGTH} characters`)
    .meta({
      title: 'An operation',
      description: 'as a person types it: what the application takes; an error says how that is written',
    }),
});
const keySchema = z.strictObject({ key: z.string().min(1).max(256).describe('Look up a key') });
const resultSchema = z.strictObject({
  result: z.string().describe('the answer that was agreed on, as the application has it'),
});

async function execute(line: string, node: Submitter, id?: string): Promise<Outcome> {
  const { application } = node;
  const result = await node.submit(application.parse(line), id);
  if (id !== undefined && isReused(result)) throw reused();
  return { result, text: application.describe(result) };
}

/** What people can have executed. @param of finds who executes it */
export function operationActions<Node>(of: (node: Node) => Submitter): readonly Action<Node>[] {
  return [
    {
      ...{ name: 'submit', title: 'Submit', help: 'Has an operation executed, and gives its answer' },
      ...{ path: '/requests', schema: newSchema, gives: resultSchema },
      about: {
        gives: executedSchema.pick({ operation: true }),
        of: ({ line }: { line: string }, node) => ({ operation: of(node).application.parse(line) }),
      },
      run: ({ line }: { line: string }, node, id) => execute(line, of(node), id),
      recall: (id, node) => {
        const submitter = of(node);
        const [result] = submitter.recall(id);
        return result === undefined ? undefined : { result, text: submitter.application.describe(result) };
      },
      hint: (node) => of(node).application.hint,
    },
    {
      ...{ name: 'look-up', title: 'Look up', help: 'Reads the value of a key, as it was agreed on' },
      ...{ schema: keySchema, gives: resultSchema },
      // A key may have any characters.
      run: ({ key }: { key: string }, node, id) => execute(`get ${JSON.stringify(key)}`, of(node), id),
      offered: (node) => of(node).application.name === 'kv',
    },
  ];
}
