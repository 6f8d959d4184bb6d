import { byId, fill, make, setText } from '../../../web/page/dom.ts';
import { counted, whole } from '../../../web/page/format.ts';
import type { Status } from '../face/schemas.ts';

/** How far the state of others has come; nothing while none is fetched. */
export class Transfer {
  readonly #bar = make('progress', { id: 'sync-bar', 'aria-labelledby': 'sync-title' });
  readonly #text = make('p', { id: 'sync-text', class: 'muted small' });

  constructor() {
    fill(
      byId('sync'),
      make('h2', { id: 'sync-title' }, 'Fetching the state of others'),
      this.#bar,
      this.#text,
    );
  }

  update({ transfer }: Status): void {
    byId('sync').hidden = transfer === null;
    if (transfer === null) return;
    const { sequence, executed, pages, total } = transfer;
    if (total === null) this.#bar.removeAttribute('value');
    else {
      this.#bar.max = Math.max(1, total);
      this.#bar.value = pages;
    }
    const far = total === null ? '' : `: ${whole(pages)} of ${counted(total, 'page')}`;
    setText(this.#text, `From ${whole(executed)} to the checkpoint at ${whole(sequence)}${far}`);
  }
}
