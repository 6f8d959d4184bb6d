/** The state of a whole network as text for people. */
import { z } from 'zod';

import { table, type Painter } from '../../shared/text-table.ts';
import { engineSchema, nodesSchema } from '../web/schemas.ts';
import { RefusedError, ask } from './ask.ts';
import type { NodeRow, StatusFace } from './status-face.ts';

/** The status of a node of any engine. */
const statusSchema = engineSchema.loose();

/** The nodes of a network, with the state of each that answers. */
export interface NetworkAnswers {
  readonly partitioned: boolean;
  readonly nodes: readonly (z.infer<typeof nodesSchema>['nodes'][number] & {
    readonly status: z.infer<typeof statusSchema> | null;
  })[];
}

type Node = NetworkAnswers['nodes'][number];

/** @throws UserError */
export async function askNetwork(base: string): Promise<NetworkAnswers> {
  const { nodes, partitioned } = await ask(base, '/nodes', nodesSchema);
  const answers = nodes.map(async (node) => {
    const status =
      node.state === 'running' ? await ask(base + node.api, '/status', statusSchema).catch(() => null) : null;
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

/** The engine of a network: that of the first node that answers. */
export function engineOf({ nodes }: NetworkAnswers): string | undefined {
  return nodes.find(({ status }) => status !== null)?.status?.engine;
}

/** The nodes, each with what is shown of it. */
function rowsOf({ nodes }: NetworkAnswers, face: StatusFace | undefined): (Node & { row?: NodeRow })[] {
  return nodes.map((node) => {
    const row = face?.row(node.status, node.miners);
    return { ...node, ...(row && { row }) };
  });
}

/** Which part of a partitioned network it is in. */
function groupOf({ group }: Node): string {
  return group === null ? '-' : String(group + 1);
}

/**
 * The nodes of a network. All are on one machine, so their ports say where each is.
 *
 * @param face of their engine, if it is known
 */
export function networkText(answers: NetworkAnswers, face: StatusFace | undefined, paint: Painter): string {
  const { nodes, partitioned } = answers;
  const running = nodes.filter(({ state }) => state === 'running').length;
  const parts = partitioned ? paint('yellow', '; the network is partitioned') : '';
  return [
    `${paint('bold', `${running} of ${nodes.length} nodes run`)}${parts}`,
    ...table(
      ['node', 'state', ...(partitioned ? ['group'] : []), 'port', ...(face?.columns ?? [])],
      rowsOf(answers, face).map((node) => [
        ...[node.name, node.row?.phase ?? node.state, ...(partitioned ? [groupOf(node)] : [])],
        ...[String(node.address.port), ...(node.row?.cells ?? [])],
      ]),
      paint,
    ),
    '',
  ].join('\n');
}

/** The nodes of a network in one line that changes when something has happened. */
export function networkLine(answers: NetworkAnswers, face: StatusFace | undefined): string {
  const states = rowsOf(answers, face).map(({ name, state, row }) => `${name}=${row?.word ?? state}`);
  return [...(answers.partitioned ? ['partitioned'] : []), ...states].join(' ');
}
