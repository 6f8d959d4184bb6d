/** The API, the metrics and the page of any node that has a face; see `face.ts`. */
import { z } from 'zod';

import { UserError } from '../../shared/errors.ts';
import type { LiveNode, NodeObserver } from '../core/node.ts';
import { VERSION } from './assets.ts';
import { EventHub } from './events.ts';
import { viewOf, type Action, type Face, type Figure, type Series } from './face.ts';
import { answer, bodyOf } from './http.ts';
import { MAX_REMEMBERED, STEP_SECONDS, STEP_VALUES } from './limits.ts';
import { Metrics, tellEach } from './metrics.ts';
import { Newest } from './newest.ts';
import { EventPace } from './pace.ts';
import { ProblemError } from './problem.ts';
import { commonRoutes, shows, type Route } from './routes.ts';
import {
  doneSchema,
  happeningSchema,
  programSchema,
  viewSchema,
  type HappeningJson,
  type ViewJson,
} from './schemas.ts';
import { createNodeApp, type AppOptions, type WebApp } from './server.ts';
import { isoTime } from '../../shared/time.ts';

/** Events of `/events`, by name. */
interface FaceEvents {
  /** At once after connecting, when something changed (at most once a second), and at every step of the series. */
  readonly status: object;
  /** Something happened. */
  readonly journal: HappeningJson;
}

/** An application for a node. It needs no socket: `app.request` asks it directly. */
export function createFaceApp<Status, Notice, Node extends LiveNode<Status, Notice>>(
  node: Node,
  face: Face<Status, Notice, Node>,
  options: AppOptions,
): WebApp {
  const now = options.now ?? Date.now;
  const startedAt = isoTime(now());
  const hub = new EventHub<FaceEvents>();
  const journal = new Newest<HappeningJson>(MAX_REMEMBERED);
  const plots = face.series.map((series) => new Plotted(series));
  const counts: Record<string, number> = {};
  const { engine } = node;
  const schema = programSchema.extend({ engine: z.literal(engine), ...face.status.shape });
  const status = (): object => ({ engine, version: VERSION, startedAt, ...node.status() });
  let steppedAt = now();
  const view = (): ViewJson =>
    viewOf(node, face, {
      startedAt,
      series: plots.map((plot) => plot.view(isoTime(steppedAt))),
      journal: journal.items,
    });
  const metrics = metricsOf(node, face, { hub, counts });
  const pace = new EventPace(hub, {
    settle: () => {
      hub.send('status', status());
    },
    // What changes by itself is told at the steps.
    tick: () => undefined,
  });
  const step = setInterval(() => {
    steppedAt = now();
    const current = node.status();
    for (const plot of plots) plot.sample(current);
    hub.send('status', status());
  }, STEP_SECONDS * 1000).unref();
  const follower: Pick<NodeObserver<Notice>, 'onNotice'> = {
    onNotice: (notice) => {
      pace.changed();
      const happening = face.journal(notice);
      if (happening === undefined) return;
      const { text, tone, counter } = happening;
      if (counter !== undefined) counts[counter] = (counts[counter] ?? 0) + 1;
      const entry = { at: isoTime(now()), text, tone };
      journal.add(entry);
      pace.tell('journal', () => entry);
    },
  };
  const routes = [
    shows<object>('/status', 'The state of the node', schema, status),
    shows('/view', 'Everything that is shown of the node, in words', viewSchema, view),
    ...face.actions.map((action) => actionRoute(action, node)),
    ...commonRoutes<FaceEvents>({
      ...{ hub, status, metrics },
      readiness: 'Whether the node is ready',
      unready: () => face.ready(node.status()),
    }),
  ];
  const description = {
    text: `A node of the engine "${engine}": what it knows of itself, and what it can be asked to do.`,
    events: { status: schema, journal: happeningSchema },
  };
  const steps = {
    close: () => {
      clearInterval(step);
    },
  };
  return createNodeApp<Notice>(
    {
      ...{ routes, description, page: engine, metrics },
      observe: (observer) => node.observe(observer),
      followers: [follower],
      closing: [pace, steps, hub],
    },
    options,
  );
}

