/** What happened: view changes, checkpoints, states that were fetched, and offences. */
import type {
  CheckpointJson,
  CheckpointsJson,
  OffencesJson,
  TransferJson,
  ViewChangeJson,
  ViewChangesJson,
} from '../face/schemas.ts';
import { byId, fill, make, setText, type Child } from '../../../web/page/dom.ts';
import { counted, duration, latency, replicaName, timeOfDay, whole } from '../../../web/page/format.ts';
import { REASONS } from './figures.ts';

/** Happenings listed of each kind. */
const MAX_LISTED = 30;

type State = 'good' | 'warn' | 'bad' | null;

/** A line of a list: when, a word for what, and the rest. */
function happening(at: string, word: string, state: State, ...rest: readonly Child[]): HTMLLIElement {
  return make(
    'li',
    {},
    make('span', { class: 'muted count' }, timeOfDay(Date.parse(at))),
    make('span', {}, make('span', { class: 'badge', 'data-state': state }, word), ' ', ...rest),
  );
}

function list(id: string, items: readonly HTMLLIElement[], none: string): void {
  fill(
    byId(id),
    ...(items.length === 0 ? [make('li', { class: 'muted' }, none)] : items.slice(0, MAX_LISTED)),
  );
}

export function drawViewChanges({ viewChanges }: ViewChangesJson): void {
  setText(byId('changes-count'), viewChanges.length === 0 ? '' : counted(viewChanges.length, 'view change'));
  list('changes', viewChanges.map(viewChangeItem), 'No primary was given up yet.');
}

function viewChangeItem(change: ViewChangeJson): HTMLLIElement {
  const { startedAt, from, view, reason, attempts, primary, tookMs, carried } = change;
  const path = `${whole(from)} → ${whole(view)}`;
  if (tookMs === null) {
    return happening(startedAt, path, 'warn', `${REASONS[reason]}; the new view is sought`);
  }
  const tries = attempts > 1 ? ` and ${attempts} attempts` : '';
  const took = reason === 'told' ? '' : ` after ${latency(tookMs)}${tries}`;
  const kept = carried === null || carried === 0 ? '' : `; ${counted(carried, 'number')} carried over`;
  return happening(
    startedAt,
    path,
    'good',
    `${REASONS[reason]}; ${replicaName(primary ?? 0)} is the primary${took}${kept}`,
  );
}

export function drawCheckpoints({ checkpoints, transfers, divergences }: CheckpointsJson): void {
  const [newest] = checkpoints;
  setText(byId('checkpoints-count'), newest === undefined ? '' : `stable up to ${whole(newest.sequence)}`);
  const items = [
    ...checkpoints.map((one) => ({ at: one.at, item: checkpointItem(one, 'stable', 'good') })),
    ...divergences.map((one) => ({ at: one.at, item: checkpointItem(one, 'diverged', 'bad') })),
    ...transfers.map((one) => ({ at: one.startedAt, item: transferItem(one) })),
  ];
  items.sort((one, other) => Date.parse(other.at) - Date.parse(one.at));
  list(
    'checkpoints',
    items.map(({ item }) => item),
    'No checkpoint is stable yet.',
  );
}

function checkpointItem({ at, sequence, digest }: CheckpointJson, word: string, state: State): HTMLLIElement {
  const short = make('span', { class: 'digest', title: digest }, `${digest.slice(0, 12)}…`);
  return happening(at, word, state, `at ${whole(sequence)}: `, short);
}

function transferItem({
  startedAt,
  finishedAt,
  sequence,
  executed,
  pages,
  total,
}: TransferJson): HTMLLIElement {
  const way = `from ${whole(executed)} to ${whole(sequence)}: `;
  if (finishedAt === null) {
    const far = total === null ? 'has begun' : `${whole(pages)} of ${counted(total, 'page')}`;
    return happening(startedAt, 'fetching state', 'warn', way, far);
  }
  const took = duration(Date.parse(finishedAt) - Date.parse(startedAt));
  return happening(startedAt, 'state fetched', 'warn', way, `${counted(pages, 'page')} in ${took}`);
}

export function drawOffences({ offences }: OffencesJson): void {
  setText(byId('offences-count'), offences.length === 0 ? '' : counted(offences.length, 'offence'));
  list(
    'offences',
    offences.map(({ at, member, rule }) => happening(at, replicaName(member), 'bad', rule)),
    'Every replica has kept to the rules, as far as it was seen.',
  );
}
