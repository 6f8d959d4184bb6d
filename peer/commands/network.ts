import { Command } from 'commander';

import { addressKey } from '../../shared/address.ts';
import { MAX_DIFFICULTY } from '../../shared/block.ts';
import { UserError } from '../../shared/errors.ts';
import { createLog, type LogFormat, type LogLevel } from '../../shared/log.ts';
import { addCommonOptions, addOption, integer, oneOf } from '../../shared/options.ts';
import { counted, painterFor, table } from '../../shared/text-table.ts';
import { APPLICATIONS } from '../applications/registry.ts';
import { Network, type NetworkPlace } from '../network/network.ts';
import type { NodeKind } from '../network/node.ts';
import { pbftKind } from '../engines/pbft/node/network.ts';
import { lastBasePort } from '../network/ports.ts';
import { powKind } from '../engines/pow/node/network.ts';
import { openNetworkWeb } from '../network/web.ts';
import { MAX_NODES } from '../web/schemas.ts';
import { accessOptions, addHttpAccessOptions, type HttpAccessOptions } from '../cli/http-options.ts';
import { pbftPrompt } from '../engines/pbft/node/network-prompt.ts';
import { powPrompt } from '../engines/pow/node/network-prompt.ts';
import type { NetworkPromptParts } from '../cli/network-prompt.ts';
import type { Prompt } from '../cli/prompt.ts';
import { exitSoon, onStopSignal } from '../cli/run-node.ts';
import { Terminal } from '../cli/terminal.ts';

/** Threads of a miner: more than one machine has for one of several. */
const MAX_PROCESSES = 64;
/** How a miner may search; its own --kernel. */
const KERNELS = ['reference', 'wasm', 'native', 'auto'] as const;
/** Engines that can be started so. */
const ENGINES = ['pow', 'pbft'] as const;
type EngineName = (typeof ENGINES)[number];

interface NetworkCommandOptions extends HttpAccessOptions {
  readonly nodes?: number;
  readonly miners?: number;
  readonly processes: number;
  readonly kernel: (typeof KERNELS)[number];
  readonly difficulty: number;
  readonly engine: EngineName;
  readonly application: string;
  readonly httpPort: number;
  readonly basePort?: number;
  readonly dataDir?: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly verbose?: boolean;
}

/** What a network of an engine is. */
interface NetworkKind {
  readonly nodes: number;
  readonly fewestNodes: number;
  /** Options that mean something to it alone. */
  readonly options: readonly (keyof NetworkCommandOptions)[];
  readonly prompt: Prompt<NetworkPromptParts>;
  /** @throws UserError if the options do not go together */
  check(options: NetworkCommandOptions, nodes: number): void;
  create(options: NetworkCommandOptions, place: NetworkPlace): NodeKind;
  /** What is started, and what it is called when it runs. */
  starting(options: NetworkCommandOptions, nodes: number): string;
  title(options: NetworkCommandOptions, nodes: number): string;
}

const KINDS: Readonly<Record<EngineName, NetworkKind>> = {
  pow: {
    nodes: 5,
    fewestNodes: 1,
    options: ['miners', 'processes', 'kernel', 'difficulty'],
    prompt: powPrompt,
    check: (options, nodes) => {
      if (minersOf(options, nodes) > nodes) {
        throw new UserError(`--miners: ${counted(nodes, 'peer')} can have ${nodes} at most`);
      }
    },
    create: (options, place) => powKind({ ...options, miners: minersOf(options, place.ports.length) }, place),
    starting: (options, nodes) =>
      `${counted(nodes, 'peer')} and ${counted(minersOf(options, nodes), 'miner')}`,
    title: ({ difficulty }, nodes) =>
      `A network of ${counted(nodes, 'peer')} runs at difficulty ${difficulty}.`,
  },
  pbft: {
    nodes: 4,
    fewestNodes: 4,
    options: ['application'],
    prompt: pbftPrompt,
    check: () => undefined,
    create: (options, place) => pbftKind(options, place),
    starting: (_, nodes) => counted(nodes, 'replica'),
    title: ({ application }, nodes) => {
      const faulty = Math.floor((nodes - 1) / 3);
      return `A cluster of ${counted(nodes, 'replica')} runs the application "${application}"; ${faulty} of them may fail.`;
    },
  },
};

/** How many peers have a miner. */
function minersOf({ miners }: NetworkCommandOptions, nodes: number): number {
  return miners ?? Math.min(2, nodes);
}

/** `peer network`: real peers and miners on this machine, with one page over all of them. */
export function networkCommand(): Command {
  const command = new Command('network')
    .description(
      'start a whole network of peers and miners, or of replicas, on this machine, with one status page over all of them',
    )
    .addHelpText(
      'after',
      () => `
While it runs, these can be typed, or come through a pipe, a line each:
${powPrompt.help()}

With --engine pbft there is instead of "word":
${pbftPrompt
  .help()
  .split('\n')
  .filter((line) => line.includes('submit'))
  .join('\n')}

Everything is reached by this machine alone. Ctrl-C ends it, and leaves nothing behind (but --data-dir).

Examples:
  node peer network --nodes 5 --miners 2 --difficulty 5
  printf 'wait 20\\npartition 1,2\\nwait 20\\nheal\\nwait 10\\nstatus\\nquit\\n' | node peer network
  node peer network --engine pbft --nodes 4
  printf 'submit one\\nkill 0\\nsubmit two\\nstatus\\nquit\\n' | node peer network --engine pbft`,
    );
  addNetworkOptions(command);
  return addCommonOptions(command, 'peer', 'warn').action(async (options: NetworkCommandOptions) => {
    await run(options, (name) => {
      const source = command.getOptionValueSource(name);
      return source === undefined || source === 'default';
    });
  });
}

