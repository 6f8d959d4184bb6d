import type { Status } from '../face/schemas.ts';
import { make, type Child } from '../../../web/page/dom.ts';
import { whole } from '../../../web/page/format.ts';
import { hashElement } from './hashes.ts';

/** The colour of a chain by its last block, so that who stands on the same is seen at a glance. */
function tipColor(hash: string): string {
  return `series-${(parseInt(hash.slice(0, 6), 16) % 8) + 1}`;
}

/** Where the chain of a node stands. */
export function tipOf({ tip, height }: Status): readonly Child[] {
  if (tip === null) return ['no block yet'];
  return [
    make('span', { class: 'swatch', 'data-shape': 'block', 'data-color': tipColor(tip) }),
    `height ${whole(height - 1)} `,
    hashElement(tip, 14),
  ];
}
