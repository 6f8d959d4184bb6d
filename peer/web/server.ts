/** The web server of one node: its API, its metrics and its page, whatever its engine. */
import type { Hono } from 'hono';

import { messageOf } from '../../shared/errors.ts';
import type { NodeObserver } from '../core/node.ts';
import type { AccessOptions, WebEnv } from './access.ts';
import {
  answer,
  createBase,
  listen,
  refuseOtherMethods,
  type BaseOptions,
  type ListenOptions,
  type Listening,
} from './http.ts';
import { openApi, type ApiDescription } from './openapi.ts';
import { servePage } from './page-files.ts';
import type { Route } from './routes.ts';
import { accessSchema } from './schemas.ts';

export interface AppOptions extends AccessOptions, Pick<BaseOptions, 'clock' | 'onFault'> {
  /** Wall clock in milliseconds; the machine's by default. */
  readonly now?: () => number;
}

/** An application for one node. It needs no socket: `app.request` asks it directly. */
export interface WebApp {
  readonly app: Hono<WebEnv>;
  /** Counts what was refused because of a bound before it reached the application. */
  onRefusal(limit: string): void;
  /** Ends every stream of events, and records no history any more. */
  close(): void;
}

/** What an engine's API and page are made of. */
export interface AppParts {
  readonly routes: readonly Route[];
  readonly description: ApiDescription;
  /** The engine whose page it is. */
  readonly page: string;
  /** Whether it serves a whole network of nodes. */
  readonly network?: boolean;
  /** Longest body that is taken, in bytes, where it is not the usual one. */
  readonly maxBody?: number;
  /** Adds what is no route of the API. */
  readonly extend?: (app: Hono<WebEnv>) => void;
  /** Notified of every answer and every request that was refused because of a bound. */
  readonly metrics?: { onRequest(status: number): void; onRefusal(limit: string): void };
}

const ACCESS: Route = {
  method: 'get',
  path: '/access',
  summary: 'Whether whoever asks may change anything here',
  gives: accessSchema,
  handle: ({ var: { writing } }) => answer({ writing }),
};

/** An application that serves the routes, their description and the page. */
export function createApp(parts: AppParts, options: AppOptions): Hono<WebEnv> {
  const { description, page, network = false, maxBody, metrics } = parts;
  const routes = [...parts.routes, ACCESS];
  const app = createBase({
    ...options,
    ...(maxBody !== undefined && { maxBody }),
    ...(metrics && {
      onAnswer: (status) => {
        metrics.onRequest(status);
      },
      onRefusal: (limit) => {
        metrics.onRefusal(limit);
      },
    }),
  });
  for (const { method, path, handle } of routes) app.on(method.toUpperCase(), path, handle);
  const document = openApi(routes, description);
  app.get('/openapi.json', () => answer(document));
  parts.extend?.(app);
  servePage(app, { page, network });
  refuseOtherMethods(app);
  return app;
}

/** What of a node's application goes on while it is open. */
export interface NodeAppParts<Notice> extends AppParts {
  readonly metrics: NonNullable<AppParts['metrics']> & Required<Pick<NodeObserver<Notice>, 'onWrite'>>;
  /** Has the node notify an observer from now on; until the function that it returns is called. */
  readonly observe: (observer: NodeObserver<Notice>) => () => void;
  /** Notified of what happens, in this order. */
  readonly followers: readonly Pick<NodeObserver<Notice>, 'onNotice' | 'onReply'>[];
  /** Closed at the end, in order. */
  readonly closing: readonly { close(): void }[];
}

/** An application that follows what happens in its node. */
export function createNodeApp<Notice>(parts: NodeAppParts<Notice>, options: AppOptions): WebApp {
  const { metrics, followers, closing } = parts;
  const leave = parts.observe({
    onNotice: (notice) => {
      for (const follower of followers) follower.onNotice(notice);
    },
    onReply: (request, result) => {
      for (const follower of followers) follower.onReply?.(request, result);
    },
    onWrite: (seconds) => {
      metrics.onWrite(seconds);
    },
  });
  return {
    app: createApp(parts, options),
    onRefusal: (limit) => {
      metrics.onRefusal(limit);
    },
    close: () => {
      leave();
      for (const part of closing) part.close();
    },
  };
}

/** Where and how a node's web server listens. */
export type WebOptions = AppOptions & ListenOptions;
/** What a person may choose of it. */
export type PageOptions = Pick<WebOptions, keyof AccessOptions | 'port' | 'anyPort'>;

/**
 * Opens the web server of a node.
 *
 * @param create makes its application
 * @throws UserError if the port can't be had
 */
export async function openWeb(
  create: (options: AppOptions) => WebApp,
  options: WebOptions,
): Promise<Listening> {
  const { log } = options;
  const web = create({
    ...options,
    onFault: (error) => {
      log.warn('the status page could not answer', { error: messageOf(error) });
    },
  });
  try {
    const listening = await listen(web.app, {
      ...options,
      onRefusal: (limit) => {
        web.onRefusal(limit);
      },
    });
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
