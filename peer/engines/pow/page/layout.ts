/**
 * Where to draw the nodes of a network: a small force-directed layout. Nodes push each other away, links pull, and
 * everything is drawn to the middle. Deterministic: the same network gives the same picture.
 */

export interface LayoutNode {
  readonly id: string;
  /** About from 0 to 1, as y; {@link fitNodes} says where exactly to draw. */
  x: number;
  y: number;
}

export interface LayoutLink {
  readonly from: string;
  readonly to: string;
}

/** The golden angle, so that nodes that are placed one after another never start on the same spot. */
const GOLDEN_ANGLE = Math.PI * (3 - Math.sqrt(5));

/** How strongly nodes are drawn to the middle: so that without links they fill about the square. */
const GRAVITY = 3;

/** Nodes on a spiral around the middle of the unit square; where a node was before, it stays. */
export function placeNodes(
  ids: readonly string[],
  before: ReadonlyMap<string, LayoutNode> = new Map(),
): LayoutNode[] {
  return ids.map((id, index) => {
    const known = before.get(id);
    if (known !== undefined) return known;
    const radius = 0.42 * Math.sqrt(index / Math.max(1, ids.length));
    const angle = index * GOLDEN_ANGLE;
    return { id, x: 0.5 + radius * Math.cos(angle), y: 0.5 + radius * Math.sin(angle) };
  });
}

/**
 * Moves the nodes for some rounds, in place, ever less (simulated annealing, after Fruchterman and Reingold). Costs
 * rounds × nodes²: with 120 nodes and 60 rounds, some milliseconds.
 *
 * @param heat how far a node may move in the first round, as a part of the square
 */
export function relax(
  nodes: readonly LayoutNode[],
  links: readonly LayoutLink[],
  rounds = 80,
  heat = 0.08,
): void {
  if (nodes.length < 2) return;
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const ideal = 0.75 / Math.sqrt(nodes.length);
  const moves = new Map(nodes.map((node) => [node, { x: 0, y: 0 }]));
  const push = (node: LayoutNode, x: number, y: number): void => {
    const move = moves.get(node);
    if (move === undefined) return;
    move.x += x;
    move.y += y;
  };
  for (let round = 0; round < rounds; round++) {
    for (const move of moves.values()) move.x = move.y = 0;
    for (const [index, one] of nodes.entries()) {
      for (const other of nodes.slice(index + 1)) {
        const x = one.x - other.x;
        const y = one.y - other.y;
        const square = Math.max(x * x + y * y, 1e-6);
        const force = (ideal * ideal) / square;
        push(one, x * force, y * force);
        push(other, -x * force, -y * force);
      }
      push(one, (0.5 - one.x) * GRAVITY, (0.5 - one.y) * GRAVITY);
    }
    for (const { from, to } of links) {
      const one = byId.get(from);
      const other = byId.get(to);
      if (one === undefined || other === undefined) continue;
      const x = one.x - other.x;
      const y = one.y - other.y;
      const force = Math.hypot(x, y) / ideal / 2;
      push(one, -x * force, -y * force);
      push(other, x * force, y * force);
    }
    const limit = heat * (1 - round / rounds);
    for (const [node, move] of moves) {
      const length = Math.hypot(move.x, move.y);
      if (length === 0) continue;
      const step = Math.min(length, limit) / length;
      node.x += move.x * step;
      node.y += move.y * step;
    }
  }
}

/** Where to draw the nodes so that they fill the unit square: nodes in a line, or a single one, stand in its middle. */
export function fitNodes(
  nodes: readonly LayoutNode[],
): Map<string, { readonly x: number; readonly y: number }> {
  const along = (values: readonly number[]): ((value: number) => number) => {
    const least = Math.min(...values);
    const extent = Math.max(...values) - least;
    return (value) => (extent < 1e-3 ? 0.5 : (value - least) / extent);
  };
  const x = along(nodes.map((node) => node.x));
  const y = along(nodes.map((node) => node.y));
  return new Map(nodes.map((node) => [node.id, { x: x(node.x), y: y(node.y) }]));
}
