/** The command line of the miner. */
import { availableParallelism } from 'node:os';

import { Command } from 'commander';

import { addressKey } from '../shared/address.ts';
import { DEFAULT_DIFFICULTY, MAX_DIFFICULTY, isMineableName, trailingZeros } from '../shared/block.ts';
import { UserError, messageOf } from '../shared/errors.ts';
import { toJson } from '../shared/escape.ts';
import { createLog, type Log, type LogFormat, type LogLevel } from '../shared/log.ts';
import {
  addCommonOptions,
  addOption,
  addSupervisedOption,
  applyOptionFile,
  integer,
  oneOf,
  runProgram,
  seconds,
  text,
} from '../shared/options.ts';
import { superviseThis } from '../shared/supervised.ts';
import { benchmarkTable, runBenchmark } from './benchmark.ts';
import { PeerClient } from './client.ts';
import { KERNEL_CHOICES, chooseKernel, type KernelChoice } from './kernel/registry.ts';
import { Keys } from './keys.ts';
import { Miner, type Work } from './miner.ts';
import { MiningPool } from './pool.ts';
import { LiveLines, formatDuration, formatRate, keyLine, statusLines } from './screen.ts';

/** What the miner calls itself when it talks to a peer. */
const AGENT = 'gossip-miner';
/** More workers than any machine has cores. */
const MAX_PROCESSES = 1024;
/** The lowest priority that there is. */
const MAX_NICENESS = 19;
/** Longest measurement of a benchmark, in seconds. */
const MAX_BENCHMARK_SECONDS = 3600;
/** How often the live lines are written anew, in milliseconds. */
const SCREEN_INTERVAL = 500;

