/** The metrics of a PBFT replica; see `../../../web/metrics.ts`. */
import type { Counter, Histogram } from 'prom-client';

import type { PbftNotice, PbftStatus } from '../protocol/interface.ts';
import type { TcpPeer } from '../../../transports/tcp.ts';
import type { EventHub } from '../../../web/events.ts';
import { Metrics, bounded, tellEach } from '../../../web/metrics.ts';
import type { PbftHistory } from './history.ts';
import type { PbftEvents } from './schemas.ts';
import type { PbftCounters, PbftSubject } from './subject.ts';

const PHASES: readonly PbftStatus['phase'][] = ['normal', 'changing view', 'fetching state'];
/** How the engine calls its counters of offences. */
const OFFENCE = 'offence';
/** From the hop within a machine to a cluster around the world that is in trouble. */
const LATENCIES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];

/** The state of the replica at the moment somebody asks. */
interface Snapshot {
  readonly status: PbftStatus;
  readonly counters: PbftCounters;
  readonly connections: readonly TcpPeer[];
}

export interface MetricsModules {
  readonly subject: PbftSubject;
  readonly history: PbftHistory;
  readonly hub: EventHub<PbftEvents>;
}

export class PbftMetrics extends Metrics<Snapshot> {
  readonly #phases: Histogram<'phase'>;
  readonly #answers: Histogram;
  readonly #batches: Histogram;
  readonly #viewChanges: Histogram;
  readonly #reasons: Counter<'reason'>;
  readonly #checkpoints: Counter;
  readonly #transfers: Counter<'event'>;
  readonly #pages: Counter;
  readonly #divergences: Counter;
  readonly #history: PbftHistory;

