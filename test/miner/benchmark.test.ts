import { describe, expect, it } from 'vitest';

import {
  benchmarkTable,
  cyclesOf,
  rateOf,
  runBenchmark,
  threadCounts,
  type BenchmarkOptions,
  type BenchmarkReport,
  type KernelResult,
} from '../../miner/benchmark.ts';
import { estimateClock, warmUpClock } from '../../miner/clock.ts';
import { referenceKernel } from '../../miner/kernel/reference.ts';
import { UserError } from '../../shared/errors.ts';
import { WORKER } from './helpers.ts';

const OPTIONS: BenchmarkOptions = {
  kernel: 'auto',
  processes: 2,
  difficulty: 5,
  name: 'me',
  benchmarkSeconds: 0.05,
};

const REPORT: BenchmarkReport = {
  node: 'v20.0.0',
  cpu: 'Some CPU',
  cores: 2,
  difficulty: 8,
  seconds_per_measurement: 2,
  kernels: [
    { kernel: 'native', available: false, reason: 'not built' },
    {
      kernel: 'wasm',
      available: true,
      description: 'vectors',
      hashes_per_second: 31.6e6,
      cycles_per_nonce: 122.3,
      ratio_to_reference: 40.25,
      scaling: [
        { threads: 1, hashes_per_second: 31e6, ratio: 1 },
        { threads: 2, hashes_per_second: 60.5e6, ratio: 1.952 },
      ],
      seconds_per_block: 71,
    },
    {
      kernel: 'reference',
      available: true,
      description: 'plain',
      hashes_per_second: 785_000,
      cycles_per_nonce: null,
      ratio_to_reference: 1,
      scaling: [{ threads: 1, hashes_per_second: 785_000, ratio: 1 }],
      seconds_per_block: 5471,
    },
  ],
};

/** The results of kernels that run. */
function available(kernels: readonly KernelResult[]): Extract<KernelResult, { available: true }>[] {
  return kernels.filter((result) => result.available);
}

describe('what slices say', () => {
  const steady = { tried: 100, time: 2, clocks: [4e9, 4e9] } as const;

  it('is the median rate', () => {
    expect(rateOf([])).toBe(0);
    expect(rateOf([steady, { ...steady, tried: 200 }, { ...steady, tried: 2000 }])).toBe(100);
  });

  it('is the median of cycles a nonce, where the clock was measured and steady', () => {
    expect(cyclesOf([steady])).toBe(8e7);
    expect(cyclesOf([{ ...steady, clocks: [3.9e9, 4.1e9] }])).toBe(8e7);
    expect(cyclesOf([{ ...steady, clocks: [2e9, 4e9] }])).toBeNull();
    expect(cyclesOf([{ ...steady, clocks: [undefined, 4e9] }])).toBeNull();
    expect(cyclesOf([{ ...steady, clocks: [4e9, undefined] }])).toBeNull();
    expect(cyclesOf([])).toBeNull();
  });

  it('is told for few numbers of threads, with the first and the last', () => {
    expect(threadCounts(1)).toEqual([1]);
    expect(threadCounts(2)).toEqual([1, 2]);
    expect(threadCounts(6)).toEqual([1, 2, 4, 6]);
    expect(threadCounts(1024)).toHaveLength(11);
  });
});

describe('the clock', () => {
  it('is one that a processor can have, or unknown', () => {
    warmUpClock();
    const clock = estimateClock() ?? 1e9;
    expect(clock).toBeGreaterThanOrEqual(2e8);
    expect(clock).toBeLessThanOrEqual(1e10);
  });
});

describe('a benchmark', () => {
  it('measures the kernels that run, and says of the others why they do not', async () => {
    const progress: string[] = [];
    const report = await runBenchmark(OPTIONS, (text) => progress.push(text), {
      load: (name) => {
        if (name === 'native') throw new Error('not built');
        return { ...referenceKernel, name };
      },
      worker: WORKER,
    });
    const [native, ...others] = report.kernels;
    expect(native).toEqual({ kernel: 'native', available: false, reason: 'not built' });
    expect(others.map(({ kernel }) => kernel)).toEqual(['wasm', 'reference']);
    const [wasm, reference] = available(others);
    expect(reference?.ratio_to_reference).toBe(1);
    expect(wasm?.ratio_to_reference).toBe(
      (wasm?.hashes_per_second ?? 0) / (reference?.hashes_per_second ?? 1),
    );
    for (const result of [wasm, reference]) {
      expect(result?.hashes_per_second).toBeGreaterThan(0);
      expect(result?.scaling.map(({ threads }) => threads)).toEqual([1, 2]);
      const [one, two] = result?.scaling ?? [];
      expect(one?.ratio).toBe(1);
      expect(two?.ratio).toBe((two?.hashes_per_second ?? 0) / (one?.hashes_per_second ?? 1));
      expect(result?.seconds_per_block).toBe(16 ** 5 / (two?.hashes_per_second ?? 0));
    }
    expect(progress[0]).toBe('measuring 1 of 6: reference, one thread');
    expect(progress[1]).toBe('measuring 2 of 6: wasm, one thread');
    expect(progress.at(-1)).toBe('measuring 6 of 6: reference, 2 of 2 threads');
  });

  it('measures one kernel and the reference, if one is asked for', async () => {
    const loaded: string[] = [];
    const options = { ...OPTIONS, kernel: 'wasm', processes: 1 } as const;
    const report = await runBenchmark(options, () => undefined, {
      load: (name) => {
        loaded.push(name);
        return referenceKernel;
      },
      worker: WORKER,
    });
    expect(report.kernels.map(({ kernel }) => kernel)).toEqual(['wasm', 'reference']);
    expect(loaded).not.toContain('native');
  });

  it('fails in one line if the kernel that was asked for does not run', async () => {
    const load = (name: string): typeof referenceKernel => {
      if (name === 'native') throw new UserError('the native kernel does not run here: not built');
      return referenceKernel;
    };
    await expect(
      runBenchmark({ ...OPTIONS, kernel: 'native' }, () => undefined, { load, worker: WORKER }),
    ).rejects.toThrow(new UserError('the native kernel does not run here: not built'));
  });

  it('does not give out the rate of workers that crash', async () => {
    const broken = new URL('data:text/javascript,throw new Error("broken")');
    await expect(
      runBenchmark({ ...OPTIONS, processes: 1 }, () => undefined, {
        load: () => referenceKernel,
        worker: broken,
      }),
    ).rejects.toThrow(/^the native kernel can't be measured: .*crash/);
  });
});

describe('the table', () => {
  it('is for people', () => {
    expect(benchmarkTable(REPORT).split('\n')).toEqual([
      'Some CPU, 2 cores, Node v20.0.0',
      '',
      'one thread            rate  cycles/nonce  to reference',
      'native            not here',
      'wasm             31.6 MH/s           122         40.3×',
      'reference         785 kH/s           n/a          1.0×',
      '',
      'native is not here: not built',
      '',
      'wasm: vectors',
      '  1 thread       31.0 MH/s         1.00×',
      '  2 threads      60.5 MH/s         1.95×',
      '  a block of difficulty 8 every 1m 11s on average',
      '',
      'reference: plain',
      '  1 thread        785 kH/s         1.00×',
      '  a block of difficulty 8 every 1h 31m on average',
    ]);
  });
});
