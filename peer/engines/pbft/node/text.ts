/** The state of a replica as text for people. */
import { addressKey } from '../../../../shared/address.ts';
import { formatNumber, table, type Painter } from '../../../../shared/text-table.ts';
import { replicaName } from '../protocol/interface.ts';
import type { PbftSubject } from './subject.ts';

/** Digits of a key, from its beginning: enough to tell one from the other. */
const DIGITS = 16;

/** What a replica is, and where it stands. */
export function replicaText(subject: PbftSubject, paint: Painter): string {
  const status = subject.status();
  const { self, replicas, faulty, quorum, view, primary, phase, executed, low, high } = status;
  const connected = subject.peers().filter(({ state }) => state === 'up').length;
  const seconds = formatNumber(status.timeout / 1000);
  const lines: [string, string][] = [
    [
      'replica',
      `${replicaName(self)}, one of ${replicas} in ${subject.cluster}, application ${subject.application.name}`,
    ],
    ['connected', `with ${connected} of ${replicas - 1} others; ${faulty} may fail, ${quorum} are a quorum`],
    ['view', `${view}, primary ${replicaName(primary)}${primary === self ? ' (this one)' : ''}, ${phase}`],
    [
      'executed',
      `${formatNumber(executed)}; stable up to ${formatNumber(low)}, window to ${formatNumber(high)}`,
    ],
    ['state', `${status.digest ?? 'changes'}, the same at all that have executed as much`],
    [
      'waiting',
      `${formatNumber(status.waiting)} requests, ${formatNumber(status.outstanding)} of them our own`,
    ],
    ['view changes', `${formatNumber(status.viewChanges)}; the primary is given ${seconds} s`],
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, text]) => `  ${paint('dim', name.padEnd(width))}  ${text}`).join('\n');
}

/** All members, and what is known of them. */
export function membersText(subject: PbftSubject, paint: Painter): string {
  const { self, members, address } = subject;
  const { view, primary, phase, executed, low, others } = subject.status();
  const connections = new Map(subject.peers().map((peer) => [peer.member, peer]));
  const replicas = new Map(others.map((other) => [other.replica, other]));
  const rows = members.map(({ publicKey }, member) => {
    const key = publicKey.slice(0, DIGITS);
    const role = member === primary ? 'primary' : '';
    if (member === self) {
      return [replicaName(member), role, key, addressKey(address), 'this one', view, executed, low, phase];
    }
    const connection = connections.get(member);
    const where = connection?.address ?? null;
    const start = [
      replicaName(member),
      role,
      key,
      where === null ? '' : addressKey(where),
      connection?.state ?? '',
    ];
    const other = replicas.get(member);
    // What a replica has never reported is not known.
    if (other === undefined || other.silence === null) return start;
    const heard = other.offences > 0 ? `${other.offences} offences` : other.changing ? 'changing view' : '';
    return [...start, other.view, other.executed, other.stable, heard];
  });
  const titles = ['replica', '', 'key', 'address', 'state', 'view', 'executed', 'stable', ''];
  return table(titles, rows, paint).join('\n');
}
