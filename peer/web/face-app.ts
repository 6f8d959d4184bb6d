/** The API, the metrics and the page of any node that has a face; see `face.ts`. */
import { z } from 'zod';

import type { LiveNode } from '../core/node.ts';
import { isoTime } from '../../shared/time.ts';
import { Actions, doneSchemaOf } from './actions.ts';
import { VERSION } from './assets.ts';
import { EventHub } from './events.ts';
import type { Face, FaceEvents, Plots, Resource } from './face.ts';
import { faceMetrics } from './face-metrics.ts';
import { answer, parsed } from './http.ts';
import { Journals } from './journals.ts';
import { STEP_SECONDS } from './limits.ts';
import { EventPace } from './pace.ts';
import { Plotted } from './plotted.ts';
import { commonRoutes, shows, type Route } from './routes.ts';
import {
  glanceSchema,
  happeningSchema,
  programSchema,
  stepSchema,
  tableSchema,
  viewSchema,
  type DoneJson,
  type GlanceJson,
  type HappeningJson,
  type StepJson,
  type TableJson,
} from './schemas.ts';
import { createNodeApp, type AppOptions, type WebApp } from './server.ts';
import { changedTables, glanceOf, viewOf } from './view.ts';

/** Events of `/events`, by name; an engine may have more. */
interface NodeEvents {
  /** At once after connecting, when something changed (at most once a second), and at every step of the series. */
  readonly status: object;
  /** With every status. */
  readonly glance: GlanceJson;
  /** A table that has changed. */
  readonly table: TableJson;
  /** The newest values of the series. */
  readonly step: StepJson;
  /** Something happened. */
  readonly journal: HappeningJson;
  /** The answer to an action that was not answered in time. */
  readonly answer: DoneJson;
  readonly [own: string]: unknown;
}

/**
 * An application for a node. It needs no socket: `app.request` asks it directly.
 *
 * @param journals what happened, where the log has it too
 */
export function createFaceApp<Status, Notice, Node extends LiveNode<Status, Notice>>(
  node: Node,
  face: Face<Status, Notice, Node>,
  options: AppOptions,
  journals?: Journals<Status, Notice, Node>,
): WebApp {
  const now = options.now ?? Date.now;
  const startedAt = isoTime(now());
  const hub = new EventHub<NodeEvents>();
  const history = journals ?? new Journals(node, face, now);
  const plots = new Plotted<Status, Notice>(face.series, () => node.status(), now);
  const { engine } = node;
  const schema = programSchema.extend({ engine: z.literal(engine), ...face.status.shape });
  const status = (): object => ({ engine, version: VERSION, startedAt, ...node.status() });
  const counted = faceMetrics(node, face, { hub, counts: history.counts });
  const { metrics } = counted;
  const changed = changedTables(face.tables, node);
  const changes = new Changes(face.events?.changing ?? [], node);
  const settle = (): void => {
    if (hub.size === 0) return;
    hub.send('status', status());
    hub.send('glance', glanceOf(node, face));
    for (const table of changed()) hub.send('table', table);
    for (const [name, data] of changes.take()) hub.send(name, data);
  };
  const pace = new EventPace(hub, {
    settle,
    // What changes by itself is sent at the steps.
    tick: () => undefined,
  });
  const step = setInterval(() => {
    hub.send('step', plots.step());
    settle();
  }, STEP_SECONDS * 1000).unref();
  history.read((_, entry) => {
    pace.report('journal', () => entry);
  });
  const actions = new Actions({
    node,
    onLate: (answer) => {
      pace.report('answer', () => answer);
    },
    onRefusal: (limit) => {
      metrics.onRefusal(limit);
    },
    clock: options.clock ?? (() => performance.now()),
  });
  const routes = [
    shows<object>('/status', 'The state of the node', schema, status),
    ...(face.resources ?? []).map((resource) => resourceRoute(resource, node, plots)),
    ...(face.routes?.(node) ?? []),
    ...face.actions.flatMap((action) => actions.routes(action)),
    shows('/view', 'Everything that is shown of the node, in words', viewSchema, () =>
      viewOf(node, face, { startedAt, series: plots.view(), journals: history.view() }),
    ),
    shows('/view/glance', 'What is seen of the node at a glance', glanceSchema, () => glanceOf(node, face)),
    ...commonRoutes<NodeEvents>({
      ...{ hub, status, metrics },
      readiness: 'Whether the node is ready',
      unready: () => face.ready(node.status()),
    }),
  ];
  const [first, ...more] = face.actions.map(doneSchemaOf);
  const description = {
    text:
      face.description ??
      `A node of the engine "${engine}": what it knows of itself, and what it can be asked to do.`,
    events: {
      ...{
        status: schema,
        glance: glanceSchema,
        table: tableSchema,
        step: stepSchema,
        journal: happeningSchema,
      },
      ...{ ...(first && { answer: z.union([first, ...more]) }), ...face.events?.schemas },
    },
  };
  const follow = (notice: Notice): void => {
    if (!pace.changed()) return;
    const own = face.events?.of(notice, node);
    if (own !== undefined) pace.report(own[0], () => own[1]);
  };
  const steps = {
    close: () => {
      clearInterval(step);
    },
  };
  return createNodeApp<Notice>(
    {
      ...{ routes, description, page: engine, metrics },
      ...(face.maxBody !== undefined && { maxBody: face.maxBody }),
      observe: (observer) => node.observe(observer),
      // The log's journals follow the node by themselves.
      followers: [plots, counted, { onNotice: follow }, ...(journals === undefined ? [history] : [])],
      closing: [pace, steps, hub],
    },
    options,
  );
}

/** What of a node is sent when it has changed. */
class Changes<Node> {
  readonly #changing: NonNullable<FaceEvents<never, Node>['changing']>;
  readonly #node: Node;
  /** By name, what was sent last. */
  readonly #keys = new Map<string, string>();

  constructor(changing: NonNullable<FaceEvents<never, Node>['changing']>, node: Node) {
    this.#changing = changing;
    this.#node = node;
    this.take();
  }

  /** What has changed since the last time. */
  take(): [name: string, data: unknown][] {
    return this.#changing.flatMap((one): [string, unknown][] => {
      const current = JSON.stringify(one.key(this.#node));
      if (current === this.#keys.get(one.name)) return [];
      this.#keys.set(one.name, current);
      return [[one.name, one.of(this.#node)]];
    });
  }
}

function resourceRoute<Node>(resource: Resource<Node>, node: Node, plots: Plots): Route {
  const { path, help: summary, schema: gives, query } = resource;
  return {
    ...{ method: 'get', path, summary, gives },
    ...(query && { query, problems: [400] }),
    handle: (context) => {
      const asked = query && parsed(query, context.req.query(), 'the query');
      return answer(resource.of(node, plots, asked as never));
    },
  };
}
