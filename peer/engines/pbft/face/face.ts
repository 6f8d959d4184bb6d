/** What a replica shows; see `../../../web/face.ts`. */
import { addressKey } from '../../../../shared/address.ts';
import type { Face, FaceTable, Figure, Journal, Resource, Series, Toned } from '../../../web/face.ts';
import { MAX_LINE_BODY_BYTES } from '../../../web/limits.ts';
import { operationActions } from '../../../web/operations.ts';
import { ago, counted, duration, latency, shortHash, whole } from '../../../web/page/format.ts';
import { replicaName, type PbftNotice, type PhaseTimes } from '../protocol/interface.ts';
import { replicasOf, requestsOf, type FacedReplica } from './faced.ts';
import { PBFT_METRICS } from './metrics.ts';
import * as schemas from './schemas.ts';
import type { ReplicaJson, Status } from './schemas.ts';

const figures: readonly Figure<Status>[] = [
  {
    ...{ name: 'application', title: 'Application', help: 'What the replicas agree on', minor: true },
    of: ({ application }) => application,
  },
  {
    ...{ name: 'view', title: 'View', help: 'The view that the replica is in, or seeks' },
    ...{ column: true, metric: { name: 'pbft_view', type: 'gauge' } },
    of: ({ view }) => view,
    note: ({ primary, self, phase }) => {
      const whose = primary === self ? 'this replica' : replicaName(primary);
      return `${whose} ${phase === 'changing view' ? 'would be' : 'is'} the primary`;
    },
  },
  {
    ...{ name: 'primary', title: 'Primary', help: 'The primary of that view', column: true, minor: true },
    of: ({ primary }) => replicaName(primary),
  },
  {
    ...{ name: 'executed', title: 'Executed', help: 'The last batch that was executed here', column: true },
    of: ({ executed }) => executed,
    note: ({ proposed, executed, low, high, full }) => {
      const ahead = proposed - executed;
      const way = ahead > 0 ? counted(ahead, 'batch', 'batches') : 'nothing';
      return `${way} under way; window ${whole(low)} to ${whole(high)}${full ? ', full' : ''}`;
    },
  },
  {
    ...{ name: 'state', title: 'State', help: 'The same at all that have executed as much', unit: 'hash' },
    ...{ column: 'digest', minor: true },
    of: ({ digest }) => digest,
  },
  {
    ...{ name: 'requests', title: 'Requests', help: 'Requests executed a second', unit: 'per second' },
    of: ({ requestsPerSecond }) => requestsPerSecond,
    note: ({ requests }) => `${whole(requests)} since the start`,
  },
  {
    ...{ name: 'agreement', title: 'Agreement takes', unit: 'milliseconds' },
    help: 'From the pre-prepare to the execution of half of the last batches',
    of: (status) => status.latency?.total.p50 ?? null,
    note: ({ latency: times }) =>
      times === null ? 'no batch was agreed on here yet' : `99 % within ${latency(times.total.p99)}`,
  },
  {
    ...{ name: 'waiting', title: 'Waiting', help: 'Requests that wait to be executed', column: true },
    metric: { name: 'pbft_waiting_requests', type: 'gauge' },
    of: ({ waiting }) => waiting,
    note: ({ outstanding }) => `${whole(outstanding)} of ours without an answer`,
  },
  {
    ...{ name: 'connected', title: 'Connected', help: 'Replicas that are connected, this one counted' },
    of: ({ connected, replicas }) => `${whole(connected + 1)} of ${whole(replicas)}`,
    note: ({ quorum, faulty }) => `a quorum is ${quorum}; ${faulty} may fail`,
  },
  {
    ...{ name: 'peers', title: 'Other replicas', help: 'Other replicas that are connected', minor: true },
    ...{ column: 'peers', metric: { name: 'pbft_connected_replicas', type: 'gauge' } },
    of: ({ connected }) => connected,
  },
  {
    ...{ name: 'view-changes', title: 'View changes', help: 'How often a primary was given up', minor: true },
    of: ({ viewChanges }) => viewChanges,
    note: ({ timeoutMs }) => `a primary is given ${duration(timeoutMs)}`,
  },
];

