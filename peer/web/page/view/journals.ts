/** What happened, newest first: a card for each journal of a view. */
import type { HappeningJson, ViewJson } from '../../schemas.ts';
import { fill, foreign, make } from '../dom.ts';
import { timeOfDay } from '../format.ts';
import { cardAt } from './place.ts';

/** Happenings listed of each kind. */
const MAX_LISTED = 30;

interface Listed {
  readonly list: HTMLElement;
  /** Newest first. */
  readonly entries: HappeningJson[];
  readonly empty: string;
}

/** The state that a tone is drawn as. */
export function markStyle(tone: HappeningJson['tone']): string | null {
  return tone === 'quiet' ? null : tone;
}

export class JournalCards {
  readonly #listed = new Map<string, Listed>();

  update({ journals }: Pick<ViewJson, 'journals'>): void {
    for (const { name, title, help, empty, entries } of journals) {
      const list = this.#listed.get(name)?.list ?? this.#add(name, title, help);
      this.#listed.set(name, { list, empty, entries: entries.slice(0, MAX_LISTED) });
      this.#draw(name);
    }
  }

  /** Something more has happened. */
  add(entry: HappeningJson): void {
    const listed = this.#listed.get(entry.journal);
    if (listed === undefined) return;
    listed.entries.unshift(entry);
    listed.entries.splice(MAX_LISTED);
    this.#draw(entry.journal);
  }

  #add(name: string, title: string, help: string): HTMLElement {
    const list = make('ol', { id: `${name}-list`, class: 'events', tabindex: 0, 'aria-label': title });
    return cardAt(`journal-${name}`, title, help, list).host;
  }

  #draw(name: string): void {
    const listed = this.#listed.get(name);
    if (listed === undefined) return;
    const { list, entries, empty } = listed;
    fill(list, ...(entries.length === 0 ? [make('li', { class: 'muted' }, empty)] : entries.map(itemOf)));
  }
}

function itemOf({ at, word, text, tone }: HappeningJson): HTMLLIElement {
  const state = markStyle(tone);
  const mark =
    word === null
      ? make('span', { class: 'happening-tone', 'data-state': state })
      : make('span', { class: 'badge', 'data-state': state }, word);
  return make(
    'li',
    {},
    make('span', { class: 'muted count' }, timeOfDay(Date.parse(at))),
    make('span', {}, mark, ' ', foreign(text)),
  );
}
