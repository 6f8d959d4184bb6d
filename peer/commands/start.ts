import { hostname, userInfo } from 'node:os';
import { resolve } from 'node:path';

import { Command } from 'commander';

import { addressKey, pageUrl, type Address } from '../../shared/address.ts';
import {
  DEFAULT_DIFFICULTY,
  MAX_DIFFICULTY,
  MAX_MINED_MESSAGE_LENGTH,
  MAX_MINED_NAME_LENGTH,
  isMineableName,
  isMineableWord,
} from '../../shared/block.ts';
import { createLog, type Log, type LogData, type LogFormat, type LogLevel } from '../../shared/log.ts';
import {
  addCommonOptions,
  addOption,
  addSupervisedOption,
  hostPort,
  integer,
  seconds,
  text,
} from '../../shared/options.ts';
import type { Supervisor } from '../../shared/supervised.ts';
import { controlSchema, type Report } from '../network/control.ts';
import { openPowNode, type PowNode, type PowNodeOptions } from '../node/pow-node.ts';
import { addDataDirOption } from './data-dir.ts';
import { addHttpOptions, isAnyHttpPort, pageOptions, type HttpOptions } from './http-options.ts';
import { runNode } from './run-node.ts';

/** The longest interval that can be asked for, in seconds: a day. */
const MAX_INTERVAL = 86_400;

interface StartOptions extends HttpOptions {
  readonly port: number;
  readonly bind: string;
  readonly host?: string;
  readonly name: string;
  readonly join: readonly Address[];
  readonly difficulty: number;
  readonly dataDir: string;
  readonly minerPort: number;
  readonly minerBind?: string;
  readonly genesis?: boolean;
  readonly consensusInterval: number;
  readonly gossipInterval: number;
  readonly peerTimeout: number;
  readonly minedBy?: string;
  readonly idleWord: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly verbose?: boolean;
  readonly supervised?: boolean;
}

/** `user@machine`, cut down to what every implementation takes for a name. */
export function defaultName(): string {
  let user = 'peer';
  try {
    user = userInfo().username;
  } catch {
    // A user id without an entry in the system's list, as in many containers.
  }
  return `${user}@${hostname()}`.replaceAll(/[^\x20-\x7e]/g, '-').slice(0, MAX_MINED_NAME_LENGTH);
}

const NAME_RULE = `It must be 1 to ${MAX_MINED_NAME_LENGTH} printable ASCII characters, which every peer accepts.`;

/** `peer` itself: takes part in a network until it is told to stop. */
export function peerCommand(): Command {
  const command = new Command('peer')
    .description(
      'A peer of a proof-of-work class network: joins it, keeps and serves its chain, serves miners.',
    )
    .usage('[options]\n       peer [command] [options]')
    .enablePositionalOptions()
    .allowExcessArguments()
    .helpCommand(true)
    .addHelpText(
      'after',
      `
Examples:
  node peer --genesis --difficulty 5        found a network of your own
  node peer --port 8785 --miner-port 8787 --data-dir second \\
            --join 127.0.0.1:8784 --difficulty 5    join it with a second peer
  node peer --join peer.example.org:8999    join through a peer you know

SIGUSR2 logs what was counted so far.
Every option may be written with dashes or underscores, and be set by its
environment variable or, by its name, in the JSON file that --config names. The
command line goes before the environment, the environment before the file.
Options of a command go after its name: node peer export --data-dir second`,
    )
    .action(async (options: StartOptions) => {
      const [operand] = command.args;
      if (operand !== undefined) command.error(`error: unknown command '${operand}'; see --help`);
      await start(options, isAnyHttpPort(command));
    });
  addNetworkOptions(command);
  addChainOptions(command);
  addMiningOptions(command);
  addHttpOptions(command);
  return addCommonOptions(addSupervisedOption(command), 'peer');
}

function addNetworkOptions(command: Command): void {
  addOption(command, 'peer', {
    flags: '--port <number>',
    description: 'UDP port to listen on and to send from; 0 takes any free one',
    parse: integer(0, 65535),
    default: 8784,
  });
  addOption(command, 'peer', {
    flags: '--bind <address>',
    description: 'IPv4 address to listen on, of this machine; 0.0.0.0 for all',
    default: '0.0.0.0',
  });
  addOption(command, 'peer', {
    flags: '--host <host>',
    description:
      'the host that others are told to reach us at (default: --bind if it is one address, else the first address of this machine)',
    parse: text(
      253,
      (host) => /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(host) && host !== '0.0.0.0',
      'It must be an IPv4 address or a host name that others can reach.',
    ),
  });
  addOption(command, 'peer', {
    flags: '--name <name>',
    description: 'our name in the network',
    parse: text(MAX_MINED_NAME_LENGTH, isMineableName, NAME_RULE),
    default: defaultName(),
  });
  addOption(command, 'peer', {
    flags: '--join <host:port>',
    description: 'a peer to join the network through; may be given several times',
    parse: hostPort,
    repeatable: true,
  });
  addOption(command, 'peer', {
    flags: '--gossip-interval <seconds>',
    description: 'how often others are told that we are there',
    parse: seconds(MAX_INTERVAL),
    default: 30,
  });
  addOption(command, 'peer', {
    flags: '--peer-timeout <seconds>',
    description: 'after how much silence a peer is dropped',
    parse: seconds(MAX_INTERVAL),
    default: 60,
  });
}

