/** The replicas side by side: how far each is. */
import type { ReplicaJson, ReplicasJson } from '../face/schemas.ts';
import { byId, make, setText, type Child } from '../../../web/page/dom.ts';
import { ago, counted, replicaName, whole } from '../../../web/page/format.ts';

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

export class ReplicaCards {
  readonly #cards = new Map<number, Card>();
  /** Whether the replica that is asked is between two views. */
  #changing = false;

  update({ replicas }: ReplicasJson): void {
    this.#changing = replicas.some(({ self, changing }) => self && changing);
    const furthest = Math.max(0, ...replicas.map(({ executed }) => executed));
    const least = Math.min(furthest, ...replicas.filter(known).map(({ stable }) => stable));
    for (const replica of replicas) this.#draw(replica, least, furthest);
  }

  /** Draws how far a replica is: its bar begins where the last of all have their stable checkpoint. */
  #draw(replica: ReplicaJson, least: number, furthest: number): void {
    const card = this.#cards.get(replica.replica) ?? this.#add(replica);
    const { tone, text } = replica.state;
    card.item.classList.toggle('is-primary', replica.primary);
    card.item.dataset['color'] = tone;
    setText(card.role, roleOf(replica, this.#changing));
    const isKnown = known(replica);
    setText(card.view, isKnown ? `view ${whole(replica.view)}` : 'not heard of');
    setText(card.executed, isKnown ? whole(replica.executed) : '–');
    const share = furthest === least ? 1 : (replica.executed - least) / (furthest - least);
    card.bar.style.setProperty('--share', String(isKnown ? Math.max(0.02, share) : 0));
    setText(card.badge, text);
    card.badge.dataset['state'] = tone;
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
