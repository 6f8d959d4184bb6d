/** How routes of an API are written down, and those that every engine has. */
import type { z } from 'zod';

import type { EventHub } from './events.ts';
import type { WebContext } from './access.ts';
import { answer } from './http.ts';
import { ProblemError } from './problem.ts';
import { healthSchema, readySchema } from './schemas.ts';

/** How a route is described and served. */
export interface Route {
  readonly method: 'get' | 'post';
  /** As Hono writes it; a parameter is a segment that begins with a colon. */
  readonly path: string;
  readonly summary: string;
  readonly parameters?: Readonly<Record<string, z.ZodType>>;
  readonly query?: z.ZodObject;
  readonly headers?: Readonly<Record<string, z.ZodType>>;
  readonly body?: z.ZodType;
  /** Of a success; 200 if left out. */
  readonly status?: number;
  /** What a success gives: a schema of JSON, or another content type. */
  readonly gives: z.ZodType | string;
  /** Other successes, and what they give. */
  readonly also?: Readonly<Record<number, z.ZodType>>;
  /** What else may come of it, besides what may come of anything. */
  readonly problems?: readonly number[];
  readonly handle: (context: WebContext) => Response | Promise<Response>;
}

/** A route that shows something. */
export function shows<T>(path: string, summary: string, gives: z.ZodType<T>, view: () => T): Route {
  return { method: 'get', path, summary, gives, handle: () => answer(view()) };
}

export interface CommonModules<Events extends { readonly status: unknown }> {
  readonly hub: EventHub<Events>;
  /** What a stream of events begins with. */
  readonly status: () => Events['status'];
  readonly metrics: {
    readonly contentType: string;
    text(): Promise<string>;
    onRefusal(limit: string): void;
  };
  /** What must be so that the node is ready, as in "Whether the peer has joined a network". */
  readonly readiness: string;
  /** Why the node is not ready, in a sentence; undefined if it is. */
  readonly unready: () => string | undefined;
}

/** Events, and what service managers and Prometheus ask for. */
export function commonRoutes<Events extends { readonly status: unknown }>({
  hub,
  status,
  metrics,
  readiness,
  unready,
}: CommonModules<Events>): Route[] {
  return [
    {
      method: 'get',
      path: '/events',
      summary:
        'What happens, as it happens: server-sent events, each with JSON as the schemas Event… have it',
      gives: 'text/event-stream',
      problems: [503],
      handle: (context) => {
        const headers = { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' };
        // Nobody would read, nor ever end, a stream that is opened for its headers only.
        if (context.req.method === 'HEAD') return new Response(null, { headers });
        const stream = hub.open(context.var.client, status(), () => {
          context.env.outgoing?.destroy();
        });
        if (stream === undefined) {
          metrics.onRefusal('http-streams');
          throw new ProblemError(503, 'Too many listen already.', { 'retry-after': '5' });
        }
        return new Response(stream, { headers });
      },
    },
    shows('/healthz', 'Whether the process runs', healthSchema, () => ({ status: 'ok' }) as const),
    {
      method: 'get',
      path: '/readyz',
      summary: readiness,
      gives: readySchema,
      problems: [503],
      handle: () => {
        const why = unready();
        if (why === undefined) return answer({ status: 'ready' });
        throw new ProblemError(503, why, { 'retry-after': '1' });
      },
    },
    {
      method: 'get',
      path: '/metrics',
      summary: 'Metrics for Prometheus',
      gives: 'text/plain',
      handle: async () =>
        new Response(await metrics.text(), { headers: { 'content-type': metrics.contentType } }),
    },
  ];
}
