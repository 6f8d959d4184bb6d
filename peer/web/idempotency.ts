/** The id that a client gives what it asks for, so that it may ask again; see `../applications/once.ts`. */
import { z } from 'zod';

import { ID_PATTERN } from '../applications/once.ts';
import type { WebContext } from './access.ts';
import { parsed } from './http.ts';
import { ProblemError } from './problem.ts';

export const idSchema = z
  .string()
  .regex(ID_PATTERN, 'an id is 1 to 128 letters, digits, and . _ ~ -')
  .describe('chosen by the client: what comes again under it is done once, and told under it');

const HEADER = 'idempotency-key';
/** The headers of a route that takes an id. */
export const idempotencyHeader = {
  [HEADER]: idSchema.optional().describe('the same as the field "id"; may stand in quotes'),
};

/** The problem of an id that stands for something else. */
export function reused(): ProblemError {
  return new ProblemError(422, 'The id stands for something else; give each submission an id of its own.');
}

/**
 * The id in the header or the body of a request, if there is one.
 *
 * @throws ProblemError if it is none, or there are two
 */
export function idOf(context: WebContext, inBody: string | undefined): string | undefined {
  const header = context.req.header(HEADER);
  if (header === undefined) return inBody;
  // A string of RFC 8941, as the header is to be, has quotes; most clients leave them out.
  const id = parsed(idSchema, header.replace(/^"(.*)"$/, '$1'), '"Idempotency-Key"');
  if (inBody === undefined || inBody === id) return id;
  throw new ProblemError(400, 'The header Idempotency-Key and the field "id" are not the same.');
}
