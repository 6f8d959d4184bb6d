/** What the status page computes by itself: the hash of a block, and whether the block is valid. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';

import {
  preimageParts,
  verifyInBrowser,
  type HashedBlock,
} from '../../../../peer/engines/pow/page/preimage.ts';
import { sha256, toHex } from '../../../../peer/engines/pow/page/sha256.ts';
import { verifyBlock, type Block } from '../../../../shared/block.ts';
import { readRecord } from '../../../../shared/record.ts';
import { buildChain } from '../../../support/chains.ts';

const DIFFICULTY = 2;

/** A block as the API gives it. */
function shown(block: Block): HashedBlock {
  return { ...block, timestamp: String(block.timestamp) };
}

afterEach(() => {
  vi.unstubAllGlobals();
});

describe('the page’s own SHA-256', () => {
  it('has the hashes that the standard gives', () => {
    const ofText = (text: string): string => toHex(sha256(new TextEncoder().encode(text)));
    expect(ofText('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(ofText('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(ofText('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq')).toBe(
      '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    );
    expect(ofText('a'.repeat(1_000_000))).toBe(
      'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0',
    );
  });

  it('hashes bytes of every length as node:crypto does', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(toHex(sha256(bytes))).toBe(createHash('sha256').update(bytes).digest('hex'));
      }),
    );
  });
});

describe('verify in the browser', () => {
  it('finds every block of blocks.txt valid, by WebCrypto and without it', async () => {
    let previous: Block | null = null;
    for await (const { block } of readRecord(createReadStream('blocks.txt'))) {
      if (block === undefined) throw new Error('blocks.txt has a bad line');
      const before = previous === null ? null : shown(previous);
      const verdict = await verifyInBrowser(shown(block), before, 8);
      expect(verdict).toMatchObject({ valid: true, hash: block.hash, by: 'WebCrypto' });
      vi.stubGlobal('crypto', {});
      expect(await verifyInBrowser(shown(block), before, 8)).toEqual({ ...verdict, by: 'this page' });
      vi.unstubAllGlobals();
      previous = block;
    }
    expect(previous?.height).toBe(51);
  });

  it('spells the preimage out in the order in which it is hashed', () => {
    const block = { height: 7, minedBy: 'é', messages: ['a', 'bc'], nonce: 'n', timestamp: '258', hash: '' };
    const parts = preimageParts(block, 'ff00').map(({ name, text, bytes }) => [name, text, toHex(bytes)]);
    expect(parts).toEqual([
      ['previous hash', 'ff00', '66663030'],
      ['minedBy', 'é', 'c3a9'],
      ['message 1', 'a', '61'],
      ['message 2', 'bc', '6263'],
      ['timestamp', '258', '0000000000000102'],
      ['nonce', 'n', '6e'],
    ]);
    expect(preimageParts({ ...block, height: 0 }, 'ff00')[0]?.name).toBe('minedBy');
  });

  it('says the same as the peer’s own rule of any block that was changed', async () => {
    const [genesis, block] = buildChain(2, { difficulty: DIFFICULTY });
    if (genesis === undefined || block === undefined) throw new Error('no chain');
    const anyText = fc.string({ unit: 'binary', maxLength: 45 });
    const change = fc.oneof(
      fc.record({ minedBy: anyText }),
      fc.record({ nonce: anyText }),
      fc.record({ messages: fc.array(anyText, { maxLength: 12 }) }),
      fc.record({ height: fc.nat(3) }),
      fc.record({ timestamp: fc.oneof(fc.nat(), fc.constant(2n ** 64n - 1n)) }),
      fc.record({ hash: fc.constantFrom(genesis.hash, '0'.repeat(64)) }),
      fc.constant({}),
    );
    await fc.assert(
      fc.asyncProperty(change, fc.boolean(), async (changed, onOther) => {
        const candidate: Block = { ...block, ...changed };
        const previous = onOther ? { ...genesis, hash: block.hash } : genesis;
        const verdict = await verifyInBrowser(shown(candidate), shown(previous), DIFFICULTY);
        expect(verdict.valid).toBe(verifyBlock(candidate, previous, DIFFICULTY) === undefined);
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  it('names the rules that a valid hash alone does not keep', async () => {
    const [genesis] = buildChain(1, { difficulty: DIFFICULTY, messages: ['x'.repeat(21)] });
    if (genesis === undefined) throw new Error('no chain');
    const { valid, checks } = await verifyInBrowser(shown(genesis), null, DIFFICULTY);
    expect(valid).toBe(false);
    expect(checks.filter(({ passed }) => !passed).map(({ text }) => text)).toEqual([
      'It has 1 message (1 to 10 allowed), the longest of 21 characters (at most 20).',
    ]);
    const strict = await verifyInBrowser(shown(genesis), null, 64);
    expect(strict.checks.some(({ passed, text }) => !passed && text.includes('demands 64'))).toBe(true);
  });
});
