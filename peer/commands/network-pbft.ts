/** `peer network --engine pbft`: replicas, which are asked through the channels to them. */
import { addressKey } from '../../shared/address.ts';
import { UserError } from '../../shared/errors.ts';
import { table, type Painter } from '../../shared/text-table.ts';
import type { ReplicaState } from '../network/control.ts';
import { ANSWER_PATIENCE, EXECUTION_PATIENCE } from '../network/limits.ts';
import type { Network } from '../network/network.ts';
import type { NetworkNode } from '../network/node.ts';
import { anyNode, networkPrompt, nodeName } from './network-prompt.ts';

/** How a node is; undefined if it does not run or gives no answer. */
async function stateOf(node: NetworkNode): Promise<ReplicaState | undefined> {
  try {
    const answer = await node.ask({ type: 'status' }, ANSWER_PATIENCE);
    return answer.type === 'status' ? answer.state : undefined;
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** The state of all replicas, as people read it. */
async function clusterText(network: Network, paint: Painter): Promise<string> {
  const { nodes, partitioned } = network;
  const states = await Promise.all(nodes.map(stateOf));
  const running = nodes.filter(({ state }) => state === 'running').length;
  const rows = nodes.map((node, index) => {
    const group = network.groupOf(node);
    const { address, name } = node;
    const state = states[index];
    return [
      ...[name, node.state, group === null ? '' : String(group + 1), addressKey(address)],
      ...(state === undefined
        ? []
        : [
            ...[state.view, `node-${state.primary + 1}`, state.phase],
            ...[state.executed, state.stable, state.waiting, state.connected],
          ]),
    ];
  });
  const titles = [
    ...['node', 'state', 'group', 'address', 'view', 'primary', 'phase'],
    ...['executed', 'stable', 'waiting', 'connected'],
  ];
  const note = partitioned ? '; the network is partitioned' : '';
  return [`${running} of ${nodes.length} nodes run${note}`, ...table(titles, rows, paint)].join('\n');
}

export const pbftPrompt = networkPrompt(
  async (_, { network, paint, print }) => {
    print(await clusterText(network, paint));
  },
  [
    [
      'submit',
      {
        usage: 'submit [@<node>] <operation>',
        help: 'have something executed, by way of a node, as in "submit @2 hello" (else of the first that runs)',
        short: ['s'],
        run: async (_, { network, print }, text) => {
          const [, name, line = ''] = /^(?:@(\S+)(?:\s+|$))?(.*)$/su.exec(text) ?? [];
          const node = name === undefined ? anyNode(network) : network.find(nodeName(name, network));
          const answer = await node.ask({ type: 'submit', line }, EXECUTION_PATIENCE);
          if (answer.type === 'answer') print(answer.text);
        },
      },
    ],
  ],
);
