/** The words that wait to be mined. */
import type { WordsJson } from '../face/schemas.ts';
import { byId, fill, foreign, make, setText } from '../../../web/page/dom.ts';
import { whole } from '../../../web/page/format.ts';

/** Words listed; the others are counted. */
const MAX_LISTED = 60;

export function drawWords({ words, limit }: WordsJson): void {
  setText(byId('words-count'), words.length === 0 ? '' : `${whole(words.length)} of at most ${whole(limit)}`);
  fill(
    byId('words'),
    ...words.slice(0, MAX_LISTED).map((word) => make('li', {}, foreign(word, 'verbatim'))),
    words.length > MAX_LISTED
      ? make('li', { class: 'muted' }, `and ${whole(words.length - MAX_LISTED)} more`)
      : null,
    words.length === 0 ? make('li', { class: 'muted none' }, 'No word waits.') : null,
  );
}
