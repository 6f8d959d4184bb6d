import { createInterface, type Interface } from 'node:readline';

import { Command } from 'commander';

import { addressKey } from '../../shared/address.ts';
import { MAX_DIFFICULTY } from '../../shared/block.ts';
import { UserError, messageOf } from '../../shared/errors.ts';
import { createLog, type Log, type LogData, type LogFormat, type LogLevel } from '../../shared/log.ts';
import { addCommonOptions, addOption, integer, oneOf } from '../../shared/options.ts';
import { painter, table, wantsColour } from '../../shared/text-table.ts';
import { Network } from '../network/network.ts';
import { lastBasePort } from '../network/ports.ts';
import { openNetworkWeb } from '../network/web.ts';
import { MAX_NODES } from '../web/schemas.ts';
import { completeLine, promptHelp, runLine, type PromptParts } from './network-prompt.ts';
import { onStopSignal } from './start.ts';

/** Threads of a miner: more than one machine has for one of several. */
const MAX_PROCESSES = 64;
/** How a miner may search; its own --kernel. */
const KERNELS = ['reference', 'wasm', 'native', 'auto'] as const;
/** How long, in milliseconds, something that still runs after everything was closed may hold up the end. */
const END_PATIENCE = 1000;
/** Engines that can be started so. */
const ENGINES = ['pow'] as const;

interface NetworkCommandOptions {
  readonly nodes: number;
  readonly miners?: number;
  readonly processes: number;
  readonly kernel: (typeof KERNELS)[number];
  readonly difficulty: number;
  readonly engine: string;
  readonly httpPort: number;
  readonly basePort?: number;
  readonly dataDir?: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly verbose?: boolean;
}

/** `peer network`: real peers and miners on this machine, with one page over all of them. */
export function networkCommand(): Command {
  const command = new Command('network')
    .description(
      'start a whole network of peers and miners on this machine, with one status page over all of them',
    )
    .addHelpText(
      'after',
      () => `
While it runs, these can be typed, or come through a pipe, a line each:
${promptHelp()}

Everything is reached by this machine alone. Ctrl-C ends it, and leaves nothing behind (but --data-dir).

Examples:
  node peer network --nodes 5 --miners 2 --difficulty 5
  printf 'wait 20\\npartition 1,2\\nwait 20\\nheal\\nwait 10\\nstatus\\nquit\\n' | node peer network`,
    );
  addNetworkOptions(command);
  return addCommonOptions(command, 'peer', 'warn').action(async (options: NetworkCommandOptions) => {
    await run(options, (name) => command.getOptionValueSource(name) === 'default');
  });
}

function addNetworkOptions(command: Command): void {
  addOption(command, 'peer', {
    flags: '--nodes <number>',
    description: `how many peers, 1 to ${MAX_NODES}`,
    parse: integer(1, MAX_NODES),
    default: 5,
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
    flags: '--http-port <number>',
    description: 'TCP port of the status page. Where the default is taken, any free one serves',
    parse: integer(1, 65535),
    default: 8998,
  });
  addOption(command, 'peer', {
    flags: '--base-port <number>',
    description: 'first of the ports of the peers, two for each (default: free ones)',
    parse: integer(1, 65535),
  });
  addOption(command, 'peer', {
    flags: '--data-dir <folder>',
    description: 'keep the chains there (default: a folder that is removed at the end)',
  });
}

