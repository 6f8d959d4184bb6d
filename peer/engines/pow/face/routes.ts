/** The routes of the API: each with what it takes, what it gives, and what can be wrong. */
import type { EventHub } from '../../../web/events.ts';
import { answer, bodyOf, parsed } from '../../../web/http.ts';
import { idOf, idSchema, idempotencyHeader } from '../../../web/idempotency.ts';
import { ProblemError } from '../../../web/problem.ts';
import { commonRoutes, shows, type Route } from '../../../web/routes.ts';
import type { PowMetrics } from './metrics.ts';
import {
  blockIdSchema,
  blockSchema,
  blocksQuerySchema,
  blocksSchema,
  forksSchema,
  graphSchema,
  leaderboardSchema,
  minersSchema,
  newWordSchema,
  peersSchema,
  queuedWordSchema,
  searchQuerySchema,
  searchSchema,
  statusSchema,
  submittedWordSchema,
  wordsSchema,
  type PowEvents,
} from './schemas.ts';
import type { WebSubject } from './subject.ts';
import { SubmittedWords } from './submitted-words.ts';
import type { Views } from './views.ts';

export interface RouteModules {
  readonly subject: WebSubject;
  readonly views: Views;
  readonly hub: EventHub<PowEvents>;
  readonly metrics: PowMetrics;
}

export function apiRoutes({ subject, views, hub, metrics }: RouteModules): Route[] {
  const words = new SubmittedWords(subject);
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
        return answer(views.blocks(from, limit));
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
        if (block !== undefined) return answer(block);
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
        return answer(views.search(q));
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
      headers: idempotencyHeader,
      body: newWordSchema,
      status: 202,
      gives: queuedWordSchema,
      problems: [400, 401, 403, 409, 413, 415, 422],
      handle: async (context) => {
        const { word, id } = await bodyOf(context, newWordSchema);
        return answer(words.submit(word, idOf(context, id)), 202);
      },
    },
    {
      method: 'get',
      path: '/words/:id',
      summary: 'What became of a word that came through this API',
      parameters: { id: idSchema },
      gives: submittedWordSchema,
      problems: [400, 404],
      handle: (context) => answer(words.look(parsed(idSchema, context.req.param('id'), '"id"'))),
    },
    ...commonRoutes({
      hub,
      status: () => views.status(),
      metrics,
      readiness: 'Whether the peer has joined, or founded, a network',
      unready: () => {
        const { phase } = subject.status();
        const none = phase === 'joining' || phase === 'waiting';
        return none ? `The peer has no network yet: it is ${phase}.` : undefined;
      },
    }),
  ];
}

function stillReading(): ProblemError {
  return new ProblemError(503, 'The chain is still being read; ask again in a moment.', {
    'retry-after': '1',
  });
}
