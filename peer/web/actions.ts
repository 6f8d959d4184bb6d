/** What people have done through the API: each once for the id that it comes under, and answered late if it takes long. */
import { randomUUID } from 'node:crypto';

import { z } from 'zod';

import { UserError } from '../../shared/errors.ts';
import { RecentMap } from '../core/bounded.ts';
import type { WebContext } from './access.ts';
import type { Action, Outcome } from './face.ts';
import { answer, bodyOf, parsed } from './http.ts';
import { idOf, idSchema, idempotencyHeader, reused } from './idempotency.ts';
import { MAX_KEPT_SUBMISSIONS, MAX_SUBMISSIONS, SUBMIT_PATIENCE } from './limits.ts';
import { ProblemError, sentence, unavailable } from './problem.ts';
import type { Route } from './routes.ts';
import type { DoneJson, PendingJson } from './schemas.ts';
import { ID_FIELD, pathOf } from './view.ts';
import { bounded } from './words.ts';

export interface ActionParts<Node> {
  readonly node: Node;
  /** Notified of answers that came too late for those who asked. */
  readonly onLate: (answer: DoneJson) => void;
  /** A request was refused because of a bound. */
  readonly onRefusal: (limit: string) => void;
  /** A monotonic clock in milliseconds. */
  readonly clock: () => number;
}

interface Submission {
  readonly id: string;
  /** What was asked for: under one id it is always the same. */
  readonly asked: string;
  readonly about: object;
  readonly submittedAt: number;
  readonly answer: Promise<DoneJson>;
  /** The answer once it is there. */
  answered: (DoneJson & Outcome) | undefined;
  /** Whether somebody has gone on without it. */
  late: boolean;
}

const id = z
  .string()
  .describe('the one that the client chose, or a new one: what became of it is told under it');
const milliseconds = z.number().min(0).describe('milliseconds');
const textSchema = z.string().describe('what came of it, in words');

function shapeOf(schema: z.ZodObject | undefined): z.ZodRawShape {
  return schema?.shape ?? {};
}

/** What an action answers. */
export function doneSchemaOf({ about, gives }: Pick<Action<never>, 'about' | 'gives'>): z.ZodObject {
  return z.strictObject({
    ...{ id, ...shapeOf(about?.gives), ...shapeOf(gives), text: textSchema, waitedMs: milliseconds },
  });
}

/** What was asked of one node. */
export class Actions<Node> {
  readonly #parts: ActionParts<Node>;
  /** By action and id, while they wait and then for a while; what failed is not among them. */
  readonly #kept = new RecentMap<Submission>(MAX_KEPT_SUBMISSIONS);
  #waiting = 0;

  constructor(parts: ActionParts<Node>) {
    this.#parts = parts;
  }

  /** The route that an action is posted to, and the one that answers what became of it. */
  routes(action: Action<Node>): Route[] {
    const path = pathOf(action);
    const schema = action.schema.extend({ [ID_FIELD]: idSchema.optional() });
    const given = Object.entries(shapeOf(action.gives)).map(
      ([name, one]) => [name, z.nullable(one)] as const,
    );
    return [
      {
        ...{ method: 'post', path, summary: action.help, headers: idempotencyHeader, body: schema },
        gives: doneSchemaOf(action),
        also: {
          202: z.strictObject({
            id: id.describe(
              `an event "answer" with it comes later, and GET ${path}/{id} gives the answer then`,
            ),
            ...{ ...shapeOf(action.about?.gives), waitedMs: milliseconds.describe('so far') },
          }),
        },
        problems: [400, 401, 403, 409, 413, 415, 422, 503],
        handle: async (context) => {
          const { [ID_FIELD]: inBody, ...input } = await bodyOf(context, schema);
          const submission = await this.#submit(action, input, idOf(context, inBody as string | undefined));
          return answer(submission, 'text' in submission ? 200 : 202);
        },
      },
      {
        ...{ method: 'get', path: `${path}/:id`, parameters: { id: idSchema } },
        summary: `What became of what was posted to ${path} under an id`,
        gives: z.strictObject({
          ...{ id, state: z.enum(['waiting', 'answered']) },
          ...{ ...Object.fromEntries(given), text: textSchema.nullable() },
        }),
        problems: [400, 404],
        handle: (context) => this.#look(action, context),
      },
    ];
  }

