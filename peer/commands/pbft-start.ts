import { join, resolve } from 'node:path';

import { Command } from 'commander';

import { addressKey, pageUrl, type Address } from '../../shared/address.ts';
import { UserError, messageOf } from '../../shared/errors.ts';
import { createLog, type Log, type LogData } from '../../shared/log.ts';
import {
  addCommonOptions,
  addOption,
  addSupervisedOption,
  hostPort,
  integer,
  oneOf,
  seconds,
} from '../../shared/options.ts';
import type { Supervisor } from '../../shared/supervised.ts';
import { painter, wantsColour } from '../../shared/text-table.ts';
import { APPLICATIONS } from '../applications/registry.ts';
import { DEFAULT_PBFT_CONFIG } from '../engines/pbft/interface.ts';
import { controlSchema, type Report } from '../network/control.ts';
import { MAX_ANSWER_LENGTH } from '../network/limits.ts';
import { MAX_MEMBERS, MIN_MEMBERS, memberOf } from '../node/members.ts';
import { CONFIG_BOUNDS, configOf } from '../node/pbft-config.ts';
import { openPbftNode, type PbftNode } from '../node/pbft-node.ts';
import { addHttpOptions, isAnyHttpPort, pageOptions, type HttpOptions } from './http-options.ts';
import { identityOf, seedText, type Identity, type IdentityOptions } from './pbft-options.ts';
import { replicaPrompt, submitLine } from './pbft-prompt.ts';
import { runNode, type RunOptions } from './run-node.ts';
import { Terminal } from './terminal.ts';

