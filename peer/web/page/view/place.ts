import { fill, make, byId } from '../dom.ts';

/** A card of the page. */
export interface Card {
  readonly host: HTMLElement;
  /** A few words beside its title. */
  readonly note: HTMLElement;
}

/**
 * Makes a card in the place that the document has for it, or at the end of all others.
 *
 * @param id of the place
 */
export function cardAt(id: string, title: string, help: string, host: HTMLElement): Card {
  const place = document.getElementById(id) ?? make('section', { id, class: 'card' });
  const note = make('p', { class: 'muted small' });
  place.setAttribute('aria-label', title);
  fill(place, make('div', { class: 'card-head' }, make('h2', { title: help }, title), note), host);
  if (!place.isConnected) byId('panels').append(place);
  return { host, note };
}
