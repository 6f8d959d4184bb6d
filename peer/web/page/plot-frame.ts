/**
 * A plot in its element: uPlot, which the page has loaded before as a classic script, draws it in the colours of
 * style.css; it fills the element in width, follows the theme, and can be read with the arrow keys as well as with the
 * mouse.
 */
import type UPlot from 'uplot';

import type { Range } from './plot-data.ts';
import { ROOM, css, scale, textWidth } from './plot-look.ts';

declare const uPlot: typeof UPlot;

/** Options of all plots. */
export interface PlotOptions {
  /** What it shows, in a sentence, for those who don't see it. */
  readonly description: string;
  /** In CSS pixels; by default what style.css says. */
  readonly height?: number;
  /** Where the values under the cursor are shown. */
  readonly readout?: HTMLElement | null;
}

/** A plot that is on the page. */
export interface Plot {
  /** Draws other data, with as many series, from where to where x goes now: by default as far as there is data. */
  setData(data: PlotData, range?: Range): void;
  destroy(): void;
}

/** x values first, ascending, then the values of each series; null where there is none. */
export type PlotData = readonly [readonly number[], ...(readonly (number | null)[])[]];

/** Options of a kind of plot. */
interface FrameOptions extends PlotOptions {
  /** From where to where x goes; by default as far as there is data. */
  readonly range?: Range;
  /** What the x axis shows at a value, where its last label may have its middle at the end. */
  readonly labelX?: (x: number) => string;
  /** What the readout shows of a place in the data. */
  readonly report: (place: number) => string;
}

interface Mounted extends Plot {
  current: PlotData;
}

type Look = Omit<UPlot.Options, 'width' | 'height'>;

/** Puts a plot into its element and keeps it in size and colours. */
export function mount(
  element: HTMLElement,
  data: PlotData,
  options: FrameOptions,
  look: (x: UPlot.Range.Function) => Look,
): Mounted {
  const height = (): number => options.height ?? Number(css('--plot-height'));
  let { range } = options;
  let shown = data;
  const { readout, labelX, report } = options;
  // The last label of a time axis may have its middle where what is plotted ends.
  const right = (): number => {
    const last = range?.[1] ?? shown[0].at(-1);
    const label = labelX === undefined || last === undefined ? '' : labelX(last);
    return Math.max(ROOM.right * scale(), textWidth(label) / 2 + 2);
  };
  const own = look((plot, least, most) => {
    // As far as there is data, so not zoomed into.
    const whole = least === plot.data[0][0] && most === plot.data[0].at(-1);
    return whole && range !== undefined ? [...range] : [least, most];
  });
  const plot = new uPlot(
    {
      ...own,
      width: Math.max(1, element.clientWidth),
      height: height(),
      padding: [ROOM.top * scale(), right, 0, 0],
      legend: { show: false },
      hooks: {
        ...own.hooks,
        setCursor: [
          ({ cursor: { idx } }) => {
            if (readout) readout.textContent = idx === null || idx === undefined ? '' : report(idx);
          },
        ],
      },
    },
    mutable(data),
    element,
  );
  element.setAttribute('role', 'img');
  element.setAttribute('aria-label', options.description);
  element.tabIndex = 0;
  const stop = new AbortController();
  const { signal } = stop;
  const onKey = (event: KeyboardEvent): void => {
    if (moveCursor(plot, event.key)) event.preventDefault();
  };
  element.addEventListener('keydown', onKey, { signal });
  const redraw = (): void => {
    plot.redraw();
  };
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw, { signal });
  const resize = new ResizeObserver(() => {
    const size = { width: Math.max(1, element.clientWidth), height: height() };
    if (size.width !== plot.width || size.height !== plot.height) plot.setSize(size);
  });
  resize.observe(element);
  const mounted: Mounted = {
    current: data,
    setData(next, nextRange) {
      mounted.current = shown = next;
      range = nextRange;
      plot.setData(mutable(next));
    },
    destroy() {
      stop.abort();
      resize.disconnect();
      plot.destroy();
    },
  };
  return mounted;
}

/** Arrow keys, Home and End move the cursor; Escape takes it away and shows everything again. */
function moveCursor(plot: UPlot, key: string): boolean {
  const [x] = plot.data;
  const { min, max } = plot.scales['x'] ?? {};
  if (min === undefined || max === undefined || x.length === 0) return false;
  const { key: group } = plot.cursor.sync ?? {};
  const plots = typeof group === 'string' ? uPlot.sync(group).plots : [plot];
  if (key === 'Escape') {
    for (const each of plots) {
      each.setCursor({ left: -10, top: -10 });
      each.setData(each.data);
    }
    return true;
  }
  const first = plot.valToIdx(min);
  const last = plot.valToIdx(max);
  const stride = Math.max(1, Math.round((last - first) / 100));
  const now = plot.cursor.idx ?? undefined;
  const places: Partial<Record<string, number>> = {
    ArrowLeft: now === undefined ? last : now - stride,
    ArrowRight: now === undefined ? first : now + stride,
    Home: first,
    End: last,
  };
  const place = places[key];
  if (place === undefined) return false;
  const at = x[Math.max(first, Math.min(last, place))] ?? 0;
  for (const each of plots) each.setCursor({ left: each.valToPos(at, 'x'), top: each.over.clientHeight / 2 });
  return true;
}

/** uPlot's types do not say that it leaves the data as they are. */
function mutable(data: PlotData): UPlot.AlignedData {
  return data as unknown as UPlot.AlignedData;
}
