import { randomBytes } from 'node:crypto';

import type { Address } from '../../../../shared/address.ts';
import type { Block } from '../../../../shared/block.ts';
import { messageOf } from '../../../../shared/errors.ts';
import type { SubmitResult } from '../../../../shared/work.ts';
import { powCodec } from '../protocol/codec.ts';
import type { PowConfig, PowStatus } from '../protocol/interface.ts';
import type { PowTypes } from '../protocol/types.ts';
import { PowEngine } from '../protocol/pow.ts';
import { MiningServer, type MinerView } from './mining/server.ts';
import type { PowSubject } from '../face/subject.ts';
import type { PageOptions } from '../../../web/server.ts';
import { withAddress, type NamedHosts } from './named-hosts.ts';
import { openNode, type OpenNodeParts, type RunningNode } from '../../../node/open-node.ts';
import { Opened } from '../../../node/opened.ts';
import { ProgressBar, ProgressLines } from '../../../node/progress.ts';
import { Reporter } from './report.ts';
import { defaultHost, selfHosts, thisMachine } from './self.ts';

/** How a proof-of-work peer is to run; all times in seconds. */
export interface PowNodeOptions {
  /** UDP port; 0 takes any free one. */
  readonly port: number;
  /** IPv4 address to listen on. */
  readonly bind: string;
  /** The host that we advertise; found out if undefined. */
  readonly host: string | undefined;
  readonly name: string;
  /** Known peers; names are resolved. */
  readonly join: readonly Address[];
  readonly difficulty: number;
  /** TCP port for miners; undefined if none are served, 0 takes any free one. */
  readonly minerPort: number | undefined;
  readonly minerBind: string;
  readonly genesis: boolean;
  readonly consensusInterval: number;
  readonly gossipInterval: number;
  readonly peerTimeout: number;
  readonly minedBy: string;
  readonly idleWord: string;
  /** Where the status page is served, and with which token it takes changes; undefined if it is not. */
  readonly http: PageOptions | undefined;
}

/** What a node is given. */
export interface PowNodeParts extends OpenNodeParts {
  /** Whether a progress bar may be drawn on standard error. */
  readonly bar: boolean;
}

/** A proof-of-work peer that runs: the engine with its socket, its store, its miners and its log. */
export interface PowNode extends Omit<RunningNode<PowTypes, PowStatus>, 'start'> {
  /** Where miners are served, if they are. */
  readonly minerAddress: Address | undefined;
  /** Where the status page is served, if it is. */
  readonly httpAddress: Address | undefined;
  miners(): readonly MinerView[];
}

/**
 * Opens a proof-of-work peer and starts it.
 *
 * @throws UserError if an address is taken or can't be used; everything opened so far, the store too, is then closed
 */
export async function openPowNode(options: PowNodeOptions, parts: PowNodeParts): Promise<PowNode> {
  const { difficulty, minerPort, minerBind, http } = options;
  const bar = parts.bar ? new ProgressBar('blocks') : undefined;
  const log = bar?.wrap(parts.log) ?? parts.log;
  const reporter = new Reporter(log, bar ?? new ProgressLines(log));
  const chain: { engine?: PowEngine } = {};
  const node = await openNode<PowTypes, PowStatus>(
    { ...options, engine: 'pow' },
    ({ store, entropy, join, local: { port }, find }) => {
      const config = configure(options, port, join);
      const engine = new PowEngine(config, { view: store, entropy });
      chain.engine = engine;
      const ours = new Set(config.selfHosts);
      const hosts: NamedHosts = {
        isOurs: (address) => address.port === port && ours.has(address.host),
        find,
      };
      return {
        ...{ codec: powCodec, engine, address: config.self },
        status: () => engine.status(),
        complete: (message, from, later) => withAddress(message, from, hosts, later),
      };
    },
    { ...parts, log },
  );
  const opened = new Opened(node);
  try {
    const submit = (block: Block): SubmitResult => {
      try {
        return node.request({ kind: 'submit-block', block });
      } catch (error) {
        // The host has reported by itself what went wrong; the miner learns that its block is not in the chain.
        log.debug('a block was handed in too late', { reason: messageOf(error) });
        return { status: 'rejected', reason: 'The peer is going down.' };
      }
    };
    const miners =
      minerPort === undefined
        ? undefined
        : opened.push(
            new MiningServer(
              { bind: minerBind, port: minerPort },
              { log, submit, now: Date.now, entropy: randomBytes },
            ),
          );
    const minerAddress = await miners?.listen();
    node.observe({
      onNotice: (notice) => {
        reporter.report(notice);
        if (notice.kind === 'work') miners?.setTemplate(notice.template);
      },
    });
    const mined = { miners: () => miners?.miners() ?? [], counters: () => miners?.counters() ?? {} };
    const subject: PowSubject = {
      ...node,
      ...{ difficulty, miners: mined.miners },
      block: (height) => chain.engine?.block(height),
      counters: () => ({ ...node.counters(), mining: mined.counters() }),
    };
    // Loaded only where there is a page: a web server takes a good part of the time that a peer takes to start.
    const web = http && (await (await import('../face/server.ts')).openPowWeb(subject, { ...http, log }));
    if (web !== undefined) opened.push(web);
    opened.push(reporter);
    node.start();
    let closing: Promise<void> | undefined;
    return {
      ...node,
      ...{ minerAddress, httpAddress: web?.address, miners: mined.miners },
      close: () => (closing ??= opened.close()),
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

function configure(options: PowNodeOptions, port: number, join: readonly Address[]): PowConfig {
  const machine = thisMachine();
  const host = options.host ?? defaultHost(options.bind, machine);
  return {
    self: { host, port },
    selfHosts: selfHosts(host, options.bind, machine),
    name: options.name,
    difficulty: options.difficulty,
    join,
    consensusInterval: options.consensusInterval * 1000,
    gossipInterval: options.gossipInterval * 1000,
    peerTimeout: options.peerTimeout * 1000,
    minedBy: options.minedBy,
    idleWord: options.idleWord,
    genesis: options.genesis,
  };
}
