/** The routes of the API: each with what it takes, what it gives, and what can be wrong. */
import type { z } from 'zod';

import type { EventHub } from './events.ts';
import { bodyOf, clientOf, parsed, type WebContext } from './http.ts';
import type { Metrics } from './metrics.ts';
import { ProblemError } from './problem.ts';
import {
  blockIdSchema,
  blockSchema,
  blocksQuerySchema,
  blocksSchema,
  forksSchema,
  graphSchema,
  healthSchema,
  leaderboardSchema,
  minersSchema,
  newWordSchema,
  peersSchema,
  queuedWordSchema,
  readySchema,
  searchQuerySchema,
  searchSchema,
  statusSchema,
  wordsSchema,
} from './schemas.ts';
import type { WebSubject } from './subject.ts';
import type { Views } from './views.ts';

/** How a route is described and served. */
export interface Route {
  readonly method: 'get' | 'post';
  /** As Hono writes it; a parameter is a segment that begins with a colon. */
  readonly path: string;
  readonly summary: string;
  readonly parameters?: Readonly<Record<string, z.ZodType>>;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** Of a success; 200 if left out. */
  readonly status?: number;
  /** What a success gives: a schema of JSON, or another content type. */
  readonly gives: z.ZodType | string;
  /** What else may come of it, besides what may come of anything. */
  readonly problems?: readonly number[];
  readonly handle: (context: WebContext) => Response | Promise<Response>;
}

export interface RouteModules {
  readonly subject: WebSubject;
  readonly views: Views;
  readonly hub: EventHub;
  readonly metrics: Metrics;
}

export function apiRoutes({ subject, views, hub, metrics }: RouteModules): Route[] {
  const shows = <T>(path: string, summary: string, gives: z.ZodType<T>, view: () => T): Route => ({
    method: 'get',
    path,
    summary,
    gives,
    handle: (context) => context.json(view()),
  });
  return [
    shows('/status', 'The state of the peer', statusSchema, () => views.status()),
    {
      method: 'get',
      path: '/blocks',
      summary: 'Blocks of our chain, newest first',
      query: blocksQuerySchema,
      gives: blocksSchema,
      problems: [400],
      handle: (context) => {
        const { from, limit } = parsed(blocksQuerySchema, context.req.query(), 'the query');
        return context.json(views.blocks(from, limit));
      },
    },
    {
      method: 'get',
      path: '/blocks/:id',
      summary: 'One block, with everything that is hashed',
      parameters: { id: blockIdSchema },
      gives: blockSchema,
      problems: [400, 404, 503],
      handle: (context) => {
        const id = parsed(blockIdSchema, context.req.param('id'), 'the block');
        const block = views.block(id);
        if (block !== undefined) return context.json(block);
        if (id.length === 64 && !views.indexed) throw stillReading();
        throw new ProblemError(404, `Our chain has no block ${id}.`);
      },
    },
    {
      method: 'get',
      path: '/search',
      summary: 'Blocks and miners that fit a text',
      query: searchQuerySchema,
      gives: searchSchema,
      problems: [400],
      handle: (context) => {
        const { q } = parsed(searchQuerySchema, context.req.query(), 'the query');
        return context.json(views.search(q));
      },
    },
    shows('/leaderboard', 'Who mined how many blocks', leaderboardSchema, () => views.leaderboard()),
    shows('/forks', 'Reorganisations, false claims, and the chains that there are', forksSchema, () =>
      views.forks(),
    ),
    shows('/peers', 'The peers that we track', peersSchema, () => views.peers()),
    shows('/graph', 'The network, as gossip reveals it', graphSchema, () => views.graph()),
    shows('/miners', 'The attached miners, and their hash rates of the last hour', minersSchema, () =>
      views.miners(),
    ),
    shows('/words', 'Words that wait to be mined', wordsSchema, () => views.words()),
    {
      method: 'post',
      path: '/words',
      summary: 'Queues a word to be mined',
      body: newWordSchema,
      status: 202,
      gives: queuedWordSchema,
      problems: [400, 401, 403, 409, 413, 415],
      handle: async (context) => {
        const { word } = await bodyOf(context, newWordSchema);
        const result = subject.request({ kind: 'submit-word', word });
        if (result.status === 'rejected') throw new ProblemError(409, result.reason);
        return context.json({ word, waiting: subject.status().words.length }, 202);
      },
    },
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
        const stream = hub.open(clientOf(context), views.status(), () => {
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
      summary: 'Whether the peer has joined, or founded, a network',
      gives: readySchema,
      problems: [503],
      handle: (context) => {
        const { phase } = subject.status();
        if (phase !== 'joining' && phase !== 'waiting') return context.json({ status: 'ready' });
        throw new ProblemError(503, `The peer has no network yet: it is ${phase}.`, { 'retry-after': '1' });
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

function stillReading(): ProblemError {
  return new ProblemError(503, 'The chain is still being read; ask again in a moment.', {
    'retry-after': '1',
  });
}