/** Where replicas keep their states unless told otherwise: a folder in the current one, and one in it for each. */
const DEFAULT_DATA_DIR = '.gossip-pbft';
interface PbftStartOptions extends IdentityOptions, HttpOptions, Omit<RunOptions, 'dataDir'> {
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

/** `peer pbft start`: a replica, until it is told to stop. */
export function pbftStartCommand(): Command {
  const command = new Command('start')
    .description('run a replica of a PBFT cluster')
    .addHelpText(
      'after',
      () => `
While it runs, these can be typed, or come through a pipe, a line each; a line of a
pipe waits for the answer to the one before. The end of a pipe does not end it.
${replicaPrompt('kv').help()}
get, put, delete and cas are there with --application kv.

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
      await start(options, {
        seedIsSeen: command.getOptionValueSource('seed') === 'cli',
        anyHttpPort: isAnyHttpPort(command),
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

/** @throws UserError if it can't be started */
async function start(
  options: PbftStartOptions,
  { seedIsSeen, anyHttpPort }: { readonly seedIsSeen: boolean; readonly anyHttpPort: boolean },
): Promise<void> {
  const identity = identityOf(options);
  const { cluster, key } = identity;
  const config = configOf(
    {
      checkpointInterval: options.checkpointInterval,
      messageBuffer: options.messageBuffer,
      batchSize: options.batchSize,
      pipeline: options.pipeline,
      viewChangeTimeout: options.viewChangeTimeout * 1000,
    },
    cluster.members.length,
  );
  const dataDir = options.dataDir ?? join(DEFAULT_DATA_DIR, `${cluster.name}-${memberOf(cluster, key)}`);
  const terminal = new Terminal(createLog({ level: options.logLevel, format: options.logFormat }));
  const { log } = terminal;
  if (seedIsSeen && !identity.demonstration) {
    log.warn('--seed: other users of this machine can see it; --key-file keeps it secret');
  }
  const stopping = new AbortController();
  await runNode(
    { ...options, dataDir },
    {
      log,
      open: (store, onFailure) =>
        openPbftNode(
          {
            ...{ cluster, key, port: options.port, application: options.application },
            ...{ bootstrap: options.bootstrap, bind: bindOf(options, identity) },
            ...(options.advertise && { advertise: options.advertise }),
            http: pageOptions(options, anyHttpPort),
            config,
          },
          {
            ...{ store, log, onFailure },
            // A bar would be drawn over what somebody types.
            bar: process.stderr.isTTY && options.logFormat === 'text' && !terminal.interactive,
          },
        ),
      onUp: (node, supervisor, stop) => {
        sayWhatRuns(log, node, identity, dataDir);
        if (supervisor !== undefined) obey(supervisor, node);
        else readCommands(terminal, node, { stopping, stop, patience: options.answerTimeout * 1000 });
      },
      onEnd: () => {
        stopping.abort();
        terminal.close();
      },
      counters,
    },
  );
}

/** Where to listen: nobody else is to reach a member whose key everybody knows, unless that is asked for. */
function bindOf({ bind }: PbftStartOptions, { demonstration }: Identity): string {
  return bind ?? (demonstration ? '127.0.0.1' : '0.0.0.0');
}

/** One line that says what a person needs to have others join, and to find the data. */
function sayWhatRuns(log: Log, node: PbftNode, { demonstration }: Identity, dataDir: string): void {
  const { view, primary, replicas, executed } = node.status();
  if (demonstration) {
    log.warn('the keys of this cluster are known to everybody: it is for demonstrations only');
  }
  log.info('replica is up', {
    address: addressKey(node.address),
    page: node.httpAddress === undefined ? 'off' : pageUrl(node.httpAddress),
    member: node.self,
    members: replicas,
    cluster: node.cluster,
    application: node.application.name,
    data: resolve(dataDir),
    ...{ view, primary, executed },
  });
}

function readCommands(
  terminal: Terminal,
  node: PbftNode,
  {
    stopping,
    stop,
    patience,
  }: { readonly stopping: AbortController; readonly stop: () => void; readonly patience: number },
): void {
  const prompt = replicaPrompt(node.application.name);
  const parts = {
    replica: node,
    paint: painter(wantsColour(process.stdout)),
    interactive: terminal.interactive,
    stopped: stopping.signal,
    patience,
    print: (text: string) => {
      terminal.print(text);
    },
    complain: (error: unknown) => {
      terminal.complain(error);
    },
    quit: () => {
      stopping.abort();
      stop();
    },
  };
  // What nobody foresaw ends the program, wherever it comes from. The end of the lines is not that of the replica.
  void terminal.readCommands(prompt, parts);
}

/** Does what the process says that started this one. */
function obey(supervisor: Supervisor, node: PbftNode): void {
  const tell = (report: Report): void => {
    supervisor.tell(report);
  };
  supervisor.listen((message) => {
    const control = controlSchema.safeParse(message);
    if (!control.success) return;
    const { id } = control.data;
    switch (control.data.type) {
      case 'block-members':
        node.block(control.data.members);
        tell({ type: 'done', id });
        break;
      case 'status': {
        const { view, primary, phase, executed, low: stable, waiting } = node.status();
        const connected = node.peers().filter(({ state }) => state === 'up').length;
        tell({ type: 'status', id, state: { view, primary, phase, executed, stable, waiting, connected } });
        break;
      }
      case 'submit':
        submitLine(node, control.data.line).then(
          (text) => {
            tell({ type: 'answer', id, text: text.slice(0, MAX_ANSWER_LENGTH) });
          },
          (error: unknown) => {
            if (!(error instanceof UserError)) throw error;
            tell({ type: 'refused', id, reason: messageOf(error).slice(0, MAX_ANSWER_LENGTH) });
          },
        );
        break;
      case 'block':
        // For peers that are told apart by their addresses.
        break;
    }
  });
  tell({ type: 'up' });
}

/** Everything that is counted, each under `part.name`. */
function counters(node: PbftNode): LogData {
  const { tcp, host } = node.counters();
  const { received, receivedBytes, sent, sentBytes, dropped, established, failed, ended } = tcp;
  const { view, executed, phase, counters: engine } = node.status();
  const parts = { dropped, failed, ended, malformed: host.malformed, engine };
  const named = Object.entries(parts).flatMap(([part, counts]) =>
    Object.entries(counts).map(([name, count]): [string, number] => [`${part}.${name}`, count]),
  );
  return {
    ...{ view, executed, phase, established, messages: host.messages },
    ...{ received, receivedBytes, sent, sentBytes },
    ...Object.fromEntries(named),
  };
}
