import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';

import { referenceKernel } from '../../miner/kernel/reference.ts';
import { chooseKernel, KERNEL_CHOICES } from '../../miner/kernel/registry.ts';
import { UserError } from '../../shared/errors.ts';
import { NONCE_ALPHABET } from '../../shared/mining-wire.ts';
import { noncesOf } from './kernel/suite.ts';

function zeros(head: Uint8Array, nonce: string): number {
  const hash = createHash('sha256').update(head).update(nonce).digest('hex');
  return /0*$/.exec(hash)?.[0].length ?? 0;
}

describe('the reference kernel', () => {
  it('tries every nonce once, finds every hit, and then is exhausted', () => {
    const head = Buffer.from('head');
    // Two characters are left to count through.
    const noncePrefix = 'x'.repeat(36);
    const search = referenceKernel.search({ head, noncePrefix, difficulty: 1 });
    const found: string[] = [];
    let tried = 0;
    for (let exhausted = false; !exhausted;) {
      const slice = search.run(1000);
      tried += slice.tried;
      found.push(...noncesOf(slice));
      exhausted = slice.exhausted;
    }
    const characters = NONCE_ALPHABET.split('');
    const all = characters.flatMap((one) => characters.map((two) => noncePrefix + one + two));
    expect(tried).toBe(4096);
    expect(found).toEqual(all.filter((nonce) => zeros(head, nonce) >= 1));
    expect(search.run(1)).toEqual({ tried: 0, found: [], exhausted: true });
  });

  it('reports only nonces that begin with the prefix, have at most 38 characters and are right', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.nat(38),
        fc.integer({ min: 1, max: 2 }),
        (head, length, difficulty) => {
          const noncePrefix = 'p'.repeat(length);
          const { found, tried } = referenceKernel.search({ head, noncePrefix, difficulty }).run(500);
          expect(tried).toBe(Math.min(500, 64 ** Math.min(8, 38 - length)));
          for (const { head: index, nonce } of found) {
            expect(index).toBe(0);
            expect(nonce.startsWith(noncePrefix)).toBe(true);
            expect(nonce.length).toBeLessThanOrEqual(38);
            expect(zeros(head, nonce)).toBeGreaterThanOrEqual(difficulty);
          }
        },
      ),
      { numRuns: 50, seed: 1 },
    );
  });

  it('goes on where the last slice ended', () => {
    const job = { head: Buffer.from('h'), noncePrefix: 'p', difficulty: 1 };
    const pieces = referenceKernel.search(job);
    const parts = Array.from({ length: 100 }, () => pieces.run(7).found).flat();
    expect(parts).toEqual(referenceKernel.search(job).run(700).found);
  });

  it('refuses a prefix that is too long', () => {
    const job = { head: Buffer.from('h'), noncePrefix: 'p'.repeat(39), difficulty: 1 };
    expect(() => referenceKernel.search(job)).toThrow(RangeError);
  });
});

describe('the choice of a kernel', () => {
  it('is what was asked for, and says so', () => {
    expect(chooseKernel('reference')).toEqual({ kernel: referenceKernel, reason: 'as asked for' });
    expect(chooseKernel('auto').kernel.name).not.toBe('auto');
  });

  it('passes over kernels that were caught in an error, even if they were asked for', () => {
    const first = chooseKernel('auto').kernel.name;
    const { kernel, reason } = chooseKernel('auto', new Set([first]));
    expect(kernel.name).not.toBe(first);
    expect(reason).toContain(`${first} gave a wrong result`);
    const names = KERNEL_CHOICES.filter((name) => name !== 'auto' && name !== 'reference');
    for (const name of names) expect(chooseKernel(name, new Set(names)).kernel).toBe(referenceKernel);
  });

  it('is an error of the user if none is left', () => {
    expect(() => chooseKernel('auto', new Set(KERNEL_CHOICES))).toThrow(UserError);
  });
});
