/** The page over a whole network: the control of its nodes, and behind it the API of each. */
import type { Hono } from 'hono';
import { z } from 'zod';

import { UserError, messageOf } from '../../shared/errors.ts';
import type { AccessOptions, WebContext, WebEnv } from '../web/access.ts';
import { answer, bodyOf, listen, parsed, type ListenOptions, type Listening } from '../web/http.ts';
import { ProblemError } from '../web/problem.ts';
import type { Route } from '../web/routes.ts';
import { MAX_NODE_NAME_LENGTH, nodeActionSchema, nodesSchema, partitionSchema } from '../web/schemas.ts';
import { createApp, type AppOptions } from '../web/server.ts';
import { ANSWER_PATIENCE } from './limits.ts';
import { NetworkError, type Network, type Refusal } from './network.ts';
import { LOOPBACK } from './ports.ts';

const STATUSES: Readonly<Record<Refusal, number>> = {
  unknown: 404,
  malformed: 400,
  conflict: 409,
  busy: 503,
};
/** What of an answer of a node is passed on; everything else is between it and us. */
const PASSED_HEADERS = ['allow', 'cache-control', 'content-type', 'retry-after', 'x-accel-buffering'];

const DESCRIPTION =
  'A network of peers on one machine: its nodes, and what is done to them. The API of each node is below its path.';

const nameSchema = z.string().min(1).max(MAX_NODE_NAME_LENGTH);
/** The body of a change that needs no fields. */
const nothingSchema = z.strictObject({});

export interface NetworkAppOptions extends AccessOptions, Pick<AppOptions, 'clock' | 'onFault'> {
  /** Which engine's page shows the nodes. */
  readonly page: string;
  /** Longest body that is taken, in bytes, where it is not the usual one. */
  readonly maxBody?: number;
  /** Asks a node. */
  readonly fetch?: typeof fetch;
}

/** The application for a network. It needs no socket: `app.request` asks it directly. */
export function createNetworkApp(network: Network, options: NetworkAppOptions): Hono<WebEnv> {
  return createApp(
    {
      routes: networkRoutes(network),
      description: { text: DESCRIPTION, events: {} },
      page: options.page,
      network: true,
      ...(options.maxBody !== undefined && { maxBody: options.maxBody }),
      extend: (app) => {
        app.all('/nodes/:name/api/*', (context) => passOn(network, context, options.fetch ?? fetch));
      },
    },
    options,
  );
}

/**
 * Serves the page of a network.
 *
 * @throws UserError if the port can't be bound
 */
export function openNetworkWeb(
  network: Network,
  options: Omit<ListenOptions & AccessOptions, 'bind'> & Pick<NetworkAppOptions, 'page' | 'maxBody'>,
): Promise<Listening> {
  const { log } = options;
  const app = createNetworkApp(network, {
    ...options,
    bind: LOOPBACK,
    onFault: (error) => {
      log.warn('the status page could not answer', { error: messageOf(error) });
    },
  });
  return listen(app, { ...options, bind: LOOPBACK });
}

function networkRoutes(network: Network): Route[] {
  const state = (): Response => answer(network.view());
  const change = async (work: () => Promise<void>): Promise<Response> => {
    try {
      await work();
    } catch (error) {
      if (error instanceof NetworkError) throw new ProblemError(STATUSES[error.refusal], error.message);
      // A node that did not come up says why.
      if (error instanceof UserError) throw new ProblemError(503, `${error.message}.`);
      throw error;
    }
    return state();
  };
  return [
    {
      method: 'get',
      path: '/nodes',
      summary: 'The nodes of this network; each has its API below the path that is told',
      gives: nodesSchema,
      handle: state,
    },
    {
      method: 'post',
      path: '/nodes/:name/:action',
      summary: 'Kills a node (as a crash would), starts it on its data, pauses it, or has it go on',
      parameters: { name: nameSchema, action: nodeActionSchema },
      body: nothingSchema,
      gives: nodesSchema,
      problems: [400, 403, 404, 409, 413, 415, 503],
      handle: async (context) => {
        const name = parsed(nameSchema, context.req.param('name'), 'the name');
        const action = nodeActionSchema.safeParse(context.req.param('action'));
        if (!action.success) {
          throw new ProblemError(404, `A node takes ${nodeActionSchema.options.join(', ')}.`);
        }
        await bodyOf(context, nothingSchema);
        const work = {
          kill: () => network.kill(name),
          start: () => network.startNode(name),
          pause: () => network.pause(name),
          resume: () => network.resume(name),
        }[action.data];
        return change(work);
      },
    },
    {
      method: 'post',
      path: '/partition',
      summary: 'Parts the network: no datagram gets from one group to another',
      body: partitionSchema,
      gives: nodesSchema,
      problems: [400, 403, 413, 415, 503],
      handle: async (context) => {
        const { groups } = await bodyOf(context, partitionSchema);
        return change(() => network.partition(groups));
      },
    },
    {
      method: 'post',
      path: '/heal',
      summary: 'Lets all nodes reach each other again',
      body: nothingSchema,
      gives: nodesSchema,
      problems: [400, 403, 409, 413, 415, 503],
      handle: async (context) => {
        await bodyOf(context, nothingSchema);
        return change(() => network.heal());
      },
    },
  ];
}

/** Has a node answer a request below its path. */
async function passOn(network: Network, context: WebContext, ask: typeof fetch): Promise<Response> {
  const { req } = context;
  const name = req.param('name') ?? '';
  const node = network.nodes.find((one) => one.name === name);
  if (node === undefined) throw new ProblemError(404, `There is no node "${name}".`);
  if (node.state !== 'running') {
    throw new ProblemError(503, `${name} is ${node.state}.`, { 'retry-after': '1' });
  }
  const { pathname, search } = new URL(req.url);
  const path = pathname.split('/').slice(4).join('/');
  // The node sees us alone, so we answer what the client may do.
  if (path === 'access') return answer({ writing: context.var.writing });
  const url = `http://${LOOPBACK}:${node.httpPort}/${path}${search}`;
  // A stream of events may go on for days, only its beginning may not take long.
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort();
  }, ANSWER_PATIENCE);
  try {
    const { status, headers, body } = await ask(url, {
      method: req.method,
      redirect: 'manual',
      signal: late.signal,
      ...(req.method === 'POST' && {
        headers: { 'content-type': 'application/json' },
        body: await req.arrayBuffer(),
      }),
    });
    const passed = PASSED_HEADERS.flatMap((header) => {
      const value = headers.get(header);
      return value === null ? [] : [[header, value] as [string, string]];
    });
    return new Response(body, { status, headers: passed });
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    throw new ProblemError(503, `${name} does not answer.`, { 'retry-after': '1' });
  } finally {
    clearTimeout(timer);
  }
}
