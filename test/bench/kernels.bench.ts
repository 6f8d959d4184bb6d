/**
 * How fast each kernel is on one thread, in several layouts, against hashing nonce by nonce with node:crypto.
 *
 *     npm run build && node dist/test/bench/kernels.bench.js [seconds per row, default 1]
 *
 * Rates are by processor time, so that other programs disturb them little. The clock is measured between the slices
 * with a chain of multiplications that wait for each other, 3 cycles each on the processors of the last ten years.
 */
import { createHash } from 'node:crypto';

import { assemble, FunctionWriter, i32, repeatWhile } from '../../miner/kernel/assembler.ts';
import type { Kernel } from '../../miner/kernel/kernel.ts';
import { planLayout } from '../../miner/kernel/layout.ts';
import { createWasmKernel, hasSimd, instantiateModule } from '../../miner/kernel/wasm.ts';

const seconds = Number(process.argv[2] ?? 1);

/** Multiplications in one turn of the clock's loop. */
const CHAIN = 64;
const CYCLES_PER_MULTIPLICATION = 3;

/** A function that multiplies `turns` · 64 times, each time what the multiplication before has left. */
function multiplicationChain(): (turns: number) => void {
  const writer = new FunctionWriter(1);
  const [turns] = writer.parameters;
  const product = writer.local('i32');
  if (turns === undefined) throw new Error('The function has a parameter.');
  const body = [
    product.set(i32.constant(3)),
    repeatWhile(
      turns.get,
      Array.from({ length: CHAIN }, () => product.set(i32.multiply(product.get, product.get))),
      turns.set(i32.subtract(turns.get, i32.constant(1))),
    ),
    // Kept, or the compiler would leave the work out.
    i32.store(i32.constant(0), product.get),
  ];
  const chain = instantiateModule(assemble([{ name: 'chain', writer, body }], 1))['chain'];
  if (typeof chain !== 'function') throw new Error('The module exports a function.');
  return (count) => {
    Reflect.apply(chain, undefined, [count]);
  };
}

/** Processor time of this process, in seconds. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

const chain = multiplicationChain();
for (let i = 0; i < 100; i++) chain(1000);

/** The clock as it is now, in Hz. */
function clock(): number {
  const turns = 20_000;
  const start = processorTime();
  chain(turns);
  return (turns * CHAIN * CYCLES_PER_MULTIPLICATION) / (processorTime() - start);
}

function median(values: number[]): number {
  return values.toSorted((x, y) => x - y)[Math.floor(values.length / 2)] ?? NaN;
}

interface Rate {
  /** Nonces a second. */
  readonly rate: number;
  /** Clock cycles per nonce. */
  readonly cycles: number;
}

/** @param run tries about so many nonces and says how many it were */
function measure(run: (nonces: number) => number): Rate {
  for (let i = 0; i < 100; i++) run(2000);
  let slice = 2000;
  const until = performance.now() + 1000 * seconds;
  const rates: number[] = [];
  const cycles: number[] = [];
  while (performance.now() < until) {
    const before = clock();
    const start = processorTime();
    const tried = run(slice);
    const time = processorTime() - start;
    const after = clock();
    if (time < 0.02) {
      slice *= 2;
      continue;
    }
    rates.push(tried / time);
    cycles.push((((before + after) / 2) * time) / tried);
  }
  return { rate: median(rates), cycles: median(cycles) };
}

/** A miner that hashes the head and each nonce anew, as a simple Node program does. */
function hashOneByOne(head: Uint8Array): (nonces: number) => number {
  let counter = 0;
  return (nonces) => {
    for (let i = 0; i < nonces; i++) {
      const digest = createHash('sha256').update(head).update(`${counter++}`).digest('hex');
      if (digest.endsWith('00000000')) console.log('found by chance');
    }
    return nonces;
  };
}

function runKernel(kernel: Kernel, head: Uint8Array): (nonces: number) => number {
  const search = kernel.search({ head, noncePrefix: 'bench', difficulty: 8 });
  return (nonces) => search.run(nonces).tried;
}

const kernels = [createWasmKernel(false)];
if (hasSimd()) kernels.push(createWasmKernel(true));

const baseline = measure(hashOneByOne(new Uint8Array(150)));
console.log('kernel                              word  midstates     MH/s  cycles/nonce     ratio');
function print(name: string, word: string, midstates: string, { rate, cycles }: Rate): void {
  const columns = [
    name.padEnd(34),
    word.padStart(5),
    midstates.padStart(10),
    (rate / 1e6).toFixed(2).padStart(8),
    cycles.toFixed(1).padStart(13),
    (rate / baseline.rate).toFixed(1).padStart(9),
  ];
  console.log(columns.join(' '));
}
print('createHash for each nonce', '', '', baseline);
// Lengths of the head for word 0, 4, 8, and for a nonce that reaches no block boundary.
for (const kernel of kernels) {
  for (const headLength of [152, 168, 184, 138]) {
    const layout = planLayout(headLength, 'bench'.length);
    const rate = measure(runKernel(kernel, new Uint8Array(headLength)));
    print(
      `${kernel.name} (${kernel.description.slice(0, 40)})`,
      `${layout.word}`,
      `${layout.midstates}`,
      rate,
    );
  }
}
