/** The routes of the API: each with what it takes, what it gives, and what can be wrong. */
import type { EventHub } from '../../../web/events.ts';
import { answer, bodyOf, parsed } from '../../../web/http.ts';
import { idOf, idSchema, idempotencyHeader } from '../../../web/idempotency.ts';
import { commonRoutes, shows, type Route } from '../../../web/routes.ts';
import type { PbftMetrics } from './metrics.ts';
import {
  answerSchema,
  checkpointsSchema,
  newRequestSchema,
  offencesSchema,
  pendingSchema,
  performanceSchema,
  replicasSchema,
  requestsSchema,
  statusSchema,
  submissionSchema,
  viewChangesSchema,
  type PbftEvents,
} from './schemas.ts';
import type { Submissions } from './submissions.ts';
import type { PbftSubject } from './subject.ts';
import type { PbftViews } from './views.ts';

export interface RouteModules {
  readonly subject: PbftSubject;
  readonly views: PbftViews;
  readonly submissions: Submissions;
  readonly hub: EventHub<PbftEvents>;
  readonly metrics: PbftMetrics;
}

export function apiRoutes({ subject, views, submissions, hub, metrics }: RouteModules): Route[] {
  return [
    shows('/status', 'The state of the replica', statusSchema, () => views.status()),
    shows('/replicas', 'All replicas, as far as this one knows of them', replicasSchema, () =>
      views.replicas(),
    ),
    shows('/requests', 'The requests that were executed last', requestsSchema, () => views.requests()),
    {
      method: 'post',
      path: '/requests',
      summary: 'Has an operation executed, and gives its answer',
      headers: idempotencyHeader,
      body: newRequestSchema,
      gives: answerSchema,
      also: { 202: pendingSchema },
      problems: [400, 401, 403, 409, 413, 415, 422, 503],
      handle: async (context) => {
        const { line, id } = await bodyOf(context, newRequestSchema);
        const submission = await submissions.submit(line, idOf(context, id));
        return answer(submission, 'result' in submission ? 200 : 202);
      },
    },
    {
      method: 'get',
      path: '/requests/:id',
      summary: 'What became of a request that was submitted under an id',
      parameters: { id: idSchema },
      gives: submissionSchema,
      problems: [400, 404],
      handle: (context) => answer(submissions.look(parsed(idSchema, context.req.param('id'), '"id"'))),
    },
    shows('/view-changes', 'When the primary was given up, and why', viewChangesSchema, () =>
      views.viewChanges(),
    ),
    shows(
      '/checkpoints',
      'Stable checkpoints, and states that were fetched from others',
      checkpointsSchema,
      () => views.checkpoints(),
    ),
    shows('/offences', 'What members did that no correct one does', offencesSchema, () => views.offences()),
    shows('/performance', 'Requests and latencies of the last ten minutes', performanceSchema, () =>
      views.performance(),
    ),
    ...commonRoutes({
      hub,
      status: () => views.status(),
      metrics,
      readiness: 'Whether the replica takes part: in a view, and connected with a quorum',
      unready: () => {
        const { phase, quorum } = subject.status();
        if (phase !== 'normal') return `The replica is ${phase}.`;
        const connected = views.connected + 1;
        if (connected >= quorum) return undefined;
        return `Only ${connected} replicas are connected, this one counted, and a quorum is ${quorum}.`;
      },
    }),
  ];
}
