import { setImmediate as turn } from 'node:timers/promises';

import type { Address } from '../../../../shared/address.ts';
import { verifierOf, type KeyPair } from '../../../../shared/ed25519.ts';
import { UserError, messageOf } from '../../../../shared/errors.ts';
import type { Log } from '../../../../shared/log.ts';
import type { Application } from '../../../core/application.ts';
import type { NodeObserver } from '../../../core/node.ts';
import { languageOfOnce, OnceOnly, onceOf } from '../../../applications/once.ts';
import { APPLICATIONS } from '../../../applications/registry.ts';
import { pbftCodec } from '../protocol/codec.ts';
import {
  replicaName,
  type PbftConfig,
  type PbftMembership,
  type PbftNotice,
  type PbftResult,
} from '../protocol/interface.ts';
import { ForeignStore } from '../protocol/journal.ts';
import { EXECUTED_PER_STEP, MAX_SLOTS, clientWindowOf } from '../protocol/limits.ts';
import { PbftEngine, type PbftModules } from '../protocol/pbft.ts';
import type { StoreWords } from '../../../storage/lmdb.ts';
import type { Store } from '../../../core/store.ts';
import { timed } from '../../../storage/timed.ts';
import type { Resolve } from '../../../transports/names.ts';
import { checkBind } from '../../../transports/listening.ts';
import { openTcpMesh } from '../../../transports/tcp.ts';
import { SubmitError, type SubmitFault, type PbftSubject } from './subject.ts';
import type { PageOptions } from '../../../web/server.ts';
import { AskError, EngineHost, HostError, type AskFault } from '../../../node/host.ts';
import { CLUSTER_REMEDY, checkCluster, clusterIdOf, memberOf, settingsOf, type Cluster } from './members.ts';
import { Observers } from '../../../node/observers.ts';
import { Opened } from '../../../node/opened.ts';
import { PbftReporter } from './report.ts';
import { ProgressBar, ProgressLines } from '../../../node/progress.ts';
import { QuorumWatch } from './quorum-watch.ts';
import type { PbftTypes } from '../protocol/types.ts';

type PbftHost = EngineHost<PbftTypes>;

/** How a replica is to run. */
export interface PbftNodeOptions {
  /** TCP port; 0 takes any free one. */
  readonly port: number;
  /** IPv4 address to listen on. */
  readonly bind: string;
  /** The address that we advertise; found out if undefined. */
  readonly advertise?: Address;
  readonly cluster: Cluster;
  /** Key of one of the members: it says which one we are. */
  readonly key: KeyPair;
  /** Name of the application that the cluster runs; see `APPLICATIONS`. */
  readonly application: string;
  readonly config: PbftConfig;
  /** Addresses of members, besides those that the cluster names. */
  readonly bootstrap: readonly Address[];
  /** Where the status page is served, and with which token it takes changes; undefined if it is not. */
  readonly http?: PageOptions | undefined;
}

/** What a replica is given. */
export interface PbftNodeParts {
  /** Where the state is stored; the node closes the store, also when it can't be opened. */
  readonly store: Store;
  readonly log: Log;
  /** Whether a progress bar may be drawn on standard error. */
  readonly bar: boolean;
  /** Called once if the node can't go on; {@link PbftNode.close} is still to be called. */
  onFailure(error: Error): void;
  /** Finds the addresses of host names; asks the system by default. */
  readonly resolve?: Resolve;
}

/**
 * What people are shown about the store of a replica. A copy of the store is no remedy: like an empty one, it lacks
 * what the replica has signed since.
 */
export const REPLICA_WORDS: StoreWords = {
  damaged:
    'move it away and let the replica fetch the state of the others; until then it counts as one of the f that may fail',
  emptied:
    'this replica has forgotten what it signed, and counts as one of the f that may fail until it has fetched the state of the others',
};

/** A replica that runs: the engine with its application, its connections, its store and its log. */
export interface PbftNode extends PbftSubject {
  /** Where the status page is served, if it is. */
  readonly httpAddress: Address | undefined;
  /** Cuts these members off, and no others any more. */
  block(members: readonly number[]): void;
  /** Ends everything in order, and gives the store back. May be called again. */
  close(): Promise<void>;
}

/**
 * Opens a replica and starts it.
 *
 * @throws UserError if the cluster, the key or the application is none, an address can't be got, or the store is that
 *   of another member or cluster; everything opened so far, the store too, is then closed
 */
