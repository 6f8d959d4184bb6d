/**
 * Metrics for Prometheus. What the node counts anyway is read when somebody asks; only times and depths, of which a
 * distribution is wanted, are recorded as they happen. Every label has a bounded set of values: never an address,
 * a name or a word.
 */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

import { VERSION } from './assets.ts';
import { MAX_LABEL_VALUES } from './limits.ts';

const PREFIX = 'gossip_peer_';
/** What a counter of an engine is called if it stands for a bound rather than for a message. */
const LIMIT = 'limit.';

/** Sums of gauges that prom-client has anyway, with names as if they were counters. */
const MISNAMED = ['handles', 'requests', 'resources'].map((what) => `nodejs_active_${what}_total`);

type Labels = Readonly<Record<string, string>>;
/** Takes one value of a metric. */
export type Emit = (value: number, labels?: Labels) => void;

/** Where what all engines have comes from. */
export interface MetricsSource<Snapshot> {
  readonly engine: string;
  /** The state of the node at the moment somebody asks. */
  readonly snapshot: () => Snapshot;
  /** How often the engine met each outcome, as `message.verdict` or `limit.name`. */
  readonly counters: (snapshot: Snapshot) => Readonly<Record<string, number>>;
  /** Beginnings of their names, up to the point, that have metrics of their own. */
  readonly apart: readonly string[];
  /** Reports how full each bounded collection is. */
  readonly measure: (emit: (collection: string, size: number, limit: number) => void) => void;
  /** Who listens to events, and how many did and were cut off. */
  readonly hub: { readonly size: number; readonly slow: number };
}

/** The metrics of a node: those that all engines have, and those that are added. */
export class Metrics<Snapshot> {
  readonly #registry = new Registry();
  readonly #source: MetricsSource<Snapshot>;
  readonly #writes: Histogram;
  #snapshot: Snapshot | undefined;
  /** Requests by status. */
  readonly #requests = new Map<number, number>();
  readonly #refused: Record<string, number> = {};

  constructor(source: MetricsSource<Snapshot>) {
    this.#source = source;
    this.#writes = this.histogram(
      'store_write_seconds',
      'Time that a durable write takes',
      [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2],
    );
    this.#addCounters();
    this.#addGauges();
    collectDefaultMetrics({ register: this.#registry });
    for (const name of MISNAMED) this.#registry.removeSingleMetric(name);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All metrics, in the text format of Prometheus. */
  async text(): Promise<string> {
    this.#snapshot = this.#source.snapshot();
    return this.#registry.metrics();
  }

  onWrite(seconds: number): void {
    this.#writes.observe(seconds);
  }

  onRequest(status: number): void {
    this.#requests.set(status, (this.#requests.get(status) ?? 0) + 1);
  }

  /** A request was refused because of a bound of the web server. */
  onRefusal(limit: string): void {
    this.#refused[limit] = (this.#refused[limit] ?? 0) + 1;
  }

  /** A distribution of what is observed as it happens. */
  histogram<Label extends string = never>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: Label[] = [],
  ): Histogram<Label> {
    return new Histogram({ name: PREFIX + name, help, buckets, labelNames, registers: [this.#registry] });
  }

  /** A counter of what happens. */
  tally<Label extends string = never>(name: string, help: string, labelNames: Label[] = []): Counter<Label> {
    return new Counter({ name: PREFIX + name, help, labelNames, registers: [this.#registry] });
  }

  /** A counter whose values the node counts itself. */
  counter(
    name: string,
    help: string,
    labelNames: string[],
    read: (emit: Emit, snapshot: Snapshot) => void,
  ): void {
    const counter = new Counter({
      name: PREFIX + name,
      help,
      labelNames,
      registers: [this.#registry],
      collect: () => {
        counter.reset();
        if (this.#snapshot === undefined) return;
        read((value, labels = {}) => {
          counter.inc(labels, value);
        }, this.#snapshot);
      },
    });
  }

  /** A value that goes up and down, read from the node. */
  gauge(
    name: string,
    help: string,
    labelNames: string[],
    read: (emit: Emit, snapshot: Snapshot) => void,
  ): void {
    const gauge = new Gauge({
      name: PREFIX + name,
      help,
      labelNames,
      registers: [this.#registry],
      collect: () => {
        gauge.reset();
        if (this.#snapshot === undefined) return;
        read((value, labels = {}) => {
          gauge.set(labels, value);
        }, this.#snapshot);
      },
    });
  }

  #addCounters(): void {
    const { counters, apart, hub } = this.#source;
    this.counter(
      'messages_total',
      'Messages from the network, by type and outcome',
      ['type', 'outcome'],
      (emit, snapshot) => {
        for (const [name, count] of bounded(counters(snapshot))) {
          const [type = '', outcome = ''] = name.split('.', 2);
          if (!name.startsWith(LIMIT) && !apart.includes(type)) emit(count, { type, outcome });
        }
      },
    );
    this.counter('dropped_total', 'What was dropped because of a bound', ['limit'], (emit, snapshot) => {
      for (const [name, count] of bounded(counters(snapshot))) {
        if (name.startsWith(LIMIT)) emit(count, { limit: name.slice(LIMIT.length) });
      }
      for (const [limit, count] of bounded(this.#refused)) emit(count, { limit });
      emit(hub.slow, { limit: 'http-slow-streams' });
    });
    this.counter('http_requests_total', 'Requests answered', ['status'], (emit) => {
      for (const [status, count] of this.#requests) emit(count, { status: String(status) });
    });
  }

  #addGauges(): void {
    const { engine, hub, measure } = this.#source;
    this.gauge('build_info', 'Always 1', ['version', 'engine', 'node'], (emit) => {
      emit(1, { version: VERSION, engine, node: process.versions.node });
    });
    this.gauge('event_streams', 'Clients that listen to events', [], (emit) => {
      emit(hub.size);
    });
    this.gauge('collection_entries', 'Entries of a bounded collection', ['collection'], (emit) => {
      measure((collection, size) => {
        emit(size, { collection });
      });
    });
    this.gauge('collection_entries_limit', 'The bound of it', ['collection'], (emit) => {
      measure((collection, _, limit) => {
        emit(limit, { collection });
      });
    });
  }
}

/** The first of the counts by name: there are never more than a label may have values. */
export function bounded(counts: Readonly<Record<string, number>>): [string, number][] {
  return Object.entries(counts).slice(0, MAX_LABEL_VALUES);
}

/** Emits counts by name, each under a label of that name. */
export function emitEach(emit: Emit, counts: Readonly<Record<string, number>>, label: string): void {
  for (const [name, count] of bounded(counts)) emit(count, { [label]: name });
}
