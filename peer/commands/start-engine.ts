/** `start` of an engine that only describes itself: a node of it, until it is stopped. */
import { resolve } from 'node:path';

import { Command } from 'commander';

import { addressKey, pageUrl, type Address } from '../../shared/address.ts';
import { createLog, type Log, type LogLevel } from '../../shared/log.ts';
import {
  addCommonOptions,
  addOption,
  addSupervisedOption,
  hostPort,
  integer,
  text,
} from '../../shared/options.ts';
import {
  TOKEN_SEEN,
  addHttpOptions,
  isAnyHttpPort,
  isTokenSeen,
  pageOptions,
  type HttpOptions,
} from '../cli/http-options.ts';
import { runNode, type RunOptions } from '../cli/run-node.ts';
import type { EngineModule, NodeOffer } from '../engines/module.ts';
import { obey } from '../network/obey.ts';
import { Opened } from '../node/opened.ts';
import { openNode, type DatagramTypes, type RunningNode } from '../node/open-node.ts';
import type { StoreWords } from '../storage/lmdb.ts';
import type { Tone } from '../web/face.ts';
import type { Listening } from '../web/http.ts';
import { Journals } from '../web/journals.ts';
import type { WebOptions } from '../web/server.ts';

/** Log level of an event, by its tone. */
const LEVELS: Readonly<Record<Tone, LogLevel>> = { good: 'info', warn: 'warn', bad: 'warn', quiet: 'debug' };
/** Longest name of a node, in characters. */
const MAX_NAME_LENGTH = 64;

/** What becomes of a store that is lost is known to its engine alone. */
const NODE_WORDS: StoreWords = {
  damaged: 'move it away, or name another folder with --data-dir, and let the node begin anew',
  emptied: 'let the node begin anew, or stop it and put a copy of the file back',
};

/** The options that every engine has. */
interface StartOptions extends RunOptions, HttpOptions {
  readonly port: number;
  readonly bind: string;
  readonly join: readonly Address[];
  readonly name: string;
}

type Node = RunningNode<DatagramTypes, unknown>;

/** @param call what is typed for it */
export function startCommand({ name, title }: EngineModule, offer: NodeOffer, call: string): Command {
  const command = new Command('start')
    .description(`run a ${offer.member} of a network: ${title}`)
    .addHelpText(
      'after',
      `
Examples:
  ${call}
  ${call} -p 8001 -j 127.0.0.1:8000 --data-dir second --http-port 8999`,
    );
  addOption(command, 'peer', {
    flags: '-p, --port <number>',
    description: 'UDP port to listen on; 0 takes any free one',
    parse: integer(0, 65535),
    default: 8000,
  });
  addOption(command, 'peer', {
    flags: '--bind <address>',
    description: 'IPv4 address to listen on; 127.0.0.1 keeps other machines out',
    default: '0.0.0.0',
  });
  addOption(command, 'peer', {
    flags: '-j, --join <host:port>',
    description: `a ${offer.member} of the network; may be given several times`,
    parse: hostPort,
    repeatable: true,
  });
  addOption(command, 'peer', {
    flags: '--name <name>',
    description: 'what the page calls it',
    parse: text(MAX_NAME_LENGTH, () => true, `It must be 1 to ${MAX_NAME_LENGTH} characters.`),
    default: name,
  });
  addOption(command, 'peer', {
    flags: '--data-dir <folder>',
    description: 'the folder that keeps its state',
    default: `.gossip-${name}`,
  });
  for (const option of offer.options) addOption(command, 'peer', option);
  addHttpOptions(command);
  return addCommonOptions(addSupervisedOption(command), 'peer').action(async (options: StartOptions) => {
    const log = createLog({ level: options.logLevel, format: options.logFormat });
    if (isTokenSeen(command)) log.warn(TOKEN_SEEN);
    await runNode(options, {
      log,
      member: offer.member,
      words: NODE_WORDS,
      open: async (store, onFailure) => {
        const node = await openNode(
          { ...options, engine: name },
          (parts) => offer.setup(command.opts(), parts),
          { store, log, onFailure },
        );
        return openPage(node, offer, { options, anyPort: isAnyHttpPort(command), log });
      },
      onUp: ({ node, page }, supervisor) => {
        log.info(`${offer.member} is up`, {
          address: addressKey(node.address),
          page: page === undefined ? 'off' : pageUrl(page),
          name: node.name,
          data: resolve(options.dataDir),
        });
        if (supervisor !== undefined) {
          obey(supervisor, {
            block: ({ peers }) => {
              node.block(peers);
            },
          });
        }
      },
      counters: ({ node }) => {
        const { transport, host } = node.counters();
        const { received, receivedBytes, sent, sentBytes } = transport;
        return { messages: host.messages, received, receivedBytes, sent, sentBytes };
      },
    });
  });
}

/** A node with its page. */
interface Paged {
  readonly node: Node;
  /** Where its page is served, if it is. */
  readonly page: Address | undefined;
  close(): Promise<void>;
}

/** Starts a node, once everybody who is to be notified listens. */
async function openPage(
  node: Node,
  { face }: NodeOffer,
  how: { readonly options: StartOptions; readonly anyPort: boolean; readonly log: Log },
): Promise<Paged> {
  const { options, anyPort, log } = how;
  const opened = new Opened(node);
  try {
    const journals = new Journals(node, face);
    journals.read(({ tone }, { word, text }) => {
      log[LEVELS[tone]](word === null ? text : `${word}: ${text}`);
    });
    node.observe({
      onNotice: (notice) => {
        journals.onNotice(notice);
      },
    });
    const http = pageOptions(options, anyPort);
    const web = http && (await openFace(node, face, { ...http, log }, journals));
    if (web !== undefined) opened.push(web);
    node.start();
    return { node, page: web?.address, close: () => opened.close() };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** Loads the web server only where there is a page: it takes a good part of the time that a node takes to start. */
async function openFace(
  node: Node,
  face: NodeOffer['face'],
  options: WebOptions,
  journals: Journals<unknown, unknown, Node>,
): Promise<Listening> {
  const [{ createFaceApp }, { openWeb }] = await Promise.all([
    import('../web/face-app.ts'),
    import('../web/server.ts'),
  ]);
  return openWeb((own) => createFaceApp(node, face, own, journals), options);
}
