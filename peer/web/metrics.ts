/**
 * Metrics for Prometheus. What the node counts anyway is read when somebody asks; only times and depths, of which a
 * distribution is wanted, are taken down as they happen. Every label has a bounded set of values: never an address,
 * a name or a word.
 */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

import type { PowNotice, PowStatus } from '../engines/pow/interface.ts';
import type { EventHub } from './events.ts';
import type { History } from './history.ts';
import { MAX_LABEL_VALUES } from './limits.ts';
import type { WebCounters, WebSubject } from './subject.ts';
import { VERSION } from './views.ts';

const PREFIX = 'gossip_peer_';
const PHASES: readonly PowStatus['phase'][] = [
  'joining',
  'waiting',
  'following',
  'asking',
  'searching',
  'downloading',
];
/** What a counter of the engine is called if it stands for a bound rather than for a message. */
const LIMIT = 'limit.';

type Labels = Readonly<Record<string, string>>;
/** Takes one value of a metric. */
type Tell = (value: number, labels?: Labels) => void;

/** The state of the node at the moment somebody asks. */
interface Snapshot {
  readonly status: PowStatus;
  readonly counters: WebCounters;
}

export interface MetricsModules {
  readonly subject: WebSubject;
  readonly history: History;
  readonly hub: EventHub;
  /** Wall clock in milliseconds. */
  readonly now: () => number;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #modules: MetricsModules;
  #snapshot: Snapshot | undefined;
  /** Requests by status. */
  readonly #requests = new Map<number, number>();
  readonly #refused: Record<string, number> = {};
  readonly #reorganisations: Histogram;
  readonly #writes: Histogram;
  readonly #ages: Histogram;
  readonly #blocks: Counter<'source'>;
  readonly #consensus: Counter<'outcome'>;
  readonly #falseChains: Counter;