function heard({ self, silenceMs }: ReplicaJson): string | null {
  if (self) return null;
  return silenceMs === null ? 'never' : ago(silenceMs);
}

function roleOf({ primary, self }: ReplicaJson): string {
  return [primary ? 'primary' : '', self ? 'this one' : ''].filter((part) => part !== '').join(', ');
}

/** What is known of a replica from its messages, which is nothing as long as it has sent none. */
function said(one: ReplicaJson): (number | null)[] {
  const { self, silenceMs, view, executed, behind, stable } = one;
  return self || silenceMs !== null ? [view, executed, behind, stable] : [null, null, null, null];
}

const tables: readonly FaceTable<FacedReplica>[] = [
  {
    ...{ name: 'replicas', title: 'Replicas', help: 'All replicas, and the connections with them' },
    columns: [
      ...['Replica', 'Role', 'View', 'Executed', 'Behind', 'Stable', 'State', 'Heard', 'Offences'].map(
        (title) => ({ title }),
      ),
      ...[{ title: 'Address', wide: true }, { title: 'Connected since', unit: 'time', wide: true } as const],
      ...([
        { title: 'Received', unit: 'bytes', wide: true },
        { title: 'Sent', unit: 'bytes', wide: true },
      ] as const),
      { title: 'Queued', wide: true },
    ],
    rows: ({ replica }) =>
      replicasOf(replica).map((one) => {
        const { connection, offences, state } = one;
        const { address = null, connectedSince = null } = connection ?? {};
        return [
          ...[replicaName(one.replica), roleOf(one), ...said(one), state, heard(one)],
          offences === 0 ? 0 : ({ text: whole(offences), tone: 'bad' } as const),
          address === null ? null : addressKey(address),
          connectedSince === null ? null : Date.parse(connectedSince),
          ...[connection?.receivedBytes ?? null, connection?.sentBytes ?? null, connection?.queued ?? null],
        ];
      }),
  },
  {
    ...{ name: 'requests', title: 'Executed last', help: 'The requests that were executed last' },
    columns: [
      ...[{ title: 'Batch' }, { title: 'Time', unit: 'time', wide: true } as const],
      ...[{ title: 'Client' }, { title: 'Operation' }, { title: 'Answer' }],
    ],
    rows: (node) =>
      requestsOf(node).map(({ at, sequence, client, operation, text }) => [
        ...[sequence, Date.parse(at), replicaName(client), operation, text],
      ]),
    empty: 'Nothing was executed yet.',
  },
  {
    ...{ name: 'phases', title: 'Phases of agreement', help: 'How long they took of the last batches' },
    columns: [
      { title: 'Phase' },
      ...['Half within', '90 % within', '99 % within'].map(
        (title) => ({ title, unit: 'milliseconds' }) as const,
      ),
    ],
    rows: ({ history: { latencies } }) =>
      latencies.count === 0
        ? []
        : (['prepare', 'commit', 'total'] as const).map((phase) => {
            const { p50, p90, p99 } = latencies.of(phase);
            return [phase, p50, p90, p99];
          }),
    empty: 'No batch went through all phases here yet.',
  },
];

function timesOf(phase: keyof PhaseTimes): (notice: PbftNotice) => readonly number[] {
  return (notice) => (notice.kind === 'executed' && notice.phases ? [notice.phases[phase]] : []);
}

const series: readonly Series<Status, PbftNotice>[] = [
  {
    ...{ name: 'throughput', title: 'Executed a second', help: 'Requests and batches executed a second' },
    draw: 'rise',
    lines: [
      { title: 'requests', of: ({ requests }) => requests },
      { title: 'batches', of: ({ batches }) => batches },
    ],
  },
  {
    ...{ name: 'phases', title: 'Agreement takes, ms', draw: 'value' },
    help: 'Milliseconds that the phases of a batch took: the median of all phases together, what 99 % were within, and the medians of prepare and commit',
    lines: [
      { title: 'total, median', quantile: 0.5, values: timesOf('total') },
      { title: 'total, 99 %', quantile: 0.99, values: timesOf('total'), dashed: true },
      { title: 'prepare, median', quantile: 0.5, values: timesOf('prepare') },
      { title: 'commit, median', quantile: 0.5, values: timesOf('commit') },
    ],
  },
];

