/** The web server of a PBFT replica. */
import { EventHub } from '../../../web/events.ts';
import type { Listening } from '../../../web/http.ts';
import { MAX_LINE_BODY_BYTES } from '../../../web/limits.ts';
import {
  createNodeApp,
  openWeb,
  type AppOptions,
  type WebApp,
  type WebOptions,
} from '../../../web/server.ts';
import { PbftHistory } from './history.ts';
import { PbftLiveFeed } from './live.ts';
import { PbftMetrics } from './metrics.ts';
import { apiRoutes } from './routes.ts';
import { eventSchemas, type PbftEvents } from './schemas.ts';
import { Submissions } from './submissions.ts';
import type { PbftSubject } from './subject.ts';
import { PbftViews } from './views.ts';

const DESCRIPTION =
  'A replica of a PBFT cluster: what it knows of itself and the others, and a way to have operations executed. ' +
  'Operations and their results are plain text.';

export function createPbftApp(subject: PbftSubject, options: AppOptions): WebApp {
  const now = options.now ?? Date.now;
  const hub = new EventHub<PbftEvents>();
  const history = new PbftHistory(subject, now);
  const views = new PbftViews(subject, history, now());
  const metrics = new PbftMetrics({ subject, history, hub });
  const live = new PbftLiveFeed({ hub, views, history, now });
  const submissions = new Submissions({
    subject,
    onLate: (answer) => {
      live.onAnswer(answer);
    },
    onRefusal: (limit) => {
      metrics.onRefusal(limit);
    },
    clock: options.clock ?? (() => performance.now()),
  });
  return createNodeApp(
    {
      routes: apiRoutes({ subject, views, submissions, hub, metrics }),
      description: { text: DESCRIPTION, events: eventSchemas },
      ...{ page: 'pbft', maxBody: MAX_LINE_BODY_BYTES, metrics },
      observe: (observer) => subject.observe(observer),
      followers: [history, metrics, live],
      closing: [live, history, hub],
    },
    options,
  );
}

/**
 * Opens the web server of a replica.
 *
 * @throws UserError if the port can't be had
 */
export function openPbftWeb(subject: PbftSubject, options: WebOptions): Promise<Listening> {
  return openWeb((own) => createPbftApp(subject, own), options);
}
