/** What the API tells of a replica, made of what the replica says of itself. */
import { readOnce } from '../../../applications/once.ts';
import type { ReplicaView } from '../protocol/interface.ts';
import type { TcpPeer } from '../../../transports/tcp.ts';
import { VERSION } from '../../../web/assets.ts';
import { MAX_TOLD_TEXT } from '../../../web/limits.ts';
import { isoTime } from '../../../../shared/time.ts';
import type { PbftHistory } from './history.ts';
import type {
  CheckpointsJson,
  OffencesJson,
  PerformanceJson,
  ReplicaJson,
  ReplicasJson,
  RequestsJson,
  StatusJson,
  ViewChangesJson,
} from './schemas.ts';
import type { PbftSubject } from './subject.ts';

/** A text as far as it is told. */
export function told(text: string): string {
  if (text.length <= MAX_TOLD_TEXT) return text;
  // Not within a pair of surrogates.
  return `${text.slice(0, MAX_TOLD_TEXT - 1).toWellFormed()}…`;
}

export class PbftViews {
  readonly #subject: PbftSubject;
  readonly #history: PbftHistory;
  readonly #startedAt: string;

  /** @param startedAt milliseconds since 1970 */
  constructor(subject: PbftSubject, history: PbftHistory, startedAt: number) {
    this.#subject = subject;
    this.#history = history;
    this.#startedAt = isoTime(startedAt);
  }

  /** Other replicas that are connected. */
  get connected(): number {
    return this.#subject.peers().filter(({ state }) => state === 'up').length;
  }

  status(): StatusJson {
    const subject = this.#subject;
    const history = this.#history;
    const { self, replicas, faulty, quorum, view, primary, phase, ...rest } = subject.status();
    const { proposed, executed, digest, low, high, waiting, outstanding, timeout, viewChanges } = rest;
    return {
      engine: 'pbft',
      version: VERSION,
      startedAt: this.#startedAt,
      cluster: subject.cluster,
      clusterId: subject.clusterId,
      application: subject.application.name,
      address: subject.address,
      ...{ self, replicas, faulty, quorum, view, primary, phase, proposed, executed, digest, low, high },
      full: proposed >= high,
      ...{ waiting, outstanding, timeoutMs: timeout, viewChanges },
      viewChange: history.viewChange,
      transfer: history.transfer,
      connected: this.connected,
      requests: history.executed,
      requestsPerSecond: history.rate(),
      latency: history.latency(),
    };
  }

  replicas(): ReplicasJson {
    const { self, view, primary, phase, executed, low: stable, others } = this.#subject.status();
    const connections = new Map(this.#subject.peers().map((peer) => [peer.member, peer]));
    const changing = phase === 'changing view';
    const own = { replica: self, view, changing, executed, stable, silence: 0, offences: 0 };
    const all: ReplicaView[] = [...others, own].sort((one, other) => one.replica - other.replica);
    const furthest = Math.max(...all.map((one) => one.executed));
    return {
      replicas: all.map(({ silence, ...one }): ReplicaJson => {
        const connection = connections.get(one.replica);
        return {
          ...one,
          publicKey: this.#subject.members[one.replica]?.publicKey ?? '',
          self: one.replica === self,
          primary: one.replica === primary,
          behind: furthest - one.executed,
          silenceMs: silence === null ? null : Math.max(0, Math.round(silence)),
          connection: connection === undefined ? null : connectionJson(connection),
        };
      }),
    };
  }

  requests(): RequestsJson {
    const { application } = this.#subject;
    const { executed, requests } = this.#history;
    return {
      executed,
      requests: requests.items.map(({ at, sequence, view, request }) => {
        const { client, timestamp, operation, result } = request;
        const once = readOnce(operation);
        return {
          ...{ at: isoTime(at), sequence, view, client, timestamp, id: once?.id ?? null },
          operation: told(once?.operation ?? operation),
          result: told(result),
          text: told(application.describe(result)),
        };
      }),
    };
  }

  viewChanges(): ViewChangesJson {
    return { viewChanges: this.#history.viewChanges.items };
  }

  checkpoints(): CheckpointsJson {
    const { checkpoints, transfers, divergences } = this.#history;
    return {
      checkpoints: checkpoints.items,
      transfers: transfers.items,
      divergences: divergences.items,
    };
  }

  offences(): OffencesJson {
    return { offences: this.#history.offences.items };
  }

  performance(): PerformanceJson {
    return this.#history.performance();
  }
}

function connectionJson({ connectedSince, member: _, ...rest }: TcpPeer): ReplicaJson['connection'] {
  const { state, address, queued, received, receivedBytes, sent, sentBytes } = rest;
  return {
    ...{ state, address, queued, received, receivedBytes, sent, sentBytes },
    connectedSince: connectedSince === null ? null : isoTime(connectedSince),
  };
}
