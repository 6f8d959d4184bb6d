import { messageOf } from '../../shared/errors.ts';
import type { Log, LogData, LogLevel, LogFormat } from '../../shared/log.ts';
import { superviseThis, type Supervisor } from '../../shared/supervised.ts';
import { openDataDir } from '../storage/data-dir.ts';
import type { StoreWords } from '../storage/lmdb.ts';
import type { Store } from '../core/store.ts';

/** How long, in milliseconds, something that still runs after everything was closed may hold up the end. */
const END_PATIENCE = 1000;

/** Signals that mean "please stop": Ctrl-C, a service manager, a terminal that was closed. */
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Calls `stop` at the first such signal; the second ends the process as it is. */
export function onStopSignal(stop: (signal: NodeJS.Signals) => void): void {
  let stopping = false;
  for (const signal of STOP_SIGNALS) {
    process.on(signal, () => {
      if (stopping) process.exit(1);
      stopping = true;
      stop(signal);
    });
  }
}

/** Ends the process soon, whatever still runs: a name that is being looked up would keep it for many seconds. */
export function exitSoon(): void {
  setTimeout(() => process.exit(), END_PATIENCE).unref();
}

/** What the commands that run a node have in common. */
export interface RunOptions {
  readonly dataDir: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly verbose?: boolean;
  readonly supervised?: boolean;
}

/** A kind of node. */
export interface NodeRun<Node> {
  readonly log: Log;
  /** What a node is called; "peer" by default. */
  readonly member?: string;
  /** What people are shown about its store; those of a chain by default. */
  readonly words?: StoreWords;
  /** Whether its data are for its owner alone. */
  readonly secret?: boolean;
  /** @throws UserError if it can't be started; it then closes the store */
  open(store: Store, onFailure: (error: Error) => void): Promise<Node>;
  /** The node runs. */
  onUp(node: Node, supervisor: Supervisor | undefined, stop: () => void): void;
  /** The node is about to be closed. */
  onEnd?(): void;
  /** Everything that is counted. */
  counters(node: Node): LogData;
}

/**
 * Runs a node until a signal stops it or it can't go on, which is logged and makes the exit code 1.
 *
 * @throws UserError if it can't be started
 */
export async function runNode<Node extends { close(): Promise<void> }>(
  options: RunOptions,
  run: NodeRun<Node>,
): Promise<void> {
  const { log } = run;
  let end: (failure?: Error) => void = () => undefined;
  const ended = new Promise<Error | undefined>((settle) => (end = settle));
  onStopSignal((signal) => {
    log.info('stopping', { signal });
    end();
  });
  const supervisor =
    options.supervised === true
      ? superviseThis(() => {
          log.info('stopping: the process that started this one is gone');
          end();
        })
      : undefined;
  const dataDir = await openDataDir(options.dataDir, {
    ...(run.words && { words: run.words }),
    secret: run.secret === true,
    warn: (message) => {
      log.warn(message);
    },
  });
  try {
    const node = await run.open(dataDir.store, end);
    run.onUp(node, supervisor, () => {
      log.info('stopping');
      end();
    });
    process.on('SIGUSR2', () => {
      log.info('counters', run.counters(node));
    });
    const failure = await ended;
    if (failure !== undefined) {
      const stack = options.verbose === true ? { stack: failure.stack } : {};
      log.error(`the ${run.member ?? 'peer'} can't go on: ${messageOf(failure)}`, stack);
      process.exitCode = 1;
    }
    run.onEnd?.();
    await node.close();
  } finally {
    await dataDir.close();
  }
  log.info('stopped');
  exitSoon();
}
