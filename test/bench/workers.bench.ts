/**
 * What a lower priority of the workers brings and costs, with every core mining:
 *
 *     npm run build && node dist/test/bench/workers.bench.js [rounds, default 5] [seconds per round, default 4]
 *
 * Every round measures the normal and the lowered priority one after the other, in alternating order, so that other
 * programs disturb both alike. Another process stands for the peer: now and then it has a new tip and tells it, as a
 * peer does that wakes up for a datagram. A lag is how late a timer of 5 ms fires: in the miner's own main thread, and
 * in the peer. The first column is the same machine without a miner.
 *
 * Measured on 2 cores (EPYC, AVX-512 kernel) under foreign load of 2 to 3 programs a core, so only the ratios within a
 * run say something. In 8 runs of 2 to 4 rounds, lowered against normal: the lag of the main thread at p95 (kept of 4
 * runs) was 0.27 to 0.67 times as long, with 0.75 to 3.3 ms at the normal priority; that of the peer much the same. From a tip to the last
 * worker took 2.8 ms (quieter) to 6.0 ms (busier) at the median with either; p95 was 8 ms in the quietest run, and both
 * tails followed the foreign load: ratios at p99 from 0.2 to 5.2, in 5 of 8 runs longer when lowered. The rate did not
 * depend on it. So there is no reason to lower it by default: the lags are short, and who wants his other programs
 * served first has --niceness.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BroadcastChannel } from 'node:worker_threads';

import { chooseKernel } from '../../miner/kernel/registry.ts';
import { MiningPool } from '../../miner/pool.ts';
import { median, quantile } from './figures.ts';
import { TIMES_CHANNEL, firstStarts, latest, milliseconds, type TaskTimes } from './task-times.ts';
import { argument } from './measure.ts';

/** What is compared: 0 is normal; 10 is what people give to work in the background. */
const PRIORITIES = [0, 10];
/** Period of the timers whose lag is measured, in milliseconds. */
const PERIOD = 5;
/** Shortest and longest time to the next tip, in milliseconds, so that a tip falls into every part of a task. */
const TIP = { least: 20, most: 120 };

/** Keeps how late a timer is. */
class LagMeter {
  /** In milliseconds. */
  lags: number[] = [];
  #due = performance.now() + PERIOD;

  constructor() {
    setTimeout(() => {
      this.#tick();
    }, PERIOD).unref();
  }

