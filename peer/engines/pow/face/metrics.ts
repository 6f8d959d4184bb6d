/** The metrics of a proof-of-work peer; see `../../../web/metrics.ts`. */
import type { Counter, Histogram } from 'prom-client';

import type { PowNotice, PowStatus } from '../protocol/interface.ts';
import type { EventHub } from '../../../web/events.ts';
import { Metrics, bounded, tellEach } from '../../../web/metrics.ts';
import { agreements, isWithUs, type OurChain } from './agreement.ts';
import type { History } from './history.ts';
import type { PowEvents } from './schemas.ts';
import type { WebCounters, WebSubject } from './subject.ts';

const PHASES: readonly PowStatus['phase'][] = [
  'joining',
  'waiting',
  'following',
  'asking',
  'searching',
  'downloading',
];

/** The state of the node at the moment somebody asks. */
interface Snapshot {
  readonly status: PowStatus;
  readonly counters: WebCounters;
}

export interface MetricsModules {
  readonly subject: WebSubject;
  readonly history: History;
  readonly hub: EventHub<PowEvents>;
  /** Wall clock in milliseconds. */
  readonly now: () => number;
}

export class PowMetrics extends Metrics<Snapshot> {
  readonly #now: () => number;
  readonly #reorganisations: Histogram;
  readonly #ages: Histogram;
  readonly #blocks: Counter<'source'>;
  readonly #consensus: Counter<'outcome'>;
  readonly #falseChains: Counter;

  constructor({ subject, history, hub, now }: MetricsModules) {
    super({
      engine: 'pow',
      snapshot: () => ({ status: subject.status(), counters: subject.counters() }),
      counters: ({ status }) => status.counters,
      apart: ['malformed'],
      measure: (tell) => {
        subject.measure(tell);
      },
      hub,
    });
    this.#now = now;
    this.#reorganisations = this.histogram(
      'reorganisation_depth_blocks',
      'Blocks of ours that left the chain in a reorganisation',
      [1, 2, 3, 5, 10, 30, 100, 1000],
    );
    this.#ages = this.histogram(
      'announced_block_age_seconds',
      'Time from when its miner stamped an announced block to its arrival, by both clocks: search and propagation',
      [0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600],
    );
    this.#blocks = this.tally('blocks_total', 'Blocks put on top of our chain, by how they came', ['source']);
    this.#consensus = this.tally('consensus_total', 'Rounds of consensus, by outcome', ['outcome']);
    this.#falseChains = this.tally('false_chains_total', 'Claimed chains that were proved false');
    this.#addTraffic();
    this.#addChain(subject);
    this.#addPeers(subject);
    this.#addWork(subject, history);
  }

  onNotice(notice: PowNotice): void {
    switch (notice.kind) {
      case 'block':
        this.#blocks.inc({ source: notice.source });
        if (notice.source === 'announced') {
          const age = this.#now() / 1000 - Number(notice.block.timestamp);
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

  #addTraffic(): void {
    this.counter(
      'malformed_datagrams_total',
      'Datagrams that are no message, by the rule that they break',
      ['rule'],
      (tell, { counters }) => {
        tellEach(tell, counters.host.malformed, 'rule');
      },
    );
    this.counter('datagrams_total', 'Datagrams', ['direction'], (tell, { counters: { udp } }) => {
      tell(udp.received, { direction: 'received' });
      tell(udp.sent, { direction: 'sent' });
    });
    this.counter('datagram_bytes_total', 'Bytes in datagrams', ['direction'], (tell, { counters }) => {
      tell(counters.udp.receivedBytes, { direction: 'received' });
      tell(counters.udp.sentBytes, { direction: 'sent' });
    });
    this.counter('datagrams_unsent_total', 'Datagrams not sent', ['reason'], (tell, { counters }) => {
      tellEach(tell, counters.udp.dropped, 'reason');
    });
    this.counter(
      'datagrams_blocked_total',
      'Datagrams from and to addresses that are blocked, as in a partition of `peer network`',
      [],
      (tell, { counters }) => {
        tell(counters.udp.blocked, {});
      },
    );
    this.counter('socket_errors_total', 'Errors of the UDP socket', ['code'], (tell, { counters }) => {
      tellEach(tell, counters.udp.errors, 'code');
    });
    this.counter(
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
  }

  #addChain(subject: WebSubject): void {
    this.gauge('chain_blocks', 'Blocks of our chain', [], (tell, { status }) => {
      tell(status.height);
    });
    this.gauge('difficulty_zeros', 'Zeros that a hash must end in', [], (tell) => {
      tell(subject.difficulty);
    });
    this.gauge('phase', '1 for what the peer is doing, else 0', ['phase'], (tell, { status }) => {
      for (const phase of PHASES) tell(Number(phase === status.phase), { phase });
    });
  }

  #addPeers(subject: OurChain): void {
    this.gauge('peers', 'Peers tracked', ['state'], (tell, { status: { peers } }) => {
      const verified = peers.filter((peer) => peer.verified).length;
      tell(verified, { state: 'verified' });
      tell(peers.length - verified, { state: 'unverified' });
    });
    this.gauge(
      'agreeing_peers',
      'Peers whose last claim is our own chain, or a beginning of it',
      [],
      (tell, { status }) => {
        const agreementOf = agreements(subject, status);
        tell(status.peers.filter(({ claim }) => isWithUs(agreementOf(claim))).length);
      },
    );
    this.gauge('peer_offences', 'Proved lies of the peers tracked now', [], (tell, { status }) => {
      tell(status.peers.reduce((sum, { offences }) => sum + offences, 0));
    });
    this.gauge(
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
  }

  #addWork(subject: WebSubject, history: History): void {
    this.gauge('words', 'Words that wait to be mined', [], (tell, { status }) => {
      tell(status.words.length);
    });
    this.gauge('miners', 'Miners attached', [], (tell) => {
      tell(subject.miners().length);
    });
    this.gauge('hashes_per_second', 'Hash rate of the attached miners', [], (tell) => {
      tell(history.totalRate() ?? 0);
    });
    this.gauge('sync_blocks', 'Of the chain that is downloaded', ['state'], (tell) => {
      tell(history.sync?.verified ?? 0, { state: 'verified' });
      tell(history.sync?.total ?? 0, { state: 'claimed' });
    });
    this.gauge('indexed_blocks', 'Blocks that the leaderboard counts', [], (tell) => {
      tell(history.index.counted);
    });
  }
}
