import { expect, it } from 'vitest';

import { fitNodes, placeNodes, relax, type LayoutNode } from '../../../../peer/engines/pow/page/layout.ts';

function groupOf(id: string): string {
  return id.slice(0, 1);
}

/** Two groups of nodes, each linked within, with one link between them. */
function twoGroups(): { nodes: LayoutNode[]; links: { from: string; to: string }[] } {
  const ids = [...Array(12).keys()].map((index) => `${index % 2 === 0 ? 'a' : 'b'}${index}`);
  const links = ids.flatMap((from) =>
    ids.filter((to) => to > from && groupOf(to) === groupOf(from)).map((to) => ({ from, to })),
  );
  return { nodes: placeNodes(ids), links: [...links, { from: 'a0', to: 'b1' }] };
}

type Place = Pick<LayoutNode, 'x' | 'y'>;

function distance(one: Place, other: Place): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}

it('keeps every node within the picture and apart from the others', () => {
  for (const count of [1, 2, 3, 120]) {
    const nodes = placeNodes([...Array(count).keys()].map(String));
    relax(nodes, [
      { from: '0', to: '1' },
      { from: '0', to: 'gone' },
    ]);
    const places = [...fitNodes(nodes).values()];
    for (const [index, place] of places.entries()) {
      expect(Math.min(place.x, place.y)).toBeGreaterThanOrEqual(0);
      expect(Math.max(place.x, place.y)).toBeLessThanOrEqual(1);
      for (const other of places.slice(index + 1)) expect(distance(place, other)).toBeGreaterThan(0.01);
    }
  }
});

it('draws nodes that are linked nearer to each other than to the rest', () => {
  const { nodes, links } = twoGroups();
  relax(nodes, links);
  const between = (same: boolean): number[] =>
    nodes.flatMap((one, index) =>
      nodes
        .slice(index + 1)
        .filter((other) => (groupOf(other.id) === groupOf(one.id)) === same)
        .map((other) => distance(one, other)),
    );
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(mean(between(true))).toBeLessThan(0.6 * mean(between(false)));
});

it('leaves nodes where they were when another one comes', () => {
  const first = placeNodes(['a', 'b']);
  const again = placeNodes(['a', 'b', 'c'], new Map(first.map((node) => [node.id, node])));
  expect(again.slice(0, 2)).toEqual(first);
});

it('gives the same picture of the same network', () => {
  const [one, other] = [twoGroups(), twoGroups()];
  relax(one.nodes, one.links);
  relax(other.nodes, other.links);
  expect(one.nodes).toEqual(other.nodes);
});
