/** The web server of one peer: its API, its metrics and its page. */
import type { Hono } from 'hono';

import { messageOf } from '../../shared/errors.ts';
import { EventHub } from './events.ts';
import { History } from './history.ts';
import {
  createBase,
  listen,
  refuseOtherMethods,
  writingOf,
  type BaseOptions,
  type ListenOptions,
  type Listening,
  type WebEnv,
} from './http.ts';
import { LiveFeed } from './live.ts';
import { Metrics } from './metrics.ts';
import { openApi } from './openapi.ts';
import { servePage } from './page-files.ts';
import { apiRoutes } from './routes.ts';
import type { WebObserver, WebSubject } from './subject.ts';
import { Views } from './views.ts';

export interface AppOptions extends Pick<BaseOptions, 'bind' | 'token' | 'clock' | 'onFault'> {
  /** Wall clock in milliseconds; the machine's by default. */
  readonly now?: () => number;
}

/** An application for one peer. It needs no socket: `app.request` asks it directly. */
export interface WebApp {
  readonly app: Hono<WebEnv>;
  /** Ends every stream of events, and keeps no history any more. */
  close(): void;
}

export function createApp(subject: WebSubject, options: AppOptions): WebApp {
  const now = options.now ?? Date.now;
  const hub = new EventHub();
  const history = new History(subject, now);
  const views = new Views(subject, history, { writing: writingOf(options), startedAt: now() });
  const metrics = new Metrics({ subject, history, hub, now });
  const live = new LiveFeed({ hub, views, history, now });
  const observer: WebObserver = {
    onNotice: (notice) => {
      history.onNotice(notice);
      metrics.onNotice(notice);
      live.onNotice(notice);
    },
    onWrite: (seconds) => {
      metrics.onWrite(seconds);
    },
  };
  const leave = subject.observe(observer);
  const app = createBase({
    ...options,
    onAnswer: (status) => {
      metrics.onRequest(status);
    },
    onRefusal: (limit) => {
      metrics.onRefusal(limit);
    },
  });
  const routes = apiRoutes({ subject, views, hub, metrics });
  for (const { method, path, handle } of routes) app.on(method.toUpperCase(), path, handle);
  const description = openApi(routes);
  app.get('/openapi.json', (context) => context.json(description));
  servePage(app);
  refuseOtherMethods(app);
  return {
    app,
    close: () => {
      leave();
      live.close();
      history.close();
      hub.close();
    },
  };
}

/**
 * Opens the web server of a peer.
 *
 * @throws UserError if the port can't be had
 */
export async function openWeb(subject: WebSubject, options: AppOptions & ListenOptions): Promise<Listening> {
  const { log } = options;
  const web = createApp(subject, {
    ...options,
    onFault: (error) => {
      log.warn('the status page could not answer', { error: messageOf(error) });
    },
  });
  try {
    const listening = await listen(web.app, options);
    return {
      address: listening.address,
      close: async () => {
        web.close();
        await listening.close();
      },
    };
  } catch (error) {
    web.close();
    throw error;
  }
}