  constructor({ subject, history, hub }: MetricsModules) {
    super({
      engine: 'pbft',
      snapshot: () => ({
        status: subject.status(),
        counters: subject.counters(),
        connections: subject.peers(),
      }),
      counters: ({ status }) => status.counters,
      apart: [OFFENCE],
      measure: (tell) => {
        subject.measure(tell);
      },
      hub,
    });
    this.#history = history;
    this.#phases = this.histogram(
      'pbft_phase_seconds',
      'Time that the phases of a batch took here: prepare, commit, and total up to the execution',
      LATENCIES,
      ['phase'],
    );
    this.#answers = this.histogram(
      'pbft_answer_seconds',
      'Time from when a request was submitted here to f + 1 equal answers',
      LATENCIES,
    );
    this.#batches = this.histogram(
      'pbft_batch_requests',
      'Requests of a batch that was executed',
      [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    );
    this.#viewChanges = this.histogram(
      'pbft_view_change_seconds',
      'Time from when the primary was given up here to a new view',
      [0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300],
    );
    this.#reasons = this.tally('pbft_view_changes_total', 'Views that were given up, by why', ['reason']);
    this.#checkpoints = this.tally('pbft_checkpoints_total', 'Checkpoints that became stable');
    this.#transfers = this.tally('pbft_transfers_total', 'Fetches of the state of others', ['event']);
    this.#pages = this.tally('pbft_transferred_pages_total', 'Pages of state that were fetched');
    this.#divergences = this.tally('pbft_divergences_total', 'Own states that were not that of a quorum');
    this.#addProgress(subject);
    this.#addReplicas();
    this.#addTraffic();
  }

  /** Takes a notice, after the history has had it. */
  onNotice(notice: PbftNotice): void {
    switch (notice.kind) {
      case 'executed':
        this.#batches.observe(notice.requests.length);
        for (const [phase, time] of Object.entries(notice.phases ?? {}) as [string, number][]) {
          this.#phases.observe({ phase }, Math.max(0, time) / 1000);
        }
        break;
      case 'answered':
        this.#answers.observe(Math.max(0, notice.waited) / 1000);
        break;
      case 'view-change-started':
        this.#reasons.inc({ reason: notice.reason });
        break;
      case 'view-entered': {
        const { newest: change } = this.#history.viewChanges;
        if (change !== undefined && change.attempts > 0) {
          this.#viewChanges.observe((change.tookMs ?? 0) / 1000);
        }
        break;
      }
      case 'checkpoint':
        this.#checkpoints.inc();
        break;
      case 'transfer-started':
        this.#transfers.inc({ event: 'started' });
        break;
      case 'transfer-finished':
        this.#transfers.inc({ event: 'finished' });
        this.#pages.inc(notice.pages);
        break;
      case 'diverged':
        this.#divergences.inc();
        break;
      case 'transfer-progress':
      case 'offence':
        break;
    }
  }

  #addProgress(subject: PbftSubject): void {
    this.gauge('phase', '1 for what the replica is doing, else 0', ['phase'], (tell, { status }) => {
      for (const phase of PHASES) tell(Number(phase === status.phase), { phase });
    });
    this.gauge('pbft_view', 'The view that the replica is in, or seeks', [], (tell, { status }) => {
      tell(status.view);
    });
    this.gauge('pbft_primary', 'Number of the primary of that view', [], (tell, { status }) => {
      tell(status.primary);
    });
    this.gauge('pbft_is_primary', 'Whether that is this replica', [], (tell, { status }) => {
      tell(Number(status.primary === subject.self));
    });
    this.gauge(
      'pbft_sequence',
      'Sequence numbers: proposed, executed, and the low and high watermark',
      ['of'],
      (tell, { status }) => {
        for (const point of ['proposed', 'executed', 'low', 'high'] as const)
          tell(status[point], { of: point });
      },
    );
    this.gauge('pbft_waiting_requests', 'Requests that wait to be executed', [], (tell, { status }) => {
      tell(status.waiting);
    });
    this.gauge(
      'pbft_outstanding_requests',
      'Own requests that have no answer yet',
      [],
      (tell, { status }) => {
        tell(status.outstanding);
      },
    );
    this.gauge(
      'pbft_timeout_seconds',
      'How long a request may wait until the primary is given up',
      [],
      (tell, { status }) => {
        tell(status.timeout / 1000);
      },
    );
    this.counter('pbft_executed_requests_total', 'Requests executed since the start', [], (tell) => {
      tell(this.#history.executed);
    });
    this.counter(
      'pbft_offences_total',
      'What members did that no correct one does, by the rule that it breaks',
      ['rule'],
      (tell, { status }) => {
        for (const [name, count] of bounded(status.counters)) {
          const [type, rule = ''] = name.split('.', 2);
          if (type === OFFENCE) tell(count, { rule });
        }
      },
    );
  }

  #addReplicas(): void {
    const labels = ['replica'];
    this.gauge('pbft_connected_replicas', 'Other replicas that are connected', [], (tell, snapshot) => {
      tell(snapshot.connections.filter(({ state }) => state === 'up').length);
    });
    this.gauge('pbft_replica_view', 'The view of each other replica', labels, (tell, { status }) => {
      for (const { replica, view } of status.others) tell(view, { replica: String(replica) });
    });
    this.gauge(
      'pbft_replica_executed_sequence',
      'The last sequence number that each other replica said it had executed',
      labels,
      (tell, { status }) => {
        for (const { replica, executed } of status.others) tell(executed, { replica: String(replica) });
      },
    );
    this.gauge(
      'pbft_replica_silence_seconds',
      'Time since each other replica was last heard',
      labels,
      (tell, { status }) => {
        for (const { replica, silence } of status.others)
          if (silence !== null) tell(silence / 1000, { replica: String(replica) });
      },
    );
    this.gauge(
      'pbft_replica_connected',
      'Whether each other replica is connected',
      labels,
      (tell, { connections }) => {
        for (const { member, state } of connections)
          tell(Number(state === 'up'), { replica: String(member) });
      },
    );
  }

  #addTraffic(): void {
    this.counter('frames_total', 'Messages over TCP', ['direction'], (tell, { counters: { tcp } }) => {
      tell(tcp.received, { direction: 'received' });
      tell(tcp.sent, { direction: 'sent' });
    });
    this.counter('frame_bytes_total', 'Bytes of them', ['direction'], (tell, { counters: { tcp } }) => {
      tell(tcp.receivedBytes, { direction: 'received' });
      tell(tcp.sentBytes, { direction: 'sent' });
    });
    this.counter('frames_unsent_total', 'Messages not sent', ['reason'], (tell, { counters }) => {
      tellEach(tell, counters.tcp.dropped, 'reason');
    });
    this.counter(
      'malformed_frames_total',
      'Frames that are no message, by the rule that they break',
      ['rule'],
      (tell, { counters }) => {
        tellEach(tell, counters.host.malformed, 'rule');
      },
    );
    this.counter(
      'connections_established_total',
      'Connections with other replicas that came about',
      [],
      (tell, { counters }) => {
        tell(counters.tcp.established);
      },
    );
    this.counter(
      'connections_failed_total',
      'Connections that did not come about, by why',
      ['reason'],
      (tell, { counters }) => {
        tellEach(tell, counters.tcp.failed, 'reason');
      },
    );
    this.counter(
      'connections_ended_total',
      'Connections that ended, by why',
      ['reason'],
      (tell, { counters }) => {
        tellEach(tell, counters.tcp.ended, 'reason');
      },
    );
  }
}
