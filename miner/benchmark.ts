/** How fast this machine mines: what `--benchmark` measures and shows. */
import { availableParallelism, cpus } from 'node:os';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

import { preimageHead } from '../shared/block.ts';
import { UserError, messageOf } from '../shared/errors.ts';
import { estimateClock, processorTime, warmUpClock } from './clock.ts';
import type { Kernel } from './kernel/kernel.ts';
import { KERNEL_CHOICES, chooseKernel, type KernelChoice } from './kernel/registry.ts';
import { MiningPool } from './pool.ts';
import { formatDuration, formatRate, secondsPerBlock } from './screen.ts';

export interface BenchmarkOptions {
  /** `auto` measures every kernel. The reference is always measured: the others are compared with it. */
  readonly kernel: KernelChoice;
  /** Most threads, from 1. */
  readonly processes: number;
  /** What the time of a block is reported for. */
  readonly difficulty: number;
  /** Who signs the block: a part of what is hashed. */
  readonly name: string;
  /** How long a measurement lasts. */
  readonly benchmarkSeconds: number;
}

/** The whole mining at some number of threads, by the clock on the wall. */
export interface ThreadsResult {
  readonly threads: number;
  readonly hashes_per_second: number;
  /** Against one thread. */
  readonly ratio: number;
}

/** One kernel. These are the names in the JSON: they stay as they are. */
export type KernelResult =
  | { readonly kernel: string; readonly available: false; readonly reason: string }
  | {
      readonly kernel: string;
      readonly available: true;
      readonly description: string;
      /** One thread, by processor time: what other programs take does not count. */
      readonly hashes_per_second: number;
      /** Of the processor's clock; null where that can't be measured. */
      readonly cycles_per_nonce: number | null;
      /** `hashes_per_second` against the reference kernel's in the same run. */
      readonly ratio_to_reference: number;
      readonly scaling: readonly ThreadsResult[];
      /** How long a block takes on average with all threads. */
      readonly seconds_per_block: number;
    };

export interface BenchmarkReport {
  readonly node: string;
  readonly cpu: string;
  readonly cores: number;
  readonly difficulty: number;
  readonly seconds_per_measurement: number;
  readonly kernels: readonly KernelResult[];
}

type KernelName = Exclude<KernelChoice, 'auto'>;

/** What the benchmark takes from elsewhere; tests put their own in its place. */
export interface BenchmarkModules {
  /** @throws Error with the reason why a kernel does not run here */
  readonly load: (name: KernelName) => Kernel;
  /** The file that the pool's workers run. */
  readonly worker?: URL;
}

/** Zeros that nobody finds, so that nothing but the search is measured. */
const NEVER = 30;
/** Time between two looks at the clock, in seconds: short, for the clock changes; long, or the looks would count. */
const SLICE = 0.02;
/** How much the clock may change during a slice that is counted in cycles. */
const CLOCK_DRIFT = 0.1;
/** Length of the pool's tasks in milliseconds: what is not answered yet at an end is not counted. */
const TASK_TIME = 5;
/** What the jobs stand on; which hash it is makes no difference to the kernels. */
const PREVIOUS_HASH = `${'ab'.repeat(28)}00000000`;

/** A stretch of searching on one thread. */
export interface Slice {
  readonly tried: number;
  /** Processor time in seconds. */
  readonly time: number;
  /** The clock before and after it, in Hz, if it could be measured. */
  readonly clocks: readonly [number | undefined, number | undefined];
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)];
}

/** The median of nonces a second; 0 without any slice. */
export function rateOf(slices: readonly Slice[]): number {
  return median(slices.map(({ tried, time }) => tried / time)) ?? 0;
}

/** The median of cycles a nonce, over the slices whose clock was measured and steady; null if there is none. */
export function cyclesOf(slices: readonly Slice[]): number | null {
  const cycles: number[] = [];
  for (const { tried, time, clocks } of slices) {
    const [before, after] = clocks;
    if (before === undefined || after === undefined) continue;
    if (Math.abs(after - before) > CLOCK_DRIFT * before) continue;
    cycles.push((((before + after) / 2) * time) / tried);
  }
  return median(cycles) ?? null;
}