  constructor(modules: MetricsModules) {
    this.#modules = modules;
    const registers = [this.#registry];
    this.#reorganisations = new Histogram({
      name: `${PREFIX}reorganisation_depth_blocks`,
      help: 'Blocks of ours that left the chain in a reorganisation',
      buckets: [1, 2, 3, 5, 10, 30, 100, 1000],
      registers,
    });
    this.#writes = new Histogram({
      name: `${PREFIX}store_write_seconds`,
      help: 'Time that a durable write takes',
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2],
      registers,
    });
    this.#ages = new Histogram({
      name: `${PREFIX}announced_block_age_seconds`,
      help: 'Time from when its miner stamped an announced block to its arrival, by both clocks: search and propagation',
      buckets: [0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600],
      registers,
    });
    this.#blocks = new Counter({
      name: `${PREFIX}blocks_total`,
      help: 'Blocks put on top of our chain, by how they came',
      labelNames: ['source'],
      registers,
    });
    this.#consensus = new Counter({
      name: `${PREFIX}consensus_total`,
      help: 'Rounds of consensus, by outcome',
      labelNames: ['outcome'],
      registers,
    });
    this.#falseChains = new Counter({
      name: `${PREFIX}false_chains_total`,
      help: 'Claimed chains that were proved false',
      registers,
    });
    this.#addCounters();
    this.#addGauges();
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All metrics, in the text format of Prometheus. */
  async text(): Promise<string> {
    const { subject } = this.#modules;
    this.#snapshot = { status: subject.status(), counters: subject.counters() };
    return this.#registry.metrics();
  }

  onNotice(notice: PowNotice): void {
    switch (notice.kind) {
      case 'block':
        this.#blocks.inc({ source: notice.source });
        if (notice.source === 'announced') {
          const age = this.#modules.now() / 1000 - Number(notice.block.timestamp);
          this.#ages.observe(Math.max(0, age));
        }
        break;
      case 'chain-adopted':
        this.#blocks.inc({ source: 'synced' }, notice.added);
        if (notice.depth > 0) this.#reorganisations.observe(notice.depth);
        break;
      case 'consensus-finished':
        this.#consensus.inc({ outcome: notice.outcome });
        break;
      case 'false-chain':
        this.#falseChains.inc();
        break;
    }
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

  #addCounters(): void {
    this.#counter(
      'messages_total',
      'Messages from the network, by type and outcome',
      ['type', 'outcome'],
      (tell, { status }) => {
        for (const [name, count] of bounded(status.counters)) {
          const [type = '', outcome = ''] = name.split('.', 2);
          if (!name.startsWith(LIMIT) && type !== 'malformed') tell(count, { type, outcome });
        }
      },
    );
    this.#counter('dropped_total', 'What was dropped because of a bound', ['limit'], (tell, snapshot) => {
      for (const [name, count] of bounded(snapshot.status.counters)) {
        if (name.startsWith(LIMIT)) tell(count, { limit: name.slice(LIMIT.length) });
      }
      for (const [limit, count] of bounded(this.#refused)) tell(count, { limit });
      tell(this.#modules.hub.slow, { limit: 'http-slow-streams' });
    });
    this.#counter(
      'malformed_datagrams_total',
      'Datagrams that are no message, by the rule that they break',
      ['rule'],
      (tell, { counters }) => {
        for (const [rule, count] of bounded(counters.host.malformed)) tell(count, { rule });
      },
    );
    this.#counter('datagrams_total', 'Datagrams', ['direction'], (tell, { counters: { udp } }) => {
      tell(udp.received, { direction: 'received' });
      tell(udp.sent, { direction: 'sent' });
    });
    this.#counter('datagram_bytes_total', 'Bytes in datagrams', ['direction'], (tell, { counters }) => {
      tell(counters.udp.receivedBytes, { direction: 'received' });
      tell(counters.udp.sentBytes, { direction: 'sent' });
    });
    this.#counter('datagrams_unsent_total', 'Datagrams not sent', ['reason'], (tell, { counters }) => {
      for (const [reason, count] of bounded(counters.udp.dropped)) tell(count, { reason });
    });
    this.#counter(
      'datagrams_blocked_total',
      'Datagrams from and to addresses that are blocked, as in a partition of `peer network`',
      [],
      (tell, { counters }) => {
        tell(counters.udp.blocked, {});
      },
    );
    this.#counter('socket_errors_total', 'Errors of the UDP socket', ['code'], (tell, { counters }) => {
      for (const [code, count] of bounded(counters.udp.errors)) tell(count, { code });
    });
    this.#counter(
      'mining_total',
      'What happened between us and our miners',
      ['event', 'outcome'],
      (tell, { counters }) => {
        for (const [name, count] of bounded(counters.mining)) {
          const [event = '', outcome = ''] = name.split('.', 2);
          tell(count, { event, outcome });
        }
      },
    );
    this.#counter('http_requests_total', 'Requests answered', ['status'], (tell) => {
      for (const [status, count] of this.#requests) tell(count, { status: String(status) });
    });
  }

  #addGauges(): void {
    const { subject, history, hub } = this.#modules;
    this.#gauge('build_info', 'Always 1', ['version', 'engine', 'node'], (tell) => {
      tell(1, { version: VERSION, engine: 'pow', node: process.versions.node });
    });
    this.#gauge('chain_blocks', 'Blocks of our chain', [], (tell, { status }) => {
      tell(status.height);
    });
    this.#gauge('difficulty_zeros', 'Zeros that a hash must end in', [], (tell) => {
      tell(subject.difficulty);
    });
    this.#gauge('phase', '1 for what the peer is doing, else 0', ['phase'], (tell, { status }) => {
      for (const phase of PHASES) tell(Number(phase === status.phase), { phase });
    });
    this.#gauge('peers', 'Peers tracked', ['state'], (tell, { status: { peers } }) => {
      const verified = peers.filter((peer) => peer.verified).length;
      tell(verified, { state: 'verified' });
      tell(peers.length - verified, { state: 'unverified' });
    });
    this.#gauge('agreeing_peers', 'Peers whose last claim is our own chain', [], (tell, { status }) => {
      tell(status.peers.filter(({ claim }) => claim !== null && claim.hash === status.hash).length);
    });
    this.#gauge('peer_offences', 'Proved lies of the peers tracked now', [], (tell, { status }) => {
      tell(status.peers.reduce((sum, { offences }) => sum + offences, 0));
    });
    this.#gauge(
      'peer_round_trip_seconds',
      'Time that peers took to answer STATS: of half of them at most, and of all',
      ['quantile'],
      (tell, { status }) => {
        const times = status.peers.flatMap(({ roundTrip }) => roundTrip ?? []).sort((a, b) => a - b);
        const [median, longest] = [times[Math.ceil(times.length / 2) - 1], times.at(-1)];
        if (median !== undefined) tell(median / 1000, { quantile: '0.5' });
        if (longest !== undefined) tell(longest / 1000, { quantile: '1' });
      },
    );
    this.#gauge('words', 'Words that wait to be mined', [], (tell, { status }) => {
      tell(status.words.length);
    });
    this.#gauge('miners', 'Miners attached', [], (tell) => {
      tell(subject.miners().length);
    });
    this.#gauge('hashes_per_second', 'Hash rate of the attached miners', [], (tell) => {
      tell(history.totalRate() ?? 0);
    });
    this.#gauge('sync_blocks', 'Of the chain that is downloaded', ['state'], (tell) => {
      tell(history.sync?.verified ?? 0, { state: 'verified' });
      tell(history.sync?.total ?? 0, { state: 'claimed' });
    });
    this.#gauge('indexed_blocks', 'Blocks that the leaderboard counts', [], (tell) => {
      tell(history.index.counted);
    });
    this.#gauge('event_streams', 'Clients that listen to events', [], (tell) => {
      tell(hub.size);
    });
    this.#gauge('collection_entries', 'Entries of a bounded collection', ['collection'], (tell) => {
      subject.measure((collection, size) => {
        tell(size, { collection });
      });
    });
    this.#gauge('collection_entries_limit', 'The bound of it', ['collection'], (tell) => {
      subject.measure((collection, _, limit) => {
        tell(limit, { collection });
      });
    });
  }

  /** A counter whose values the node keeps itself. */
  #counter(
    name: string,
    help: string,
    labelNames: string[],
    read: (tell: Tell, snapshot: Snapshot) => void,
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

  #gauge(
    name: string,
    help: string,
    labelNames: string[],
    read: (tell: Tell, snapshot: Snapshot) => void,
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
}

/** The first of the counts by name: there are never more than a label may have values. */
function bounded(counts: Readonly<Record<string, number>>): [string, number][] {
  return Object.entries(counts).slice(0, MAX_LABEL_VALUES);
}
