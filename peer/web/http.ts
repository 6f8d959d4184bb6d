/**
 * What every web server of this program does the same, whatever it serves: who may ask, how often and how much, how
 * errors are reported, and what a browser is allowed to do with the answers.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Socket, type AddressInfo } from 'node:net';

import { getRequestListener, RequestError } from '@hono/node-server';
import { Hono, type MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { z } from 'zod';

import type { Address } from '../../shared/address.ts';
import { UserError, messageOf, systemCodeOf } from '../../shared/errors.ts';
import { toJson } from '../../shared/escape.ts';
import type { Log } from '../../shared/log.ts';
import { RateLimit, TokenBucket } from '../core/bounded.ts';
import {
  authorised,
  identified,
  ownHost,
  type AccessOptions,
  type WebContext,
  type WebEnv,
} from './access.ts';
import { Connections } from './connections.ts';
import {
  ALL_REQUESTS_BURST,
  ALL_REQUESTS_PER_SECOND,
  HEADERS_TIMEOUT,
  KEEP_ALIVE_TIMEOUT,
  MAX_BODY_BYTES,
  MAX_HEADER_BYTES,
  MAX_RATED_CLIENTS,
  REQUESTS_BURST,
  REQUESTS_PER_SECOND,
  REQUEST_TIMEOUT,
  SOCKET_TIMEOUT,
} from './limits.ts';
import { ProblemError, sentenceOf } from './problem.ts';

/**
 * What a browser may do with what we serve: run our own scripts, show our own styles, ask us, and nothing else. So
 * even text from the network that found its way into markup could do nothing.
 */
const SECURITY_HEADERS: readonly (readonly [string, string])[] = [
  [
    'content-security-policy',
    [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "connect-src 'self'",
      "img-src 'self' data:",
      "base-uri 'none'",
      "frame-ancestors 'none'",
      "form-action 'self'",
    ].join('; '),
  ],
  ['x-content-type-options', 'nosniff'],
  ['x-frame-options', 'DENY'],
  ['referrer-policy', 'no-referrer'],
  ['cross-origin-opener-policy', 'same-origin'],
  ['cross-origin-resource-policy', 'same-origin'],
];

export interface BaseOptions extends AccessOptions {
  /** Longest body that is taken, in bytes; MAX_BODY_BYTES by default. */
  readonly maxBody?: number;
  /** A monotonic clock in milliseconds. */
  readonly clock?: () => number;
  /** Notified of what nobody foresaw, which no client is shown. */
  readonly onFault?: (error: Error) => void;
  /** Notified of every answer. */
  readonly onAnswer?: (status: number) => void;
  /** Notified of every request that was refused because of a bound, with its name. */
  readonly onRefusal?: (limit: string) => void;
}

/** An application without any routes. */
export function createBase(options: BaseOptions): Hono<WebEnv> {
  const app = new Hono<WebEnv>();
  app.use(async (context, next) => {
    await next();
    for (const [name, value] of SECURITY_HEADERS) context.res.headers.set(name, value);
    if (!context.res.headers.has('cache-control')) context.res.headers.set('cache-control', 'no-store');
    options.onAnswer?.(context.res.status);
  });
  app.use(identified(options), rateLimited(options), ownHost(options));
  app.post('*', authorised(options), json, limitedBody(options));
  app.notFound((context) => new ProblemError(404, `There is nothing at ${context.req.path}.`).response());
  app.onError((error, context) => {
    if (error instanceof ProblemError) return error.response();
    const { incoming } = context.env;
    // Whoever goes in the middle of a body hears no answer, and it is no fault of ours.
    if (incoming?.destroyed === true && !incoming.complete) {
      return new ProblemError(400, 'The request broke off.').response();
    }
    options.onFault?.(error);
    return new ProblemError(500, 'The peer could not answer; it may be going down.').response();
  });
  return app;
}

/** Answers 405 for every other method of the paths that have routes by now. */
export function refuseOtherMethods(app: Hono<WebEnv>): void {
  const methods = new Map<string, string[]>();
  for (const { path, method } of app.routes) {
    if (method !== 'ALL' && !path.includes('*')) methods.set(path, [...(methods.get(path) ?? []), method]);
  }
  for (const [path, known] of methods) {
    const allow = known.includes('GET') ? [...known, 'HEAD'] : known;
    app.all(path, ({ req }) => {
      const allowed = allow.join(', ');
      throw new ProblemError(405, `${req.path} takes ${allowed}, not ${req.method}.`, { allow: allowed });
    });
  }
}

/** A value as the answer to a request. */
export function answer(value: unknown, status = 200): Response {
  return new Response(toJson(value), { status, headers: { 'content-type': 'application/json' } });
}

/** The body of a request, as its schema has it. @throws ProblemError */
export async function bodyOf<T extends z.ZodType>(context: WebContext, schema: T): Promise<z.output<T>> {
  let value: unknown;
  try {
    value = await context.req.json();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ProblemError(400, 'The body is not JSON.');
  }
  return parsed(schema, value, 'the body');
}

/** What came from a client, as its schema has it. @throws ProblemError */
export function parsed<T extends z.ZodType>(schema: T, value: unknown, what: string): z.output<T> {
  const result = schema.safeParse(value);
  if (!result.success) throw new ProblemError(400, sentenceOf(result.error, what));
  return result.data;
}

