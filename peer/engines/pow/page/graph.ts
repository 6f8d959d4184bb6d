/** A picture of the network as far as it is known here: ourselves, the peers, and who is known to speak with whom. */
import { fill, make, makeSvg } from '../../../web/page/dom.ts';
import { fitNodes, placeNodes, relax, type LayoutLink, type LayoutNode } from './layout.ts';

export interface GraphNode {
  readonly id: string;
  /** Text from the network. */
  readonly label: string;
  readonly state: 'self' | 'agrees' | 'differs' | 'unknown';
  /** What is shown when the node is pointed at. */
  readonly title: string;
}

export interface GraphLink extends LayoutLink {
  /** Whether the link is our own, or one learned from gossip. */
  readonly own: boolean;
}

/** Nodes drawn at most: more could neither be read nor laid out quickly. The rest is in the table. */
export const MAX_GRAPH_NODES = 120;
/** Nodes that have their names written beside them. */
const MAX_LABELS = 40;
/** Longest label drawn, in code points. */
const LABEL_LENGTH = 16;
/** Of the picture, in CSS pixels: it is as wide as there is room, and the higher the more nodes there are. */
const HEIGHT = { least: 200, most: 520, eachNode: 36 };
/** Room at the edges for the names, in CSS pixels. */
const MARGIN = { x: 58, top: 20, bottom: 36 };

function shorten(text: string): string {
  const points = Array.from(text);
  return points.length <= LABEL_LENGTH ? text : `${points.slice(0, LABEL_LENGTH - 1).join('')}…`;
}

export class Graph {
  readonly #svg: SVGSVGElement;
  readonly #note = make('p', { class: 'muted small', hidden: true });
  #nodes = new Map<string, LayoutNode>();
  #shape = '';
  #shown: readonly GraphNode[] = [];
  #links: readonly GraphLink[] = [];

  constructor(host: Element) {
    this.#svg = makeSvg('svg', { role: 'img' });
    fill(host, this.#svg, this.#note);
    new ResizeObserver(() => {
      this.#draw();
    }).observe(host);
  }

  /** Shows a network; nodes that were there before stay about where they were. */
  update(nodes: readonly GraphNode[], links: readonly GraphLink[]): void {
    const shown = nodes.slice(0, MAX_GRAPH_NODES);
    const known = new Set(shown.map(({ id }) => id));
    const drawnLinks = links.filter(({ from, to }) => known.has(from) && known.has(to) && from !== to);
    const shape = JSON.stringify([shown, drawnLinks]);
    if (shape === this.#shape) return;
    this.#shape = shape;

    const before = this.#nodes;
    const moved = shown.some(({ id }) => !before.has(id)) || before.size !== shown.length;
    const placed = placeNodes(
      shown.map(({ id }) => id),
      before,
    );
    relax(placed, drawnLinks, before.size === 0 ? 150 : 40, moved ? 0.06 : 0.01);
    this.#nodes = new Map(placed.map((node) => [node.id, node]));
    this.#note.hidden = nodes.length <= shown.length;
    this.#note.textContent = `${nodes.length - shown.length} more peers are in the table only.`;
    this.#shown = shown;
    this.#links = drawnLinks;
    this.#draw();
  }

  #draw(): void {
    const [nodes, links] = [this.#shown, this.#links];
    const width = this.#svg.parentElement?.clientWidth ?? 0;
    if (nodes.length === 0 || width === 0) return;
    const wanted = Math.min(HEIGHT.most, width * 0.85, HEIGHT.least + nodes.length * HEIGHT.eachNode);
    const height = Math.max(HEIGHT.least, wanted);
    this.#svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    const places = fitNodes([...this.#nodes.values()]);
    const at = (id: string): { x: number; y: number } => {
      const node = places.get(id);
      return {
        x: MARGIN.x + (node?.x ?? 0.5) * (width - 2 * MARGIN.x),
        y: MARGIN.top + (node?.y ?? 0.5) * (height - MARGIN.top - MARGIN.bottom),
      };
    };
    const agreeing = nodes.filter(({ state }) => state === 'agrees').length;
    this.#svg.setAttribute(
      'aria-label',
      `This peer and ${nodes.length - 1} others, ${agreeing} of them on our chain, with ${links.length} links; the same as a table below.`,
    );
    fill(
      this.#svg,
      ...links.map(({ from, to, own }) => {
        const [one, other] = [at(from), at(to)];
        return makeSvg('line', {
          class: own ? 'link own' : 'link',
          ...{ x1: one.x.toFixed(1), y1: one.y.toFixed(1), x2: other.x.toFixed(1), y2: other.y.toFixed(1) },
        });
      }),
      ...nodes.map((node) => {
        const { x, y } = at(node.id);
        return makeSvg(
          'g',
          { class: `node ${node.state}`, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` },
          makeSvg('title', {}, node.title),
          makeSvg('circle', { r: node.state === 'self' ? 13 : nodes.length > 60 ? 6 : 9 }),
          nodes.length <= MAX_LABELS
            ? makeSvg('text', { y: node.state === 'self' ? 28 : 23 }, shorten(node.label))
            : null,
        );
      }),
    );
  }
}
