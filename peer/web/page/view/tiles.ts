/** The figures of a view, each in a tile. */
import type { GlanceJson } from '../../schemas.ts';
import { byId, foreign, make, setText } from '../dom.ts';

type FigureJson = GlanceJson['figures'][number];

interface Tile {
  readonly value: HTMLElement;
  readonly note: HTMLElement;
}

export class Tiles {
  readonly #tiles = new Map<string, Tile>();

  update(figures: readonly FigureJson[]): void {
    for (const figure of figures.filter(({ minor }) => !minor)) {
      const { value, note } = this.#tiles.get(figure.name) ?? this.#add(figure);
      setText(value, figure.text);
      setText(note, figure.note ?? figure.help);
    }
  }

  #add({ name, title, help }: FigureJson): Tile {
    const tile = { value: foreign(''), note: foreign('') };
    this.#tiles.set(name, tile);
    byId('figures').append(
      make(
        'div',
        { class: 'tile', title: help },
        make('dt', {}, title),
        make('dd', { id: `figure-${name}` }, tile.value),
        make('dd', { id: `figure-${name}-note`, class: 'note muted small' }, tile.note),
      ),
    );
    return tile;
  }
}
