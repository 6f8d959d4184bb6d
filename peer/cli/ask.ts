/** Asks a running peer, or a whole network, through its HTTP API. */
import type { z } from 'zod';

import { UserError } from '../../shared/errors.ts';
import { escapeControls } from '../../shared/escape.ts';
import { problemSchema } from '../web/schemas.ts';

/** How long an answer is awaited, in milliseconds. */
const PATIENCE = 10_000;

/** An answer that is no success. */
export class RefusedError extends UserError {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Gets what a path gives.
 *
 * @param base address of the API, without a slash at the end
 * @param body what is posted, if anything is
 * @throws UserError if nobody answers there, or not as a peer does
 */
export async function ask<T extends z.ZodType>(
  base: string,
  path: string,
  schema: T,
  body?: object,
): Promise<z.output<T>> {
  let response: Response;
  let value: unknown;
  try {
    response = await fetch(base + path, {
      signal: AbortSignal.timeout(PATIENCE),
      ...(body && {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    });
    value = await response.json().catch((error: unknown) => {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    });
  } catch {
    throw new UserError(`nothing answers at ${base} (is a peer running, with its status page there?)`);
  }
  const answer = schema.safeParse(value);
  if (response.ok && answer.success) return answer.data;
  const problem = problemSchema.safeParse(value);
  const why = problem.success ? `: ${escapeControls(problem.data.detail)}` : '';
  throw new RefusedError(response.status, `${base} does not answer as a peer does${why}`);
}
