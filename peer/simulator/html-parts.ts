/** What the page of a report is put together from: cards, tables, places for plots, legends and bars. */
import type { ReportLine } from '../web/page/report-data.ts';
import { markup, type Content, type Markup } from './markup.ts';
import { percent } from './html-words.ts';

export function card(heading: string, content: Content, attributes?: Markup, kind = ''): Markup {
  const id = `card-${heading.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`;
  return markup`<section class="card ${kind}" aria-labelledby="${id}"${attributes}>
<h2 id="${id}">${heading}</h2>
${content}
</section>`;
}

interface Table {
  readonly caption: string;
  readonly heads: readonly string[];
  readonly rows: readonly (readonly Content[])[];
  /** Which columns hold numbers. */
  readonly numbers?: readonly number[];
  /** A column whose cells are not broken into lines. */
  readonly nowrap?: number;
  /** Whether cells of the first column are not broken into lines. */
  readonly headNowrap?: boolean;
  /** Whether the first column does not say what its row is about. */
  readonly headless?: boolean;
}

export function table({
  caption,
  heads,
  rows,
  numbers = [],
  nowrap,
  headNowrap = false,
  headless = false,
}: Table): Markup {
  const kind = (place: number): string =>
    numbers.includes(place) ? 'number' : place === nowrap ? 'nowrap' : '';
  const cell = (content: Content, place: number): Markup =>
    place === 0 && !headless
      ? markup`<th scope="row" class="${headNowrap ? 'nowrap' : ''}">${content}</th>`
      : markup`<td class="${kind(place)}">${content}</td>`;
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table>
<caption><span>${caption}</span></caption>
<thead><tr>${heads.map((head, place) => markup`<th scope="col" class="${kind(place)}">${head}</th>`)}</tr></thead>
<tbody>${rows.map((row) => markup`<tr>${row.map(cell)}</tr>\n`)}</tbody>
</table></div>`;
}

export function plot(
  id: string,
  title: string,
  entries: readonly LegendEntry[] = [],
  explanation?: string,
): Markup {
  return markup`<figure class="plot">
<figcaption><span class="plot-title">${title}</span><output class="plot-readout" id="${id}-readout"></output></figcaption>
<div class="plot-area" id="${id}"></div>
${legend(entries)}
${explanation === undefined ? undefined : markup`<p class="muted small">${explanation}</p>`}
</figure>`;
}

export interface LegendEntry {
  readonly label: string;
  readonly color: string;
  readonly shape: ReportLine['shape'] | 'block';
}

function legend(entries: readonly LegendEntry[]): Markup | undefined {
  if (entries.length === 0) return undefined;
  return markup`<ul class="legend">${entries.map(
    ({ label, color, shape }) =>
      markup`<li><span class="swatch" data-color="${color}" data-shape="${shape}"></span>${label}</li>`,
  )}</ul>`;
}

export function bar(share: number, color = 'accent'): Markup {
  return markup`<span class="bar" style="--share: ${share.toFixed(4)}; --bar: var(--${color})"></span><span class="visually-hidden">${percent(share)}</span>`;
}
