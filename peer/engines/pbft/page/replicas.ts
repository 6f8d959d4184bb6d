/** The replicas: side by side, how far each is, and in a table with everything that is known of them. */
import type { ReplicaJson, ReplicasJson } from '../face/schemas.ts';
import { byId, foreign, make, setText, type Child } from '../../../web/page/dom.ts';
import { ago, bytes, counted, replicaName, whole } from '../../../web/page/format.ts';
import { Table } from '../../../web/page/table.ts';

/** Silence after which a replica is called silent, in milliseconds: they tell each other where they stand more often. */
const SILENT = 30_000;
/** So many sequence numbers behind are no sign: others say where they stand only now and then. */
const TOLERATED = 10;

/** How a replica is in a word, and the colour that goes with it. */
function stateOf({ self, changing, silenceMs, connection, behind }: ReplicaJson): {
  readonly text: string;
  readonly state: 'good' | 'warn' | 'bad';
  readonly rank: number;
} {
  if (connection !== null && connection.state !== 'up') {
    const texts = { down: 'not connected', blocked: 'cut off', paused: 'kept out' } as const;
    return { text: texts[connection.state], state: 'bad', rank: 3 };
  }
  if (!self && (silenceMs === null || silenceMs > SILENT)) return { text: 'silent', state: 'bad', rank: 2 };
  if (changing) return { text: 'changing view', state: 'warn', rank: 1 };
  if (behind > TOLERATED) return { text: 'behind', state: 'warn', rank: 1 };
  return { text: 'in step', state: 'good', rank: 0 };
}

function badge(replica: ReplicaJson): HTMLElement {
  const { text, state } = stateOf(replica);
  return make('span', { class: 'badge', 'data-state': state }, text);
}

/** @param changing whether the primary has still to begin its view */
function roleOf({ self, primary }: ReplicaJson, changing: boolean): string {
  return [primary ? (changing ? 'next primary' : 'primary') : '', self ? 'this one' : '']
    .filter((part) => part !== '')
    .join(', ');
}

/** Whether anything has been heard of a replica, so that its figures mean something. */
function known({ self, silenceMs }: ReplicaJson): boolean {
  return self || silenceMs !== null;
}

function lastHeard({ self, silenceMs }: ReplicaJson): string {
  return self ? '–' : silenceMs === null ? 'never' : ago(silenceMs);
}

interface Card {
  readonly item: HTMLLIElement;
  readonly role: HTMLElement;
  readonly view: HTMLElement;
  readonly executed: HTMLElement;
  readonly bar: HTMLElement;
  readonly note: HTMLElement;
  readonly badge: HTMLElement;
}

export class Replicas {
  readonly #cards = new Map<number, Card>();
  /** Whether the replica that is asked is between two views. */
  #changing = false;
  readonly #table = new Table<ReplicaJson>(byId('replicas'), {
    caption: 'Replicas, and the connections with them',
    columns: [
      {
        name: 'Replica',
        cell: ({ replica }) => replicaName(replica),
        key: ({ replica }) => replica,
      },
      { name: 'Role', cell: (one) => roleOf(one, this.#changing), key: (one) => roleOf(one, this.#changing) },
      { name: 'State', cell: badge, key: (one) => stateOf(one).rank },
      {
        name: 'View',
        numeric: true,
        cell: (one) => (known(one) ? whole(one.view) : '–'),
        key: ({ view }) => view,
      },
      {
        name: 'Executed',
        numeric: true,
        cell: (one) => (known(one) ? whole(one.executed) : '–'),
        key: ({ executed }) => executed,
      },
      {
        name: 'Behind',
        numeric: true,
        cell: (one) => (known(one) ? whole(one.behind) : '–'),
        key: ({ behind }) => behind,
      },
      {
        name: 'Stable',
        numeric: true,
        cell: (one) => (known(one) ? whole(one.stable) : '–'),
        key: ({ stable }) => stable,
      },
      { name: 'Heard', numeric: true, cell: lastHeard, key: ({ silenceMs }) => silenceMs },
      {
        name: 'Address',
        cell: ({ connection }) => {
          const address = connection?.address ?? null;
          return address === null ? '–' : foreign(`${address.host}:${address.port}`, 'cut');
        },
        key: ({ connection }) => connection?.address?.host ?? null,
      },
      {
        name: 'Connected',
        numeric: true,
        cell: ({ connection }) => {
          const since = connection?.connectedSince ?? null;
          return since === null ? '–' : ago(Date.now() - Date.parse(since));
        },
        key: ({ connection }) => {
          const since = connection?.connectedSince ?? null;
          return since === null ? null : -Date.parse(since);
        },
      },
      {
        name: 'Received',
        numeric: true,
        cell: ({ connection }) => (connection === null ? '–' : bytes(connection.receivedBytes)),
        key: ({ connection }) => connection?.receivedBytes ?? null,
      },
      {
        name: 'Sent',
        numeric: true,
        cell: ({ connection }) => (connection === null ? '–' : bytes(connection.sentBytes)),
        key: ({ connection }) => connection?.sentBytes ?? null,
      },
      {
        name: 'Queued',
        numeric: true,
        cell: ({ connection }) => (connection === null ? '–' : whole(connection.queued)),
        key: ({ connection }) => connection?.queued ?? null,
      },
      {
        name: 'Offences',
        numeric: true,
        cell: ({ offences }) =>
          offences === 0 ? '0' : make('span', { class: 'badge', 'data-state': 'bad' }, whole(offences)),
        key: ({ offences }) => offences,
      },
    ],
    id: ({ replica }) => String(replica),
    sort: 0,
    empty: 'No replica is known yet.',
  });

