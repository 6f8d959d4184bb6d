/** The web server of a proof-of-work peer. */
import { EventHub } from '../../../web/events.ts';
import type { Listening } from '../../../web/http.ts';
import {
  createNodeApp,
  openWeb,
  type AppOptions,
  type WebApp,
  type WebOptions,
} from '../../../web/server.ts';
import { History } from './history.ts';
import { LiveFeed } from './live.ts';
import { PowMetrics } from './metrics.ts';
import { apiRoutes } from './routes.ts';
import { eventSchemas, type PowEvents } from './schemas.ts';
import type { WebSubject } from './subject.ts';
import { Views } from './views.ts';

const DESCRIPTION =
  'A peer of a proof-of-work class network: what it knows, and a box for words. Texts that came from the ' +
  'network (names, messages, nonces, words) are plain text.';

export function createPowApp(subject: WebSubject, options: AppOptions): WebApp {
  const now = options.now ?? Date.now;
  const hub = new EventHub<PowEvents>();
  const history = new History(subject, now);
  const views = new Views(subject, history, now());
  const metrics = new PowMetrics({ subject, history, hub, now });
  const live = new LiveFeed({ hub, views, history, now });
  return createNodeApp(
    {
      routes: apiRoutes({ subject, views, hub, metrics }),
      description: { text: DESCRIPTION, events: eventSchemas },
      ...{ page: 'pow', metrics },
      observe: (observer) => subject.observe(observer),
      followers: [history, metrics, live],
      closing: [live, history, hub],
    },
    options,
  );
}

/**
 * Opens the web server of a peer.
 *
 * @throws UserError if the port can't be had
 */
export function openPowWeb(subject: WebSubject, options: WebOptions): Promise<Listening> {
  return openWeb((own) => createPowApp(subject, own), options);
}