function addNetworkOptions(command: Command): void {
  addOption(command, 'peer', {
    flags: '--nodes <number>',
    description: `how many peers, 1 to ${MAX_NODES} (default: ${KINDS.pow.nodes}), or replicas, ${KINDS.pbft.fewestNodes} to ${MAX_NODES} (default: ${KINDS.pbft.nodes})`,
    parse: integer(1, MAX_NODES),
  });
  addOption(command, 'peer', {
    flags: '--miners <number>',
    description: 'how many of them have a miner, 0 to all (default: 2, or as many as there are peers)',
    parse: integer(0, MAX_NODES),
  });
  addOption(command, 'peer', {
    flags: '--processes <number>',
    description: 'threads of each miner',
    parse: integer(1, MAX_PROCESSES),
    default: 1,
  });
  addOption(command, 'peer', {
    flags: '--kernel <kernel>',
    description: `how the miners search: ${KERNELS.join(', ')}; the first is so slow that one can watch`,
    parse: oneOf(KERNELS),
    default: 'reference',
  });
  addOption(command, 'peer', {
    flags: '--difficulty <zeros>',
    description: 'how many zeros a hash must end in',
    parse: integer(1, MAX_DIFFICULTY),
    default: 5,
  });
  addOption(command, 'peer', {
    flags: '--engine <engine>',
    description: 'what decides in every node',
    parse: oneOf(ENGINES),
    default: 'pow',
  });
  addOption(command, 'peer', {
    flags: '--application <name>',
    description: 'with --engine pbft, what the replicas agree on',
    parse: oneOf([...APPLICATIONS.keys()]),
    default: 'log',
  });
  addOption(command, 'peer', {
    flags: '--http-port <number>',
    description: 'TCP port of the status page. Where the default is taken, any free one serves',
    parse: integer(1, 65535),
    default: 8998,
  });
  addHttpAccessOptions(command);
  addOption(command, 'peer', {
    flags: '--base-port <number>',
    description: 'first of the ports of the nodes, two for each (default: free ones)',
    parse: integer(1, 65535),
  });
  addOption(command, 'peer', {
    flags: '--data-dir <folder>',
    description: 'keep the chains, or states, there (default: a folder that is removed at the end)',
  });
}

/** Runs a network until it is told to end. */
async function run(
  options: NetworkCommandOptions,
  isDefault: (option: keyof NetworkCommandOptions) => boolean,
): Promise<void> {
  const { engine, basePort, dataDir, httpPort, verbose, logFormat } = options;
  const kind = KINDS[engine];
  const { nodes = kind.nodes } = options;
  for (const [name, other] of Object.entries(KINDS)) {
    const foreign = other.options.find((option) => other !== kind && !isDefault(option));
    if (foreign !== undefined) throw new UserError(`--${dashed(foreign)} is for --engine ${name}`);
  }
  if (nodes < kind.fewestNodes) {
    throw new UserError(
      `--nodes: a cluster has ${kind.fewestNodes} replicas at the least, so that one may fail`,
    );
  }
  kind.check(options, nodes);
  if (basePort !== undefined && basePort > lastBasePort(nodes)) {
    throw new UserError(
      `--base-port: it is ${lastBasePort(nodes)} at the highest, for there are two ports for each node`,
    );
  }
  const logLevel = verbose === true && isDefault('logLevel') ? 'info' : options.logLevel;
  const terminal = new Terminal(createLog({ level: logLevel, format: logFormat }));
  const stopping = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    stopping.signal.addEventListener('abort', () => {
      resolve();
    });
  });
  onStopSignal(() => {
    stopping.abort();
  });
  const { log } = terminal;
  const network = await Network.create({
    ...{ nodes, dataDir, basePort, logLevel, log },
    kind: (place) => kind.create(options, place),
  });
  const open: { close(): unknown }[] = [network, terminal];
  try {
    const anyPort = isDefault('httpPort');
    const web = await openNetworkWeb(network, {
      ...{ page: engine, port: httpPort, anyPort, log, ...accessOptions(options) },
    });
    open.push(web);
    const url = `http://${addressKey(web.address)}`;
    terminal.print(`starting ${kind.starting(options, nodes)} …`);
    await Promise.race([network.start(), stopped]);
    if (!stopping.signal.aborted) {
      terminal.print(welcome(kind.title(options, nodes), network, url, dataDir));
      const parts: NetworkPromptParts = {
        ...{ network, url, stopped: stopping.signal, paint: painterFor(process.stdout) },
        print: (text) => {
          terminal.print(text);
        },
        quit: () => {
          stopping.abort();
        },
      };
      const names = network.nodes.map(({ name }) => name);
      const commands = terminal.readCommands(kind.prompt, parts, names);
      // The end of the commands is not that of the network.
      await Promise.race([stopped, commands.then(() => stopped)]);
    }
    terminal.close();
    terminal.print('ending …');
  } finally {
    for (let last = open.pop(); last !== undefined; last = open.pop()) await last.close();
  }
  terminal.log.info('stopped');
  exitSoon();
}

/** The name of an option on the command line. */
function dashed(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** What a newcomer is to see first. */
function welcome(title: string, network: Network, url: string, dataDir: string | undefined): string {
  const paint = painterFor(process.stdout);
  const rows = network.nodes.map(({ name, address, miners }) => [
    ...[name, addressKey(address), miners > 0 ? 'with a miner' : ''],
  ]);
  return [
    paint('bold', title),
    '',
    `  Status page: ${paint(['bold', 'cyan'], `${url}/`)}`,
    '',
    ...table(['', '', ''], rows, paint),
    '',
    `Type "help" for what can be done to it; Ctrl-C ends everything${dataDir === undefined ? '' : `, and leaves the data in ${dataDir}`}.`,
  ].join('\n');
}
