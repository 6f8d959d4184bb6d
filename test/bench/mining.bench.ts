/**
 * The miner, from the kernel to the wire, as ratios within one run:
 *
 *     npm run build && node dist/test/bench/mining.bench.js [seconds in all, default 60]
 *
 * - One thread: the wasm kernel against one `createHash` a nonce, and the native kernel against wasm, by turns and by
 *   processor time; cycles a nonce with word 8, the cheapest layout with many midstates. More layouts are in
 *   kernels.bench.ts.
 * - Preparation: what a search does besides scanning (planning, midstates, first rounds, collecting hits), with new
 *   work every second, more often than any network has.
 * - The whole miner: connection, jobs, pool and workers of the program, over TCP with the real mining server in another
 *   process, on as many threads as there are cores. It really mines at the class network's difficulty: hits are
 *   verified and told, blocks handed in and followed by a new tip, and jobs renewed every second. Its hashes are
 *   counted by time, against threads that do nothing but search, by turns with it.
 * - From a tip to the last worker: from just before the server of that other process hears of a new tip until the last
 *   worker begins on it, with every core mining. A tip that was replaced before is counted with all its time. What a
 *   lower priority changes is in workers.bench.ts.
 *
 * How threads scale is told by `node miner --benchmark`. Other programs disturb the last two: the first by taking one
 * of the turns more than the other, the second by keeping peer or miner from the processor. Hashes by processor time
 * show what remains without them.
 */