  update({ replicas }: ReplicasJson): void {
    this.#changing = replicas.some(({ self, changing }) => self && changing);
    this.#table.update(replicas);
    const inStep = replicas.filter((one) => stateOf(one).rank === 0).length;
    setText(byId('replicas-note'), `${whole(inStep)} of ${counted(replicas.length, 'replica')} in step`);
    const furthest = Math.max(0, ...replicas.map(({ executed }) => executed));
    const least = Math.min(furthest, ...replicas.filter(known).map(({ stable }) => stable));
    for (const replica of replicas) this.#draw(replica, least, furthest);
  }

  /** Draws how far a replica is: its bar begins where the last of all have their stable checkpoint. */
  #draw(replica: ReplicaJson, least: number, furthest: number): void {
    const card = this.#cards.get(replica.replica) ?? this.#add(replica);
    const { state, text } = stateOf(replica);
    card.item.classList.toggle('is-primary', replica.primary);
    card.item.dataset['color'] = state;
    setText(card.role, roleOf(replica, this.#changing));
    const isKnown = known(replica);
    setText(card.view, isKnown ? `view ${whole(replica.view)}` : 'not heard of');
    setText(card.executed, isKnown ? whole(replica.executed) : '–');
    const share = furthest === least ? 1 : (replica.executed - least) / (furthest - least);
    card.bar.style.setProperty('--share', String(isKnown ? Math.max(0.02, share) : 0));
    setText(card.badge, text);
    card.badge.dataset['state'] = state;
    const behind = isKnown && replica.behind > 0 ? `${whole(replica.behind)} behind` : '';
    const heard = replica.self ? '' : `heard ${lastHeard(replica)}`;
    const offences = replica.offences === 0 ? '' : counted(replica.offences, 'offence');
    setText(card.note, [behind, heard, offences].filter((part) => part !== '').join(' · '));
  }

  #add({ replica, self }: ReplicaJson): Card {
    const [role, view, executed, bar, note, state] = [
      make('span', { class: 'replica-role' }),
      make('span', { class: 'replica-view' }),
      make('span', { class: 'replica-executed' }),
      make('span', { class: 'bar', role: 'presentation' }),
      make('span', { class: 'muted replica-note' }),
      make('span', { class: 'badge' }),
    ];
    const line = (...children: readonly Child[]): HTMLElement =>
      make('p', { class: 'replica-line' }, ...children);
    const item = make(
      'li',
      { class: self ? 'replica is-self' : 'replica' },
      line(make('span', { class: 'replica-name' }, replicaName(replica)), role),
      line(executed, view),
      bar,
      line(state),
      line(note),
    );
    byId('replica-cards').append(item);
    const card = { item, role, view, executed, bar, note, badge: state };
    this.#cards.set(replica, card);
    return card;
  }
}
