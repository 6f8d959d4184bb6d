/** Errors as the API sends them: RFC 9457, one clear sentence each. */
import { STATUS_CODES } from 'node:http';

import type { ZodError } from 'zod';

import { toJson } from '../../shared/escape.ts';
import type { Problem } from './schemas.ts';

/** An answer that is no success; whoever throws it need not know how it is sent. */
export class ProblemError extends Error {
  override name = 'ProblemError';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  /** @param detail what was wrong, in one sentence */
  constructor(status: number, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.status = status;
    this.headers = headers;
  }

  get problem(): Problem {
    return {
      type: 'about:blank',
      title: STATUS_CODES[this.status] ?? '',
      status: this.status,
      detail: this.message,
    };
  }

  response(): Response {
    return new Response(toJson(this.problem), {
      status: this.status,
      headers: { ...this.headers, 'content-type': 'application/problem+json' },
    });
  }
}

/** A message for the command line as a sentence. */
export function sentence(message: string): string {
  return `${message.charAt(0).toUpperCase()}${message.slice(1).replace(/[.]$/, '')}.`;
}

/** The problem of what can't be done now, but soon. */
export function unavailable(message: string): ProblemError {
  return new ProblemError(503, sentence(message), { 'retry-after': '1' });
}

/** The first thing that is wrong with an input, as a sentence. */
export function sentenceOf(error: ZodError, what: string): string {
  const issue = error.issues[0];
  const name = issue?.path.length ? `"${issue.path.join('.')}"` : what;
  return `${name}: ${(issue?.message ?? 'it is not valid').replace(/\.$/, '')}.`;
}
