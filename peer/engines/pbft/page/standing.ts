import type { Status } from '../face/schemas.ts';
import { make, type Child } from '../../../web/page/dom.ts';
import { replicaName, whole } from '../../../web/page/format.ts';

/** The colour of a view, so that who is in the same is seen at a glance. */
function viewColor(view: number): string {
  return `series-${(view % 8) + 1}`;
}

/** Where a replica stands: its view and what it has executed, whether it is the primary, and what it does if that is unusual. */
export function standingOf({ self, view, primary, phase, executed }: Status): readonly Child[] {
  const word = phase !== 'normal' ? phase : self === primary ? 'primary' : '';
  return [
    make('span', { class: 'swatch', 'data-shape': 'block', 'data-color': viewColor(view) }),
    `${replicaName(self)} · view ${whole(view)} · executed ${whole(executed)} `,
    word === ''
      ? null
      : make('span', { class: 'badge', 'data-state': phase === 'normal' ? 'good' : 'warn' }, word),
  ];
}
