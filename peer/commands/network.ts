import { Command, Option } from 'commander';

import { addressKey } from '../../shared/address.ts';
import { UserError } from '../../shared/errors.ts';
import { createLog, type LogFormat, type LogLevel } from '../../shared/log.ts';
import { addCommonOptions, addOption, integer, oneOf } from '../../shared/options.ts';
import { painterFor, table } from '../../shared/text-table.ts';
import { accessOptions, addHttpAccessOptions, type HttpAccessOptions } from '../cli/http-options.ts';
import type { NetworkOffer, OptionValues } from '../cli/network-offer.ts';
import { networkPrompt, type NetworkPromptParts } from '../cli/network-prompt.ts';
import { helpLines } from '../cli/prompt.ts';
import { exitSoon, onStopSignal } from '../cli/run-node.ts';
import type { StatusFace } from '../cli/status-face.ts';
import { Terminal } from '../cli/terminal.ts';
import { allEngines, defaultEngine, engineNamed, type Registry } from '../engines/registry.ts';
import { Network } from '../network/network.ts';
import { lastBasePort } from '../network/ports.ts';
import { openNetworkWeb } from '../network/web.ts';
import { MAX_NODES } from '../web/schemas.ts';
import { commandsOfEngine } from './node-commands.ts';

/** The options that every network has; those of an engine come beside them. */
interface NetworkCommandOptions extends HttpAccessOptions {
  readonly nodes?: number;
  readonly engine: string;
  readonly httpPort: number;
  readonly basePort?: number;
  readonly dataDir?: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly verbose?: boolean;
}

/** Engines that can be started so, by name. */
type Offers = ReadonlyMap<string, NetworkOffer>;

async function offersOf(registry: Registry): Promise<Offers> {
  const engines = await allEngines(registry);
  return new Map(
    await Promise.all(
      engines.map(async (engine) => [engine.name, await commandsOfEngine(engine).network()] as const),
    ),
  );
}

/**
 * `peer network`: real nodes on this machine, with one page over all of them.
 *
 * @param script what is run for each: another program than ours may have more engines
 */
export async function networkCommand(registry: Registry, script?: string): Promise<Command> {
  const offers = await offersOf(registry);
  const usual = defaultEngine(registry);
  const command = new Command('network')
    .description('start a whole network of nodes on this machine, with one status page over all of them')
    .addHelpText(
      'after',
      () => `
While it runs, these can be typed, or come through a pipe, a line each:
${networkPrompt({}).help()}
${ownCommands(offers)}

Everything is reached by this machine alone. Ctrl-C ends it, and leaves nothing behind (but --data-dir).

Examples:
${examplesOf(offers, usual)
  .map((one) => `  ${one}`)
  .join('\n')}`,
    );
  addNetworkOptions(command, offers, usual);
  return addCommonOptions(command, 'peer', 'warn').action(async (options: NetworkCommandOptions) => {
    const isDefault = (name: string): boolean => {
      const source = command.getOptionValueSource(name);
      return source === undefined || source === 'default';
    };
    refuseForeign(options.engine, offers, isDefault);
    const offer = offers.get(options.engine);
    // The parser of the option has seen to it.
    if (offer === undefined) throw new Error(`there is no engine ${options.engine}`);
    const face = await commandsOfEngine(await engineNamed(options.engine, registry)).status();
    await run(options, { offer, face, isDefault, values: command.opts(), script });
  });
}

/** What can be typed in networks of one engine alone. */
function ownCommands(offers: Offers): string {
  return [...offers]
    .filter(([, { commands }]) => Object.keys(commands).length > 0)
    .map(([name, { commands }]) => `With --engine ${name} also:\n${helpLines(Object.values(commands))}`)
    .join('\n');
}

/** @param usual the engine that need not be named */
function examplesOf(offers: Offers, usual: string): string[] {
  return [...offers].flatMap(([name, offer]) =>
    offer.examples(`node peer network${name === usual ? '' : ` --engine ${name}`}`),
  );
}

