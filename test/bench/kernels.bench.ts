/**
 * How fast each kernel is on one thread, in several layouts, against the reference kernel.
 *
 *     npm run build && node dist/test/bench/kernels.bench.js [seconds per row, default 1]
 *
 * The last column compares a layout whose midstates are the orders of a block's messages with the one that serves a
 * single order, which the miner had to take otherwise.
 *
 * Rates are by processor time, so that other programs disturb them little. The clock is measured between the slices
 * with a chain of multiplications that wait for each other, 3 cycles each on the processors of the last ten years.
 */
import { cpus } from 'node:os';

import { assemble, FunctionWriter, i32, repeatWhile } from '../../miner/kernel/assembler.ts';
import { planLayout } from '../../miner/kernel/layout.ts';
import type { Layout } from '../../miner/kernel/layout.ts';
import { loadNativeScans, nativeScanner } from '../../miner/kernel/native.ts';
import { referenceKernel } from '../../miner/kernel/reference.ts';
import { ScanSearch } from '../../miner/kernel/scan.ts';
import { hasSimd, instantiateModule, wasmScanner } from '../../miner/kernel/wasm.ts';
import { messageOrders } from '../../miner/orders.ts';
import { messageOf } from '../../shared/errors.ts';
import { hashFieldByField } from './field-by-field.ts';
import { argument } from './measure.ts';

const seconds = argument(0, 'seconds', 1);

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

/** Nonces begin with it; a miner's have up to six characters here, which costs a word. */
const PREFIX = '';
const DIFFICULTY = 8;

/** Lengths of heads that bring about the layouts to be measured: words 0, 4 and 8, and a single midstate. */
function headLengths(): number[] {
  const lengths = Array.from({ length: 64 }, (_, i) => 128 + i);
  const layout = (length: number): Layout => planLayout(length, PREFIX.length);
  const shared = [0, 4, 8].map((word) =>
    lengths.find((length) => layout(length).word === word && layout(length).midstates > 1),
  );
  return [...shared, lengths.find((length) => layout(length).midstates === 1)].filter(
    (length) => length !== undefined,
  );
}

/** Heads of so many bytes, one for each order of four messages that stand before the final block. */
function headsOfOrders(length: number): Uint8Array[] {
  const orders = messageOrders(['one', 'two', 'three', 'four']);
  return orders.map((order) => Buffer.alloc(length).fill(order.join(''), 0, 15));
}

const print = (...columns: string[]): void => {
  const [kernel = '', ...numbers] = columns;
  console.log(kernel.padEnd(26) + numbers.map((number) => number.padStart(14)).join(''));
};

const reference = referenceKernel.search({
  head: new Uint8Array(150),
  noncePrefix: PREFIX,
  difficulty: DIFFICULTY,
});
const referenceRate = measure((nonces) => reference.run(nonces).tried);

const printRate = (
  kernel: string,
  word: string,
  midstates: string,
  { rate, cycles }: Rate,
  oneOrder?: Rate,
): void => {
  const ratio = rate / referenceRate.rate;
  const gain = oneOrder === undefined ? '' : (rate / oneOrder.rate).toFixed(2);
  print(kernel, word, midstates, (rate / 1e6).toFixed(2), cycles.toFixed(1), ratio.toFixed(1), gain);
};

console.log(`Node ${process.version}, ${cpus()[0]?.model ?? 'unknown processor'}`);
print('kernel', 'word', 'midstates', 'MH/s', 'cycles/nonce', 'ratio', 'to one order');
let tried = 0;
function fieldByField(nonces: number): number {
  hashFieldByField(tried, nonces);
  tried += nonces;
  return nonces;
}
printRate('createHash, by fields', '', '', measure(fieldByField));
printRate('reference', '', '', referenceRate);

const scanners = new Map([['wasm without SIMD', wasmScanner(false)]]);
if (hasSimd()) scanners.set('wasm', wasmScanner(true));
try {
  for (const [name, scan] of loadNativeScans()) scanners.set(`native ${name}`, nativeScanner(scan));
} catch (error) {
  console.log(`no native kernel: ${messageOf(error)}`);
}
for (const [name, scanner] of scanners) {
  for (const length of headLengths()) {
    const [head = new Uint8Array(), ...otherHeads] = headsOfOrders(length);
    const job = { head, noncePrefix: PREFIX, difficulty: DIFFICULTY };
    const search = new ScanSearch(scanner, job);
    const rate = measure((nonces) => search.run(nonces).tried);
    printRate(name, `${search.layout.word}`, `${search.layout.midstates}`, rate);
    const orders = new ScanSearch(scanner, { ...job, otherHeads });
    if (orders.layout.heads.length === 1) continue;
    const ordersRate = measure((nonces) => orders.run(nonces).tried);
    const { word, midstates } = orders.layout;
    printRate(`${name}, by orders`, `${word}`, `${midstates}`, ordersRate, rate);
  }
}
