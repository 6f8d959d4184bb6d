/** What Prometheus is given of a node with a face: its figures and metrics, and what all nodes count. */
import type { LiveNode, NodeCounters } from '../core/node.ts';
import type { Face, FaceMetric, Figure, Sample } from './face.ts';
import { Metrics, bounded, emitEach, type Emit } from './metrics.ts';

/** Records what is observed as it happens. */
export interface FaceMetrics<Status, Notice> {
  readonly metrics: Metrics<Status>;
  onNotice(notice: Notice): void;
  onReply(request: unknown, result: unknown): void;
}

/** What a message is on each transport, in the names of metrics. */
const CARRIED = { udp: 'datagram', tcp: 'frame' } as const;

/** What of a metric follows events. */
interface Observe<Notice> {
  onNotice?(notice: Notice): void;
  onReply?(result: unknown): void;
}

export function faceMetrics<Status, Notice, Node extends LiveNode<Status, Notice>>(
  node: Node,
  face: Face<Status, Notice, Node>,
  {
    hub,
    counts,
  }: {
    readonly hub: { readonly size: number; readonly slow: number };
    readonly counts: Readonly<Record<string, number>>;
  },
): FaceMetrics<Status, Notice> {
  const own = face.metrics ?? [];
  const counted = (): Readonly<Record<string, number>> => node.counters().engine ?? {};
  const metrics = new Metrics<Status>({
    engine: node.engine,
    snapshot: () => node.status(),
    counters: counted,
    apart: own.flatMap((metric) => ('counted' in metric ? [metric.counted] : [])),
    measure: (emit) => {
      node.measure(emit);
    },
    hub,
  });
  for (const figure of face.figures) addFigure(metrics, figure);
  metrics.counter('happenings_total', 'What happened, by kind', ['kind'], (emit) => {
    emitEach(emit, counts, 'kind');
  });
  addTransport(metrics, node);
  const observed = own.flatMap((metric) => addOwn(metrics, metric, node, counted) ?? []);
  return {
    metrics,
    onNotice: (notice) => {
      for (const observe of observed) observe.onNotice?.(notice);
    },
    onReply: (_, result) => {
      for (const observe of observed) observe.onReply?.(result);
    },
  };
}

function addFigure<Status>(metrics: Metrics<Status>, figure: Figure<Status>): void {
  const { metric, help, unit } = figure;
  if (metric === undefined) return;
  const scale = unit === 'milliseconds' ? 1000 : 1;
  metrics[metric.type](metric.name, help, [], (emit, status) => {
    const value = figure.of(status);
    if (value !== null) emit(Number(value) / scale);
    // What is not known is not 0; a counter has no other value.
    else if (metric.type === 'gauge') emit(NaN);
  });
}

function addTransport<Status>(
  metrics: Metrics<Status>,
  node: Pick<LiveNode<Status, never>, 'transport' | 'counters'>,
): void {
  const one = CARRIED[node.transport];
  const transport = (): NodeCounters['transport'] => node.counters().transport;
  metrics.counter(`${one}s_total`, `Messages over the network (${one}s)`, ['direction'], (emit) => {
    const { received, sent } = transport();
    emit(received, { direction: 'received' });
    emit(sent, { direction: 'sent' });
  });
  metrics.counter(`${one}_bytes_total`, 'Bytes of them', ['direction'], (emit) => {
    const { receivedBytes, sentBytes } = transport();
    emit(receivedBytes, { direction: 'received' });
    emit(sentBytes, { direction: 'sent' });
  });
  metrics.counter(`${one}s_unsent_total`, 'Messages not sent, by why', ['reason'], (emit) => {
    emitEach(emit, transport().dropped, 'reason');
  });
  metrics.counter(
    `malformed_${one}s_total`,
    'What came and is no message, by the rule that it breaks',
    ['rule'],
    (emit) => {
      emitEach(emit, node.counters().host.malformed, 'rule');
    },
  );
  if (transport().connections === undefined) return;
  metrics.counter('connections_established_total', 'Connections that came about', [], (emit) => {
    emit(transport().connections?.established ?? 0);
  });
  metrics.counter(
    'connections_failed_total',
    'Connections that did not come about, by why',
    ['reason'],
    (emit) => {
      emitEach(emit, transport().connections?.failed ?? {}, 'reason');
    },
  );
  metrics.counter('connections_ended_total', 'Connections that ended, by why', ['reason'], (emit) => {
    emitEach(emit, transport().connections?.ended ?? {}, 'reason');
  });
}

/** @returns what to notify of every notice, where the metric is recorded as it happens */
function addOwn<Status, Notice, Node>(
  metrics: Metrics<Status>,
  metric: FaceMetric<Notice, Node>,
  node: Node,
  counted: () => Readonly<Record<string, number>>,
): Observe<Notice> | undefined {
  const { name, help, type } = metric;
  const labels = [...(metric.labels ?? [])];
  const named = ([value, ...texts]: readonly [number, ...string[]], take: Emit): void => {
    take(value, Object.fromEntries(labels.map((label, at) => [label, texts[at] ?? ''])));
  };
  const each = (samples: readonly Sample[], take: Emit): void => {
    for (const sample of samples) named(typeof sample === 'number' ? [sample] : sample, take);
  };
  if ('counted' in metric) {
    const beginning = `${metric.counted}.`;
    const [label = 'kind'] = labels;
    metrics.counter(name, help, [label], (emit) => {
      for (const [counter, count] of bounded(counted()))
        if (counter.startsWith(beginning)) emit(count, { [label]: counter.slice(beginning.length) });
    });
    return undefined;
  }
  if ('of' in metric) {
    metrics[metric.type](name, help, labels, (emit) => {
      each(metric.of(node), emit);
    });
    return undefined;
  }
  const take = type === 'histogram' ? histogramOf(metrics, metric, labels) : tallyOf(metrics, metric, labels);
  if ('onReply' in metric) {
    return {
      onReply: (result) => {
        each(metric.onReply(result), take);
      },
    };
  }
  return {
    onNotice: (notice) => {
      each(metric.on(notice, node), take);
    },
  };
}

interface Named {
  readonly name: string;
  readonly help: string;
  readonly buckets?: readonly number[];
}

function histogramOf<Status>(
  metrics: Metrics<Status>,
  { name, help, buckets = [] }: Named,
  labels: string[],
): Emit {
  const histogram = metrics.histogram(name, help, [...buckets], labels);
  return (value, values = {}) => {
    histogram.observe(values, value);
  };
}

function tallyOf<Status>(metrics: Metrics<Status>, { name, help }: Named, labels: string[]): Emit {
  const tally = metrics.tally(name, help, labels);
  return (value, values = {}) => {
    tally.inc(values, value);
  };
}
