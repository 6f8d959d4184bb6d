/** The state of a whole network as text for people. */
import { z } from 'zod';

import { table, type Painter } from '../../shared/text-table.ts';
import { replicaName } from '../engines/pbft/protocol/interface.ts';
import { statusSchema as replicaStatusSchema } from '../engines/pbft/face/schemas.ts';
import { statusSchema as peerStatusSchema } from '../engines/pow/face/schemas.ts';
import { nodesSchema } from '../web/schemas.ts';
import { RefusedError, ask } from './ask.ts';
import { shortHash } from './status-format.ts';

/** What a node of any engine says of itself. */
const anyStatusSchema = z.discriminatedUnion('engine', [peerStatusSchema, replicaStatusSchema]);
type AnyStatus = z.infer<typeof anyStatusSchema>;

/** The nodes of a network, with the state of each that answers. */
export interface NetworkAnswers {
  readonly partitioned: boolean;
  readonly nodes: readonly (z.infer<typeof nodesSchema>['nodes'][number] & {
    readonly status: AnyStatus | null;
  })[];
}

type Node = NetworkAnswers['nodes'][number];

/** @throws UserError */
export async function askNetwork(base: string): Promise<NetworkAnswers> {
  const { nodes, partitioned } = await ask(base, '/nodes', nodesSchema);
  const answers = nodes.map(async (node) => {
    const status =
      node.state === 'running'
        ? await ask(base + node.api, '/status', anyStatusSchema).catch(() => null)
        : null;
    return { ...node, status };
  });
  return { partitioned, nodes: await Promise.all(answers) };
}

/** Whether an address is that of a whole network: it has nodes, and no state of its own. @throws UserError */
export async function isNetwork(base: string): Promise<boolean> {
  try {
    await ask(base, '/nodes', nodesSchema);
    return true;
  } catch (error) {
    if (error instanceof RefusedError && error.status === 404) return false;
    throw error;
  }
}

/** What is told of the nodes of an engine besides where they are. */
interface Columns {
  readonly titles: readonly string[];
  readonly cells: (node: Node) => (string | number)[];
  /** In one word. */
  readonly word: (node: Node) => string;
}

const PEERS: Columns = {
  titles: ['miners', 'height', 'tip', 'peers', 'words'],
  cells: ({ miners, status }) => {
    if (status?.engine !== 'pow') return [miners, '-', '-', '-', '-'];
    const height = status.height === 0 ? '-' : status.height - 1;
    return [miners, height, shortHash(status.tip), status.peers, status.words];
  },
  word: ({ state, status }) => {
    if (status?.engine !== 'pow') return state;
    return status.tip === null ? '-' : `${status.height - 1}:${status.tip.slice(0, 8)}`;
  },
};

const REPLICAS: Columns = {
  titles: ['view', 'primary', 'executed', 'digest', 'waiting', 'peers'],
  cells: ({ status }) => {
    if (status?.engine !== 'pbft') return [];
    const { view, primary, executed, digest, waiting, connected } = status;
    return [view, replicaName(primary), executed, digest?.slice(0, 8) ?? '-', waiting, connected];
  },
  word: ({ state, status }) => {
    if (status?.engine !== 'pbft') return state;
    const { view, executed, phase } = status;
    return `${view}:${executed}${phase === 'normal' ? '' : `(${phase.replaceAll(' ', '-')})`}`;
  },
};

function columnsOf({ nodes }: NetworkAnswers): Columns {
  return nodes.some(({ status }) => status?.engine === 'pbft') ? REPLICAS : PEERS;
}

/** Whether a node runs, and what a replica does besides. */
function stateOf({ state, status }: Node): string {
  return status?.engine === 'pbft' && status.phase !== 'normal' ? status.phase : state;
}

/** Which part of a partitioned network it is in. */
function groupOf({ group }: Node): string {
  return group === null ? '-' : String(group + 1);
}

/** The nodes of a network. All are on one machine, so their ports say where each is. */
export function networkText(answers: NetworkAnswers, paint: Painter): string {
  const { nodes, partitioned } = answers;
  const { titles, cells } = columnsOf(answers);
  const running = nodes.filter(({ state }) => state === 'running').length;
  const parts = partitioned ? paint('yellow', '; the network is partitioned') : '';
  return [
    `${paint('bold', `${running} of ${nodes.length} nodes run`)}${parts}`,
    ...table(
      ['node', 'state', ...(partitioned ? ['group'] : []), 'port', ...titles],
      nodes.map((node) => [
        ...[node.name, stateOf(node), ...(partitioned ? [groupOf(node)] : [])],
        ...[String(node.address.port), ...cells(node)],
      ]),
      paint,
    ),
    '',
  ].join('\n');
}

/** The nodes of a network in one line that changes when something has happened. */
export function networkLine(answers: NetworkAnswers): string {
  const { word } = columnsOf(answers);
  const states = answers.nodes.map((node) => `${node.name}=${word(node)}`);
  return [...(answers.partitioned ? ['partitioned'] : []), ...states].join(' ');
}
