/** The figures at the top of the page, what is under way, and the window between the watermarks. */
import type { StatusJson, ViewChangeJson } from '../face/schemas.ts';
import { byId, fill, make, setText } from '../../../web/page/dom.ts';
import { counted, duration, latency, replicaName, whole } from '../../../web/page/format.ts';
import { Table } from '../../../web/page/table.ts';

const PHASES = {
  normal: { text: 'normal', state: 'good' },
  'changing view': { text: 'changing view', state: 'warn' },
  'fetching state': { text: 'fetching state', state: 'warn' },
} as const;

/** Why a primary was given up. */
export const REASONS: Readonly<Record<ViewChangeJson['reason'], string>> = {
  timeout: 'a request waited too long',
  joined: 'others gave the primary up',
  'no new view': 'the next primary did not begin its view',
  told: 'we heard of the new view',
};

/** Draws the figures. */
export function drawFigures(status: StatusJson): void {
  const { view, primary, self, replicas, faulty, quorum, executed, digest, proposed, low } = status;
  const phase = byId('phase');
  setText(phase, PHASES[status.phase].text);
  phase.dataset['state'] = PHASES[status.phase].state;
  setText(byId('role'), primary === self ? 'primary' : 'backup');
  setText(byId('view'), whole(view));
  const whose = primary === self ? 'this replica is the primary' : `${replicaName(primary)} is the primary`;
  setText(
    byId('view-note'),
    status.phase === 'changing view' ? `${replicaName(primary)} would be the primary` : whose,
  );
  setText(byId('executed'), whole(executed));
  const ahead = proposed - executed;
  setText(
    byId('executed-note'),
    `${ahead > 0 ? `${counted(ahead, 'batch', 'batches')} under way` : 'nothing is under way'}; stable up to ${whole(low)}; state ${digest === null ? 'changing' : digest.slice(0, 12)}`,
  );
  setText(byId('rate'), `${rate(status.requestsPerSecond)}/s`);
  setText(byId('rate-note'), `${whole(status.requests)} since the start`);
  const { latency: times } = status;
  setText(byId('latency'), times === null ? '–' : latency(times.total.p50));
  setText(
    byId('latency-note'),
    times === null ? 'no batch was agreed on here yet' : `99 % within ${latency(times.total.p99)}`,
  );
  setText(byId('waiting'), whole(status.waiting));
  setText(
    byId('waiting-note'),
    status.outstanding === 0
      ? 'none of ours has no answer'
      : `${whole(status.outstanding)} of ours without an answer`,
  );
  setText(byId('connected'), `${whole(status.connected + 1)} of ${whole(replicas)}`);
  setText(byId('connected-note'), `a quorum is ${quorum}; ${faulty} may fail`);
  setText(byId('application'), `application: ${status.application}`);
}

function rate(perSecond: number): string {
  return perSecond > 0 && perSecond < 10 ? perSecond.toFixed(1) : whole(Math.round(perSecond));
}

/** Says what keeps the cluster from its work, as far as this replica sees it. */
export function drawAlert(status: StatusJson): void {
  const [title, text] = alertOf(status);
  byId('alert').hidden = title === '';
  setText(byId('alert-title'), title);
  setText(byId('alert-text'), text);
}

function alertOf(status: StatusJson): readonly [title: string, text: string] {
  const { viewChange, connected, quorum, full, high, waiting } = status;
  if (connected + 1 < quorum) {
    const here = `${counted(connected + 1, 'replica')} of ${status.replicas} ${connected === 0 ? 'is' : 'are'}`;
    return ['No quorum', `Only ${here} connected, and ${quorum} must agree: nothing can be executed.`];
  }
  if (viewChange !== null) {
    const { from, view, reason, attempts, startedAt } = viewChange;
    const since = duration(Math.max(0, Date.now() - Date.parse(startedAt)));
    const tries = attempts > 1 ? ` after ${attempts} attempts` : '';
    return [
      'Changing view',
      `View ${whole(from)} was given up ${since} ago, because ${REASONS[reason]}. View ${whole(view)} is sought${tries}; ${replicaName(status.primary)} would be its primary.`,
    ];
  }
  if (full && waiting > 0) {
    return [
      'The window is full',
      `The primary gives out no number beyond ${whole(high)} until a quorum has the same state at a later checkpoint.`,
    ];
  }
  return ['', ''];
}

/** Draws how far the state of others has come; nothing while none is fetched. */
export function drawTransfer({ transfer }: StatusJson): void {
  byId('sync').hidden = transfer === null;
  if (transfer === null) return;
  const { sequence, executed, pages, total } = transfer;
  const bar = byId('sync-bar', HTMLProgressElement);
  if (total === null) bar.removeAttribute('value');
  else {
    bar.max = Math.max(1, total);
    bar.value = pages;
  }
  const far = total === null ? '' : `: ${whole(pages)} of ${counted(total, 'page')}`;
  setText(byId('sync-text'), `From ${whole(executed)} to the checkpoint at ${whole(sequence)}${far}`);
}

/** The bar from the low to the high watermark: what is executed of it, and what is under way. */
export class WindowBar {
  readonly #executed = make('span', { class: 'window-executed' });
  readonly #proposed = make('span', { class: 'window-proposed' });
  readonly #track = make('div', { class: 'window-track', role: 'img' }, this.#executed, this.#proposed);

  constructor() {
    fill(byId('window'), this.#track);
  }

  update({ low, high, executed, proposed, full }: StatusJson): void {
    const share = (from: number, to: number): string =>
      String(Math.min(1, Math.max(0, (to - from) / Math.max(1, high - low))));
    this.#executed.style.setProperty('--share', share(low, executed));
    this.#proposed.style.setProperty('--share', share(executed, Math.min(proposed, high)));
    this.#track.setAttribute(
      'aria-label',
      `From ${low} to ${high}: executed up to ${executed}, proposed up to ${proposed}`,
    );
    setText(byId('window-state'), full ? 'full: the primary waits for a checkpoint' : '');
    const figures: Readonly<Record<string, number>> = {
      'low, the last stable checkpoint': low,
      executed,
      proposed,
      'high, where the primary stops': high,
    };
    fill(
      byId('window-figures'),
      ...Object.entries(figures).flatMap(([name, value]) => [
        make('dt', {}, name),
        make('dd', {}, whole(value)),
      ]),
    );
  }
}

interface Quantiles {
  readonly name: string;
  readonly order: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** The latencies of the last batches by phase. */
export class Latencies {
  readonly #table = new Table<Quantiles>(byId('quantiles'), {
    caption: 'How long the phases of the last batches took',
    columns: [
      { name: 'Phase', cell: ({ name }) => name, key: ({ order }) => order },
      { name: 'Half within', numeric: true, cell: ({ p50 }) => latency(p50), key: ({ p50 }) => p50 },
      { name: '90 % within', numeric: true, cell: ({ p90 }) => latency(p90), key: ({ p90 }) => p90 },
      { name: '99 % within', numeric: true, cell: ({ p99 }) => latency(p99), key: ({ p99 }) => p99 },
    ],
    id: ({ name }) => name,
    sort: 0,
    empty: 'No batch went through all phases here yet.',
  });

  update({ latency: times }: StatusJson): void {
    this.#table.update(
      times === null
        ? []
        : [
            { name: 'prepare', order: 0, ...times.prepare },
            { name: 'commit', order: 1, ...times.commit },
            { name: 'total', order: 2, ...times.total },
          ],
    );
  }
}
