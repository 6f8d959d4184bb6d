import { randomBytes } from 'node:crypto';

import type { Address } from '../../../../shared/address.ts';
import type { Block } from '../../../../shared/block.ts';
import { UserError, messageOf } from '../../../../shared/errors.ts';
import type { Log } from '../../../../shared/log.ts';
import type { SubmitResult } from '../../../../shared/work.ts';
import { powCodec } from '../protocol/codec.ts';
import type { PowConfig, PowNotice, PowRequest, PowResult, PowStatus } from '../protocol/interface.ts';
import type { PowMessage } from '../protocol/messages.ts';
import { PowEngine } from '../protocol/pow.ts';
import { MiningServer, type MinerView } from './mining/server.ts';
import type { Store } from '../../../core/store.ts';
import { timed } from '../../../storage/timed.ts';
import type { Resolve } from '../../../transports/names.ts';
import { openUdp } from '../../../transports/udp.ts';
import type { NodeObserver } from '../../../core/node.ts';
import type { WebCounters, WebSubject } from '../face/subject.ts';
import type { PageOptions } from '../../../web/server.ts';
import { EngineHost, HostError } from '../../../node/host.ts';
import { Observers } from '../../../node/observers.ts';
import { withAddress, type NamedHosts } from './named-hosts.ts';
import { resolveJoin } from '../../../node/join.ts';
import { Opened } from '../../../node/opened.ts';
import { ProgressBar, ProgressLines } from '../../../node/progress.ts';
import { Reporter } from './report.ts';
import { defaultHost, selfHosts, thisMachine } from './self.ts';

type PowHost = EngineHost<PowMessage, PowRequest, PowResult, PowNotice>;

/** How a proof-of-work peer is to run; all times in seconds. */
export interface PowNodeOptions {
  /** UDP port; 0 takes any free one. */
  readonly port: number;
  /** IPv4 address to listen on. */
  readonly bind: string;
  /** The host that others are told; found out if undefined. */
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
export interface PowNodeParts {
  /** Where the chain is kept; the node closes it, also when it can't be opened. */
  readonly store: Store;
  readonly log: Log;
  /** Whether a progress bar may be drawn on standard error. */
  readonly bar: boolean;
  /** Told once if the node can't go on; {@link PowNode.close} is still to be called. */
  onFailure(error: Error): void;
  /** Finds the addresses of host names; asks the system by default. */
  readonly resolve?: Resolve;
}

/** A proof-of-work peer that runs: the engine with its socket, its store, its miners and its log. */
export interface PowNode {
  /** The address that others are told. */
  readonly address: Address;
  /** Where miners are served, if they are. */
  readonly minerAddress: Address | undefined;
  /** Where the status page is served, if it is. */
  readonly httpAddress: Address | undefined;
  status(): PowStatus;
  miners(): readonly MinerView[];
  counters(): WebCounters;
  /**
   * Asks the engine for something.
   *
   * @throws Error if the node has failed or is closed
   */
  request(request: PowRequest): PowResult;
  /** Loses every datagram from and to these addresses, and no others any more. */
  block(addresses: readonly Address[]): void;
  /** Ends everything in order, and gives the store back. May be called again. */
  close(): Promise<void>;
}

/**
 * Opens a proof-of-work peer and starts it.
 *
 * @throws UserError if an address is taken or can't be used; everything opened so far, the store too, is then closed
 */
export async function openPowNode(options: PowNodeOptions, parts: PowNodeParts): Promise<PowNode> {
  const { store, resolve } = parts;
  const bar = parts.bar ? new ProgressBar('blocks') : undefined;
  const log = bar?.wrap(parts.log) ?? parts.log;
  const reporter = new Reporter(log, bar ?? new ProgressLines(log));
  const opened = new Opened(store);
  const closeAll = async (): Promise<void> => {
    reporter.close();
    await opened.close();
  };
  try {
    const join = await resolveJoin(options.join, log, resolve);
    // Datagrams that arrive before the engine is there are lost, as they would be a moment earlier.
    const receiver: { host?: PowHost } = {};
    const transport = await openUdp(
      { bind: options.bind, port: options.port, log, ...(resolve && { resolve }) },
      {
        onMessage: (bytes, from) => receiver.host?.receive(bytes, from),
        onError: (error) => receiver.host?.fail(new HostError('transport', error)),
      },
    );
    opened.push(transport);
    const config = configure(options, transport.local.port, join);
    const engine = new PowEngine(config, { view: store, entropy: randomBytes(32) });
    const observers = new Observers<NodeObserver<PowNotice>>(log);
    const ours = new Set(config.selfHosts);
    const hosts: NamedHosts = {
      isOurs: ({ host, port }) => port === config.self.port && ours.has(host),
      find: (host, later) => transport.find(host, later),
    };
    const submit = (block: Block): SubmitResult => {
      try {
        return running.request({ kind: 'submit-block', block });
      } catch (error) {
        // The host has said by itself what went wrong; the miner learns that its block is not in the chain.
        log.debug('a block was handed in too late', { reason: messageOf(error) });
        return { status: 'rejected', reason: 'The peer is going down.' };
      }
    };
    const miners =
      options.minerPort === undefined
        ? undefined
        : new MiningServer(
            { bind: options.minerBind, port: options.minerPort },
            { log, submit, now: Date.now, entropy: randomBytes },
          );
    const minerAddress = await miners?.listen();
    const running: PowHost = new EngineHost({
      engine,
      codec: powCodec,
      transport,
      complete: (message, from, later) => withAddress(message, from, hosts, later),
      store: timed(store, (seconds) => {
        observers.tell((observer) => {
          observer.onWrite(seconds);
        });
      }),
      onNotice: (notice) => {
        reporter.report(notice);
        if (notice.kind === 'work') miners?.setTemplate(notice.template);
        observers.tell((observer) => {
          observer.onNotice(notice);
        });
      },
      onFailure: (error) => {
        parts.onFailure(error.cause instanceof UserError ? error.cause : error);
      },
    });
    // From here on the host closes the socket and the store.
    opened.replace(running, ...(miners ? [miners] : []));
    receiver.host = running;
    const subject: WebSubject = {
      name: config.name,
      address: config.self,
      difficulty: config.difficulty,
      status: () => engine.status(),
      block: (height) => engine.block(height),
      miners: () => miners?.miners() ?? [],
      counters: () => ({
        udp: transport.counters,
        host: running.counters,
        mining: miners?.counters() ?? {},
      }),
      measure: (tell) => {
        engine.measure(tell);
      },
      request: (request) => running.request(request),
      observe: (observer) => observers.add(observer),
    };
    // Loaded only where there is a page: a web server takes a good part of the time that a peer takes to start.
    const web =
      options.http &&
      (await (await import('../face/server.ts')).openPowWeb(subject, { ...options.http, log }));
    if (web !== undefined) opened.push(web);
    let closing: Promise<void> | undefined;
    running.start();
    return {
      address: config.self,
      minerAddress,
      httpAddress: web?.address,
      status: () => subject.status(),
      miners: () => subject.miners(),
      counters: () => subject.counters(),
      request: (request) => subject.request(request),
      block: (addresses) => {
        transport.block(addresses);
      },
      close: () => (closing ??= closeAll()),
    };
  } catch (error) {
    await closeAll();
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
