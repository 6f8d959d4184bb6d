/** The command line of the miner. */
import { availableParallelism } from 'node:os';

import { Command } from 'commander';

import { addressKey } from '../shared/address.ts';
import { DEFAULT_DIFFICULTY, MAX_DIFFICULTY, isMineableName, trailingZeros } from '../shared/block.ts';
import { UserError } from '../shared/errors.ts';
import { createLog, type LogFormat, type LogLevel } from '../shared/log.ts';
import { addCommonOptions, addOption, integer, oneOf, runProgram, text } from '../shared/options.ts';
import { PeerClient } from './client.ts';
import { KERNEL_CHOICES, chooseKernel, type KernelChoice } from './kernel/registry.ts';
import { Miner, type Work } from './miner.ts';
import { MiningPool } from './pool.ts';
import { LiveLine, formatDuration, formatRate, statusLine } from './screen.ts';

/** What the miner calls itself when it talks to a peer. */
const AGENT = 'gossip-miner';
/** More workers than any machine has cores. */
const MAX_PROCESSES = 1024;
/** How often the live line is written anew, in milliseconds. */
const SCREEN_INTERVAL = 500;

interface Options {
  readonly peerHost: string;
  readonly peerPort: number;
  readonly processes: number;
  readonly kernel: KernelChoice;
  readonly difficulty: number;
  readonly name: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

function createProgram(): Command {
  const program = new Command('miner')
    .description('Searches blocks for a peer, with all cores. Ctrl-C stops it; a second Ctrl-C at once.')
    .addHelpText('after', '\nExample:\n  node miner --peer_host 127.0.0.1 --peer_port 8786 --processes 8');
  addOption(program, 'miner', {
    flags: '--peer-host <host>',
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
    flags: '--difficulty <zeros>',
    description: 'zeros that a hash must end in, for a peer that does not say it',
    parse: integer(1, MAX_DIFFICULTY),
    default: DEFAULT_DIFFICULTY,
  });
  addOption(program, 'miner', {
    flags: '--name <name>',
    description: 'who signs the blocks, for a peer that does not say it',
    parse: text(64, isMineableName, 'It must be 1 to 64 printable ASCII characters.'),
    default: AGENT,
  });
  addCommonOptions(program, 'miner');
  return program.action((options: Options) => mine(options));
}

/** Mines until it is told to stop. */
async function mine(options: Options): Promise<void> {
  const startedAt = performance.now();
  const uptime = (): number => (performance.now() - startedAt) / 1000;
  const line = process.stderr.isTTY ? new LiveLine(process.stderr) : undefined;
  const plainLog = createLog({ level: options.logLevel, format: options.logFormat });
  const log = line?.above(plainLog) ?? plainLog;

  const { kernel, reason } = chooseKernel(options.kernel);
  const peer = { host: options.peerHost, port: options.peerPort };
  log.info('mining', { peer: addressKey(peer), processes: options.processes });
  log.info(`kernel ${kernel.name}: ${kernel.description}`, { why: reason });

  const pool = new MiningPool<Work>({ processes: options.processes, kernel: options.kernel });
  const hello = { agent: AGENT, processes: options.processes };
  const client = new PeerClient({ peer, hello, random: Math.random });
  const miner = new Miner(options, { client, pool, log, now: Date.now, random: Math.random });
  const show = (): void => line?.show(statusLine(miner.stats(), uptime()));
  const timer = setInterval(show, SCREEN_INTERVAL);
  try {
    const stopped = untilStopped();
    const failed = new Promise<never>((_, reject) => {
      pool.on('failed', (error) => {
        reject(new UserError(error.message));
      });
    });
    miner.start();
    show();
    await Promise.race([stopped, failed]);
  } finally {
    clearInterval(timer);
    line?.show('');
    const { tried, found, accepted, stale, rejected, bestHash } = miner.stats();
    miner.stop();
    await pool.close();
    plainLog.info('stopped', {
      hashes: tried,
      rate: formatRate(tried / uptime()),
      found,
      accepted,
      stale,
      rejected,
      best: `${trailingZeros(bestHash)} zeros`,
      uptime: formatDuration(uptime()),
    });
  }
}

/** Waits for Ctrl-C or its like. The second one ends the process at once. */
function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (): void => {
      if (asked) process.exit(130);
      asked = true;
      resolve();
    };
    process.on('SIGINT', stop).on('SIGTERM', stop);
  });
}

await runProgram(createProgram(), process.argv.slice(2));
