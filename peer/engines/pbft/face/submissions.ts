/** What was submitted through the API. */
import { randomUUID } from 'node:crypto';

import { UserError } from '../../../../shared/errors.ts';
import { isReused } from '../../../applications/once.ts';
import { RecentMap } from '../../../core/bounded.ts';
import { reused } from '../../../web/idempotency.ts';
import { MAX_KEPT_SUBMISSIONS, MAX_SUBMISSIONS, SUBMIT_PATIENCE } from '../../../web/limits.ts';
import { ProblemError } from '../../../web/problem.ts';
import type { AnswerJson, PendingJson, SubmissionJson } from './schemas.ts';
import { SubmitError, type PbftSubject } from './subject.ts';
import { told } from './views.ts';

export interface SubmissionParts {
  readonly subject: Pick<PbftSubject, 'application' | 'submit' | 'recall'>;
  /** Told of answers that came too late for those who asked. */
  readonly onLate: (answer: AnswerJson) => void;
  /** A request was refused because of our bound. */
  readonly onRefusal: (limit: string) => void;
  /** A monotonic clock in milliseconds. */
  readonly clock: () => number;
}

interface Submission {
  readonly id: string;
  readonly operation: string;
  readonly submittedAt: number;
  readonly answer: Promise<AnswerJson>;
  /** The answer once it is there. */
  answered: AnswerJson | undefined;
  /** Whether somebody has gone on without it. */
  late: boolean;
}

export class Submissions {
  readonly #parts: SubmissionParts;
  /** By id, while they wait and then for a while; what failed is not among them. */
  readonly #kept = new RecentMap<Submission>(MAX_KEPT_SUBMISSIONS);
  #waiting = 0;

  constructor(parts: SubmissionParts) {
    this.#parts = parts;
  }

  /**
   * Has an operation executed.
   *
   * @param given the id that the client has chosen: an operation that came under it before is not executed again
   * @returns the answer, or that there is none yet
   * @throws ProblemError
   */
  async submit(line: string, given: string | undefined): Promise<AnswerJson | PendingJson> {
    const { subject, clock, onLate } = this.#parts;
    const operation = read(subject, line);
    const known = given === undefined ? undefined : this.#kept.get(given);
    if (known !== undefined && known.operation !== operation) throw reused();
    const submission = known ?? this.#begin(operation, given);
    const soon = submission.answered ?? (await within(submission.answer, SUBMIT_PATIENCE));
    if (soon !== undefined) return soon;
    if (!submission.late) {
      submission.late = true;
      submission.answer.then(onLate, () => {
        // Nobody waits any more, and the log of the replica says why it ended.
      });
    }
    const { id, submittedAt } = submission;
    return { id, operation: told(operation), waitedMs: elapsed(submittedAt, clock()) };
  }

  /**
   * What became of a submission, here or, if it was given an id, by way of any replica.
   *
   * @throws ProblemError if nothing is known of it
   */
  look(id: string): SubmissionJson {
    const { subject } = this.#parts;
    const kept = this.#kept.get(id);
    const result = kept?.answered?.result ?? subject.recall(id)[0];
    if (result !== undefined) {
      return { id, state: 'answered', result, text: subject.application.describe(result) };
    }
    if (kept !== undefined) return { id, state: 'waiting', result: null, text: null };
    throw new ProblemError(
      404,
      'Nothing was executed here under that id, as far as is remembered; to submit it again under the same id is safe.',
    );
  }

  #begin(operation: string, given: string | undefined): Submission {
    const { subject, clock, onRefusal } = this.#parts;
    if (this.#waiting >= MAX_SUBMISSIONS) {
      onRefusal('http-submissions');
      throw new ProblemError(503, 'Too many requests wait for their answers; try again in a moment.', LATER);
    }
    const id = given ?? randomUUID();
    const submittedAt = clock();
    this.#waiting++;
    const answer = subject
      .submit(operation, given)
      .then((result): AnswerJson => {
        if (given !== undefined && isReused(result)) throw reused();
        const text = subject.application.describe(result);
        const waitedMs = elapsed(submittedAt, clock());
        submission.answered = { id, operation: told(operation), result, text, waitedMs };
        return submission.answered;
      })
      .finally(() => {
        this.#waiting--;
        if (submission.answered === undefined && this.#kept.get(id) === submission) this.#kept.delete(id);
      });
    const submission: Submission = {
      ...{ id, operation, submittedAt, answer, answered: undefined, late: false },
    };
    this.#kept.set(id, submission);
    return submission;
  }
}

const LATER = { 'retry-after': '1' };

function elapsed(since: number, now: number): number {
  return Math.max(0, Math.round((now - since) * 10) / 10);
}

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
