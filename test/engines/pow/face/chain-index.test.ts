import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';

import type { Block } from '../../../../shared/block.ts';
import { ChainIndex } from '../../../../peer/engines/pow/face/chain-index.ts';
import { INDEX_SLICE, MAX_NAMES } from '../../../../peer/web/limits.ts';

/** A chain of blocks that differ in their miner; the hashes are made up. */
class FakeChain {
  blocks: Block[] = [];
  reads = 0;

  block(height: number): Block | undefined {
    this.reads++;
    return this.blocks[height];
  }

  push(minedBy: string, salt = 0): void {
    const height = this.blocks.length;
    const hash = ((height * 2_654_435_761 + salt) >>> 0).toString(16).padStart(8, '0').padEnd(64, '0');
    this.blocks.push({ height, minedBy, messages: ['x'], nonce: '', timestamp: 0, hash });
  }

  counts(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { minedBy } of this.blocks) counts.set(minedBy, (counts.get(minedBy) ?? 0) + 1);
    return counts;
  }
}

afterEach(() => {
  vi.useRealTimers();
});

async function readAll(index: ChainIndex, chain: FakeChain): Promise<void> {
  while (index.counted < chain.blocks.length) await vi.advanceTimersByTimeAsync(1);
}

const leaders = (index: ChainIndex): Map<string, number> =>
  new Map(index.leaders(Infinity).map(({ name, blocks }) => [name, blocks]));

describe('the leaderboard', () => {
  test('counts what is in the chain, however it grows and is replaced, also while it is being read', async () => {
    const step = fc.record({
      kept: fc.double({ min: 0, max: 1, noNaN: true }),
      added: fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 40 }),
      wait: fc.integer({ min: 0, max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 2_000 }),
        fc.array(step, { maxLength: 8 }),
        async (start, steps) => {
          vi.useFakeTimers();
          const chain = new FakeChain();
          for (let height = 0; height < start; height++) chain.push(`m${height % 7}`);
          const index = new ChainIndex(chain);
          index.follow();
          for (const [salt, { kept, added, wait }] of steps.entries()) {
            const stay = Math.floor(kept * chain.blocks.length);
            chain.blocks = chain.blocks.slice(0, stay);
            for (const name of added) chain.push(name, salt);
            index.follow(stay);
            await vi.advanceTimersByTimeAsync(wait);
          }
          await readAll(index, chain);
          expect(leaders(index)).toEqual(chain.counts());
          for (const block of chain.blocks.slice(-5))
            expect(index.blocksWith(block.hash, 1)).toEqual([block]);
          index.close();
          vi.useRealTimers();
        },
      ),
      { numRuns: 60, seed: 1 },
    );
  });

  test('reads a long chain in slices, with pauses in between', async () => {
    vi.useFakeTimers();
    const chain = new FakeChain();
    for (let height = 0; height < 10 * INDEX_SLICE; height++) chain.push('a');
    const index = new ChainIndex(chain);
    index.follow();
    for (let last = 0; index.counted < chain.blocks.length; last = chain.reads) {
      expect(chain.reads - last).toBeLessThanOrEqual(INDEX_SLICE + 1);
      await vi.advanceTimersToNextTimerAsync();
    }
    index.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('counts who bears the name of all others with them, and nobody else', async () => {
    vi.useFakeTimers();
    const chain = new FakeChain();
    for (const name of ['(others)', 'a', 'a']) chain.push(name);
    const index = new ChainIndex(chain);
    index.follow();
    await readAll(index, chain);
    expect(index.names).toBe(1);
    expect(index.leaders(Infinity)).toEqual([
      { name: 'a', blocks: 2 },
      { name: '(others)', blocks: 1 },
    ]);
    index.close();
  });

  test('counts no more names apart than its bound, and cuts long ones', async () => {
    vi.useFakeTimers();
    const chain = new FakeChain();
    for (let height = 0; height < MAX_NAMES + 50; height++) chain.push(`name ${height}`);
    chain.push('y'.repeat(5_000));
    const index = new ChainIndex(chain);
    index.follow();
    await readAll(index, chain);
    expect(index.names).toBe(MAX_NAMES);
    expect(index.leaders(1)).toEqual([{ name: '(others)', blocks: 51 }]);
    index.close();
    const short = new FakeChain();
    short.push('\ud83d\ude00'.repeat(300));
    const other = new ChainIndex(short);
    other.follow();
    expect(other.leaders(1)[0]?.name).toHaveLength(256);
    other.close();
  });

  test('stops at a block that can not be read, without a word', () => {
    const index = new ChainIndex({
      block: () => {
        throw new Error('damaged');
      },
    });
    index.follow();
    expect(index.counted).toBe(0);
    index.close();
  });
});

test('a search finds the newest first, and tells hashes apart that begin alike', async () => {
  vi.useFakeTimers();
  const chain = new FakeChain();
  for (let height = 0; height < 2_000; height++) chain.push('a');
  chain.blocks = chain.blocks.map((block, height) =>
    height % 100 === 0 ? { ...block, hash: `abcdef01${String(height).padStart(56, '0')}` } : block,
  );
  const index = new ChainIndex(chain);
  index.follow();
  await readAll(index, chain);
  expect(index.blocksWith('abcdef01', 3).map(({ height }) => height)).toEqual([1900, 1800, 1700]);
  expect(index.blocksWith(chain.blocks[700]?.hash ?? '', 3).map(({ height }) => height)).toEqual([700]);
  expect(index.blocksWith(`abcdef01${'f'.repeat(56)}`, 3)).toEqual([]);
  index.close();
});
