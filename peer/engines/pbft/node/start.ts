import { join } from 'node:path';

import { Command } from 'commander';

import type { Address } from '../../../../shared/address.ts';
import {
  addCommonOptions,
  addOption,
  addSupervisedOption,
  hostPort,
  integer,
  oneOf,
  seconds,
} from '../../../../shared/options.ts';
import { APPLICATIONS } from '../../../applications/registry.ts';
import { DEFAULT_PBFT_CONFIG } from '../protocol/interface.ts';
import { MAX_MEMBERS, MIN_MEMBERS, memberOf } from './members.ts';
import { CONFIG_BOUNDS, configOf } from './config.ts';
import { addHttpOptions, isAnyHttpPort, isTokenSeen, type HttpOptions } from '../../../cli/http-options.ts';
import { identityOf, seedText, type IdentityOptions } from './options.ts';
import { replicaPrompt, verbsText } from './prompt.ts';
import type { RunOptions } from '../../../cli/run-node.ts';

/** Where replicas store their states by default: a folder in the current one, and one in it for each. */
const DEFAULT_DATA_DIR = '.gossip-pbft';

/** The options of a replica, as they were given. */
export interface PbftStartOptions extends IdentityOptions, HttpOptions, Omit<RunOptions, 'dataDir'> {
  readonly port: number;
  readonly bind?: string;
  readonly advertise?: Address;
  readonly bootstrap: readonly Address[];
  readonly application: string;
  readonly dataDir?: string;
  readonly viewChangeTimeout: number;
  readonly checkpointInterval: number;
  readonly messageBuffer: number;
  readonly batchSize: number;
  readonly pipeline: number;
  readonly answerTimeout: number;
}

/** `peer pbft start`: a replica, until it is stopped. */
export function pbftStartCommand(): Command {
  const command = new Command('start')
    .description('run a replica of a PBFT cluster')
    .addHelpText(
      'after',
      () => `
While it runs, these can be typed, or come through a pipe, a line each; a line of a
pipe waits for the answer to the one before. The end of a pipe does not end it.
${replicaPrompt('').help()}
With the application "log", whose "submit hello" appends a text, there are besides:
${verbsText('log')}
and with --application kv:
${verbsText('kv')}

With --index the keys of all members are known to everybody: for demonstrations on
one machine. For anything else, each member makes its key with "pbft keygen --out",
and all have the same members file:
  {"cluster": "ours", "members": [{"publicKey": "…", "address": "10.0.0.1:8000"}, …]}

Examples:
  node peer pbft start -p 8000 -i 0 -n 4                        four of these are a cluster,
  node peer pbft start -p 8001 -i 1 -n 4 -b 127.0.0.1:8000      each in a terminal of its own
  node peer pbft start --members members.json --key-file alice.key
  printf 'submit hello\\nstatus\\nquit\\n' | node peer pbft start -p 8003 -i 3 -b 127.0.0.1:8000`,
    )
    .action(async (options: PbftStartOptions) => {
      const identity = identityOf(options);
      const { cluster, key } = identity;
      const { checkpointInterval, messageBuffer, batchSize, pipeline } = options;
      const viewChangeTimeout = options.viewChangeTimeout * 1000;
      const config = configOf(
        { checkpointInterval, messageBuffer, batchSize, pipeline, viewChangeTimeout },
        cluster.members.length,
      );
      // The rest takes as long to load again, and what was mistyped is to be reported at once.
      const { startReplica } = await import('./start-run.ts');
      await startReplica(options, {
        ...{ identity, config },
        dataDir: options.dataDir ?? join(DEFAULT_DATA_DIR, `${cluster.name}-${memberOf(cluster, key)}`),
        seedIsSeen: command.getOptionValueSource('seed') === 'cli',
        anyHttpPort: isAnyHttpPort(command),
        tokenIsSeen: isTokenSeen(command),
      });
    });
  addMemberOptions(command);
  addTuningOptions(command);
  addHttpOptions(command);
  return addCommonOptions(addSupervisedOption(command), 'peer');
}

