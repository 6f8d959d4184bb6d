/** Who asks, whether that is this machine itself, and what may be changed by whom. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { BlockList, isIP } from 'node:net';

import type { HttpBindings } from '@hono/node-server';
import type { Context, MiddlewareHandler } from 'hono';

import { ProblemError } from './problem.ts';
import type { Writing } from './schemas.ts';

export interface WebEnv {
  /** The sockets behind a request; there are none where a test asks the application itself. */
  Bindings: Partial<HttpBindings>;
  Variables: {
    /** Who asks, for bounds that each client has of its own. */
    readonly client: string;
    /** Whether this request may change anything. */
    readonly writing: Writing;
  };
}

export type WebContext = Context<WebEnv>;

export interface AccessOptions {
  /** The address that is listened at. */
  readonly bind: string;
  /** What a request that changes something must show; without one only this machine may, if it alone can ask. */
  readonly token?: string | undefined;
  /** Where proxies show us, as "https://chain.example": pages from there are our own. */
  readonly origins?: readonly string[];
  /** Addresses and networks of proxies, whose word for whom they ask is taken. */
  readonly trustedProxies?: readonly string[];
}

/** Names of this machine that only it itself uses. */
const LOOPBACK_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]', '::1']);

/**
 * What proxies add to a request. Neither browsers nor command-line clients send any of it by themselves; a header that
 * begins with "X-" is always somebody's own.
 */
const PROXY_HEADER =
  /^(?:forwarded|via|cdn-loop|(?:true-)?client-ip|(?:x|cf|fastly|fly|ngrok|tailscale)-.+)$/;

/** Whether only this machine reaches what listens there, or whether a connection from there comes from it. */
export function isLoopback(address: string): boolean {
  return LOOPBACK_HOSTS.has(address) || /^127(\.\d{1,3}){3}$/.test(address);
}

/** An address without what a socket for both families puts before one of IPv4. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=[\d.]+$)/i, '');
}

/** An origin in its one spelling, or undefined if a text is none: a path, for instance, is no part of it. */
export function originOf(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) return undefined;
  return url.href === `${url.origin}/` ? url.origin : undefined;
}

/**
 * Adds an address, or a network as 10.0.0.0/8, to a list.
 *
 * @returns whether it was one
 */
export function addNetwork(list: BlockList, text: string): boolean {
  const [, address = '', length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  const most = family === 'ipv6' ? 128 : 32;
  if (isIP(address) === 0 || Number(length ?? 0) > most) return false;
  list.addSubnet(address, Number(length ?? most), family);
  return true;
}

/** Finds out who asks and what that allows; every handler after it reads it from the context. */
export function identified(options: AccessOptions): MiddlewareHandler<WebEnv> {
  const proxies = new BlockList();
  for (const proxy of options.trustedProxies ?? []) addNetwork(proxies, proxy);
  const writing = writingOf(options);
  return async (context, next) => {
    context.set('client', clientOf(context, proxies));
    context.set('writing', writing === 'open' && isForwarded(context) ? 'off' : writing);
    await next();
  };
}

/**
 * What this machine itself may do. Some proxies add nothing at all, so that nothing tells a request of theirs from one
 * of this machine: where somebody says that there is a proxy, only a token does.
 */
function writingOf({ bind, token, origins = [], trustedProxies = [] }: AccessOptions): Writing {
  if (token !== undefined) return 'token';
  return isLoopback(bind) && origins.length + trustedProxies.length === 0 ? 'open' : 'off';
}

/** Whether a proxy passed a request on. Only nginx, unless it is configured otherwise, still speaks HTTP/1.0. */
function isForwarded({ req, env }: WebContext): boolean {
  return (
    env.incoming?.httpVersion === '1.0' || [...req.raw.headers.keys()].some((name) => PROXY_HEADER.test(name))
  );
}

/** Who is connected, or whom it asks for if it is a proxy that is trusted: the last in the list whom nobody trusts. */
function clientOf({ req, env }: WebContext, proxies: BlockList): string {
  let client = plainAddress(env.incoming?.socket.remoteAddress ?? 'local');
  const named = req.header('x-forwarded-for')?.split(',') ?? [];
  const isTrusted = (): boolean =>
    isIP(client) !== 0 && proxies.check(client, isIP(client) === 6 ? 'ipv6' : 'ipv4');
  while (named.length > 0 && isTrusted()) {
    const before = plainAddress(named.pop()?.trim() ?? '');
    if (isIP(before) === 0) break;
    client = before;
  }
  return client;
}

/**
 * A page from elsewhere can give its own name our address (DNS rebinding); the browser would then let it read our
 * answers. It still sends the name, so where only this machine can ask, only its own names are taken, and those of
 * proxies before it.
 */
export function ownHost({ bind, origins = [] }: AccessOptions): MiddlewareHandler<WebEnv> {
  const names = new Set([...LOOPBACK_HOSTS, bind, ...origins.map((origin) => new URL(origin).hostname)]);
  return async ({ req }, next) => {
    const host = (req.header('host') ?? new URL(req.url).host).toLowerCase().replace(/:\d*$/, '');
    if (isLoopback(bind) && !names.has(host)) {
      throw new ProblemError(
        421,
        'This server is called localhost or by its address; --http-origin gives it another name.',
      );
    }
    await next();
  };
}

/** Lets a request that changes something pass only from our own page, or with the token. */
export function authorised({ token = '', origins = [] }: AccessOptions): MiddlewareHandler<WebEnv> {
  const expected = digestOf(`Bearer ${token}`);
  return async ({ req, var: { writing } }, next) => {
    const origin = req.header('origin');
    const host = req.header('host') ?? new URL(req.url).host;
    const own = [`http://${host}`, `https://${host}`, ...origins];
    if (origin !== undefined && !own.includes(origin)) {
      throw new ProblemError(
        403,
        'A page from elsewhere may change nothing here; --http-origin names where a proxy shows this one.',
      );
    }
    if (writing === 'off') {
      throw new ProblemError(
        403,
        'This server only shows what it has to others, and to whoever comes through a proxy; --http-token allows changes to those who have it.',
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