/** 1, 2, 4, … and `most`: enough to see where more threads no longer help, and few on a large machine. */
export function threadCounts(most: number): number[] {
  const counts: number[] = [];
  for (let threads = 1; threads < most; threads *= 2) counts.push(threads);
  return [...counts, most];
}

/** What is searched: a block of one message. */
function workFor(name: string): { head: Uint8Array; noncePrefix: string; difficulty: number } {
  const timestamp = Math.floor(Date.now() / 1000);
  const head = preimageHead({ minedBy: name, messages: ['benchmark'], timestamp }, PREVIOUS_HASH);
  return { head, noncePrefix: 'bench', difficulty: NEVER };
}

/** Lets a kernel search on this thread, in slices between which other things have their turn. */
async function measureThread(kernel: Kernel, name: string, seconds: number): Promise<Slice[]> {
  let search = kernel.search(workFor(name));
  const slices: Slice[] = [];
  // First calls are short: compilers optimise between calls.
  let nonces = 256;
  let before = estimateClock();
  const end = performance.now() + 1000 * seconds;
  // However short the time, there is one slice.
  while (slices.length === 0 || performance.now() < end) {
    const start = processorTime();
    const { tried, exhausted } = search.run(nonces);
    const time = processorTime() - start;
    const after = estimateClock();
    if (exhausted) search = kernel.search(workFor(name));
    if (time < SLICE / 2) nonces *= 2;
    else slices.push({ tried, time, clocks: [before, after] });
    before = after;
    await nextTurn();
  }
  return slices;
}

/**
 * Lets pools of 1 to `processes` threads search.
 *
 * @throws UserError if a worker crashes or finds a wrong nonce: what is measured then is another kernel, or none
 */
async function measurePool(
  options: BenchmarkOptions,
  kernel: KernelName,
  worker: URL | undefined,
  progress: (threads: number) => void,
): Promise<ThreadsResult[]> {
  const { processes, name, benchmarkSeconds } = options;
  const pool = new MiningPool({ processes: 1, kernel, taskTime: TASK_TIME, ...(worker && { worker }) });
  let trouble: string | undefined;
  pool.on('trouble', (message) => (trouble ??= message));
  pool.on('failed', (error) => (trouble ??= error.message));
  const check = (): void => {
    if (trouble !== undefined) throw new UserError(`the ${kernel} kernel can't be measured: ${trouble}`);
  };
  const results: ThreadsResult[] = [];
  try {
    pool.setWork(workFor(name));
    for (const threads of threadCounts(processes)) {
      progress(threads);
      pool.setProcesses(threads);
      while (!pool.stats().workers.every(({ tried }) => tried > 0)) {
        check();
        await sleep(TASK_TIME);
      }
      // Workers that are new have not reached their speed yet.
      await sleep(Math.min(benchmarkSeconds, 1) * 250);
      const before = pool.stats().tried;
      const start = performance.now();
      await sleep(1000 * benchmarkSeconds);
      while (pool.stats().tried === before) {
        check();
        await sleep(1);
      }
      const rate = ((pool.stats().tried - before) / (performance.now() - start)) * 1000;
      check();
      results.push({
        threads,
        hashes_per_second: rate,
        ratio: rate / (results[0]?.hashes_per_second ?? rate),
      });
    }
  } finally {
    await pool.close();
  }
  return results;
}

/**
 * Measures kernels one after the other; takes about {@link BenchmarkOptions.benchmarkSeconds} for each kernel and
 * number of threads.
 *
 * @param progress receives a few words on what is measured now
 * @throws UserError if the one kernel that was asked for does not run here, or a worker fails
 */