/** Runs a network until it is told to end. */
async function run(
  options: NetworkCommandOptions,
  isDefault: (option: keyof NetworkCommandOptions) => boolean,
): Promise<void> {
  const { nodes, miners = Math.min(2, nodes), basePort, dataDir, httpPort, verbose, logFormat } = options;
  if (miners > nodes) throw new UserError(`--miners: ${plural(nodes, 'peer')} can have ${nodes} at most`);
  if (basePort !== undefined && basePort > lastBasePort(nodes)) {
    throw new UserError(
      `--base-port: it is ${lastBasePort(nodes)} at the highest, for there are two ports for each peer`,
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
  const network = await Network.create({ ...options, miners, dataDir, basePort, logLevel, log });
  const open: { close(): unknown }[] = [network, terminal];
  try {
    const web = await openNetworkWeb(network, { port: httpPort, anyPort: isDefault('httpPort'), log });
    open.push(web);
    const url = `http://${addressKey(web.address)}`;
    terminal.print(`starting ${plural(nodes, 'peer')} and ${plural(miners, 'miner')} …`);
    await Promise.race([network.start(), stopped]);
    if (!stopping.signal.aborted) {
      terminal.print(welcome(network, url, options.difficulty, dataDir));
      const commands = terminal.readCommands({
        ...{ network, url, stopped: stopping.signal, paint: painter(wantsColour(process.stdout)) },
        print: (text) => {
          terminal.print(text);
        },
        quit: () => {
          stopping.abort();
        },
      });
      // The end of the commands is not that of the network.
      await Promise.race([stopped, commands.then(() => stopped)]);
    }
    terminal.close();
    terminal.print('ending …');
  } finally {
    for (let last = open.pop(); last !== undefined; last = open.pop()) await last.close();
  }
  terminal.log.info('stopped');
  setTimeout(() => process.exit(), END_PATIENCE).unref();
}

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** What a newcomer is to see first. */
function welcome(network: Network, url: string, difficulty: number, dataDir: string | undefined): string {
  const paint = painter(wantsColour(process.stdout));
  const rows = network.nodes.map(({ name, address, miners }) => [
    ...[name, addressKey(address), miners > 0 ? 'with a miner' : ''],
  ]);
  return [
    paint('bold', `A network of ${plural(network.nodes.length, 'peer')} runs at difficulty ${difficulty}.`),
    '',
    `  Status page: ${paint(['bold', 'cyan'], `${url}/`)}`,
    '',
    ...table(['', '', ''], rows, paint),
    '',
    `Type "help" for what can be done to it; Ctrl-C ends everything${dataDir === undefined ? '' : `, and leaves the chains in ${dataDir}`}.`,
  ].join('\n');
}

/** Standard input and output: lines of commands, what they print, and the log, none of which runs into another. */
class Terminal {
  readonly log: Log;
  #reader: Interface | undefined;
  /** Whether a person types, and a line may be half written. */
  readonly #interactive = process.stdin.isTTY && process.stdout.isTTY;

  constructor(log: Log) {
    const above = (level: LogLevel) => (message: string, data?: LogData) => {
      this.#clear();
      log[level](message, data);
      this.#restore();
    };
    this.log = { error: above('error'), warn: above('warn'), info: above('info'), debug: above('debug') };
  }

  print(text: string): void {
    this.#clear();
    console.log(text);
    this.#restore();
  }

  /** Does what the lines say, one after the other, until there are no more of them. */
  async readCommands(parts: PromptParts): Promise<void> {
    const reader = createInterface({
      input: process.stdin,
      ...(this.#interactive && {
        output: process.stdout,
        prompt: '> ',
        completer: (line: string) => completeLine(line, parts.network),
      }),
    });
    this.#reader = reader;
    // The terminal is read key by key, so that Ctrl-C is one of them.
    reader.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
    reader.prompt();
    for await (const line of reader) {
      try {
        await runLine(line, parts);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        this.#clear();
        console.error(`peer: ${messageOf(error)}`);
        // A script has failed where one of its lines has; a person sees it.
        if (!this.#interactive) process.exitCode = 1;
      }
      if (parts.stopped.aborted) return;
      reader.prompt();
    }
    if (this.#interactive) parts.quit();
  }

  close(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.close();
    this.#clear();
  }

  #clear(): void {
    if (this.#interactive) process.stdout.write('\r\u001b[K');
  }

  #restore(): void {
    if (this.#interactive) this.#reader?.prompt(true);
  }
}
