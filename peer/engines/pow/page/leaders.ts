/** Who mined how many blocks of the chain. */
import type { LeaderboardJson } from '../face/schemas.ts';
import { byId, fill, foreign, make, setText } from '../../../web/page/dom.ts';
import { whole } from '../../../web/page/format.ts';

/** Miners listed. */
const MAX_ROWS = 15;
/** How many colours style.css has. */
const COLORS = 8;

/** A miner's colour, by its name alone: the same in every list and on every peer's page. */
export function minerColor(name: string): string {
  let sum = 0;
  for (const character of name.slice(0, 64)) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 65_521;
  return `series-${(sum % COLORS) + 1}`;
}

/** Draws the leaderboard. */
export function drawLeaders({ leaders, names, counted, height }: LeaderboardJson): void {
  const most = leaders[0]?.blocks ?? 1;
  const counting = counted < height ? `, ${whole(counted)} blocks counted so far` : '';
  setText(byId('leaders-count'), `${whole(names)} ${names === 1 ? 'miner' : 'miners'}${counting}`);
  fill(
    byId('leaders'),
    ...leaders.slice(0, MAX_ROWS).map(({ name, blocks, share }) => {
      const bar = make('span', { class: 'bar', 'data-color': minerColor(name) });
      bar.style.setProperty('--share', String(blocks / most));
      return make(
        'li',
        {},
        foreign(name, 'cut'),
        make(
          'span',
          { class: 'count' },
          whole(blocks),
          make('span', { class: 'muted' }, ` ${percent(share)}`),
        ),
        bar,
      );
    }),
    leaders.length === 0 ? make('li', { class: 'muted small' }, 'No block yet.') : null,
  );
}

function percent(share: number): string {
  return share < 0.001 ? '<0.1 %' : `${(share * 100).toFixed(share < 0.0995 ? 1 : 0)} %`;
}