export async function runBenchmark(
  options: BenchmarkOptions,
  progress: (text: string) => void,
  { load, worker }: BenchmarkModules = { load: (name) => chooseKernel(name).kernel },
): Promise<BenchmarkReport> {
  const { kernel: choice, difficulty, name, processes, benchmarkSeconds } = options;
  const names = KERNEL_CHOICES.filter((kernel) => kernel !== 'auto').filter(
    (kernel) => choice === 'auto' || kernel === choice || kernel === 'reference',
  );
  const kernels = new Map<KernelName, Kernel | string>();
  for (const kernel of names) {
    try {
      kernels.set(kernel, load(kernel));
    } catch (error) {
      if (kernel === choice) throw error;
      kernels.set(kernel, messageOf(error));
    }
  }
  const running = [...kernels.values()].filter((kernel) => typeof kernel !== 'string').length;
  const steps = running * (1 + threadCounts(processes).length);
  let step = 0;
  const report = (text: string): void => {
    progress(`measuring ${++step} of ${steps}: ${text}`);
  };
  const measure = async (kernel: Kernel): Promise<Slice[]> => {
    report(`${kernel.name}, one thread`);
    // Or the text is not shown before the measurement is over.
    await nextTurn();
    return measureThread(kernel, name, benchmarkSeconds);
  };
  warmUpClock();
  const reference = await measure(load('reference'));
  const results: KernelResult[] = [];
  for (const [kernelName, kernel] of kernels) {
    if (typeof kernel === 'string') {
      results.push({ kernel: kernelName, available: false, reason: kernel });
      continue;
    }
    const slices = kernelName === 'reference' ? reference : await measure(kernel);
    const rate = rateOf(slices);
    const scaling = await measurePool(options, kernelName, worker, (threads) => {
      report(`${kernelName}, ${threads} of ${processes} threads`);
    });
    results.push({
      kernel: kernelName,
      available: true,
      description: kernel.description,
      hashes_per_second: rate,
      cycles_per_nonce: cyclesOf(slices),
      ratio_to_reference: rate / rateOf(reference),
      scaling,
      seconds_per_block: secondsPerBlock(difficulty, scaling.at(-1)?.hashes_per_second ?? rate),
    });
  }
  return {
    node: process.version,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    difficulty,
    seconds_per_measurement: benchmarkSeconds,
    kernels: results,
  };
}

/** The report for people. */
export function benchmarkTable(report: BenchmarkReport): string {
  const { node, cpu, cores, difficulty, kernels } = report;
  const lines = [`${cpu}, ${cores === 1 ? '1 core' : `${cores} cores`}, Node ${node}`, ''];
  const row = (name: string, ...columns: readonly string[]): void => {
    const widths = [14, 14, 14];
    lines.push(name.padEnd(12) + columns.map((column, i) => column.padStart(widths[i] ?? 0)).join(''));
  };
  row('one thread', 'rate', 'cycles/nonce', 'to reference');
  for (const result of kernels) {
    if (!result.available) {
      row(result.kernel, 'not here');
      continue;
    }
    const { hashes_per_second, cycles_per_nonce, ratio_to_reference } = result;
    const cycles = cycles_per_nonce?.toFixed(cycles_per_nonce < 100 ? 1 : 0) ?? 'n/a';
    row(result.kernel, formatRate(hashes_per_second), cycles, `${ratio_to_reference.toFixed(1)}×`);
  }
  for (const result of kernels) {
    lines.push('');
    if (!result.available) {
      lines.push(`${result.kernel} is not here: ${result.reason}`);
      continue;
    }
    lines.push(`${result.kernel}: ${result.description}`);
    for (const { threads, hashes_per_second, ratio } of result.scaling) {
      const name = threads === 1 ? '1 thread' : `${threads} threads`;
      row(`  ${name}`, formatRate(hashes_per_second), `${ratio.toFixed(2)}×`);
    }
    const time = formatDuration(result.seconds_per_block);
    lines.push(`  a block of difficulty ${difficulty} every ${time} on average`);
  }
  return lines.join('\n');
}