function addMemberOptions(command: Command): void {
  addOption(command, 'peer', {
    flags: '-p, --port <number>',
    description: 'TCP port to listen on; 0 takes any free one',
    parse: integer(0, 65535),
    default: 8000,
  });
  addOption(command, 'peer', {
    flags: '--bind <address>',
    description:
      'IPv4 address to listen on (default: 127.0.0.1 with --index, where anybody could be any member; else 0.0.0.0 for all)',
  });
  addOption(command, 'peer', {
    flags: '--advertise <host:port>',
    description: 'where others are told to reach us (default: where we listen)',
    parse: hostPort,
  });
  addOption(command, 'peer', {
    flags: '-b, --bootstrap <host:port>',
    description: 'a member that may be reached there; may be given several times. One is enough',
    parse: hostPort,
    repeatable: true,
  });
  addOption(command, 'peer', {
    flags: '-i, --index <number>',
    description: 'which member this is, from 0, for demonstrations: its key is known to everybody',
    parse: integer(0, MAX_MEMBERS - 1),
  });
  addOption(command, 'peer', {
    flags: '-n, --nodes <number>',
    description: `how many members there are, with --index (default: ${MIN_MEMBERS})`,
    parse: integer(MIN_MEMBERS, MAX_MEMBERS),
  });
  addOption(command, 'peer', {
    flags: '--members <file>',
    description: 'JSON file that says who the members are',
  });
  addOption(command, 'peer', {
    flags: '--key-file <file>',
    description: 'our key, as "pbft keygen --out" writes it: it says which member we are',
  });
  addOption(command, 'peer', {
    flags: '-s, --seed <hex>',
    description:
      'instead of --key-file the secret itself, 64 hexadecimal digits; others on this machine can see it',
    parse: seedText,
  });
  addOption(command, 'peer', {
    flags: '--application <name>',
    description: `what the members agree on: log (texts in order), kv (a key-value store)`,
    parse: oneOf([...APPLICATIONS.keys()]),
    default: 'log',
  });
  addOption(command, 'peer', {
    flags: '--data-dir <folder>',
    description: `the folder that keeps the state (default: ${DEFAULT_DATA_DIR}/<cluster>-<member>)`,
  });
}

function addTuningOptions(command: Command): void {
  const { viewChangeTimeout, checkpointInterval, messageBuffer, batchSize, pipeline } = DEFAULT_PBFT_CONFIG;
  addOption(command, 'peer', {
    flags: '--view-change-timeout <seconds>',
    description: 'how long a request may wait until the primary is given up',
    parse: seconds(CONFIG_BOUNDS.viewChangeTimeout[1] / 1000),
    default: viewChangeTimeout / 1000,
  });
  addOption(command, 'peer', {
    flags: '--checkpoint-interval <number>',
    description: 'every so many batches the states are compared; the same at all members',
    parse: integer(...CONFIG_BOUNDS.checkpointInterval),
    default: checkpointInterval,
  });
  addOption(command, 'peer', {
    flags: '--message-buffer <number>',
    description: 'requests, and frames for each member, that may wait; the same at all members',
    parse: integer(...CONFIG_BOUNDS.messageBuffer),
    default: messageBuffer,
  });
  addOption(command, 'peer', {
    flags: '--batch-size <number>',
    description: 'most requests that are decided together',
    parse: integer(...CONFIG_BOUNDS.batchSize),
    default: batchSize,
  });
  addOption(command, 'peer', {
    flags: '--pipeline <number>',
    description: 'most batches under way at once',
    parse: integer(...CONFIG_BOUNDS.pipeline),
    default: pipeline,
  });
  addOption(command, 'peer', {
    flags: '--answer-timeout <seconds>',
    description: 'how long a line of a pipe waits for its answer',
    parse: seconds(CONFIG_BOUNDS.viewChangeTimeout[1] / 1000),
    default: 60,
  });
}
