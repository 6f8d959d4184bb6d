/** What was submitted through the API and has no answer yet. */
import { UserError } from '../../../shared/errors.ts';
import { MAX_SUBMISSIONS, SUBMIT_PATIENCE } from '../limits.ts';
import { ProblemError } from '../problem.ts';
import type { AnswerJson, PendingJson } from './schemas.ts';
import { SubmitError, type PbftSubject } from './subject.ts';
import { told } from './views.ts';

export interface SubmissionParts {
  readonly subject: Pick<PbftSubject, 'application' | 'submit'>;
  /** Told of answers that came too late for those who asked. */
  readonly onLate: (answer: AnswerJson) => void;
  /** A request was refused because of our bound. */
  readonly onRefusal: (limit: string) => void;
  /** A monotonic clock in milliseconds. */
  readonly clock: () => number;
}

export class Submissions {
  readonly #parts: SubmissionParts;
  #count = 0;
  #waiting = 0;

  constructor(parts: SubmissionParts) {
    this.#parts = parts;
  }

  /**
   * Has an operation executed.
   *
   * @returns the answer, or that there is none yet
   * @throws ProblemError
   */
  async submit(line: string): Promise<AnswerJson | PendingJson> {
    const { subject, clock, onLate, onRefusal } = this.#parts;
    const operation = read(subject, line);
    if (this.#waiting >= MAX_SUBMISSIONS) {
      onRefusal('http-submissions');
      throw new ProblemError(503, 'Too many requests wait for their answers; try again in a moment.', LATER);
    }
    const id = ++this.#count;
    const submittedAt = clock();
    const waited = (): number => Math.max(0, Math.round((clock() - submittedAt) * 10) / 10);
    this.#waiting++;
    const answer = subject
      .submit(operation)
      .then((result): AnswerJson => {
        const text = subject.application.describe(result);
        return { id, operation: told(operation), result, text, waitedMs: waited() };
      })
      .finally(() => {
        this.#waiting--;
      });
    const soon = await within(answer, SUBMIT_PATIENCE);
    if (soon !== undefined) return soon;
    answer.then(onLate, () => {
      // Nobody waits any more, and the log of the replica says why it ended.
    });
    return { id, operation: told(operation), waitedMs: waited() };
  }
}

const LATER = { 'retry-after': '1' };

/** @throws ProblemError if the line says nothing that can be done */
function read({ application }: SubmissionParts['subject'], line: string): string {
  try {
    return application.parse(line);
  } catch (error) {
    if (error instanceof UserError) throw new ProblemError(400, sentence(error.message));
    throw error;
  }
}

/**
 * What a promise gives, or undefined if that takes too long.
 *
 * @throws ProblemError where it fails for a reason that can be told
 */
async function within<T>(promise: Promise<T>, patience: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => {
      resolve(undefined);
    }, patience).unref();
  });
  try {
    return await Promise.race([promise, late]);
  } catch (error) {
    if (!(error instanceof SubmitError)) throw error;
    const refused = error.fault === 'rejected';
    throw new ProblemError(refused ? 409 : 503, sentence(error.message), refused ? {} : LATER);
  } finally {
    clearTimeout(timer);
  }
}

/** A message for the command line as a sentence. */
function sentence(message: string): string {
  return `${message.charAt(0).toUpperCase()}${message.slice(1).replace(/[.]$/, '')}.`;
}