export async function openPbftNode(options: PbftNodeOptions, parts: PbftNodeParts): Promise<PbftNode> {
  const { store } = parts;
  const bar = parts.bar ? new ProgressBar('pages') : undefined;
  const log = bar?.wrap(parts.log) ?? parts.log;
  const reporter = new PbftReporter(log, bar ?? new ProgressLines(log));
  const opened = new Opened(store);
  try {
    const { cluster, key, config } = options;
    checkPbftNode(options);
    const { members } = cluster;
    const self = memberOf(cluster, key);
    const clusterId = clusterIdOf(cluster, config, options.application);
    const application = applicationNamed(options.application);
    const machine = new OnceOnly(application.create(), members.length);
    const verifiers = members.map(({ publicKey }) => verifierOf(publicKey));
    const engine = createEngine(
      config,
      {
        ...{ cluster: clusterId, replicas: members.length, self },
        settings: settingsOf(cluster, config, options.application, self),
      },
      {
        view: store,
        machine,
        signatures: {
          sign: (text) => key.sign(text),
          verify: (member, text, signature) => verifiers[member]?.verify(text, signature) === true,
        },
      },
    );
    // Frames that arrive before the host is there are lost, as they would be a moment earlier.
    const receiver: { host?: PbftHost } = {};
    const transport = opened.push(
      await openTcpMesh(
        {
          ...{ bind: options.bind, port: options.port, cluster: clusterId, self, key, members, log },
          ...{ bootstrap: options.bootstrap, bufferFrames: config.messageBuffer },
          clusterRemedy: CLUSTER_REMEDY,
          nameOf: replicaName,
          ...(options.advertise && { advertise: options.advertise }),
          ...(parts.resolve && { resolve: parts.resolve }),
        },
        {
          onMessage: (bytes, from) => receiver.host?.receive(bytes, from),
          onError: (error) => receiver.host?.fail(new HostError('transport', error)),
        },
      ),
    );
    const observers = new Observers<NodeObserver<PbftNotice>>(log);
    const quorumWatch = new QuorumWatch(log, () => ({
      connected: transport.peers().filter(({ state }) => state === 'up').length,
      needed: engine.status().quorum - 1,
    }));
    const host: PbftHost = new EngineHost({
      engine,
      codec: pbftCodec,
      transport,
      store: timed(store, (seconds) => {
        observers.notify((observer) => {
          observer.onWrite?.(seconds);
        });
      }),
      onNotice: (notice) => {
        reporter.report(notice);
        observers.notify((observer) => {
          observer.onNotice(notice);
        });
      },
      onReply: (request, result) => {
        reporter.onReply(result);
        observers.notify((observer) => {
          observer.onReply?.(request, result);
        });
      },
      // As many as the engine lets wait.
      maxAsked: clientWindowOf(config.messageBuffer, members.length),
      onFailure: (error) => {
        parts.onFailure(error.cause instanceof UserError ? error.cause : error);
      },
    });
    // From here on the host closes the connections and the store.
    opened.replace(host);
    receiver.host = host;
    const close = async (): Promise<void> => {
      reporter.close();
      quorumWatch.close();
      await opened.close();
    };
    const subject: PbftSubject = {
      cluster: cluster.name,
      clusterId,
      self,
      members,
      address: transport.local,
      application: { name: application.name, ...languageOfOnce(application.language) },
      status: () => engine.status(),
      peers: () => transport.peers(),
      counters: () => ({ tcp: transport.counters, host: host.counters }),
      measure: (report) => {
        engine.measure(report);
        host.measure(report);
      },
      observe: (observer) => observers.add(observer),
      submit: (operation, id) => {
        const text = id === undefined ? operation : onceOf({ id, operation });
        return quorumWatch.over(answerOf(host.ask({ kind: 'submit', operation: text })));
      },
      recall: (id) => machine.answers(id),
    };
    // Loaded only where there is a page: a web server takes a good part of the time that a replica takes to start.
    const web =
      options.http &&
      (await (await import('../face/server.ts')).openPbftWeb(subject, { ...options.http, log }));
    if (web !== undefined) opened.push(web);
    let closing: Promise<void> | undefined;
    host.start();
    // What was decided in an earlier life is executed again, in slices: nobody is to be shown less than that.
    for (let slice = 0; host.continuing && slice < MAX_SLOTS / EXECUTED_PER_STEP; slice++) await turn();
    return {
      ...subject,
      httpAddress: web?.address,
      block: (indexes) => {
        transport.block(indexes);
      },
      close: () => (closing ??= close()),
    };
  } catch (error) {
    reporter.close();
    await opened.close();
    throw error;
  }
}

/**
 * Whether a replica may be opened so, as far as can be seen before anything is.
 *
 * @throws UserError that says what is wrong
 */
export function checkPbftNode({ cluster, key, application, bind, port }: PbftNodeOptions): void {
  memberOf(checkCluster(cluster), key);
  applicationNamed(application);
  checkBind(bind);
  if (!(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw new UserError(`--port: ${port} is no TCP port: it must be a whole number from 0 to 65535`);
  }
}

/** @throws UserError if there is none of that name */
function applicationNamed(name: string): Application {
  const application = APPLICATIONS.get(name);
  if (application === undefined) {
    throw new UserError(
      `--application: there is none named "${name}", only ${[...APPLICATIONS.keys()].join(', ')}`,
    );
  }
  return application;
}

/** @throws SubmitError if there is no answer */
async function answerOf(asked: Promise<PbftResult>): Promise<string> {
  let answer: PbftResult;
  try {
    answer = await asked;
  } catch (error) {
    if (error instanceof AskError) throw new SubmitError(SUBMIT_FAULTS[error.fault], error.message);
    throw error;
  }
  if (answer.status === 'rejected') throw new SubmitError('rejected', answer.reason);
  return answer.result;
}

const SUBMIT_FAULTS: Readonly<Record<AskFault, SubmitFault>> = {
  busy: 'rejected',
  closed: 'closed',
  unanswered: 'unanswered',
};

/** Why a store can't be used, and what to do: to begin anew is right for another cluster alone. */
function foreignText({ changes }: ForeignStore): string {
  const what =
    changes.length === 0
      ? `is that of another member or cluster, or was begun with other settings: ${CLUSTER_REMEDY}, and stay so`
      : `was begun with other settings: ${changes.map(({ name, before, now }) => `${name} was ${before} and is ${now} now`).join('; ')}`;
  return `the data folder ${what}. Start this replica with the old ones; for another member or cluster name another --data-dir`;
}

/** @throws UserError if the store is not ours, or damaged */
function createEngine(config: PbftConfig, membership: PbftMembership, modules: PbftModules): PbftEngine {
  try {
    return new PbftEngine(config, membership, modules);
  } catch (error) {
    // The store says by itself what is wrong with it, and what to do.
    if (error instanceof UserError) throw error;
    if (error instanceof ForeignStore) throw new UserError(foreignText(error));
    // All that it can object to is what it reads from the store.
    throw new UserError(
      `what the data folder holds can't be used: ${messageOf(error)}; name another one with --data-dir`,
    );
  }
}