import { availableParallelism, cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { BroadcastChannel } from 'node:worker_threads';

import { cyclesOf, rateOf, type Slice } from '../../miner/benchmark.ts';
import { PeerClient } from '../../miner/client.ts';
import { estimateClock, processorTime, warmUpClock } from '../../miner/clock.ts';
import type { SearchJob } from '../../miner/kernel/kernel.ts';
import { planLayout } from '../../miner/kernel/layout.ts';
import { loadNativeScans, nativeScanner } from '../../miner/kernel/native.ts';
import { ScanSearch, type Scanner } from '../../miner/kernel/scan.ts';
import { hasSimd, wasmScanner } from '../../miner/kernel/wasm.ts';
import { Miner, type Work } from '../../miner/miner.ts';
import { MiningPool } from '../../miner/pool.ts';
import { DEFAULT_DIFFICULTY, preimageHead } from '../../shared/block.ts';
import { messageOf } from '../../shared/errors.ts';
import { silentLog } from '../../shared/log.ts';
import { BareKernel } from './bare-kernel.ts';
import { hashFieldByField } from './field-by-field.ts';
import { median, quantile } from './figures.ts';
import { MiningPeer, templateOn, type Tip } from './mining-peer.ts';
import { TIMES_CHANNEL, firstStarts, latest, milliseconds, type TaskTimes } from './task-times.ts';
import { argument } from './measure.ts';

/** What part of the time each measurement has. */
const SHARES = { oneThread: 0.25, preparation: 0.1, wholeMiner: 0.4, tips: 0.25 };
/** Zeros that nobody finds. */
const NEVER = 30;
/** As long as what the peer and the pool give each worker. */
const NONCE_PREFIX = 'bench';
/** Processor time of one slice of a measurement on one thread, at least, in seconds. */
const SLICE = 0.02;
/** Slices of a millisecond of each work where preparation is measured: new work comes every second. */
const SLICES_PER_WORK = 1000;
/** Length of a turn of the whole miner, or of the bare kernel, in seconds. */
const TURN = 1.5;
/** Time in which workers that are to rest have answered, in milliseconds, even among other programs. */
const SETTLE = 200;

const threads = availableParallelism();

/** A block as the peer of this benchmark lets its miners search for. */
const HEAD = preimageHead(
  { ...templateOn('ab'.repeat(32), DEFAULT_DIFFICULTY), timestamp: 0 },
  'ab'.repeat(32),
);
/** Where a nonce begins decides how many characters are scanned between two preparations: three, or two only. */
const HEAD_LENGTHS = [119, 120];

/** The scanners that run here, portable ones first. */
function scanners(): { readonly wasm: Scanner; readonly native: Scanner | undefined } {
  const wasm = wasmScanner(hasSimd());
  try {
    const [scan] = loadNativeScans().values();
    return { wasm, native: scan && nativeScanner(scan) };
  } catch (error) {
    console.log(`no native kernel: ${messageOf(error)}`);
    return { wasm, native: undefined };
  }
}

/** Something that tries about so many nonces and says how many it were. */
type Trial = (nonces: number) => number;

function fieldByField(): Trial {
  let first = 0;
  return (nonces) => {
    hashFieldByField(first, nonces);
    first += nonces;
    return nonces;
  };
}

function scanning(scanner: Scanner, job: SearchJob): Trial {
  const search = new ScanSearch(scanner, job);
  return (nonces) => search.run(nonces).tried;
}

/** A job whose nonces vary this word of the final block, with many midstates. */
function jobWithWord(word: number): SearchJob {
  const job = { noncePrefix: '', difficulty: NEVER };
  for (let length = 128; length < 192; length++) {
    const layout = planLayout(length, 0);
    if (layout.word === word && layout.midstates > 1) return { ...job, head: new Uint8Array(length) };
  }
  throw new Error(`no nonces vary word ${word}`);
}

/** How many nonces make a slice. Begins with few, and many times: compilers optimise between calls. */
function sliceFor(run: Trial): number {
  for (let i = 0; i < 100; i++) run(2000);
  for (let nonces = 2000; ; nonces *= 2) {
    const start = processorTime();
    run(nonces);
    if (processorTime() - start >= SLICE) return nonces;
  }
}

/** Slices of each trial, by turns. */
function measureByTurns(trials: readonly Trial[], seconds: number): Slice[][] {
  const measured = trials.map((run) => ({ run, nonces: sliceFor(run), slices: [] as Slice[] }));
  const end = performance.now() + 1000 * seconds;
  do {
    for (const { run, nonces, slices } of measured) {
      const before = estimateClock();
      const start = processorTime();
      const tried = run(nonces);
      const time = processorTime() - start;
      slices.push({ tried, time, clocks: [before, estimateClock()] });
    }
  } while (performance.now() < end);
  return measured.map(({ slices }) => slices);
}

/** How many times as fast as the baseline, in each turn. */
function ratiosOf(slices: readonly Slice[], baseline: readonly Slice[]): number[] {
  return slices.map((slice, i) => rateOf([slice]) / rateOf(baseline.slice(i, i + 1)));
}

/** A search's time in which nothing is scanned. */
interface Preparation {
  /** Of the whole time. */
  readonly share: number;
  /** Until the first scan of a new work, in milliseconds. */
  readonly first: number;
}

/**
 * Searches one work after the other, each in as many slices. The same slice of every work has the same to do, so the
 * median over all works is what it takes when no other program comes between.
 */
function measurePreparation(scanner: Scanner, headLength: number, seconds: number): Preparation {
  let scanned = 0;
  const timed: Scanner = {
    ...scanner,
    scan: (from, to) => {
      const start = performance.now();
      scanner.scan(from, to);
      scanned += performance.now() - start;
    },
  };
  const job = { noncePrefix: NONCE_PREFIX, difficulty: NEVER };
  // As long as the slices of the miner's workers: a millisecond.
  const nonces = Math.ceil(
    sliceFor(scanning(timed, { ...job, head: new Uint8Array(headLength) })) / (1000 * SLICE),
  );
  const slices = Array.from({ length: SLICES_PER_WORK }, () => ({
    scanning: [] as number[],
    rest: [] as number[],
  }));
  const works = Math.max(5, Math.round(seconds));
  for (let work = 0; work < works; work++) {
    const head = new Uint8Array(headLength).fill(1 + work);
    let search: ScanSearch | undefined;
    for (const { scanning, rest } of slices) {
      scanned = 0;
      const start = performance.now();
      search ??= new ScanSearch(timed, { ...job, head });
      search.run(nonces);
      rest.push(performance.now() - start - scanned);
      scanning.push(scanned);
    }
  }
  const sum = (one: 'scanning' | 'rest'): number =>
    slices.reduce((total, slice) => total + median(slice[one]), 0);
  const rest = sum('rest');
  return { share: rest / (rest + sum('scanning')), first: median(slices[0]?.rest ?? []) };
}

/** Something that searches on all cores when it is told to. */
interface Searcher {
  readonly tried: number;
  setWorking(working: boolean): void;
}

/** Nonces a second: of time, and of processor time. */
interface Turn {
  readonly byTime: number;
  readonly byProcessorTime: number;
}

/** One turn of something that rests before and after it. Its start and its end count for it. */
async function measureTurn(searcher: Searcher, seconds: number): Promise<Turn> {
  const before = searcher.tried;
  const processorBefore = processorTime();
  const start = performance.now();
  searcher.setWorking(true);
  await sleep(1000 * seconds);
  searcher.setWorking(false);
  const time = (performance.now() - start) / 1000;
  await sleep(SETTLE);
  const tried = searcher.tried - before;
  return { byTime: tried / time, byProcessorTime: tried / (processorTime() - processorBefore) };
}

/** The miner as the program puts it together, but with workers that tell their times. */
class WholeMiner implements Searcher {
  readonly #pool: MiningPool<Work>;
  readonly #miner: Miner;

  constructor(port: number) {
    const worker = new URL('./timed-worker.js', import.meta.url);
    this.#pool = new MiningPool<Work>({ processes: threads, kernel: 'auto', worker });
    const fail = (problem: Error | string): void => {
      throw new Error('the miner has trouble', { cause: problem });
    };
    this.#pool.on('trouble', fail).on('failed', fail);
    const peer = { host: '127.0.0.1', port };
    const client = new PeerClient({
      peer,
      hello: { agent: 'benchmark', processes: threads },
      random: Math.random,
    });
    this.#miner = new Miner(
      { difficulty: NEVER, name: 'benchmark' },
      { client, pool: this.#pool, log: silentLog, now: Date.now, random: Math.random },
    );
    this.#miner.start();
  }

  get tried(): number {
    return this.#pool.stats().tried;
  }

  get found(): number {
    return this.#miner.stats().found;
  }

  setWorking(working: boolean): void {
    this.#miner.setPaused(!working);
  }

  /** Waits until every worker has worked. */
  async isUp(): Promise<void> {
    while (!this.#pool.stats().workers.every(({ tried }) => tried > 0)) await sleep(10);
  }

  async close(): Promise<void> {
    this.#miner.stop();
    await this.#pool.close();
  }
}

/** Turns of the miner and of the bare kernel, in alternating order. */
async function compareWithBare(miner: WholeMiner, seconds: number): Promise<{ miner: Turn[]; bare: Turn[] }> {
  const bare = new BareKernel(threads, HEAD, NONCE_PREFIX);
  miner.setWorking(false);
  const turns = { miner: [] as Turn[], bare: [] as Turn[] };
  // Of WebAssembly, compilers take a while.
  for (const searcher of [bare, miner]) await measureTurn(searcher, TURN);
  const end = performance.now() + 1000 * seconds;
  do {
    const minerFirst = turns.miner.length % 2 === 0;
    if (minerFirst) turns.miner.push(await measureTurn(miner, TURN));
    turns.bare.push(await measureTurn(bare, TURN));
    if (!minerFirst) turns.miner.push(await measureTurn(miner, TURN));
  } while (performance.now() < end);
  await bare.close();
  miner.setWorking(true);
  return turns;
}

/** From each tip to the last worker's start on it, in milliseconds, and how many tips not all workers began on. */
function tipTimes(tips: readonly Tip[], tasks: readonly TaskTimes[]): { times: number[]; missed: number } {
  const byTip = new Map<string, TaskTimes[]>();
  for (const task of tasks) {
    const hash = Buffer.from(task.head.subarray(0, 64)).toString('latin1');
    byTip.set(hash, [...(byTip.get(hash) ?? []), task]);
  }
  let missed = 0;
  const times = tips.slice(0, -1).map(({ hash, at }, i) => {
    const starts = firstStarts(byTip.get(hash) ?? []);
    if (starts.length === threads) return milliseconds(latest(starts) - at);
    missed++;
    return milliseconds((tips[i + 1]?.at ?? at) - at);
  });
  return { times, missed };
}

async function measureTips(
  peer: MiningPeer,
  seconds: number,
): Promise<{ readonly times: number[]; readonly missed: number }> {
  const tasks: TaskTimes[] = [];
  const channel = new BroadcastChannel(TIMES_CHANNEL);
  channel.onmessage = (event: unknown): void => {
    tasks.push((event as { data: TaskTimes }).data);
  };
  const tips = await peer.tips({ difficulty: NEVER, seconds });
  await sleep(SETTLE);
  channel.close();
  return tipTimes(tips, tasks);
}

function print(measure: string, value: string, goal: string): void {
  console.log(measure.padEnd(66) + value.padStart(20) + goal.padStart(12));
}

function spread(values: readonly number[], digits: number): string {
  const show = (value: number): string => value.toFixed(digits);
  return `${show(median(values))} (${show(quantile(values, 0.1))}–${show(quantile(values, 0.9))})`;
}

function printOneThread({ wasm, native }: ReturnType<typeof scanners>, seconds: number): void {
  warmUpClock();
  const job = jobWithWord(8);
  const trials = [fieldByField(), ...[wasm, native].flatMap((one) => (one ? [scanning(one, job)] : []))];
  const [naive = [], wasmSlices = [], nativeSlices = []] = measureByTurns(trials, seconds);
  const rate = (slices: Slice[]): string => (rateOf(slices) / 1e6).toFixed(2);
  const cycles = (slices: Slice[]): string => cyclesOf(slices)?.toFixed(1) ?? '–';
  print('createHash by fields, one thread, MH/s', rate(naive), '');
  print('wasm, one thread, MH/s', rate(wasmSlices), '');
  print('  times createHash', spread(ratiosOf(wasmSlices, naive), 1), '40');
  print('  cycles a nonce, word 8', cycles(wasmSlices), '125');
  if (native === undefined) return;
  print('native, one thread, MH/s', rate(nativeSlices), '');
  print('  times wasm', spread(ratiosOf(nativeSlices, wasmSlices), 2), '7');
  print('  cycles a nonce, word 8', cycles(nativeSlices), '16');
}

async function main(): Promise<void> {
  const seconds = argument(0, 'seconds', 60);
  const found = scanners();
  console.log(`Node ${process.version}, ${cpus()[0]?.model ?? 'unknown processor'}, ${threads} threads\n`);
  print('', 'median (p10–p90)', 'goal');
  printOneThread(found, SHARES.oneThread * seconds);

  const fastest = found.native ?? found.wasm;
  for (const length of HEAD_LENGTHS) {
    const { inner, word } = planLayout(length, NONCE_PREFIX.length);
    const part = (SHARES.preparation * seconds) / HEAD_LENGTHS.length;
    const { share, first } = measurePreparation(fastest, length, part);
    const layout = `word ${word}, ${inner.length} characters`;
    print(`preparation, ${fastest.name}, ${layout}, % of the time`, (100 * share).toFixed(2), '1');
    print('  until the first scan of a new work, ms', first.toFixed(2), '');
  }

  const peer = await MiningPeer.start();
  const miner = new WholeMiner(peer.port);
  try {
    await peer.tips({ difficulty: DEFAULT_DIFFICULTY, seconds: 0 });
    await miner.isUp();
    const turns = await compareWithBare(miner, SHARES.wholeMiner * seconds);
    const rates = (one: readonly Turn[]): number[] => one.map(({ byTime }) => byTime / 1e6);
    const against = (kind: keyof Turn): number[] =>
      turns.miner.map((turn, i) => turn[kind] / (turns.bare[i]?.[kind] ?? NaN));
    print(`bare kernel, ${threads} threads, MH/s`, spread(rates(turns.bare), 1), '');
    print(`whole miner over TCP, ${threads} threads, MH/s`, spread(rates(turns.miner), 1), '');
    print('  times bare, by time', spread(against('byTime'), 3), '0.95');
    print('  times bare, by processor time', spread(against('byProcessorTime'), 3), '');
    print('  blocks found and handed in', String(miner.found), '');

    const { times, missed } = await measureTips(peer, SHARES.tips * seconds);
    print(`from a tip at the peer to the last worker, ${times.length} tips, p50, ms`, at(times, 0.5), '');
    print('  p90', at(times, 0.9), '');
    print('  p99', at(times, 0.99), '10');
    print('  replaced before every worker began', String(missed), '');
  } finally {
    await miner.close();
    peer.stop();
  }
}

function at(values: readonly number[], share: number): string {
  return quantile(values, share).toFixed(2);
}

await main();
