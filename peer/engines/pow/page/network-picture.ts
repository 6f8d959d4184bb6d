/** The network that the peers make, as a picture and as a table. */
import type { GraphJson, PeerJson } from '../face/schemas.ts';
import { byId, foreign, make, setText } from '../../../web/page/dom.ts';
import { whole } from '../../../web/page/format.ts';
import { Graph, type GraphNode } from './graph.ts';
import { Table } from '../../../web/page/table.ts';

type Agreement = PeerJson['agreement'];
type Node = GraphJson['nodes'][number];

const AGREEMENTS: Readonly<Record<Agreement, { text: string; state: string | null; rank: number }>> = {
  same: { text: 'same chain', state: 'good', rank: 0 },
  behind: { text: 'behind', state: 'warn', rank: 1 },
  ahead: { text: 'ahead', state: 'warn', rank: 2 },
  fork: { text: 'another chain', state: 'bad', rank: 3 },
  unknown: { text: 'not told yet', state: null, rank: 4 },
};

function badge(agreement: Agreement): HTMLElement {
  const { text, state } = AGREEMENTS[agreement];
  return make('span', { class: 'badge', 'data-state': state }, text);
}

function nameElement(name: string): HTMLElement {
  return name === '' ? make('span', { class: 'muted' }, 'no name') : foreign(name, 'cut');
}

export class NetworkPicture {
  readonly #graph = new Graph(byId('graph'));
  readonly #links = new Table<Node & { readonly others: readonly string[] }>(byId('links'), {
    caption: 'Nodes of the network and whom they are known to speak with',
    columns: [
      { name: 'Node', cell: ({ name }) => nameElement(name), key: ({ name }) => name.toLowerCase() },
      { name: 'Address', cell: ({ id }) => foreign(id), key: ({ id }) => id },
      {
        name: 'State',
        cell: ({ self, agreement }) => (self ? 'this peer' : badge(agreement)),
        key: ({ self, agreement }) => (self ? -1 : AGREEMENTS[agreement].rank),
      },
      {
        name: 'Links',
        numeric: true,
        cell: ({ others }) => whole(others.length),
        key: ({ others }) => others.length,
      },
      {
        name: 'Linked with',
        cell: ({ others }) => foreign(others.slice(0, 20).join(', ') + (others.length > 20 ? ', …' : '')),
        key: ({ others }) => others.length,
      },
    ],
    id: ({ id }) => id,
    sort: 3,
    descending: true,
    empty: 'No peer is known yet.',
  });

  update({ nodes, edges }: GraphJson): void {
    const labels = new Map(nodes.map(({ id, name }) => [id, name === '' ? id : name]));
    const others = new Map(nodes.map(({ id }) => [id, new Set<string>()]));
    for (const { source, target } of edges) {
      others.get(source)?.add(labels.get(target) ?? target);
      others.get(target)?.add(labels.get(source) ?? source);
    }
    const states: Readonly<Record<Agreement, GraphNode['state']>> = {
      ...{ same: 'agrees', behind: 'agrees', ahead: 'differs', fork: 'differs', unknown: 'unknown' },
    };
    // Ourselves first: who is beyond the bound of the picture is somebody else.
    const sorted = nodes.toSorted((one, other) => Number(other.self) - Number(one.self));
    this.#graph.update(
      sorted.map(({ id, name, self, agreement }) => ({
        id,
        label: self ? 'this peer' : name === '' ? id : name,
        state: self ? 'self' : states[agreement],
        title: `${name} ${id}: ${self ? 'this peer' : AGREEMENTS[agreement].text}`,
      })),
      edges.map(({ source, target, kind }) => ({ from: source, to: target, own: kind === 'direct' })),
    );
    setText(
      byId('graph-count'),
      `${whole(nodes.length)} ${nodes.length === 1 ? 'node' : 'nodes'}, ${whole(edges.length)} ${edges.length === 1 ? 'link' : 'links'} known`,
    );
    this.#links.update(nodes.map((node) => ({ ...node, others: [...(others.get(node.id) ?? [])] })));
  }
}
