import { describe, expect, test } from 'vitest';

import {
  HITS,
  KernelFault,
  MAX_HITS,
  MEMORY_WORDS,
  PARAMETER,
  ScanSearch,
} from '../../../miner/kernel/scan.ts';
import type { Scanner } from '../../../miner/kernel/scan.ts';
import { selfTest } from '../../../miner/kernel/self-test.ts';
import { headOf, noncesOf, zerosOf } from './suite.ts';

/** A scanner that tries nothing and answers what it is told to, after what a good one would. */
function liar(answer: (memory: Uint32Array, to: number) => void): Scanner {
  const memory = new Uint32Array(MEMORY_WORDS);
  return {
    name: 'liar',
    memory,
    scan: (_, to) => {
      memory[PARAMETER.next] = to;
      memory[PARAMETER.hits] = 0;
      answer(memory, to);
    },
  };
}

const job = { head: headOf(93), noncePrefix: '' };

describe('a scanner that is wrong', () => {
  const falseHit = liar((memory) => {
    memory[PARAMETER.hits] = 1;
    memory.set([0, 0], HITS);
  });

  test.each([8, 9, 64])('cannot hide a false hit from the worker, at difficulty %i', (difficulty) => {
    const [nonce, ...more] = noncesOf(new ScanSearch(falseHit, { ...job, difficulty }).run(1));
    expect(more).toEqual([]);
    expect(zerosOf(job.head, nonce ?? '')).toBeLessThan(8);
  });

  test('fails the self-test', () => {
    expect(() => {
      selfTest(falseHit);
    }).toThrow(KernelFault);
    expect(() => {
      selfTest(liar(() => undefined));
    }).toThrow(KernelFault);
  });

  test('that stands still, or finds more than it can, is stopped', () => {
    const still = liar((memory) => (memory[PARAMETER.next] = 0));
    expect(() => new ScanSearch(still, { ...job, difficulty: 8 }).run(1)).toThrow(KernelFault);
    const many = liar((memory) => (memory[PARAMETER.hits] = MAX_HITS + 1));
    expect(() => new ScanSearch(many, { ...job, difficulty: 8 }).run(1)).toThrow('liar');
  });

  test('that goes far beyond the table is not counted for it', () => {
    const far = liar((memory) => (memory[PARAMETER.next] = 0xffff_ffff));
    const search = new ScanSearch(far, { ...job, difficulty: 8 });
    expect(search.run(1).tried).toBe(search.layout.midstates * search.layout.words);
  });
});

describe('a search', () => {
  test('tries about as many nonces as it is asked to, and at least one', () => {
    const search = new ScanSearch(
      liar(() => undefined),
      { ...job, difficulty: 8 },
    );
    for (const nonces of [0, 1, 66, 67, 1000, 20_000_000]) {
      const { tried } = search.run(nonces);
      expect(tried).toBeGreaterThanOrEqual(Math.max(nonces, 1));
      expect(tried).toBeLessThan(nonces + 2 * search.layout.midstates);
    }
  });

  test('refuses what it cannot do', () => {
    const scanner = liar(() => undefined);
    for (const difficulty of [-1, 65, 1.5, NaN])
      expect(() => new ScanSearch(scanner, { ...job, difficulty })).toThrow(RangeError);
    for (const noncePrefix of ['é', 'tab\t', 'x'.repeat(39)])
      expect(() => new ScanSearch(scanner, { ...job, noncePrefix, difficulty: 1 })).toThrow(RangeError);
    for (const length of [0, 92, 94]) {
      const otherHeads = [headOf(length)];
      expect(() => new ScanSearch(scanner, { ...job, otherHeads, difficulty: 1 })).toThrow(RangeError);
    }
    const space = { limit: 38, alphabet: '0'.repeat(65), midstateAlphabet: '0' };
    expect(() => new ScanSearch(scanner, { ...job, difficulty: 1 }, space)).toThrow(RangeError);
  });
});
