/** What can be typed while `peer network` runs, or come through a pipe. */
import { UserError } from '../../shared/errors.ts';
import type { Painter } from '../../shared/text-table.ts';
import type { Network } from '../network/network.ts';
import type { NetworkNode } from '../network/node.ts';
import { askNetwork, networkText } from './network-text.ts';
import type { StatusFace } from './status-face.ts';
import { Prompt, type PromptCommand, type PromptParts } from './prompt.ts';

export interface NetworkPromptParts extends PromptParts {
  readonly network: Network;
  /** Address of the page over the network, without a slash at the end. */
  readonly url: string;
  readonly paint: Painter;
  readonly face: StatusFace;
}

export type NetworkCommand = PromptCommand<NetworkPromptParts>;
/** Commands by name. */
export type NetworkCommands = Readonly<Record<string, NetworkCommand>>;

/** A name, or the number in it, as the name of a node. @throws UserError */
export function nodeName(text: string | undefined, network: Network): string {
  if (text === undefined) throw new UserError('which node? Name it by its number.');
  const numbered = /^\d+$/.test(text)
    ? network.nodes.find(({ name }) => name.endsWith(`-${Number(text)}`))
    : undefined;
  return (numbered ?? network.find(text)).name;
}

/** The first node that runs. @throws UserError if none does */
export function anyNode({ nodes }: Network): NetworkNode {
  const running = nodes.find(({ state }) => state === 'running');
  if (running === undefined) throw new UserError('no node runs');
  return running;
}

/** A command that does something to one node. */
function onNode(
  name: string,
  help: string,
  work: (network: Network, node: string) => Promise<void>,
  done: string,
): [string, NetworkCommand] {
  const usage = `${name} <node>`;
  const run: NetworkCommand['run'] = async (args, { network, print }) => {
    if (args.length > 1) throw new UserError(`it is written as: ${usage}`);
    const node = nodeName(args[0], network);
    await work(network, node);
    print(`${node} ${done}`);
  };
  return [name, { usage, help, run }];
}

/** What can be done to the nodes of every network. */
const COMMANDS: readonly (readonly [string, NetworkCommand])[] = [
  [
    'status',
    {
      usage: 'status',
      help: 'what every node has',
      short: ['st'],
      run: async (_, { url, face, paint, print }) => {
        print(networkText(await askNetwork(url), face, paint).trimEnd());
      },
    },
  ],
  onNode('kill', 'kill it, as a crash would', (network, node) => network.kill(node), 'is down'),
  onNode('start', 'start it again, on its data', (network, node) => network.startNode(node), 'runs'),
  onNode('pause', 'have it stand still', (network, node) => network.pause(node), 'is paused'),
  onNode('resume', 'have it go on', (network, node) => network.resume(node), 'runs'),
  [
    'partition',
    {
      usage: 'partition <nodes> [<nodes> …]',
      help: 'part the network, as in "partition 1,2 3,4,5"; nodes left out are a group of their own',
      run: async (args, { network, print }) => {
        if (args.length === 0) throw new UserError('which groups? As in: partition 1,2 3,4,5');
        const groups = args.map((group) => group.split(',').map((one) => nodeName(one, network)));
        await network.partition(groups);
        print('the network is partitioned');
      },
    },
  ],
  [
    'heal',
    {
      usage: 'heal',
      help: 'let all nodes reach each other again',
      run: async (_, { network, print }) => {
        await network.heal();
        print('the network is healed');
      },
    },
  ],
];

/** The longest line that is read: an operation of a cluster, or the names of all nodes, are shorter. */
const MAX_LINE = 20_000;

/**
 * A prompt for the networks of one engine.
 *
 * @param commands what else can be done
 */
export function networkPrompt(commands: NetworkCommands): Prompt<NetworkPromptParts> {
  return new Prompt([...COMMANDS, ...Object.entries(commands)], MAX_LINE);
}
