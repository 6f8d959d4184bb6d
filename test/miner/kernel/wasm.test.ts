import { expect, test } from 'vitest';

import { assemble, call, FunctionWriter, i32, loopWhile } from '../../../miner/kernel/assembler.ts';
import { createWasmKernel, hasSimd, instantiateModule, wasmScanner } from '../../../miner/kernel/wasm.ts';
import { headOf, testScanner, zerosOf } from './suite.ts';

testScanner('wasm without SIMD', wasmScanner(false));
if (hasSimd()) testScanner('wasm with SIMD', wasmScanner(true));
else console.log('no WebAssembly SIMD here: only the variant without it is tested');

test('the kernel mines', () => {
  const kernel = createWasmKernel();
  expect(kernel.name).toBe('wasm');
  const head = headOf(180);
  const { found } = kernel.search({ head, noncePrefix: 'me', difficulty: 3 }).run(50_000);
  expect(found.length).toBeGreaterThan(0);
  for (const { nonce } of found) expect(zerosOf(head, nonce)).toBeGreaterThanOrEqual(3);
});

test('the assembler writes numbers of every size, calls, loops and stores', () => {
  const numbers = [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, 0x7fff_ffff, -0x8000_0000, 0xdead_beef];
  const store = new FunctionWriter(2);
  const [address, value] = store.parameters;
  const main = new FunctionWriter(1);
  const [turns] = main.parameters;
  if (address === undefined || value === undefined || turns === undefined) throw new Error('unreachable');
  const bytes = assemble(
    [
      { name: 'store', writer: store, body: i32.store(address.get, value.get, 300) },
      {
        name: 'main',
        writer: main,
        body: loopWhile(
          turns.get,
          numbers.map((number, i) => call(0, i32.constant(4 * i), i32.constant(number))),
          turns.set(i32.subtract(turns.get, i32.constant(1))),
        ),
      },
    ],
    1,
  );
  const { main: run, memory } = instantiateModule(bytes) as {
    main: (turns: number) => void;
    memory: { buffer: ArrayBuffer };
  };
  const written = new Int32Array(memory.buffer, 300, numbers.length);
  run(0);
  expect([...written]).toEqual(numbers.map(() => 0));
  run(2);
  expect([...written]).toEqual(numbers.map((number) => number | 0));
});
