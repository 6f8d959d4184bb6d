/** The state of a PBFT replica, as its API tells it, as text for people. */
import type { z } from 'zod';

import { addressKey } from '../../../../shared/address.ts';
import { formatNumber, section, table, type Painter } from '../../../../shared/text-table.ts';
import {
  offencesSchema,
  replicasSchema,
  requestsSchema,
  statusSchema,
  viewChangesSchema,
  type StatusJson,
} from './schemas.ts';
import { replicaName } from '../protocol/interface.ts';
import { ask } from '../../../cli/ask.ts';
import type { StatusFace } from '../../../cli/status-face.ts';
import { firstRows, formatAgo, formatSeconds, short, shortHash } from '../../../cli/status-format.ts';

/** Everything that is shown of a replica, as its API tells it. */
interface ReplicaAnswers {
  readonly status: StatusJson;
  readonly replicas: z.infer<typeof replicasSchema>;
  readonly requests: z.infer<typeof requestsSchema>;
  readonly viewChanges: z.infer<typeof viewChangesSchema>;
  readonly offences: z.infer<typeof offencesSchema>;
}

/** @throws UserError */
async function askReplica(base: string): Promise<ReplicaAnswers> {
  const status = await ask(base, '/status', statusSchema);
  const [replicas, requests, viewChanges, offences] = await Promise.all([
    ask(base, '/replicas', replicasSchema),
    ask(base, '/requests', requestsSchema),
    ask(base, '/view-changes', viewChangesSchema),
    ask(base, '/offences', offencesSchema),
  ]);
  return { status, replicas, requests, viewChanges, offences };
}

/** `3.4 ms`. */
function formatMilliseconds(milliseconds: number): string {
  return `${formatNumber(Number(milliseconds.toPrecision(2)))} ms`;
}

/** Everything about one replica. */
function replicaText(answers: ReplicaAnswers, paint: Painter): string {
  const { status, replicas, requests, viewChanges, offences } = answers;
  return [
    `${paint('bold', `${short(status.cluster)}, ${replicaName(status.self)}`)} at ${addressKey(status.address)}: ${status.phase}`,
    ...table(['', ''], figures(status), paint),
    ...section(
      'Replicas',
      table(
        ['replica', 'role', 'view', 'executed', 'behind', 'stable', 'connection', 'heard', 'offences'],
        replicas.replicas.map((one) => [
          ...[
            replicaName(one.replica),
            one.primary ? 'primary' : '',
            one.view,
            one.executed,
            one.behind,
            one.stable,
          ],
          one.connection?.state ?? 'this one',
          one.self ? '-' : one.silenceMs === null ? 'never' : formatAgo(one.silenceMs),
          one.offences,
        ]),
        paint,
      ),
      paint,
    ),
    ...section(
      'Executed last',
      requests.requests.length === 0
        ? []
        : table(
            ['batch', 'client', 'operation', 'answer'],
            requests.requests
              .slice(0, 6)
              .map(({ sequence, client, operation, text }) => [
                ...[sequence, replicaName(client), short(operation), short(text)],
              ]),
            paint,
          ),
      paint,
    ),
    ...section(
      'View changes',
      viewChanges.viewChanges.length === 0
        ? []
        : table(
            ['at', 'from', 'to', 'why', 'took'],
            firstRows(viewChanges.viewChanges, ({ startedAt, from, view, reason, tookMs }) => [
              ...[startedAt, from, view, reason, tookMs === null ? 'not yet' : formatMilliseconds(tookMs)],
            ]),
            paint,
          ),
      paint,
    ),
    ...section(
      'Offences',
      offences.offences.length === 0
        ? []
        : table(
            ['at', 'replica', 'rule'],
            firstRows(offences.offences, ({ at, member, rule }) => [at, replicaName(member), short(rule)]),
            paint,
          ),
      paint,
    ),
    '',
  ].join('\n');
}

function figures(status: StatusJson): [string, string][] {
  const { view, primary, self, replicas, quorum, faulty, connected, executed, proposed, low, high } = status;
  const { latency } = status;
  return [
    ['application', short(status.application)],
    ['view', `${view}, primary ${replicaName(primary)}${primary === self ? ' (this one)' : ''}`],
    [
      'executed',
      `${formatNumber(executed)} of ${formatNumber(proposed)} proposed; window ${formatNumber(low)} to ${formatNumber(high)}${status.full ? ', full' : ''}`,
    ],
    ['state', status.digest ?? 'changes'],
    ['requests', `${formatNumber(status.requestsPerSecond)} a second`],
    [
      'latency',
      latency === null
        ? '-'
        : `${formatMilliseconds(latency.total.p50)} (median), ${formatMilliseconds(latency.total.p99)} (99 %)`,
    ],
    [
      'waiting',
      `${formatNumber(status.waiting)}; ${formatNumber(status.outstanding)} of ours without an answer`,
    ],
    ['connected', `${connected + 1} of ${replicas}; a quorum is ${quorum}, ${faulty} may fail`],
    [
      'view changes',
      `${formatNumber(status.viewChanges)}; a primary is given ${formatSeconds(status.timeoutMs / 1000)}`,
    ],
    ['running since', status.startedAt],
  ];
}

/** One line that changes when something has happened. */
function replicaLine({ status }: ReplicaAnswers): string {
  const { phase, view, primary, executed, low, waiting, connected, requestsPerSecond } = status;
  const parts = {
    phase: phase.replaceAll(' ', '-'),
    view,
    primary: replicaName(primary),
    executed,
    state: shortHash(status.digest),
    stable: low,
    waiting,
    connected,
  };
  return Object.entries({ ...parts, rate: requestsPerSecond })
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

export const pbftStatus: StatusFace = {
  ask: async (base) => {
    const json = await askReplica(base);
    return { json, text: (paint) => replicaText(json, paint), line: () => replicaLine(json) };
  },
  columns: ['view', 'primary', 'executed', 'digest', 'waiting', 'peers'],
  row: (answer) => {
    const status = statusSchema.safeParse(answer).data;
    if (status === undefined) return undefined;
    const { view, primary, executed, digest, waiting, connected, phase } = status;
    const unusual = phase !== 'normal';
    return {
      cells: [view, replicaName(primary), executed, digest?.slice(0, 8) ?? '-', waiting, connected],
      word: `${view}:${executed}${unusual ? `(${phase.replaceAll(' ', '-')})` : ''}`,
      ...(unusual && { phase }),
    };
  },
};