  #tick(): void {
    const now = performance.now();
    this.lags.push(Math.max(0, now - this.#due));
    this.#due = now + PERIOD;
    setTimeout(() => {
      this.#tick();
    }, PERIOD).unref();
  }

  take(): number[] {
    return this.lags.splice(0);
  }
}

/** What was measured at one priority, or without a miner. Times in milliseconds. */
interface Figures {
  /** From new work to the end of a task of the old one, for each worker. */
  readonly abandoned: number[];
  /** From the tip at the peer to the last worker's start on it. */
  readonly begun: number[];
  readonly mainLags: number[];
  readonly peerLags: number[];
  /** Hashes a second, one value a round. */
  readonly rates: number[];
}

/** New work: when the peer had its tip, and when the miner took it; nanoseconds of the system's monotonic clock. */
interface Switch {
  readonly tip: bigint;
  readonly taken: bigint;
}

function noFigures(): Figures {
  return { abandoned: [], begun: [], mainLags: [], peerLags: [], rates: [] };
}

/** @param switches the work of the first one has epoch 1, and so on */
function addSwitches(figures: Figures, switches: readonly Switch[], times: readonly TaskTimes[]): void {
  switches.forEach(({ tip, taken }, index) => {
    for (const { epoch, begun, ended } of times)
      if (epoch === index && begun < taken && ended > taken)
        figures.abandoned.push(milliseconds(ended - taken));
    const starts = firstStarts(times.filter(({ epoch }) => epoch === index + 1));
    // Before the first one the workers were not even started.
    if (index > 0 && starts.length > 0) figures.begun.push(milliseconds(latest(starts) - tip));
  });
}

async function measure(
  niceness: number,
  seconds: number,
  lag: LagMeter,
  peer: ChildProcess,
  figures: Figures,
): Promise<void> {
  const times: TaskTimes[] = [];
  const channel = new BroadcastChannel(TIMES_CHANNEL);
  channel.onmessage = (event: unknown): void => {
    times.push((event as { data: TaskTimes }).data);
  };
  const pool = new MiningPool({
    processes: availableParallelism(),
    kernel: 'auto',
    niceness,
    worker: new URL('./timed-worker.js', import.meta.url),
  });
  const switches: Switch[] = [];
  const renew = (tip: bigint): void => {
    switches.push({ tip, taken: process.hrtime.bigint() });
    pool.setWork({ head: new Uint8Array(100), noncePrefix: 'bench', difficulty: 30 });
  };
  renew(process.hrtime.bigint());
  await sleep(500);
  await takeLags(lag, peer);
  const start = performance.now();
  const { tried } = pool.stats();
  while (performance.now() < start + 1000 * seconds) {
    renew(await ask<bigint>(peer, 'tip'));
  }
  figures.rates.push(((pool.stats().tried - tried) / (performance.now() - start)) * 1000);
  const lags = await takeLags(lag, peer);
  figures.mainLags.push(...lags.main);
  figures.peerLags.push(...lags.peer);
  await sleep(200);
  await pool.close();
  channel.close();
  addSwitches(figures, switches, times);
}

/** Asks the peer's process. */
async function ask<T>(peer: ChildProcess, what: 'lags' | 'tip'): Promise<T> {
  const answer = once(peer, 'message');
  peer.send(what);
  const [{ value }] = (await answer) as [{ value: T }];
  return value;
}

/** The lags of both since the last time. */
async function takeLags(lag: LagMeter, peer: ChildProcess): Promise<{ main: number[]; peer: number[] }> {
  return { main: lag.take(), peer: await ask<number[]>(peer, 'lags') };
}

/** The other process: tells lags at once, and a tip when it has one. */
function bePeer(): void {
  const lag = new LagMeter();
  process.on('message', (what) => {
    if (what === 'lags') {
      process.send?.({ value: lag.take() });
      return;
    }
    const delay = Math.round(TIP.least + Math.random() * (TIP.most - TIP.least));
    const tip = process.hrtime.bigint() + BigInt(delay) * 1_000_000n;
    setTimeout(() => process.send?.({ value: tip }), delay);
  });
  process.send?.({ value: null });
}

function print(title: string, values: readonly number[]): void {
  const [idle, normal, lowered] = values;
  const show = (value: number | undefined): string =>
    (value === undefined || Number.isNaN(value) ? '–' : value.toFixed(value < 100 ? 2 : 0)).padStart(12);
  const ratio = (lowered ?? NaN) / (normal ?? NaN);
  console.log(title.padEnd(40) + show(idle) + show(normal) + show(lowered) + show(ratio));
}

async function main(): Promise<void> {
  const rounds = argument(0, 'rounds', 5);
  const seconds = argument(1, 'seconds', 4);
  const { kernel } = chooseKernel('auto');
  const lag = new LagMeter();
  const peer = fork(fileURLToPath(import.meta.url), ['peer'], { serialization: 'advanced' });
  await once(peer, 'message');
  const idle = noFigures();
  const byPriority = PRIORITIES.map(() => noFigures());
  await takeLags(lag, peer);
  for (let round = 0; round < rounds; round++) {
    await sleep(1000);
    const lags = await takeLags(lag, peer);
    idle.mainLags.push(...lags.main);
    idle.peerLags.push(...lags.peer);
    const turns = byPriority.map((figures, i) => ({ figures, niceness: PRIORITIES[i] ?? 0 }));
    for (const { figures, niceness } of round % 2 === 0 ? turns : turns.toReversed())
      await measure(niceness, seconds, lag, peer, figures);
  }
  peer.disconnect();
  const all = [idle, ...byPriority];
  console.log(`${kernel.name} kernel, ${availableParallelism()} workers, ${rounds} rounds of ${seconds} s\n`);
  console.log(
    ''.padEnd(40) + ['no miner', 'normal', 'lowered', 'ratio'].map((name) => name.padStart(12)).join(''),
  );
  for (const [share, name] of [
    [0.5, 'p50'],
    [0.95, 'p95'],
    [0.99, 'p99'],
  ] as const) {
    const row = (title: string, of: (figures: Figures) => readonly number[]): void => {
      print(
        `${title}, ${name}, ms`,
        all.map((figures) => quantile(of(figures), share)),
      );
    };
    row('stale work goes on', ({ abandoned }) => abandoned);
    row('from tip to last worker', ({ begun }) => begun);
    row('lag of the miner’s main thread', ({ mainLags }) => mainLags);
    row('lag of the peer', ({ peerLags }) => peerLags);
  }
  print(
    'million hashes a second',
    all.map(({ rates }) => median(rates) / 1e6),
  );
}

if (process.argv[2] === 'peer') bePeer();
else await main();