/** An option that several engines have is added once, as the first of them has it. */
function addNetworkOptions(command: Command, offers: Offers, usual: string): void {
  const counts = [...offers.values()].map(
    ({ node, nodes, fewestNodes }) => `${node}s, ${fewestNodes} to ${MAX_NODES} (default: ${nodes})`,
  );
  addOption(command, 'peer', {
    flags: '--engine <engine>',
    description: `what decides in every node: ${[...offers.keys()].join(', ')}`,
    parse: oneOf([...offers.keys()]),
    default: usual,
  });
  addOption(command, 'peer', {
    flags: '--nodes <number>',
    description: `how many ${counts.join(', or ')}`,
    parse: integer(1, MAX_NODES),
  });
  const shared = new Map<string, { readonly option: NetworkOffer['options'][number]; names: string[] }>();
  for (const [name, { options }] of offers) {
    for (const option of options) {
      const known = shared.get(option.flags);
      if (known === undefined) shared.set(option.flags, { option, names: [name] });
      else known.names.push(name);
    }
  }
  for (const { option, names } of shared.values()) {
    const whose = names.includes(usual) ? '' : `with --engine ${names.join(' or ')}, `;
    addOption(command, 'peer', { ...option, description: whose + option.description });
  }
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
    description: 'keep the data of the nodes there (default: a folder that is removed at the end)',
  });
}

/** @throws UserError if an option of another engine was given */
function refuseForeign(engine: string, offers: Offers, isDefault: (name: string) => boolean): void {
  const own = new Set(offers.get(engine)?.options.map(({ flags }) => flags));
  for (const [name, { options }] of offers) {
    const foreign = options.find(
      ({ flags }) => !own.has(flags) && !isDefault(new Option(flags).attributeName()),
    );
    if (foreign !== undefined) {
      throw new UserError(`--${new Option(foreign.flags).name()} is for --engine ${name}`);
    }
  }
}

/** What is run, besides the options. */
interface NetworkRun {
  readonly offer: NetworkOffer;
  readonly face: StatusFace;
  readonly isDefault: (option: string) => boolean;
  readonly values: OptionValues;
  readonly script: string | undefined;
}

/** Runs a network until it is stopped. */
async function run(
  options: NetworkCommandOptions,
  { offer, face, isDefault, values, script }: NetworkRun,
): Promise<void> {
  const { engine, basePort, dataDir, httpPort, verbose, logFormat } = options;
  const { nodes = offer.nodes } = options;
  if (nodes < offer.fewestNodes) {
    throw new UserError(
      `--nodes: ${offer.fewestReason ?? `there are ${offer.fewestNodes} ${offer.node}s at the least`}`,
    );
  }
  const plan = offer.plan(values, nodes);
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
    ...{ nodes, dataDir, basePort, logLevel, log, script },
    kind: (place) => plan.create(place),
  });
  const open: { close(): unknown }[] = [network, terminal];
  try {
    const anyPort = isDefault('httpPort');
    const web = await openNetworkWeb(network, {
      ...{ page: engine, port: httpPort, anyPort, log, ...accessOptions(options) },
      ...(offer.maxBody !== undefined && { maxBody: offer.maxBody }),
    });
    open.push(web);
    const url = `http://${addressKey(web.address)}`;
    terminal.print(`starting ${plan.starting} …`);
    await Promise.race([network.start(), stopped]);
    if (!stopping.signal.aborted) {
      terminal.print(welcome(plan.title, network, url, dataDir));
      const parts: NetworkPromptParts = {
        ...{ network, url, face, stopped: stopping.signal, paint: painterFor(process.stdout) },
        print: (text) => {
          terminal.print(text);
        },
        quit: () => {
          stopping.abort();
        },
      };
      const names = network.nodes.map(({ name }) => name);
      const commands = terminal.readCommands(networkPrompt(offer.commands), parts, names);
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
