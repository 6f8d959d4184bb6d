/** What `peer` does: it runs a node of the proof-of-work network. */
import { resolve } from 'node:path';

import { addressKey, pageUrl } from '../../../../shared/address.ts';
import { createLog, type Log, type LogData } from '../../../../shared/log.ts';
import { obey } from '../../../network/obey.ts';
import { openPowNode, type PowNode, type PowNodeOptions } from './open.ts';
import { TOKEN_SEEN, pageOptions } from '../../../cli/http-options.ts';
import { runNode } from '../../../cli/run-node.ts';
import type { StartOptions } from './start.ts';

/**
 * Runs a peer until a signal stops it or it can't go on.
 *
 * @param anyHttpPort whether the status page may be at another port than the one that is named
 * @param tokenIsSeen whether its token stands on the command line
 * @throws UserError if it can't be started
 */
export function startPeer(
  options: StartOptions,
  { anyHttpPort, tokenIsSeen }: { readonly anyHttpPort: boolean; readonly tokenIsSeen: boolean },
): Promise<void> {
  const log = createLog({ level: options.logLevel, format: options.logFormat });
  if (tokenIsSeen) log.warn(TOKEN_SEEN);
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
      if (supervisor !== undefined) {
        obey(supervisor, {
          block: ({ peers }) => {
            node.block(peers);
          },
        });
      }
    },
    counters,
  });
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
  const { transport, host } = node.counters();
  const { received, receivedBytes, sent, sentBytes, dropped, errors } = transport;
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
    height: height === 0 ? 'none' : height - 1,
    tip: hash ?? 'none',
  });
}
