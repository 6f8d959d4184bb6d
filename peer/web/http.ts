/**
 * What every web server of this program does the same, whatever it serves: who may ask, how often and how much, how
 * errors are told, and what a browser is allowed to do with the answers.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

import { getRequestListener, RequestError, type HttpBindings } from '@hono/node-server';
import { Hono, type Context, type MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { z } from 'zod';

import type { Address } from '../../shared/address.ts';
import { UserError, messageOf, systemCodeOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import { RateLimit, TokenBucket } from '../engines/bounded.ts';
import {
  ALL_REQUESTS_BURST,
  ALL_REQUESTS_PER_SECOND,
  HEADERS_TIMEOUT,
  KEEP_ALIVE_TIMEOUT,
  MAX_BODY_BYTES,
  MAX_CONNECTIONS,
  MAX_HEADER_BYTES,
  MAX_RATED_CLIENTS,
  REQUESTS_BURST,
  REQUESTS_PER_SECOND,
  REQUEST_TIMEOUT,
  SOCKET_TIMEOUT,
} from './limits.ts';
import { ProblemError, sentenceOf } from './problem.ts';
import type { Writing } from './schemas.ts';

/** The sockets behind a request; there are none where a test asks the application itself. */
export interface WebEnv {
  Bindings: Partial<HttpBindings>;
}

export type WebContext = Context<WebEnv>;

/** Names of this machine that only it itself uses. */
const LOOPBACK_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]', '::1']);

/** Whether only this machine reaches what listens there. */
export function isLoopback(bind: string): boolean {
  return LOOPBACK_HOSTS.has(bind) || /^127(\.\d{1,3}){3}$/.test(bind);
}

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

export interface BaseOptions {
  /** The address that is listened at. */
  readonly bind: string;
  /** What a request that changes something must show; without one only this machine may, if it alone can ask. */
  readonly token?: string | undefined;
  /** Longest body that is taken, in bytes; MAX_BODY_BYTES by default. */
  readonly maxBody?: number;
  /** A monotonic clock in milliseconds. */
  readonly clock?: () => number;
  /** Told of what nobody foresaw, which a client hears nothing of. */
  readonly onFault?: (error: Error) => void;
  /** Told of every answer. */
  readonly onAnswer?: (status: number) => void;
  /** Told of every request that was refused because of a bound, with its name. */
  readonly onRefusal?: (limit: string) => void;
}

/** Who may change something through a server. */
export function writingOf({ bind, token }: BaseOptions): Writing {
  if (token !== undefined) return 'token';
  return isLoopback(bind) ? 'open' : 'off';
}

/** Who asks, for bounds that each client has of its own. */
export function clientOf(context: WebContext): string {
  return context.env.incoming?.socket.remoteAddress ?? 'local';
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
  app.use(rateLimited(options), ownHost(options));
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
    if (!each.take(clientOf(context), now) || !all.take(now)) {
      onRefusal?.('http-requests');
      throw new ProblemError(429, 'That was too much at once; ask again in a second.', {
        'retry-after': '1',
      });
    }
    await next();
  };
}

/**
 * A page from elsewhere can give its own name our address (DNS rebinding); the browser would then let it read our
 * answers. It still sends the name, so where only this machine can ask, only its own names are taken.
 */
function ownHost({ bind }: BaseOptions): MiddlewareHandler<WebEnv> {
  return async (context, next) => {
    const host = hostName(context.req.header('host') ?? new URL(context.req.url).host);
    if (isLoopback(bind) && host !== bind && !LOOPBACK_HOSTS.has(host)) {
      throw new ProblemError(421, 'This server is called localhost or by its address, and by no other name.');
    }
    await next();
  };
}

/** A host without its port, in lower case. */
function hostName(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, '');
}

/** Lets a request that changes something pass only from our own page, or with the token. */
function authorised(options: BaseOptions): MiddlewareHandler<WebEnv> {
  const writing = writingOf(options);
  const expected = digestOf(`Bearer ${options.token ?? ''}`);
  return async (context, next) => {
    const { req } = context;
    const origin = req.header('origin');
    const own = req.header('host') ?? new URL(req.url).host;
    if (origin !== undefined && origin !== `http://${own}` && origin !== `https://${own}`) {
      throw new ProblemError(403, 'A page from elsewhere may change nothing here.');
    }
    if (writing === 'off') {
      throw new ProblemError(
        403,
        'This server only shows; --http-token allows changes to those who have it.',
      );
    }
    if (writing === 'token' && !timingSafeEqual(digestOf(req.header('authorization') ?? ''), expected)) {
      throw new ProblemError(401, 'A change needs the token, as "Authorization: Bearer …".', {
        'www-authenticate': 'Bearer',
      });
    }
    await next();
  };
}

/** Of equal length whatever the text, as a comparison in constant time wants it. */
function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
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
 * @throws UserError if the port can't be had
 */
export async function listen(app: Hono<WebEnv>, options: ListenOptions): Promise<Listening> {
  const { bind, port, log } = options;
  const listener = getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    errorHandler: refuseTarget,
  });
  const answer = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    void listener(incoming, outgoing);
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
    answer,
  );
  // An expectation that nobody knows may be ignored (RFC 9110, 10.1.1); Node would answer without a word.
  server.on('checkExpectation', answer);
  server.maxConnections = MAX_CONNECTIONS;
  server.setTimeout(SOCKET_TIMEOUT);
  server.on('clientError', (error, socket) => {
    refuse(systemCodeOf(error), socket);
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

/** What is HTTP, but names no host or path that can be, is answered before the application hears of it too. */
function refuseTarget(error: unknown): Response {
  const problem =
    error instanceof RequestError
      ? new ProblemError(400, 'The request names no host, or a host or path that can not be.', CLOSE)
      : new ProblemError(500, 'The peer could not answer.', CLOSE);
  return problem.response();
}

/** What can't be read as HTTP is answered before the application hears of it. */
function refuse(code: string | undefined, socket: Duplex): void {
  if (!socket.writable || code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const problem =
    code === 'HPE_HEADER_OVERFLOW'
      ? new ProblemError(431, `The headers have at most ${MAX_HEADER_BYTES} bytes.`)
      : code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? new ProblemError(408, 'The request took too long to come.')
        : new ProblemError(400, 'That is no HTTP request.');
  const { title, status } = problem.problem;
  const body = JSON.stringify(problem.problem);
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
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
