import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, test } from 'vitest';

import { MAX_MIDSTATES } from '../../../miner/kernel/layout.ts';
import { loadNativeScans, nativeScanner } from '../../../miner/kernel/native.ts';
import type { NativeScan } from '../../../miner/kernel/native.ts';
import {
  BLOCK,
  HITS,
  MAX_HITS,
  MAX_WORDS,
  MEMORY_WORDS,
  PARAMETER,
  WORDS,
} from '../../../miner/kernel/scan.ts';
import { seededRandom } from '../../support/random.ts';
import { testScanner } from './suite.ts';

const build = join(import.meta.dirname, '../../../miner/kernel/native/build.js');
const folder = mkdtempSync(join(tmpdir(), 'native-kernel-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the build; returns what it printed. */
function runBuild(output: string, environment: NodeJS.ProcessEnv = {}): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [build, output], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout;
}

const module = join(folder, 'made', 'scan.node');
const said = runBuild(module);
const scans = existsSync(module) ? loadNativeScans(module) : new Map<string, NativeScan>();
if (scans.size === 0) console.log(`the native kernel is not tested: ${said.trim()}`);

for (const [name, scan] of scans) testScanner(`native ${name}`, nativeScanner(scan));

describe('build', () => {
  test('prints one line, whatever comes of it', () => {
    expect(said).toMatch(/^miner: (native kernel built with|no native kernel \().*\n$/);
  });

  test('fails with a reason, but never fails an install', () => {
    const path = join(folder, 'none', 'scan.node');
    expect(runBuild(path, { PATH: folder, CC: '' })).toBe(
      'miner: no native kernel (cc: not found; gcc: not found; clang: not found); the miner uses WebAssembly\n',
    );
    expect(runBuild(path, { PATH: folder, CC: `${process.execPath} --bad-option` })).toContain(
      'no native kernel',
    );
    expect(runBuild(join(build, 'scan.node'))).toContain('no native kernel');
    expect(existsSync(path)).toBe(false);
  });

  test('what is not there or not a module is an error with a reason', () => {
    expect(() => loadNativeScans(join(folder, 'missing.node'))).toThrow('missing.node');
    const path = join(folder, 'broken.node');
    writeFileSync(path, 'no module');
    expect(() => loadNativeScans(path)).toThrow('broken.node');
  });
});

describe.skipIf(scans.size === 0).each([...scans])('%s with hostile arguments', (_, scan) => {
  const memory = new Uint32Array(MEMORY_WORDS);
  const anything = scan as (...values: unknown[]) => unknown;

  /** A valid scan's parameters. */
  function fill(values: Partial<Record<keyof typeof PARAMETER, number>> = {}): void {
    for (const [key, value] of Object.entries({ word: 5, mask: 0xff, midstates: 4, words: 96, ...values }))
      memory[PARAMETER[key as keyof typeof PARAMETER]] = value;
  }

  test('refuses wrong types', () => {
    fill();
    scan(memory, 0, 96);
    const wrong: unknown[] = [
      undefined,
      null,
      0,
      'memory',
      {},
      [],
      Symbol('memory'),
      123n,
      () => 0,
      memory.buffer,
      new DataView(memory.buffer),
      new Int32Array(memory.buffer),
      new Float32Array(memory.buffer),
      new Uint8Array(memory.buffer),
      new BigUint64Array(MEMORY_WORDS),
      new Proxy(memory, {}),
    ];
    for (const value of wrong) expect(() => anything(value, 0, 1)).toThrow(TypeError);
    for (const value of [undefined, null, '1', {}, [], 1n, Symbol('1'), true, new Number(1)]) {
      expect(() => anything(memory, value, 1)).toThrow(TypeError);
      expect(() => anything(memory, 0, value)).toThrow(TypeError);
    }
    expect(() => anything()).toThrow(TypeError);
    expect(() => anything(memory)).toThrow(TypeError);
    expect(() => anything(memory, 0)).toThrow(TypeError);
    expect(anything.call(undefined, memory, 0, 1, 'more', 'arguments')).toBeUndefined();
  });

  test('refuses memory that is too short or gone', () => {
    fill();
    for (const length of [0, 1, 6, MEMORY_WORDS - 1])
      expect(() => {
        scan(memory.slice(0, length), 0, 1);
      }).toThrow(RangeError);
    const gone = memory.slice();
    structuredClone(gone, { transfer: [gone.buffer] });
    expect(() => {
      scan(gone, 0, 1);
    }).toThrow(RangeError);
  });

  test('refuses numbers and parameters out of range', () => {
    fill();
    const bad = [-1, -0.5, 0.5, 1.5, NaN, Infinity, -Infinity, 97, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 1e300];
    for (const value of bad) {
      expect(() => {
        scan(memory, 0, value);
      }).toThrow(RangeError);
      expect(() => {
        scan(memory, value, 96);
      }).toThrow(RangeError);
    }
    expect(() => {
      scan(memory, 50, 49);
    }).toThrow(RangeError);
    const parameters = [
      { word: 14 },
      { word: 2 ** 32 - 1 },
      { midstates: 0 },
      { midstates: MAX_MIDSTATES + 1 },
      { midstates: 2 ** 32 - 1 },
      { words: MAX_WORDS + 1 },
      { words: 2 ** 32 - 1 },
    ];
    for (const values of parameters) {
      fill(values);
      expect(() => {
        scan(memory, 0, 1);
      }).toThrow(RangeError);
    }
  });

  test('writes nothing but its answer, whatever is in memory', () => {
    const random = seededRandom(7);
    const number = (): number => {
      const limit = [4, 70, 300, MAX_WORDS + 100, 2 ** 32][Math.floor(random() * 5)] ?? 1;
      return Math.floor(random() * limit);
    };
    const margin = 4096;
    const all = new Uint32Array(margin + MEMORY_WORDS + margin).map(() => random() * 2 ** 32);
    const inside = all.subarray(margin, margin + MEMORY_WORDS);
    const pristine = all.slice();
    const bytes = (words: Uint32Array, start: number, end: number): Buffer =>
      Buffer.from(words.buffer, 4 * start, 4 * (end - start));
    const untouched = [
      [0, margin],
      [margin + BLOCK, margin + HITS],
      [margin + WORDS, all.length],
    ] as const;
    let accepted = 0;
    for (let i = 0; i < 1000; i++) {
      const valid = random() < 0.5;
      inside[PARAMETER.word] = valid ? number() % 14 : number();
      inside[PARAMETER.mask] = 2 ** Math.floor(random() * 33) - 1;
      inside[PARAMETER.midstates] = valid ? 1 + (number() % MAX_MIDSTATES) : number();
      inside[PARAMETER.words] = valid ? number() % (MAX_WORDS + 1) : number();
      const words = inside[PARAMETER.words] ?? 0;
      // Long scans prove no more than short ones, but for those at the end of the table.
      const to = valid ? (random() < 0.5 ? words : number() % (words + 1)) : number();
      const from = valid ? Math.max(0, to - (number() % 200)) : number();
      if (!valid && to - from > 1000) continue;
      try {
        scan(inside, from, to);
        accepted++;
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        expect(valid).toBe(false);
        continue;
      }
      const hits = inside[PARAMETER.hits] ?? 0;
      expect(hits).toBeLessThanOrEqual(MAX_HITS);
      expect(inside[PARAMETER.next]).toBeGreaterThanOrEqual(hits > MAX_HITS / 2 ? from : Math.min(from, to));
      for (const [start, end] of untouched)
        expect(Buffer.compare(bytes(all, start, end), bytes(pristine, start, end))).toBe(0);
    }
    expect(accepted).toBeGreaterThan(300);
  });
});
