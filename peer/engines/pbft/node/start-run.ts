/** What `peer pbft start` does once its options are understood. */
import { resolve } from 'node:path';

import { addressKey, pageUrl } from '../../../../shared/address.ts';
import { createLog, type Log, type LogData } from '../../../../shared/log.ts';
import { painterFor } from '../../../../shared/text-table.ts';
import { replicaName, type PbftConfig } from '../protocol/interface.ts';
import { obey } from '../../../network/obey.ts';
import { openPbftNode, REPLICA_WORDS, type PbftNode } from './open.ts';
import { TOKEN_SEEN, pageOptions } from '../../../cli/http-options.ts';
import type { Identity } from './options.ts';
import { replicaPrompt, submitLine } from './prompt.ts';
import type { PbftStartOptions } from './start.ts';
import { runNode } from '../../../cli/run-node.ts';
import { Terminal } from '../../../cli/terminal.ts';

/** Whom a replica is to be, and how: what was asked for has been looked at. */
export interface PbftStartPlan {
  readonly identity: Identity;
  readonly config: PbftConfig;
  readonly dataDir: string;
  /** Whether the secret stands on the command line. */
  readonly seedIsSeen: boolean;
  /** Whether any free port serves for the page if the usual one is taken. */
  readonly anyHttpPort: boolean;
  /** Whether the token of the page stands on the command line. */
  readonly tokenIsSeen: boolean;
}

/** @throws UserError if it can't be started */
export async function startReplica(
  options: PbftStartOptions,
  { identity, config, dataDir, seedIsSeen, anyHttpPort, tokenIsSeen }: PbftStartPlan,
): Promise<void> {
  const { cluster, key } = identity;
  const terminal = new Terminal(createLog({ level: options.logLevel, format: options.logFormat }));
  const { log } = terminal;
  if (seedIsSeen && !identity.demonstration) {
    log.warn('--seed: other users of this machine can see it; --key-file keeps it secret');
  }
  if (tokenIsSeen) log.warn(TOKEN_SEEN);
  const stopping = new AbortController();
  await runNode(
    { ...options, dataDir },
    {
      log,
      words: REPLICA_WORDS,
      secret: true,
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
        if (supervisor !== undefined) {
          obey(supervisor, {
            'block-members': ({ members }) => {
              node.block(members);
            },
            submit: ({ line }) => submitLine(node, line),
          });
        } else readCommands(terminal, node, { stopping, stop, patience: options.answerTimeout * 1000 });
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
    replica: replicaName(node.self),
    replicas,
    cluster: node.cluster,
    application: node.application.name,
    data: resolve(dataDir),
    ...{ view, primary: replicaName(primary), executed },
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
    paint: painterFor(process.stdout),
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
