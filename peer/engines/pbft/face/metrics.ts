/** What Prometheus alone is given of a replica; the figures have metrics of their own. */
import type { FaceMetric, Sample } from '../../../web/face.ts';
import type { PbftNotice, PbftResult, ReplicaView } from '../protocol/interface.ts';
import type { FacedReplica } from './faced.ts';

const PHASES = ['normal', 'changing view', 'fetching state'] as const;
/** From the hop within a machine to a cluster around the world that is in trouble. */
const LATENCIES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];

/** A value for each other replica, where there is one. */
function ofOthers(value: (other: ReplicaView) => number | null): (node: FacedReplica) => readonly Sample[] {
  return ({ replica }) =>
    replica.status().others.flatMap((other): Sample[] => {
      const found = value(other);
      return found === null ? [] : [[found, String(other.replica)]];
    });
}

/** What notices of one kind add. */
function on<Kind extends PbftNotice['kind']>(
  kind: Kind,
  samples: (notice: Extract<PbftNotice, { kind: Kind }>, node: FacedReplica) => readonly Sample[],
): (notice: PbftNotice, node: FacedReplica) => readonly Sample[] {
  // Of that kind, as has just been seen.
  return (notice, node) =>
    notice.kind === kind ? samples(notice as Extract<PbftNotice, { kind: Kind }>, node) : [];
}

export const PBFT_METRICS: readonly FaceMetric<PbftNotice, FacedReplica>[] = [
  {
    ...{ name: 'phase', help: '1 for what the replica is doing, else 0', type: 'gauge', labels: ['phase'] },
    of: ({ replica }) => PHASES.map((phase) => [Number(phase === replica.status().phase), phase]),
  },
  {
    ...{ name: 'pbft_primary', help: 'Number of the primary of the view', type: 'gauge' },
    of: ({ replica }) => [replica.status().primary],
  },
  {
    ...{ name: 'pbft_is_primary', help: 'Whether that is this replica', type: 'gauge' },
    of: ({ replica }) => [Number(replica.status().primary === replica.self)],
  },
  {
    ...{ name: 'pbft_sequence', type: 'gauge', labels: ['of'] },
    help: 'Sequence numbers: proposed, executed, and the low and high watermark',
    of: ({ replica }) =>
      (['proposed', 'executed', 'low', 'high'] as const).map((point) => [replica.status()[point], point]),
  },
  {
    ...{ name: 'pbft_outstanding_requests', help: 'Own requests that have no answer yet', type: 'gauge' },
    of: ({ replica }) => [replica.status().outstanding],
  },
  {
    ...{ name: 'pbft_timeout_seconds', type: 'gauge' },
    help: 'How long a request may wait until the primary is given up',
    of: ({ replica }) => [replica.status().timeout / 1000],
  },
  {
    ...{ name: 'pbft_executed_requests_total', help: 'Requests executed since the start', type: 'counter' },
    of: ({ history }) => [history.executedRequests],
  },
  {
    ...{ name: 'pbft_offences_total', type: 'counter', labels: ['rule'], counted: 'offence' },
    help: 'What members did that no correct one does, by the rule that it breaks',
  },
  {
    ...{
      name: 'pbft_replica_view',
      help: 'The view of each other replica',
      type: 'gauge',
      labels: ['replica'],
    },
    of: ofOthers(({ view }) => view),
  },
  {
    ...{ name: 'pbft_replica_executed_sequence', type: 'gauge', labels: ['replica'] },
    help: 'The last sequence number that each other replica said it had executed',
    of: ofOthers(({ executed }) => executed),
  },
  {
    ...{ name: 'pbft_replica_silence_seconds', type: 'gauge', labels: ['replica'] },
    help: 'Time since each other replica was last heard',
    of: ofOthers(({ silence }) => (silence === null ? null : silence / 1000)),
  },
  {
    ...{ name: 'pbft_replica_connected', type: 'gauge', labels: ['replica'] },
    help: 'Whether each other replica is connected',
    of: ({ replica }) => replica.peers().map(({ member, state }) => [Number(state === 'up'), String(member)]),
  },
  {
    ...{ name: 'pbft_phase_seconds', type: 'histogram', labels: ['phase'], buckets: LATENCIES },
    help: 'Time that the phases of a batch took here: prepare, commit, and total up to the execution',
    on: on('executed', ({ phases }) =>
      Object.entries<number>({ ...phases }).map(([phase, time]) => [Math.max(0, time) / 1000, phase]),
    ),
  },
  {
    ...{ name: 'pbft_answer_seconds', type: 'histogram', buckets: LATENCIES },
    help: 'Time from when a request was submitted here to f + 1 equal answers',
    onReply: (result: unknown): readonly Sample[] => {
      // Of this engine, as its node gives it.
      const answer = result as PbftResult;
      return answer.status === 'answered' ? [Math.max(0, answer.waited) / 1000] : [];
    },
  },
  {
    ...{ name: 'pbft_batch_requests', help: 'Requests of a batch that was executed', type: 'histogram' },
    buckets: [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    on: on('executed', ({ requests }) => [requests.length]),
  },
  {
    ...{ name: 'pbft_view_change_seconds', type: 'histogram' },
    help: 'Time from when the primary was given up here to a new view',
    buckets: [0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300],
    on: on('view-entered', (_, { history: { view: viewChanges } }) => {
      const { attempts = 0, tookMs = 0 } = viewChanges.newest ?? {};
      return attempts > 0 ? [(tookMs ?? 0) / 1000] : [];
    }),
  },
  {
    ...{ name: 'pbft_view_changes_total', type: 'counter', labels: ['reason'] },
    help: 'Views that were given up, by why',
    on: on('view-change-started', ({ reason }) => [[1, reason]]),
  },
  {
    ...{ name: 'pbft_checkpoints_total', help: 'Checkpoints that became stable', type: 'counter' },
    on: on('checkpoint', () => [1]),
  },
  {
    ...{ name: 'pbft_transfers_total', type: 'counter', labels: ['event'] },
    help: 'Fetches of the state of others',
    on: ({ kind }) =>
      kind === 'transfer-started' || kind === 'transfer-finished' ? [[1, kind.replace('transfer-', '')]] : [],
  },
  {
    ...{ name: 'pbft_transferred_pages_total', help: 'Pages of state that were fetched', type: 'counter' },
    on: on('transfer-finished', ({ pages }) => [pages]),
  },
  {
    ...{ name: 'pbft_divergences_total', help: 'Own states that were not that of a quorum', type: 'counter' },
    on: on('diverged', () => [1]),
  },
];
