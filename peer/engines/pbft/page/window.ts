import { byId, fill, make, setText } from '../../../web/page/dom.ts';
import { whole } from '../../../web/page/format.ts';
import type { Status } from '../face/schemas.ts';

/** The bar from the low to the high watermark: what is executed of it, and what is under way. */
export class WindowBar {
  readonly #executed = make('span', { class: 'window-executed' });
  readonly #proposed = make('span', { class: 'window-proposed' });
  readonly #track = make('div', { class: 'window-track', role: 'img' }, this.#executed, this.#proposed);
  readonly #state = make('p', { class: 'muted small' });
  readonly #figures = make('dl', { id: 'window-figures', class: 'legend-list' });

  constructor() {
    const title = make('h2', { id: 'window-title' }, 'Between the watermarks');
    fill(byId('window'), make('div', { class: 'card-head' }, title, this.#state), this.#track, this.#figures);
  }

  update({ low, high, executed, proposed, full }: Status): void {
    const share = (from: number, to: number): string =>
      String(Math.min(1, Math.max(0, (to - from) / Math.max(1, high - low))));
    this.#executed.style.setProperty('--share', share(low, executed));
    this.#proposed.style.setProperty('--share', share(executed, Math.min(proposed, high)));
    this.#track.setAttribute(
      'aria-label',
      `From ${low} to ${high}: executed up to ${executed}, proposed up to ${proposed}`,
    );
    setText(this.#state, full ? 'full: the primary waits for a checkpoint' : '');
    const figures: Readonly<Record<string, number>> = {
      'low, the last stable checkpoint': low,
      executed,
      proposed,
      'high, where the primary stops': high,
    };
    fill(
      this.#figures,
      ...Object.entries(figures).flatMap(([name, value]) => [
        make('dt', {}, name),
        make('dd', {}, whole(value)),
      ]),
    );
  }
}
