import { Argument, Command, Option } from 'commander';

import type { CheckOptions, MinerCheckOptions } from './check.ts';
import { MAX_MINED_DIFFICULTY } from './limits.ts';
import { PEER_RULES } from './rules/all.ts';
import { MINER_RULES } from './rules/miner.ts';
import { MAX_DIFFICULTY } from '../../../../shared/block.ts';
import {
  addOption,
  addVerboseOption,
  hostPort,
  integer,
  oneOf,
  seconds,
} from '../../../../shared/options.ts';

/** The longest time that can be asked for, in seconds: a day. */
const MAX_SECONDS = 86_400;

/** `peer check`: plays the network against somebody's peer, and shows which rules it obeys; exit code 1 if not all. */
export function checkCommand(): Command {
  const command = new Command('check')
    .description("play the network against somebody's peer, and tell which rules of the assignment it keeps")
    .usage('[options] <host:port>\n       peer check miner [options]')
    .addArgument(
      new Argument('[host:port]', 'where the peer listens; with --listen it may be left out').argParser(
        hostPort,
      ),
    )
    .addHelpText(
      'after',
      `
Start the peer alone, without a miner, with an empty chain and a low difficulty (${MAX_MINED_DIFFICULTY} at most, or what needs
new blocks is not judged), and check it. Five peers on free ports of this machine play the network;
datagrams go to that host only. With its usual times of 30 s and 60 s the check takes about two minutes.

Examples:
  node peer check 127.0.0.1:8784                      a peer that waits for others
  node peer check --listen 9000                       one that joins: start it after this, to join 127.0.0.1:9000
  node peer check 127.0.0.1:8784 --only sync-loss     one rule, and what it needs
  node peer check --list                              the rules, and where they come from
  node peer check miner --port 8786                   a miner: start it after this`,
    )
    .action(async (target: CheckOptions['target'], options: Omit<CheckOptions, 'target'>) => {
      const { checkPeer } = await import('./check.ts');
      await checkPeer({ ...options, target });
    });
  addOption(command, 'peer', {
    flags: '--difficulty <zeros>',
    description: 'zeros that a hash must end in; the peer must be started with the same',
    parse: integer(1, MAX_DIFFICULTY),
    default: 3,
  });
  addOption(command, 'peer', {
    flags: '--listen <port>',
    description: 'wait at this UDP port for a peer that must be told where to join',
    parse: integer(1, 65535),
  });
  addOption(command, 'peer', {
    flags: '--wait <seconds>',
    description: 'with --listen, how long to wait for it',
    parse: seconds(MAX_SECONDS),
    default: 120,
  });
  addOption(command, 'peer', {
    flags: '--host <address>',
    description:
      'the address of this machine that the peer reaches us at (default: found out; 127.0.0.1 with --listen)',
  });
  addOption(command, 'peer', {
    flags: '--patience <seconds>',
    description: 'how long an answer may take; a sync may take longer, as long as it goes on',
    parse: seconds(MAX_SECONDS),
    default: 5,
  });
  addOption(command, 'peer', {
    flags: '--loss <percent>',
    description: 'how many datagrams are lost each way, where a rule has some lost',
    parse: integer(0, 90),
    default: 20,
  });
  addOption(command, 'peer', {
    flags: '--gossip-interval <seconds>',
    description: 'how often the peer gossips',
    parse: seconds(MAX_SECONDS),
    default: 30,
  });
  addOption(command, 'peer', {
    flags: '--peer-timeout <seconds>',
    description: 'after how much silence it drops a peer',
    parse: seconds(MAX_SECONDS),
    default: 60,
  });
  addOption(command, 'peer', {
    flags: '--consensus-interval <seconds>',
    description: 'how often it has a consensus by itself; only looked at with --slow',
    parse: seconds(MAX_SECONDS),
    default: 300,
  });
  addOption(command, 'peer', {
    flags: '--only <rule>',
    description: 'only this rule, and what it needs; may be given several times',
    parse: oneOf(PEER_RULES.map(({ id }) => id)),
    repeatable: true,
  });
  addOutputOptions(command);
  return addVerboseOption(command).addCommand(minerCommand());
}

/** `peer check miner`: gives a miner work over TCP, and shows which rules it obeys. */
function minerCommand(): Command {
  const command = new Command('miner')
    .description("give somebody's miner work over TCP, and tell which rules it keeps")
    .addHelpText(
      'after',
      `
It listens as a peer does for its miners; start the miner after it. Jobs are JSON objects with height,
messages, previous_hash, minedBy and difficulty; a block comes back with timestamp, nonce and hash besides.

Example:
  node peer check miner --port 8786     then: node miner --peer_host 127.0.0.1 --peer_port 8786`,
    )
    .action(async (options: MinerCheckOptions) => {
      const { checkMiner } = await import('./check.ts');
      await checkMiner(options);
    });
  addOption(command, 'peer', {
    flags: '--port <number>',
    description: 'TCP port to wait at for the miner; 0 takes any free one',
    parse: integer(0, 65535),
    default: 8786,
  });
  addOption(command, 'peer', {
    flags: '--bind <address>',
    description: 'address to listen on, of this machine; 0.0.0.0 for all',
    default: '127.0.0.1',
  });
  addOption(command, 'peer', {
    flags: '--difficulty <zeros>',
    description: 'zeros that the jobs demand: few enough for the miner to find a block at once',
    parse: integer(1, MAX_DIFFICULTY),
    default: 3,
  });
  addOption(command, 'peer', {
    flags: '--wait <seconds>',
    description: 'how long to wait for the miner',
    parse: seconds(MAX_SECONDS),
    default: 120,
  });
  addOption(command, 'peer', {
    flags: '--patience <seconds>',
    description: 'how long the miner may take for what takes no time; for a block it has eight times as long',
    parse: seconds(MAX_SECONDS),
    default: 2,
  });
  addOption(command, 'peer', {
    flags: '--only <rule>',
    description: 'only this rule, and what it needs; may be given several times',
    parse: oneOf(MINER_RULES.map(({ id }) => id)),
    repeatable: true,
  });
  addOutputOptions(command);
  return addVerboseOption(command);
}

/** What is shown, and how. */
function addOutputOptions(command: Command): void {
  command
    .addOption(new Option('--slow', 'also the rules that wait for minutes'))
    .addOption(
      new Option('--details', 'what was sent and came back for every rule, not only for broken ones'),
    )
    .addOption(new Option('--list', 'list the rules, and where they come from'))
    .addOption(new Option('--json', 'as one JSON object'));
}