function actionRoute<Node>(action: Action<Node>, node: Node): Route {
  const { name, help, schema } = action;
  return {
    method: 'post',
    path: `/actions/${name}`,
    summary: help,
    body: schema,
    gives: doneSchema,
    problems: [400, 403, 409, 413, 415],
    handle: async (context) => {
      const input = await bodyOf(context, schema);
      try {
        return answer({ text: await action.run(input, node) });
      } catch (error) {
        if (error instanceof UserError) throw new ProblemError(409, `${error.message}.`);
        throw error;
      }
    },
  };
}

/** What Prometheus is told: figures that have the name of a metric, and what all nodes count. */
function metricsOf<Status, Notice, Node extends LiveNode<Status, Notice>>(
  node: Node,
  face: Face<Status, Notice, Node>,
  { hub, counts }: { readonly hub: EventHub<FaceEvents>; readonly counts: Readonly<Record<string, number>> },
): Metrics<Status> {
  const metrics = new Metrics<Status>({
    engine: node.engine,
    snapshot: () => node.status(),
    counters: () => ({}),
    apart: [],
    measure: (tell) => {
      node.measure(tell);
    },
    hub,
  });
  for (const figure of face.figures) addFigure(metrics, figure);
  metrics.counter('happenings_total', 'What happened, by kind', ['kind'], (tell) => {
    tellEach(tell, counts, 'kind');
  });
  metrics.counter('transport_messages_total', 'Messages over the network', ['direction'], (tell) => {
    const { received, sent } = node.counters().transport;
    tell(received, { direction: 'received' });
    tell(sent, { direction: 'sent' });
  });
  metrics.counter('transport_bytes_total', 'Bytes of them', ['direction'], (tell) => {
    const { receivedBytes, sentBytes } = node.counters().transport;
    tell(receivedBytes, { direction: 'received' });
    tell(sentBytes, { direction: 'sent' });
  });
  metrics.counter('transport_unsent_total', 'Messages that were not sent', ['reason'], (tell) => {
    tellEach(tell, node.counters().transport.dropped, 'reason');
  });
  metrics.counter('malformed_total', 'What came and is no message, by the broken rule', ['rule'], (tell) => {
    tellEach(tell, node.counters().host.malformed, 'rule');
  });
  return metrics;
}

function addFigure<Status>(metrics: Metrics<Status>, figure: Figure<Status>): void {
  const { metric, help, unit } = figure;
  if (metric === undefined) return;
  const scale = unit === 'milliseconds' ? 1000 : 1;
  metrics[metric.type](metric.name, help, [], (tell, status) => {
    const value = figure.of(status);
    if (value !== null) tell(Number(value) / scale);
    // What is not known is not 0; a counter has no other value.
    else if (metric.type === 'gauge') tell(NaN);
  });
}

/** A series and its last values. */
class Plotted<Status> {
  readonly #series: Series<Status>;
  readonly #values: (number | null)[][];
  /** What was read at the last step. */
  #before: readonly (number | null)[] = [];

  constructor(series: Series<Status>) {
    this.#series = series;
    this.#values = series.lines.map(() => []);
  }

  /** Takes down a value of each line. */
  sample(status: Status): void {
    const { draw, lines } = this.#series;
    const current = lines.map((line) => line.of(status));
    for (const [at, value] of current.entries()) {
      const before = this.#before[at] ?? null;
      const rise = value === null || before === null ? null : (value - before) / STEP_SECONDS;
      const values = this.#values[at];
      values?.push(draw === 'value' ? value : rise);
      if (values !== undefined && values.length > STEP_VALUES) values.shift();
    }
    this.#before = current;
  }

  view(endsAt: string): ViewJson['series'][number] {
    const { name, title, help, lines } = this.#series;
    return {
      ...{ name, title, help, stepSeconds: STEP_SECONDS, endsAt },
      lines: lines.map(({ title: line }, at) => ({ title: line, values: [...(this.#values[at] ?? [])] })),
    };
  }
}
