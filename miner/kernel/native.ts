/**
 * The native kernel: native/scan.c, if it was built (`npm run build:native`) and runs on this processor.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

import type { Kernel } from './kernel.ts';
import { MEMORY_WORDS, ScanSearch } from './scan.ts';
import type { Scanner } from './scan.ts';
import { selfTest } from './self-test.ts';

/** Where the build puts the module, seen from the compiled and from the uncompiled source. */
const PLACES = ['./native/scan.node', '../../dist/miner/kernel/native/scan.node'];

/** The module's functions by their names, and what people call the instruction sets. */
const INSTRUCTION_SETS: Readonly<Record<string, string>> = {
  avx512: 'AVX-512, 16 nonces',
  avx2: 'AVX2, 8 nonces',
  generic: '128-bit vectors, 4 nonces',
};

/** One scan of the module: throws a TypeError or RangeError if an argument or a parameter in memory is bad. */
export type NativeScan = (memory: Uint32Array, from: number, to: number) => void;

function isScan(value: unknown): value is NativeScan {
  return typeof value === 'function';
}

function findModule(): string {
  const found = PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url))).find(existsSync);
  if (found === undefined)
    throw new Error('not built; "npm run build:native" does it where there is a C compiler');
  return found;
}

/**
 * The module's scans by instruction set, the fastest first; only those that the processor has.
 *
 * @param path the module; by default where the build puts it
 * @throws Error if it is not there or can't be loaded
 */
export function loadNativeScans(path = findModule()): Map<string, NativeScan> {
  const module: unknown = createRequire(import.meta.url)(path);
  const scans = new Map<string, NativeScan>();
  for (const [name, value] of Object.entries(module ?? {}))
    if (name in INSTRUCTION_SETS && isScan(value)) scans.set(name, value);
  return scans;
}

/** A scanner with a memory of its own. */
export function nativeScanner(scan: NativeScan): Scanner {
  const memory = new Uint32Array(MEMORY_WORDS);
  return {
    name: 'native',
    memory,
    scan: (from, to) => {
      scan(memory, from, to);
    },
  };
}

/**
 * The native kernel with a memory of its own (1.1 MiB): one for each thread.
 *
 * @throws Error with a sentence that says why there is none: not built, not loadable, or it failed its self-test
 */
export function createNativeKernel(): Kernel {
  const [best] = loadNativeScans();
  if (best === undefined) throw new Error('the module has no scan for this processor');
  const [name, scan] = best;
  const scanner = nativeScanner(scan);
  selfTest(scanner);
  return {
    name: 'native',
    description: `C with ${INSTRUCTION_SETS[name] ?? name} in each of 3 streams`,
    search: (job) => new ScanSearch(scanner, job),
  };
}
