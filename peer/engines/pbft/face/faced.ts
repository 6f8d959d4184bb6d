/** A replica as it is shown: what it says of itself, and what is remembered of its past. */
import type { LiveNode } from '../../../core/node.ts';
import { isoTime } from '../../../../shared/time.ts';
import { connectionJson } from '../../../web/mesh.ts';
import { executedJson } from '../../../web/operations.ts';
import { replicaName, type PbftNotice, type ReplicaView } from '../protocol/interface.ts';
import { PbftHistory } from './history.ts';
import type { LatencyJson, ReplicaJson, RequestJson, Status } from './schemas.ts';
import type { PbftSubject } from '../node/subject.ts';

export interface FacedReplica extends LiveNode<Status, PbftNotice> {
  readonly replica: PbftSubject;
  readonly history: PbftHistory;
}

/**
 * A replica for one observer, which is notified of everything after the history.
 *
 * @param now wall clock in milliseconds
 */
export function facedReplica(replica: PbftSubject, now: () => number): FacedReplica {
  const { cluster, self, address } = replica;
  const history = new PbftHistory(replica.status().view, now);
  return {
    ...{
      engine: 'pbft',
      name: `${cluster}, ${replicaName(self)}`,
      transport: 'tcp',
      address,
      replica,
      history,
    },
    status: () => statusOf(replica, history),
    counters: () => {
      const { tcp, host } = replica.counters();
      const { established, failed, ended } = tcp;
      const transport = { ...tcp, connections: { established, failed, ended } };
      return { transport, host, engine: replica.status().counters };
    },
    measure: (report) => {
      replica.measure(report);
    },
    observe: (observer) =>
      replica.observe({
        onNotice: (notice) => {
          history.onNotice(notice);
          observer.onNotice(notice);
        },
        onReply: (request, result) => observer.onReply?.(request, result),
        onWrite: (seconds) => observer.onWrite?.(seconds),
      }),
  };
}

function statusOf(replica: PbftSubject, history: PbftHistory): Status {
  const { self, replicas, faulty, quorum, view, primary, phase, ...rest } = replica.status();
  const { proposed, executed, digest, low, high, waiting, outstanding, timeout, viewChanges } = rest;
  const { cluster, clusterId, application, address } = replica;
  return {
    ...{ cluster, clusterId, application: application.name, address },
    ...{ self, replicas, faulty, quorum, view, primary, phase, proposed, executed, digest, low, high },
    full: proposed >= high,
    ...{ waiting, outstanding, timeoutMs: timeout, viewChanges },
    viewChange: history.viewChange,
    transfer: history.fetching,
    connected: replica.peers().filter(({ state }) => state === 'up').length,
    requests: history.executedRequests,
    batches: history.batches,
    requestsPerSecond: history.rate.perSecond,
    latency: latencyOf(history),
  };
}

function latencyOf({ latencies }: PbftHistory): LatencyJson | null {
  const { count: batches } = latencies;
  if (batches === 0) return null;
  return {
    batches,
    prepare: latencies.of('prepare'),
    commit: latencies.of('commit'),
    total: latencies.of('total'),
  };
}

/** Silence after which a replica is called silent, in milliseconds: they report where they stand more often. */
const SILENT = 30_000;
/** So many sequence numbers behind are no sign: others say where they stand only now and then. */
const TOLERATED = 10;
const UNCONNECTED = { down: 'not connected', blocked: 'cut off', paused: 'kept out' } as const;

type Unjudged = Omit<ReplicaJson, 'state'>;

/** How a replica is in a word, and how that is to be taken. */
function stateOf({ self, changing, silenceMs, connection, behind }: Unjudged): ReplicaJson['state'] {
  if (connection !== null && connection.state !== 'up')
    return { text: UNCONNECTED[connection.state], tone: 'bad' };
  if (!self && (silenceMs === null || silenceMs > SILENT)) return { text: 'silent', tone: 'bad' };
  if (changing) return { text: 'changing view', tone: 'warn' };
  return behind > TOLERATED ? { text: 'behind', tone: 'warn' } : { text: 'in step', tone: 'good' };
}

/** All replicas, in their order. */
export function replicasOf(replica: PbftSubject): ReplicaJson[] {
  const { self, view, primary, phase, executed, low: stable, others } = replica.status();
  const connections = new Map(replica.peers().map((peer) => [peer.member, peer]));
  const changing = phase === 'changing view';
  const own = { replica: self, view, changing, executed, stable, silence: 0, offences: 0 };
  const all: ReplicaView[] = [...others, own].sort((one, other) => one.replica - other.replica);
  const furthest = Math.max(...all.map((one) => one.executed));
  return all.map(({ silence, ...one }) => {
    const connection = connections.get(one.replica);
    const unjudged: Unjudged = {
      ...one,
      publicKey: replica.members[one.replica]?.publicKey ?? '',
      self: one.replica === self,
      primary: one.replica === primary,
      behind: furthest - one.executed,
      silenceMs: silence === null ? null : Math.max(0, Math.round(silence)),
      connection: connection === undefined ? null : connectionJson(connection),
    };
    return { ...unjudged, state: stateOf(unjudged) };
  });
}

/** The requests that were executed last, newest first. */
export function requestsOf({ replica: { application }, history }: FacedReplica): RequestJson[] {
  return history.requests.items.map(({ at, sequence, view, request }) => {
    const { client, timestamp, operation, result } = request;
    const place = { at: isoTime(at), sequence, view, client, timestamp };
    return { ...place, ...executedJson(operation, result, application) };
  });
}