/** How a view change ended. */
function endOf({ reason, attempts, primary, tookMs, carried }: schemas.ViewChangeJson): string {
  const tries = attempts > 1 ? ` and ${attempts} attempts` : '';
  const took = reason === 'told' ? '' : ` after ${latency(tookMs ?? 0)}${tries}`;
  const over = carried === null || carried === 0 ? '' : `; ${counted(carried, 'number')} carried over`;
  return `${schemas.REASONS[reason]}; ${replicaName(primary ?? 0)} is the primary${took}${over}`;
}

const journals: readonly Journal<PbftNotice, FacedReplica>[] = [
  {
    ...{ name: 'view-changes', title: 'View changes', help: 'When the primary was given up, and why' },
    empty: 'No primary was given up yet.',
    of: ({ kind }, { history: { view: viewChanges } }) => {
      if ((kind !== 'view-change-started' && kind !== 'view-entered') || viewChanges.newest === undefined)
        return undefined;
      const { from, view, reason } = viewChanges.newest;
      const word = `${whole(from)} → ${whole(view)}`;
      if (kind === 'view-entered') return { word, tone: 'good', text: endOf(viewChanges.newest) };
      return {
        word,
        tone: 'warn',
        text: `${schemas.REASONS[reason]}; the new view is sought`,
        mark: `view ${view}`,
      };
    },
  },
  {
    ...{ name: 'checkpoints', title: 'Checkpoints and states' },
    help: 'States that a quorum has in common, and those that were fetched from others',
    empty: 'No checkpoint is stable yet.',
    of: (notice, { history: { transfer: transfers } }) => {
      const {
        startedAt = '',
        finishedAt = null,
        executed = 0,
        sequence = 0,
        pages = 0,
      } = transfers.newest ?? {};
      const way = `from ${whole(executed)} to ${whole(sequence)}`;
      switch (notice.kind) {
        case 'checkpoint':
          return {
            word: 'stable',
            tone: 'good',
            text: `at ${whole(notice.sequence)}: ${shortHash(notice.digest)}`,
          };
        case 'diverged':
          return {
            word: 'diverged',
            tone: 'bad',
            text: `at ${whole(notice.sequence)}: ${shortHash(notice.digest)}`,
          };
        case 'transfer-started':
          return { word: 'fetching state', tone: 'warn', text: way };
        case 'transfer-finished': {
          const took = duration(Date.parse(finishedAt ?? startedAt) - Date.parse(startedAt));
          return {
            word: 'state fetched',
            tone: 'warn',
            text: `${way}: ${counted(pages, 'page')} in ${took}`,
          };
        }
        default:
          return undefined;
      }
    },
  },
  {
    ...{ name: 'offences', title: 'Offences', help: 'What members did that no correct one does' },
    empty: 'Every replica has kept to the rules, as far as it was seen.',
    of: (notice) =>
      notice.kind === 'offence'
        ? { word: replicaName(notice.member), tone: 'bad', text: notice.rule }
        : undefined,
  },
];

/** Why the replica takes no part, in a sentence. */
function unready({ phase, connected, quorum }: Status): string | undefined {
  if (phase !== 'normal') return `The replica is ${phase}.`;
  if (connected + 1 >= quorum) return undefined;
  return `Only ${connected + 1} replicas are connected, this one counted, and a quorum is ${quorum}.`;
}

