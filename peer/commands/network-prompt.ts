/** What can be typed while `peer network` runs, or come through a pipe. */
import { setTimeout as pause } from 'node:timers/promises';

import { MAX_MINED_MESSAGE_LENGTH, isMineableWord } from '../../shared/block.ts';
import { UserError } from '../../shared/errors.ts';
import { escapeControls } from '../../shared/log.ts';
import type { Painter } from '../../shared/text-table.ts';
import type { Network } from '../network/network.ts';
import { queuedWordSchema } from '../web/pow/schemas.ts';
import { ask } from './ask.ts';
import { askNetwork, networkText } from './status-text.ts';

/** The longest line that is read: the names of all nodes are shorter. */
export const MAX_LINE = 2_000;
/** The longest that a script may wait, in seconds. */
const MAX_WAIT = 86_400;

export interface PromptParts {
  readonly network: Network;
  /** Address of the page over the network, without a slash at the end. */
  readonly url: string;
  readonly paint: Painter;
  readonly print: (text: string) => void;
  /** Told that it is to end. */
  readonly quit: () => void;
  /** Ends a wait. */
  readonly stopped: AbortSignal;
}

interface PromptCommand {
  readonly usage: string;
  readonly help: string;
  run(args: readonly string[], parts: PromptParts): Promise<void> | void;
}

/** `2` or `node-2` as the name of a node. @throws UserError */
function nodeName(text: string | undefined, network: Network): string {
  if (text === undefined) throw new UserError('which node? Name it by its number.');
  return network.find(/^\d{1,9}$/.test(text) ? `node-${Number(text)}` : text).name;
}

function isNode(text: string, network: Network): boolean {
  return network.nodes.some(({ name }) => name === text || name === `node-${text}`);
}

/** A command that does something to one node. */
function onNode(
  name: string,
  help: string,
  work: (network: Network, node: string) => Promise<void>,
  done: string,
): [string, PromptCommand] {
  const usage = `${name} <node>`;
  const run = async (args: readonly string[], { network, print }: PromptParts): Promise<void> => {
    if (args.length > 1) throw new UserError(`it is written as: ${usage}`);
    const node = nodeName(args[0], network);
    await work(network, node);
    print(`${node} ${done}`);
  };
  return [name, { usage, help, run }];
}

const COMMANDS: ReadonlyMap<string, PromptCommand> = new Map<string, PromptCommand>([
  [
    'status',
    {
      usage: 'status',
      help: 'what every node has',
      run: async (_, { url, paint, print }) => {
        print(networkText(await askNetwork(url), paint).trimEnd());
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
  [
    'word',
    {
      usage: 'word <text> [<node>]',
      help: 'a word for the next block, given to a node (else to the first that runs)',
      run: async (args, { network, url, print }) => {
        const last = args.at(-1);
        const named = args.length > 1 && last !== undefined && isNode(last, network);
        const word = (named ? args.slice(0, -1) : args).join(' ');
        if (!isMineableWord(word)) {
          throw new UserError(`a word is 1 to ${MAX_MINED_MESSAGE_LENGTH} printable ASCII characters`);
        }
        const node = named
          ? nodeName(last, network)
          : network.nodes.find(({ state }) => state === 'running')?.name;
        if (node === undefined) throw new UserError('no node runs');
        await ask(`${url}/nodes/${node}/api`, '/words', queuedWordSchema, { word });
        print(`"${word}" waits at ${node}`);
      },
    },
  ],
  [
    'wait',
    {
      usage: 'wait <seconds>',
      help: 'wait before the next command; for scripts',
      run: async ([text = ''], { stopped }) => {
        const seconds = Number(text);
        if (!/^\d+(\.\d+)?$/.test(text) || seconds > MAX_WAIT) {
          throw new UserError(`how long? A number of seconds, at most ${MAX_WAIT}`);
        }
        await pause(seconds * 1000, undefined, { signal: stopped }).catch(() => undefined);
      },
    },
  ],
  [
    'help',
    {
      usage: 'help',
      help: 'this list',
      run: (_, { print }) => {
        print(promptHelp());
      },
    },
  ],
  [
    'quit',
    {
      usage: 'quit',
      help: 'end everything',
      run: (_, { quit }) => {
        quit();
      },
    },
  ],
]);

/** What can be typed, a line each. */
export function promptHelp(): string {
  const width = Math.max(...[...COMMANDS.values()].map(({ usage }) => usage.length));
  return [...COMMANDS.values()].map(({ usage, help }) => `  ${usage.padEnd(width)}  ${help}`).join('\n');
}

/** The names of commands, and of nodes, that a line may go on with. */
export function completeLine(line: string, network: Network): [string[], string] {
  const words = line.split(' ');
  const last = words.at(-1) ?? '';
  const all = words.length < 2 ? [...COMMANDS.keys()] : network.nodes.map(({ name }) => name);
  return [all.filter((one) => one.startsWith(last)), last];
}

/**
 * Does what a line says; an empty one, or a comment that begins with #, says nothing.
 *
 * @throws UserError if it can't be done
 */
export async function runLine(line: string, parts: PromptParts): Promise<void> {
  if (line.length > MAX_LINE) throw new UserError(`a line has at most ${MAX_LINE} characters`);
  const [name, ...args] = line.trim().split(/\s+/);
  if (name === undefined || name === '' || name.startsWith('#')) return;
  const command = COMMANDS.get(name);
  if (command === undefined) {
    throw new UserError(`there is no command "${escapeControls(name.slice(0, 40))}"; "help" lists them`);
  }
  await command.run(args, parts);
}