interface Options {
  readonly peerHost: string;
  readonly peerPort: number;
  readonly processes: number;
  readonly kernel: KernelChoice;
  readonly niceness: number;
  readonly difficulty: number;
  readonly name: string;
  readonly benchmark?: boolean;
  readonly benchmarkSeconds: number;
  readonly json?: boolean;
  readonly supervised?: boolean;
  readonly config?: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

const MORE_HELP = `
Examples:
  node miner --peer_host 127.0.0.1 --peer_port 8786 --processes 8
  node miner --benchmark --difficulty 9

On a terminal:
  p pauses and resumes, + and - start and end a worker,
  q ends the miner (as Ctrl-C does)

Signals:
  SIGUSR2 pauses and resumes
  SIGHUP  reads "processes" from the --config file again; on a terminal, or
          without such a file, it ends the miner
  SIGINT, SIGTERM  end the miner, the second one at once`;

function createProgram(): Command {
  const program = new Command('miner')
    .description('Searches blocks for a peer, with all cores. Ctrl-C stops it; a second Ctrl-C at once.')
    .addHelpText('after', MORE_HELP);
  addOption(program, 'miner', {
    flags: '--peer-host [host]',
    description: 'the peer to mine for',
    default: '127.0.0.1',
  });
  addOption(program, 'miner', {
    flags: '--peer-port <port>',
    description: 'the port at which the peer serves its miners',
    parse: integer(1, 65535),
    default: 8786,
  });
  addOption(program, 'miner', {
    flags: '--processes <number>',
    description: 'how many workers search at the same time',
    parse: integer(1, MAX_PROCESSES),
    default: availableParallelism(),
    defaultText: `all cores, here ${availableParallelism()}`,
  });
  addOption(program, 'miner', {
    flags: '--kernel <kernel>',
    description: `how to search: ${KERNEL_CHOICES.join(', ')}`,
    parse: oneOf(KERNEL_CHOICES),
    default: 'auto',
  });
  addOption(program, 'miner', {
    flags: '--niceness <number>',
    description: `how far workers stand back behind other programs, 0 to ${MAX_NICENESS}; on Linux`,
    parse: integer(0, MAX_NICENESS),
    // Lowering it shortens lags that are short already, and wins nothing else: see test/bench/workers.bench.ts.
    default: 0,
  });
  addOption(program, 'miner', {
    flags: '--difficulty <zeros>',
    description: 'zeros that a hash must end in, for a peer that does not say it and for the benchmark',
    parse: integer(1, MAX_DIFFICULTY),
    default: DEFAULT_DIFFICULTY,
  });
  addOption(program, 'miner', {
    flags: '--name <name>',
    description: 'who signs the blocks, for a peer that does not say it',
    parse: text(64, isMineableName, 'It must be 1 to 64 printable ASCII characters.'),
    default: AGENT,
  });
  addOption(program, 'miner', {
    flags: '--benchmark',
    description:
      'measure the kernels (one, if --kernel names it) on 1 to --processes threads, and mine nothing',
  });
  addOption(program, 'miner', {
    flags: '--benchmark-seconds <seconds>',
    description: 'how long each measurement of the benchmark lasts',
    parse: seconds(MAX_BENCHMARK_SECONDS),
    default: 2,
  });
  addOption(program, 'miner', { flags: '--json', description: 'the benchmark as JSON, for programs' });
  addCommonOptions(addSupervisedOption(program), 'miner');
  return program.action((options: Options, command: Command) => {
    if (options.benchmark === true) return benchmark(options);
    if (options.json === true)
      throw new UserError('--json is for --benchmark; the log has --log-format json');
    return mine(options, command);
  });
}

/** Measures, and writes the result to standard output. */
async function benchmark(options: Options): Promise<void> {
  const lines = process.stderr.isTTY ? new LiveLines(process.stderr) : undefined;
  const report = await runBenchmark(options, (progress) => lines?.show(progress)).finally(() =>
    lines?.show(),
  );
  console.log(options.json === true ? toJson(report, 2) : benchmarkTable(report));
}

/** Mines until it is stopped. */
async function mine(options: Options, command: Command): Promise<void> {
  const startedAt = performance.now();
  const uptime = (): number => (performance.now() - startedAt) / 1000;
  const lines = process.stderr.isTTY ? new LiveLines(process.stderr) : undefined;
  const plainLog = createLog({ level: options.logLevel, format: options.logFormat });
  const log = lines?.above(plainLog) ?? plainLog;

  const { kernel, reason } = chooseKernel(options.kernel);
  const peer = { host: options.peerHost, port: options.peerPort };
  log.info('mining', { peer: addressKey(peer), processes: options.processes });
  log.info(`kernel ${kernel.name}: ${kernel.description}`, { why: reason });

  const pool = new MiningPool<Work>(options);
  const hello = {
    agent: AGENT,
    // What it is when the connection is made.
    get processes(): number {
      return pool.processes;
    },
  };
  const client = new PeerClient({ peer, hello, random: Math.random });
  const miner = new Miner(options, { client, pool, log, now: Date.now, random: Math.random });

  const { stopped, stop } = stopper();
  if (options.supervised === true) superviseThis(stop);
  const togglePause = (): void => {
    miner.setPaused(!miner.stats().paused);
    show();
  };
  const setProcesses = (processes: number): void => {
    const next = Math.max(1, Math.min(processes, MAX_PROCESSES));
    if (next === pool.processes) return;
    pool.setProcesses(next);
    log.info('another number of workers', { processes: next });
    show();
  };
  const keys =
    lines && process.stdin.isTTY
      ? new Keys(process.stdin, {
          togglePause,
          addWorker: () => {
            setProcesses(pool.processes + 1);
          },
          removeWorker: () => {
            setProcesses(pool.processes - 1);
          },
          quit: stop,
          suspend: () => {
            lines.show();
            // The terminal itself would send it to the whole group, and so to a shell script around us.
            process.kill(0, 'SIGTSTP');
          },
        })
      : undefined;
  const show = (): void => {
    const stats = miner.stats();
    lines?.show(...statusLines(stats, uptime()), ...(keys?.active === true ? [keyLine(stats)] : []));
  };

  process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGUSR2', togglePause);
  process.on('SIGCONT', () => keys?.take());
  process.on('SIGHUP', () => {
    const { config } = options;
    // A terminal sends it when it is closed.
    if (config === undefined || lines !== undefined || process.stdin.isTTY) stop();
    else rereadProcesses(command, config, log, setProcesses);
  });
  const failed = new Promise<never>((_, reject) => {
    pool.on('failed', (error) => {
      reject(new UserError(error.message));
    });
  });
  const timer = setInterval(show, SCREEN_INTERVAL);
  try {
    keys?.take();
    miner.start();
    show();
    await Promise.race([stopped, failed]);
  } finally {
    clearInterval(timer);
    keys?.release();
    lines?.show();
    const { tried, found, accepted, stale, rejected, unanswered, bestHash, crashes } = miner.stats();
    miner.stop();
    await pool.close();
    plainLog.info('stopped', {
      hashes: tried,
      rate: formatRate(tried / uptime()),
      found,
      accepted,
      stale,
      rejected,
      ...(unanswered > 0 && { unanswered }),
      best: `${trailingZeros(bestHash)} zeros`,
      crashes,
      uptime: formatDuration(uptime()),
    });
  }
}

/** Takes the number of workers from the option file, as it is now; a mistake in it changes nothing. */
function rereadProcesses(
  command: Command,
  file: string,
  log: Log,
  setProcesses: (processes: number) => void,
): void {
  const source = command.getOptionValueSource('processes');
  if (source === 'cli' || source === 'env') {
    log.warn('the number of processes was given on the command line or in the environment, and stays');
    return;
  }
  const fresh = createProgram();
  try {
    applyOptionFile(fresh, file);
  } catch (error) {
    log.warn(messageOf(error));
    return;
  }
  setProcesses(fresh.opts<Options>().processes);
}

/** `stopped` is fulfilled when `stop` is called the first time; the second time ends the process at once. */
function stopper(): { readonly stopped: Promise<void>; readonly stop: () => void } {
  let asked = false;
  let resolve: (() => void) | undefined;
  const stopped = new Promise<void>((done) => {
    resolve = done;
  });
  const stop = (): void => {
    if (asked) process.exit(130);
    asked = true;
    resolve?.();
  };
  return { stopped, stop };
}

await runProgram(createProgram(), process.argv.slice(2));
