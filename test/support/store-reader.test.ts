/** The second reader of stores must find what is wrong, or its silence in other tests would mean nothing. */
import { describe, expect, it } from 'vitest';

import { Chain } from '../../peer/engines/pow/protocol/chain.ts';
import { MemoryStore } from '../../peer/storage/memory.ts';
import { buildChain, extendChain, flipBit, forkChain, type PlainBlock } from './chains.ts';
import { lossOf } from './kill-campaign.ts';
import { readStoredChain } from './store-reader.ts';
import { storeWith } from './virtual-network.ts';

const difficulty = 1;
const base = buildChain(20, { difficulty });

function read(store: MemoryStore): ReturnType<typeof readStoredChain> {
  return readStoredChain((key) => store.get(key));
}

/** A store with a chain that was longer, and was replaced by a fork of it. */
function reorganised(fork: readonly PlainBlock[], forkPoint: number): MemoryStore {
  const store = storeWith(base, difficulty);
  const chain = new Chain(store, difficulty);
  chain.beginStaging(forkPoint);
  for (const block of fork.slice(forkPoint + 1)) {
    const writes = chain.stage(block);
    if (typeof writes === 'string') throw new Error(writes);
    store.write(writes);
  }
  store.write(chain.adopt());
  return store;
}

describe('the reader of stores', () => {
  it('reads an empty store, a chain, and one of several segments', () => {
    expect(read(new MemoryStore())).toEqual({ blocks: [], difficulty: 0, fault: undefined });
    expect(read(storeWith(base, difficulty))).toEqual({ blocks: base, difficulty, fault: undefined });
    for (const [height, length] of [
      [0, 25],
      [7, 25],
      [19, 30],
      [12, 5000],
    ] as const) {
      const fork = forkChain(base, height, length, { difficulty, minedBy: 'fork' });
      expect(read(reorganised(fork, height - 1))).toEqual({ blocks: fork, difficulty, fault: undefined });
    }
  });

  const damages: readonly [string, (store: MemoryStore) => void, RegExp][] = [
    [
      'a block is missing',
      (store) => {
        store.write([{ type: 'delete', key: 'b/0000/00000a' }]);
      },
      /block 10 is missing/,
    ],
    [
      'a block is no block',
      (store) => {
        put(store, 'b/0000/00000a', '{}');
      },
      /block 10 .* is no block/,
    ],
    [
      'a block has a flipped bit',
      (store) => {
        put(store, 'b/0000/00000a', JSON.stringify(flipBit(base, 10)[10]));
      },
      /block 10 has the wrong hash/,
    ],
    [
      'the record is no JSON',
      (store) => {
        put(store, 'chain', '{');
      },
      /no JSON object/,
    ],
    [
      'the record has another format',
      (store) => {
        change(store, { format: 2 });
      },
      /has format 2/,
    ],
    [
      'the record claims a higher difficulty',
      (store) => {
        change(store, { difficulty: 9 });
      },
      /misses the difficulty/,
    ],
    [
      'the record claims more blocks',
      (store) => {
        change(store, { height: 21 });
      },
      /block 20 is missing/,
    ],
    [
      'no segment has the genesis',
      (store) => {
        change(store, { segments: [{ branch: 0, from: 1 }] });
      },
      /genesis/,
    ],
    [
      'segments are out of order',
      (store) => {
        change(store, { segments: [0, 9, 5].map((from) => ({ branch: 0, from })) });
      },
      /segment 1 holds no block/,
    ],
    [
      'blocks of the chain are to be swept away',
      (store) => {
        change(store, { garbage: [{ branch: 0, from: 19, to: 40 }] });
      },
      /garbage and of the chain/,
    ],
    [
      'a branch in use is to be used again',
      (store) => {
        change(store, { nextBranch: 0 });
      },
      /used again/,
    ],
  ];

  function put(store: MemoryStore, key: string, value: string): void {
    store.write([{ type: 'put', key, value }]);
  }

  function change(store: MemoryStore, fields: object): void {
    put(store, 'chain', JSON.stringify({ ...(JSON.parse(store.get('chain') ?? '') as object), ...fields }));
  }

  it.each(damages)('finds that %s', (_, damage, sentence) => {
    const store = storeWith(base, difficulty);
    damage(store);
    expect(read(store).fault).toMatch(sentence);
  });
});

describe('the judgement after a kill', () => {
  const longer = extendChain(base, 5, { difficulty });
  const fork = forkChain(base, 10, 30, { difficulty, minedBy: 'fork' });
  const nothing = { claims: [], acknowledged: [], announced: [] };
  const stored = (blocks: readonly PlainBlock[]): Parameters<typeof lossOf>[0] => ({
    blocks,
    difficulty,
    fault: undefined,
  });
  const tip = (blocks: readonly PlainBlock[]): { height: number; hash: string } => ({
    height: blocks.length,
    hash: blocks.at(-1)?.hash ?? '',
  });

  it('takes a chain that grew, one that stayed, and one that was replaced as a whole', () => {
    const reported = {
      claims: [tip(base), tip(longer)],
      acknowledged: longer.slice(20),
      announced: longer.slice(20),
    };
    expect(lossOf(stored(longer), reported, base, undefined)).toBeUndefined();
    expect(lossOf(stored(base), { ...nothing, claims: [tip(base)] }, base, fork)).toBeUndefined();
    expect(lossOf(stored(fork), { ...nothing, claims: [tip(base), tip(fork)] }, base, fork)).toBeUndefined();
  });

  it('finds every loss', () => {
    expect(lossOf({ ...stored(base), fault: 'oh' }, nothing, base, undefined)).toMatch(/not valid: oh/);
    expect(lossOf(stored(base.slice(0, 19)), nothing, base, undefined)).toMatch(/before the round/);
    expect(lossOf(stored(fork.slice(0, 29)), nothing, base, fork)).toMatch(/neither the old chain/);
    expect(lossOf(stored(base), { ...nothing, acknowledged: longer.slice(20) }, base, undefined)).toMatch(
      /acknowledged/,
    );
    expect(lossOf(stored(base), { ...nothing, announced: longer.slice(20) }, base, undefined)).toMatch(
      /announced/,
    );
    expect(lossOf(stored(base), { ...nothing, claims: [tip(longer)] }, base, undefined)).toMatch(
      /STATS told 25/,
    );
    expect(lossOf(stored(base), { ...nothing, claims: [tip(fork)] }, base, fork)).toMatch(/STATS told 30/);
    const other = forkChain(base, 19, 20, { difficulty, minedBy: 'other' });
    expect(lossOf(stored(base), { ...nothing, claims: [tip(other)] }, base, undefined)).toMatch(
      /STATS told the tip/,
    );
  });
});
