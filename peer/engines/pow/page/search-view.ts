/** What a search found. */
import type { SearchJson } from '../face/schemas.ts';
import { fill, foreign, make } from '../../../web/page/dom.ts';
import { whole } from '../../../web/page/format.ts';
import { hashElement } from './hashes.ts';

/** Draws it. @returns its title */
export function drawFound(
  host: Element,
  query: string,
  { blocks, miners, complete }: SearchJson,
): HTMLElement {
  const title = make('h1', { id: 'detail-title', tabindex: -1 }, 'Found for “', foreign(query), '”');
  const none = blocks.length === 0 && miners.length === 0;
  fill(
    host,
    make(
      'nav',
      { 'aria-label': 'Back', class: 'block-nav' },
      make('a', { href: '#/', class: 'button' }, 'Overview'),
    ),
    make(
      'article',
      { class: 'card' },
      title,
      complete
        ? null
        : make('p', { class: 'muted' }, 'The chain is still being read; there may be more in a moment.'),
      none ? make('p', {}, 'No block has that height or hash, and nobody of that name has mined one.') : null,
      blocks.length === 0 ? null : make('h2', {}, 'Blocks'),
      make(
        'ul',
        { class: 'found' },
        ...blocks.map(({ height, hash, minedBy }) =>
          make(
            'li',
            {},
            make('a', { href: `#/block/${height}` }, `Block ${whole(height)}`),
            hashElement(hash, 24),
            make('span', { class: 'muted' }, 'by ', foreign(minedBy, 'cut')),
          ),
        ),
      ),
      miners.length === 0 ? null : make('h2', {}, 'Miners'),
      make('ul', { class: 'found' }, ...miners.map((name) => make('li', {}, foreign(name, 'verbatim')))),
    ),
  );
  return title;
}

/** Draws why something could not be shown. @returns its title */
export function drawProblem(host: Element, problem: string): HTMLElement {
  const title = make('h1', { id: 'detail-title', tabindex: -1 }, 'Not found');
  fill(
    host,
    make(
      'nav',
      { 'aria-label': 'Back', class: 'block-nav' },
      make('a', { href: '#/', class: 'button' }, 'Overview'),
    ),
    make('article', { class: 'card' }, title, make('p', { class: 'problem' }, problem)),
  );
  return title;
}
