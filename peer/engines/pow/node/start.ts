import { hostname, userInfo } from 'node:os';

import { Command } from 'commander';

import type { Address } from '../../../../shared/address.ts';
import {
  DEFAULT_DIFFICULTY,
  MAX_DIFFICULTY,
  MAX_MINED_MESSAGE_LENGTH,
  MAX_MINED_NAME_LENGTH,
  isMineableName,
  isMineableWord,
} from '../../../../shared/block.ts';
import type { LogFormat, LogLevel } from '../../../../shared/log.ts';
import {
  addCommonOptions,
  addOption,
  addSupervisedOption,
  hostPort,
  integer,
  seconds,
  text,
} from '../../../../shared/options.ts';
import { addDataDirOption } from './data-dir.ts';
import { addHttpOptions, isAnyHttpPort, isTokenSeen, type HttpOptions } from '../../../cli/http-options.ts';

/** The longest interval that can be asked for, in seconds: a day. */
const MAX_INTERVAL = 86_400;

/** The options of a peer, as they were given. */
export interface StartOptions extends HttpOptions {
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

/**
 * Takes part in a network until it is stopped.
 *
 * @param call what is typed for it
 */
export function startCommand(call: string): Command {
  const command = new Command('start')
    .description(
      'A peer of a proof-of-work class network: joins it, keeps and serves its chain, serves miners.',
    )
    .addHelpText(
      'after',
      `
Examples:
  ${call} --genesis --difficulty 5        found a network of your own
  ${call} --port 8785 --miner-port 8787 --data-dir second \\
            --join 127.0.0.1:8784 --difficulty 5    join it with a second peer
  ${call} --join peer.example.org:8999    join through a peer you know`,
    )
    .action(async (options: StartOptions) => {
      // Only here, so that other commands need not load all that a peer is made of.
      const { startPeer } = await import('./start-run.ts');
      await startPeer(options, {
        anyHttpPort: isAnyHttpPort(command),
        tokenIsSeen: isTokenSeen(command),
      });
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