  async #submit(
    action: Action<Node>,
    input: object,
    given: string | undefined,
  ): Promise<DoneJson | PendingJson> {
    const { node, clock, onLate } = this.#parts;
    const about = await said(400, () => action.about?.of(input as never, node) ?? {});
    const asked = JSON.stringify(action.about === undefined ? input : about);
    const known = given === undefined ? undefined : this.#kept.get(keyOf(action, given));
    if (known !== undefined && known.asked !== asked) throw reused();
    const submission = known ?? this.#begin(action, { input, about, asked }, given);
    const soon = submission.answered ?? (await within(submission.answer, SUBMIT_PATIENCE));
    if (soon !== undefined) return soon;
    if (!submission.late) {
      submission.late = true;
      submission.answer.then(onLate, () => {
        // Nobody waits any more, and the log of the node says why it ended.
      });
    }
    return { id: submission.id, ...submission.about, waitedMs: elapsed(submission.submittedAt, clock()) };
  }

  #begin(
    action: Action<Node>,
    { input, about, asked }: { readonly input: object; readonly about: object; readonly asked: string },
    given: string | undefined,
  ): Submission {
    const { node, clock, onRefusal } = this.#parts;
    if (this.#waiting >= MAX_SUBMISSIONS) {
      onRefusal('http-submissions');
      throw unavailable('too many requests wait for their answers; try again in a moment');
    }
    const own = given ?? randomUUID();
    const key = keyOf(action, own);
    const submittedAt = clock();
    const shownAbout = Object.fromEntries(
      Object.entries(about).map(([name, value]) => [
        name,
        typeof value === 'string' ? bounded(value) : value,
      ]),
    );
    this.#waiting++;
    const done = said(409, () => action.run(input, node, given))
      .then((came) => {
        const outcome = typeof came === 'string' ? { text: came } : came;
        const waitedMs = elapsed(submittedAt, clock());
        submission.answered = { id: own, ...shownAbout, ...outcome, waitedMs };
        return submission.answered;
      })
      .finally(() => {
        this.#waiting--;
        if (submission.answered === undefined && this.#kept.get(key) === submission) this.#kept.delete(key);
      });
    const submission: Submission = {
      ...{ id: own, asked, about: shownAbout, submittedAt, answer: done, answered: undefined, late: false },
    };
    this.#kept.set(key, submission);
    return submission;
  }

  /** What became of what was asked for under an id, here or, as far as the node knows that, anywhere. */
  #look(action: Action<Node>, context: WebContext): Response {
    const asked = parsed(idSchema, context.req.param('id'), '"id"');
    const kept = this.#kept.get(keyOf(action, asked));
    const outcome = kept?.answered ?? action.recall?.(asked, this.#parts.node);
    const report = (state: string, of?: Outcome): Response =>
      answer({
        ...{ id: asked, state },
        ...Object.fromEntries(Object.keys(shapeOf(action.gives)).map((name) => [name, of?.[name] ?? null])),
        text: of?.text ?? null,
      });
    if (outcome !== undefined) return report('answered', outcome);
    if (kept !== undefined) return report('waiting');
    throw new ProblemError(
      404,
      'Nothing was executed here under that id, as far as is remembered; to submit it again under the same id is safe.',
    );
  }
}

function keyOf({ name }: { readonly name: string }, own: string): string {
  return `${name} ${own}`;
}

function elapsed(since: number, now: number): number {
  return Math.max(0, Math.round((now - since) * 10) / 10);
}

/** What a function gives. @throws ProblemError with this status for what people can be shown */
async function said<T>(status: number, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UserError && error.passing) throw unavailable(error.message);
    if (error instanceof UserError) throw new ProblemError(status, sentence(error.message));
    throw error;
  }
}

/** What a promise gives, or undefined if that takes too long. */
async function within<T>(promise: Promise<T>, patience: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => {
      resolve(undefined);
    }, patience).unref();
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