/** What keeps the cluster from its work, as far as this replica sees it. */
function alert(status: Status): { readonly title: string; readonly text: string } | undefined {
  const { viewChange, connected, replicas, quorum, full, high, waiting, primary } = status;
  if (connected + 1 < quorum) {
    const here = `${counted(connected + 1, 'replica')} of ${replicas} ${connected === 0 ? 'is' : 'are'}`;
    const text = `Only ${here} connected, and ${quorum} must agree: nothing can be executed.`;
    return { title: 'No quorum', text };
  }
  if (viewChange !== null) {
    const { from, view, reason, attempts, startedAt } = viewChange;
    const since = duration(Math.max(0, Date.now() - Date.parse(startedAt)));
    const tries = attempts > 1 ? ` after ${attempts} attempts` : '';
    const text = `View ${whole(from)} was given up ${since} ago, because ${schemas.REASONS[reason]}. View ${whole(view)} is sought${tries}; ${replicaName(primary)} would be its primary.`;
    return { title: 'Changing view', text };
  }
  const text = `The primary gives out no number beyond ${whole(high)} until a quorum has the same state at a later checkpoint.`;
  return full && waiting > 0 ? { title: 'The window is full', text } : undefined;
}

function resource(
  path: string,
  help: string,
  schema: Resource<never>['schema'],
  of: Resource<FacedReplica>['of'],
): Resource<FacedReplica> {
  return { path, help, schema, of };
}

const resources: readonly Resource<FacedReplica>[] = [
  resource('/replicas', 'All replicas, as far as this one knows', schemas.replicasSchema, ({ replica }) => {
    return { replicas: replicasOf(replica) };
  }),
  resource('/requests', 'The requests that were executed last', schemas.requestsSchema, (node) => {
    return { executed: node.history.executedRequests, requests: requestsOf(node) };
  }),
  resource('/view-changes', 'When the primary was given up, and why', schemas.viewChangesSchema, (node) => {
    return { viewChanges: node.history.view.items };
  }),
  resource('/checkpoints', 'States that a quorum has in common', schemas.checkpointsSchema, ({ history }) => {
    const { checkpoint, transfer, diverged } = history;
    return { checkpoints: checkpoint.items, transfers: transfer.items, divergences: diverged.items };
  }),
  resource('/offences', 'What members did that no correct one does', schemas.offencesSchema, (node) => {
    return { offences: node.history.offence.items };
  }),
  resource('/performance', 'The last ten minutes', schemas.performanceSchema, (_, plots) => {
    const [requestsPerSecond, batchesPerSecond] = plots.values('throughput');
    const [totalMs, totalP99Ms, prepareMs, commitMs] = plots.values('phases');
    const { stepSeconds, endsAt } = plots;
    const times = { prepareMs, commitMs, totalMs, totalP99Ms };
    return { stepSeconds, endsAt, requestsPerSecond, batchesPerSecond, ...times };
  }),
];

/** The events of what is remembered, by notice: each shows the newest of its kind. */
const EVENTS = {
  'view-change-started': 'view',
  'view-entered': 'view',
  checkpoint: 'checkpoint',
  'transfer-started': 'transfer',
  'transfer-progress': 'transfer',
  'transfer-finished': 'transfer',
  offence: 'offence',
  diverged: 'diverged',
  executed: 'executed',
} as const;

const TONES: Readonly<Record<Status['phase'], Toned['tone']>> = {
  normal: 'good',
  'changing view': 'warn',
  'fetching state': 'warn',
};

export const face: Face<Status, PbftNotice, FacedReplica> = {
  status: schemas.statusSchema,
  description:
    'A replica of a PBFT cluster: what it knows of itself and the others, and a way to have operations executed. Operations and their results are plain text.',
  phase: ({ phase }) => ({ text: phase, tone: TONES[phase] }),
  ...{ figures, tables, series, alert, resources, journals, metrics: PBFT_METRICS },
  actions: operationActions(({ replica }) => replica),
  ready: unready,
  word: ({ view, executed }) => `${view}:${executed}`,
  // An operation is longer than any word.
  maxBody: MAX_LINE_BODY_BYTES,
  events: {
    schemas: schemas.eventSchemas,
    of: ({ kind }, { history }) => {
      const name = Object.hasOwn(EVENTS, kind) ? EVENTS[kind as keyof typeof EVENTS] : undefined;
      return name && [name, history[name].newest];
    },
  },
};
