/** The routes of the API that take something, which only this engine has. */
import { answer, bodyOf, parsed } from '../../../web/http.ts';
import { idOf, idSchema, idempotencyHeader } from '../../../web/idempotency.ts';
import { ProblemError } from '../../../web/problem.ts';
import type { Route } from '../../../web/routes.ts';
import type { FacedPeer } from './faced.ts';
import * as schemas from './schemas.ts';

export function ownRoutes(peer: FacedPeer): readonly Route[] {
  return [
    {
      ...{ method: 'get', path: '/blocks/:id', parameters: { id: schemas.blockIdSchema } },
      summary: 'One block, with everything that is hashed',
      gives: schemas.blockSchema,
      problems: [400, 404, 503],
      handle: (context) => {
        const id = parsed(schemas.blockIdSchema, context.req.param('id'), 'the block');
        const block = peer.block(id);
        if (block !== undefined) return answer(block);
        if (id.length === 64 && !peer.indexed) {
          throw new ProblemError(503, 'The chain is still being read; ask again in a moment.', {
            'retry-after': '1',
          });
        }
        throw new ProblemError(404, `Our chain has no block ${id}.`);
      },
    },
    {
      ...{ method: 'get', path: '/search', query: schemas.searchQuerySchema },
      summary: 'Blocks and miners that fit a text',
      gives: schemas.searchSchema,
      problems: [400],
      handle: (context) =>
        answer(peer.search(parsed(schemas.searchQuerySchema, context.req.query(), 'the query').q)),
    },
    {
      ...{ method: 'post', path: '/words', headers: idempotencyHeader, body: schemas.newWordSchema },
      summary: 'Queues a word to be mined',
      ...{ status: 202, gives: schemas.queuedWordSchema },
      problems: [400, 401, 403, 409, 413, 415, 422],
      handle: async (context) => {
        const { word, id } = await bodyOf(context, schemas.newWordSchema);
        return answer(peer.words.submit(word, idOf(context, id)), 202);
      },
    },
    {
      ...{ method: 'get', path: '/words/:id', parameters: { id: idSchema } },
      summary: 'What became of a word that came through this API',
      gives: schemas.submittedWordSchema,
      problems: [400, 404],
      handle: (context) => answer(peer.words.look(parsed(idSchema, context.req.param('id'), '"id"'))),
    },
  ];
}