function addChainOptions(command: Command): void {
  addOption(command, 'peer', {
    flags: '--difficulty <zeros>',
    description: 'how many zeros a hash must end in; the same in the whole network',
    parse: integer(1, MAX_DIFFICULTY),
    default: DEFAULT_DIFFICULTY,
  });
  addDataDirOption(command);
  addOption(command, 'peer', {
    flags: '--genesis',
    description: 'found a network, with a first block of our own, if nobody has a chain',
  });
  addOption(command, 'peer', {
    flags: '--consensus-interval <seconds>',
    description: 'how often all peers are asked which chain they have',
    parse: seconds(MAX_INTERVAL),
    default: 300,
  });
}

function addMiningOptions(command: Command): void {
  addOption(command, 'peer', {
    flags: '--miner-port <number>',
    description: 'TCP port for miners; 0 serves none',
    parse: integer(0, 65535),
    default: 8786,
  });
  addOption(command, 'peer', {
    flags: '--miner-bind <address>',
    description:
      'address to listen on for miners (default: the one of --bind); 127.0.0.1 keeps other machines out',
  });
  addOption(command, 'peer', {
    flags: '--mined-by <name>',
    description: 'who signs our blocks (default: the one of --name)',
    parse: text(MAX_MINED_NAME_LENGTH, isMineableName, NAME_RULE),
  });
  addOption(command, 'peer', {
    flags: '--idle-word <word>',
    description: 'the message of our blocks while nobody has sent a word for them',
    parse: text(
      MAX_MINED_MESSAGE_LENGTH,
      isMineableWord,
      `It must be 1 to ${MAX_MINED_MESSAGE_LENGTH} printable ASCII characters, which every peer accepts.`,
    ),
    default: 'gossip-peer',
  });
}

/**
 * Runs a peer until a signal stops it or it can't go on.
 *
 * @param anyHttpPort whether the status page may be at another port than the one that is named
 * @throws UserError if it can't be started
 */
function start(options: StartOptions, anyHttpPort: boolean): Promise<void> {
  const log = createLog({ level: options.logLevel, format: options.logFormat });
  return runNode(options, {
    log,
    open: (store, onFailure) =>
      openPowNode(nodeOptions(options, anyHttpPort), {
        store,
        log,
        bar: process.stderr.isTTY && options.logFormat === 'text',
        onFailure,
      }),
    onUp: (node, supervisor) => {
      sayWhatRuns(log, node, options);
      if (supervisor !== undefined) obey(supervisor, node);
    },
    counters,
  });
}

/** Does what the process says that started this one. */
function obey(supervisor: Supervisor, node: PowNode): void {
  const tell = (report: Report): void => {
    supervisor.tell(report);
  };
  supervisor.listen((message) => {
    const control = controlSchema.safeParse(message);
    if (!control.success || control.data.type !== 'block') return;
    node.block(control.data.peers);
    tell({ type: 'done', id: control.data.id });
  });
  tell({ type: 'up' });
}

function nodeOptions(options: StartOptions, anyPort: boolean): PowNodeOptions {
  const { minerPort, minerBind = options.bind, minedBy = options.name, genesis = false } = options;
  return {
    ...options,
    host: options.host,
    minerPort: minerPort === 0 ? undefined : minerPort,
    minerBind,
    minedBy,
    genesis,
    http: pageOptions(options, anyPort),
  };
}

/** Everything that is counted, each under `part.name`: how a person sees what a peer under attack does with it all. */
function counters(node: PowNode): LogData {
  const { udp, host } = node.counters();
  const { received, receivedBytes, sent, sentBytes, dropped, errors } = udp;
  const { peers, phase, height, counters: engine } = node.status();
  const parts = { dropped, errors, malformed: host.malformed, engine };
  const named = Object.entries(parts).flatMap(([part, counts]) =>
    Object.entries(counts).map(([name, count]): [string, number] => [`${part}.${name}`, count]),
  );
  return {
    ...{ blocks: height, phase, peers: peers.length, messages: host.messages },
    ...{ received, receivedBytes, sent, sentBytes },
    ...Object.fromEntries(named.filter(([name]) => !name.startsWith('engine.malformed.'))),
  };
}

/** One line that says what a person needs to join, to mine and to find the data. */
function sayWhatRuns(log: Log, node: PowNode, options: StartOptions): void {
  const { height, hash } = node.status();
  log.info('peer is up', {
    address: addressKey(node.address),
    miners: node.minerAddress === undefined ? 'off' : addressKey(node.minerAddress),
    page: node.httpAddress === undefined ? 'off' : pageUrl(node.httpAddress),
    name: options.name,
    data: resolve(options.dataDir),
    difficulty: options.difficulty,
    blocks: height,
    tip: hash ?? 'none',
  });
}