function rateLimited({ clock = () => performance.now(), onRefusal }: BaseOptions): MiddlewareHandler<WebEnv> {
  const each = new RateLimit({
    perSecond: REQUESTS_PER_SECOND,
    burst: REQUESTS_BURST,
    maxKeys: MAX_RATED_CLIENTS,
  });
  const all = new TokenBucket({ perSecond: ALL_REQUESTS_PER_SECOND, burst: ALL_REQUESTS_BURST });
  return async (context, next) => {
    const now = clock();
    if (!each.take(context.var.client, now) || !all.take(now)) {
      onRefusal?.('http-requests');
      throw new ProblemError(429, 'That was too much at once; ask again in a second.', {
        'retry-after': '1',
      });
    }
    await next();
  };
}

/** Anything but JSON could be sent by a form on a foreign page. */
const json: MiddlewareHandler<WebEnv> = async ({ req }, next) => {
  if (!/^application\/json\s*(;|$)/i.test(req.header('content-type') ?? '')) {
    throw new ProblemError(415, 'The body must be JSON, sent as application/json.');
  }
  await next();
};

function limitedBody({ maxBody = MAX_BODY_BYTES, onRefusal }: BaseOptions): MiddlewareHandler<WebEnv> {
  return bodyLimit({
    maxSize: maxBody,
    onError: () => {
      onRefusal?.('http-body');
      throw new ProblemError(413, `A body has at most ${maxBody} bytes.`);
    },
  });
}

export interface ListenOptions {
  readonly bind: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Whether any free port will do where the port is taken. */
  readonly anyPort?: boolean;
  readonly log: Log;
  /** Notified of every connection that was refused because of a bound, with its name. */
  readonly onRefusal?: (limit: string) => void;
}

/** A server that listens. */
export interface Listening {
  readonly address: Address;
  /** Ends every connection. */
  close(): Promise<void>;
}

/**
 * Serves an application.
 *
 * @throws UserError if the port can't be bound
 */
export async function listen(app: Hono<WebEnv>, options: ListenOptions): Promise<Listening> {
  const { bind, port, log } = options;
  const listener = getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    errorHandler: refuseTarget,
  });
  const connections = new Connections(() => {
    options.onRefusal?.('http-connections');
  });
  const take = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    if (connections.begin(incoming, outgoing)) void listener(incoming, outgoing);
    else refuse(new ProblemError(503, 'Too many are connected already.'), incoming.socket);
  };
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT,
      requestTimeout: REQUEST_TIMEOUT,
      // How often Node looks whether a connection is past those; by default twice a minute.
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
      // Node would answer a request without a host itself, without a word.
      requireHostHeader: false,
    },
    take,
  );
  // An expectation that nobody knows may be ignored (RFC 9110, 10.1.1); Node would answer without a word.
  server.on('checkExpectation', take);
  server.on('connection', (socket: Socket) => {
    connections.add(socket);
  });
  server.setTimeout(SOCKET_TIMEOUT);
  server.on('clientError', (error, socket) => {
    const code = systemCodeOf(error);
    if (socket instanceof Socket && socket.writable && code !== 'ECONNRESET')
      refuse(unreadable(code), socket);
    else socket.destroy();
  });
  const attempt = (at: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(at, bind, () => {
        server.off('error', reject);
        resolve();
      });
    });
  try {
    await attempt(port).catch((error: unknown) => {
      if (options.anyPort !== true || systemCodeOf(error) !== 'EADDRINUSE') throw error;
      log.info(`port ${port} for the status page is in use, so it is at another; --http-port chooses one`);
      return attempt(0);
    });
  } catch (error) {
    throw listenError(error, bind, port);
  }
  server.on('error', (error) => {
    log.error('http: a connection could not be accepted', { error: messageOf(error) });
  });
  const { address: host, port: bound } = server.address() as AddressInfo;
  return {
    address: { host, port: bound },
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

const CLOSE = { connection: 'close' };

/** What is HTTP, but names no host or path that can be, is answered before it reaches the application too. */
function refuseTarget(error: unknown): Response {
  const problem =
    error instanceof RequestError
      ? new ProblemError(400, 'The request names no host, or a host or path that can not be.', CLOSE)
      : new ProblemError(500, 'The peer could not answer.', CLOSE);
  return problem.response();
}

/** What can't be read as HTTP is answered before it reaches the application. */
function unreadable(code: string | undefined): ProblemError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new ProblemError(431, `The headers have at most ${MAX_HEADER_BYTES} bytes.`);
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new ProblemError(408, 'The request took too long to come.');
    default:
      return new ProblemError(400, 'That is no HTTP request.');
  }
}

/** Answers over the bare connection and ends it: one that the client alone could end would hold its place. */
function refuse({ problem }: ProblemError, socket: Socket): void {
  const body = toJson(problem);
  socket.write(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  socket.destroySoon();
}

function listenError(error: unknown, bind: string, port: number): unknown {
  switch (systemCodeOf(error)) {
    case 'EADDRINUSE':
      return new UserError(`port ${port} for the status page is in use; choose another with --http-port`);
    case 'EACCES':
      return new UserError(
        `port ${port} for the status page is not allowed to this user; choose one above 1023 with --http-port`,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new UserError(
        `${bind} is not an address of this machine to serve the status page at; choose another with --http-bind`,
      );
    default:
      return error;
  }
}
