import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Block } from '../../../../shared/block.ts';
import { UserError } from '../../../../shared/errors.ts';
import { Chain, STAGE_BATCH } from '../../../../peer/engines/pow/protocol/chain.ts';
import { MemoryStore } from '../../../../peer/storage/memory.ts';
import type { StoreWrite } from '../../../../peer/core/store.ts';
import { buildChain, chainFault, extendChain, forkChain, type PlainBlock } from '../../../support/chains.ts';
import { storeWith } from '../../../support/virtual-network.ts';

const difficulty = 0;
const plan = { difficulty };

function blocksOf(store: MemoryStore): Block[] {
  const chain = new Chain(store, difficulty);
  return Array.from({ length: chain.height }, (_, height) => {
    const block = chain.block(height);
    if (block === undefined) throw new Error(`block ${height} is missing`);
    return block;
  });
}

/** How many blocks lie in the store. */
function stored(store: MemoryStore): number {
  return [...store.entries()].filter(([key]) => key.startsWith('b/')).length;
}

/** Stages what `blocks` has above the fork point and adopts it; answers with the batches of writes. */
function moveTo(
  chain: Chain,
  blocks: readonly Block[],
  forkPoint: number,
  store: MemoryStore,
): StoreWrite[][] {
  const batches: StoreWrite[][] = [];
  const write = (writes: StoreWrite[]): void => {
    if (writes.length === 0) return;
    batches.push(writes);
    store.write(writes);
  };
  chain.beginStaging(forkPoint);
  for (const block of blocks.slice(forkPoint + 1)) {
    const writes = chain.stage(block);
    if (typeof writes === 'string') throw new Error(writes);
    write(writes);
  }
  write(chain.adopt());
  return batches;
}

function sweepAll(chain: Chain, store: MemoryStore): void {
  while (chain.hasGarbage) store.write(chain.sweep(7));
}

const base = buildChain(30, plan);

describe('Chain', () => {
  it('is empty at first', () => {
    const chain = new Chain(new MemoryStore(), difficulty);
    expect([chain.height, chain.tip, chain.block(0), chain.hasGarbage]).toEqual([0, null, undefined, false]);
  });

  it('is there again after a restart', () => {
    const store = storeWith(base, difficulty);
    expect(blocksOf(store)).toEqual(base);
    expect(new Chain(store, difficulty).tip).toEqual(base.at(-1));
  });

  it.each([-1, 30, 1.5, NaN, Infinity, -Infinity])('has no block at %d', (height) => {
    const chain = new Chain(storeWith(base, difficulty), difficulty);
    expect(chain.block(height)).toBeUndefined();
    expect(chain.blockJson(height)).toBeUndefined();
  });

  it('does not deny a block that it has lost', () => {
    const store = storeWith(base, difficulty);
    const chain = new Chain(store, difficulty);
    store.write([{ type: 'delete', key: 'b/0000/000007' }]);
    expect(() => chain.blockJson(7)).toThrow(/the store is damaged \(block 7 is missing\)/);
  });

  it('gives the JSON of a block as it is stored', () => {
    const chain = new Chain(storeWith(base, difficulty), difficulty);
    for (const height of [0, 15, 29]) expect(JSON.parse(chain.blockJson(height) ?? '')).toEqual(base[height]);
  });

  it('keeps timestamps beyond 2^53', () => {
    const block = { ...(base[0] as Block), timestamp: 2n ** 64n - 1n };
    const store = new MemoryStore();
    store.write(new Chain(store, difficulty).append(block));
    expect(blocksOf(store)).toEqual([block]);
  });

  it('says what is wrong with a next block', () => {
    const chain = new Chain(storeWith(base, difficulty), difficulty);
    expect(chain.faultOf(base[29] as Block)).toBe('wrong-height');
    expect(chain.faultOf(extendChain(base, 1, plan)[30] as Block)).toBeUndefined();
  });
});

describe('staging', () => {
  it('leaves our chain as it is until it is adopted', () => {
    const store = storeWith(base, difficulty);
    const chain = new Chain(store, difficulty);
    const fork = forkChain(base, 10, 40, { difficulty, minedBy: 'other' });
    chain.beginStaging(9);
    for (const block of fork.slice(10)) expect(chain.stage(block)).toEqual([]);
    expect([chain.height, chain.stagedHeight, chain.stagedTip]).toEqual([30, 40, fork[39]]);
    expect(blocksOf(store)).toEqual(base);
    chain.dropStaging();
    expect([chain.stagedHeight, chain.stagedTip]).toEqual([undefined, null]);
  });

  it('names the rule that a block breaks, and stays as it was', () => {
    const chain = new Chain(storeWith(base, difficulty), difficulty);
    const fork = forkChain(base, 10, 12, { difficulty, minedBy: 'other' });
    chain.beginStaging(9);
    expect(chain.stage(fork[11] as Block)).toBe('wrong-height');
    expect(chain.stage({ ...(fork[10] as Block), nonce: 'x' })).toBe('wrong-hash');
    expect(chain.stage(fork[10] as Block)).toEqual([]);
    expect(chain.stagedHeight).toBe(11);
  });

  it('sees by itself that the chains part further up than it was told', () => {
    const store = storeWith(base, difficulty);
    const chain = new Chain(store, difficulty);
    const fork = forkChain(base, 20, 35, { difficulty, minedBy: 'other' });
    chain.beginStaging(-1);
    for (const block of fork) chain.stage(block);
    expect(chain.stagedForkPoint).toBe(19);
    store.write(chain.adopt());
    expect(blocksOf(store)).toEqual(fork);
    sweepAll(chain, store);
    expect(stored(store)).toBe(35);
  });

  it('can not go on with what was not begun', () => {
    const chain = new Chain(new MemoryStore(), difficulty);
    expect(() => chain.stage(base[0] as Block)).toThrow('no chain');
    expect(() => chain.adopt()).toThrow('no chain');
  });
});

describe('adopting', () => {
  it('writes a short chain over ours, in one piece', () => {
    const store = storeWith(base, difficulty);
    const chain = new Chain(store, difficulty);
    const fork = forkChain(base, 25, 32, { difficulty, minedBy: 'other' });
    expect(moveTo(chain, fork, 24, store)).toHaveLength(1);
    expect(blocksOf(store)).toEqual(fork);
    expect(chain.hasGarbage).toBe(false);
    expect(stored(store)).toBe(32);
  });

  it('moves to another genesis', () => {
    const store = storeWith(base, difficulty);
    const chain = new Chain(store, difficulty);
    const other = buildChain(31, { difficulty, minedBy: 'other' });
    moveTo(chain, other, -1, store);
    sweepAll(chain, store);
    expect(blocksOf(store)).toEqual(other);
    expect(stored(store)).toBe(31);
  });

  const long = buildChain(STAGE_BATCH + 500, plan);
  it('links a long chain in, and sweeps what it replaced, while it grows on', () => {
    const store = storeWith(base, difficulty);
    const chain = new Chain(store, difficulty);
    const other = forkChain(base, 5, 6, { difficulty, minedBy: 'other' });
    moveTo(chain, long, 29, store);
    const [next] = extendChain(long, 1, plan).slice(-1);
    if (next) store.write(chain.append(next));
    expect(blocksOf(store)).toEqual([...long, next]);
    // And off again, from below both branches.
    const higher = extendChain(other, STAGE_BATCH + 600, plan);
    moveTo(chain, higher, 4, store);
    expect(chain.hasGarbage).toBe(true);
    sweepAll(chain, store);
    expect(blocksOf(store)).toEqual(higher);
    expect(stored(store)).toBe(higher.length);
  });

  it('sweeps after a restart what was being downloaded at a crash', () => {
    const store = storeWith(base, difficulty);
    const chain = new Chain(store, difficulty);
    chain.beginStaging(29);
    for (const block of long.slice(30)) {
      const writes = chain.stage(block);
      if (typeof writes !== 'string') store.write(writes);
    }
    expect(stored(store)).toBeGreaterThan(STAGE_BATCH);
    const reopened = new Chain(store, difficulty);
    expect(blocksOf(store)).toEqual(base);
    sweepAll(reopened, store);
    expect(stored(store)).toBe(30);
  });

  it('is whole, old or new, after a crash at any moment', () => {
    const store = storeWith(base, difficulty);
    const before = [...store.entries()];
    const higher = forkChain(base, 8, STAGE_BATCH + 50, { difficulty, minedBy: 'other' });
    const chain = new Chain(store, difficulty);
    const batches = moveTo(chain, higher, 7, store);
    while (chain.hasGarbage) {
      const writes = chain.sweep(5);
      batches.push(writes);
      store.write(writes);
    }
    expect(batches.length).toBeGreaterThan(5);
    for (let done = 0; done <= batches.length; done++) {
      const crashed = new MemoryStore(before);
      for (const writes of batches.slice(0, done)) crashed.write(writes);
      const chainThen = new Chain(crashed, difficulty);
      expect([30, higher.length]).toContain(chainThen.height);
      expect(chainThen.block(20)).toEqual((chainThen.height === 30 ? base : higher)[20]);
      sweepAll(chainThen, crashed);
      expect(stored(crashed)).toBe(chainThen.height);
    }
  });
});

describe('what can not be opened', () => {
  const record = (value: unknown): MemoryStore => new MemoryStore([['chain', JSON.stringify(value)]]);

  it('is a chain of lower difficulty', () => {
    const store = storeWith(base, difficulty);
    expect(() => new Chain(store, 1)).toThrow(UserError);
    expect(() => new Chain(store, 1)).toThrow('difficulty 0');
  });

  it('but one of higher difficulty is, and goes on at the lower', () => {
    const store = storeWith(buildChain(3, { difficulty: 1 }), 1);
    const chain = new Chain(store, 0);
    expect([chain.height, chain.difficulty]).toEqual([3, 0]);
  });

  it('but what was verified at the higher one stays so until a block comes that was not', () => {
    const strong = buildChain(3, { difficulty: 2 });
    const store = storeWith(strong, 2);
    const lower = new Chain(store, 1);
    const longer = extendChain(strong, STAGE_BATCH, { difficulty: 1, minedBy: 'less work' });
    lower.beginStaging(2);
    for (const block of longer.slice(3)) store.write(lower.stage(block) as StoreWrite[]);
    lower.dropStaging();
    const record = store.get('chain');
    store.write(lower.sweep(1));
    expect(store.get('chain')).not.toBe(record);
    expect(new Chain(store, 2).height).toBe(3);
    for (const block of longer.slice(3, 4)) store.write(lower.append(block));
    expect(() => new Chain(store, 2)).toThrow(UserError);
  });

  it('is a record that is not JSON', () => {
    expect(() => new Chain(new MemoryStore([['chain', '{']]), 0)).toThrow(UserError);
  });

  it.each([[[]], [null], ['x'], [{ format: 2 }], [{}]])('is the record %j', (value) => {
    expect(() => new Chain(record(value), 0)).toThrow(UserError);
  });

  it('is a chain whose last block is missing', () => {
    const store = storeWith(base, difficulty);
    const last = [...store.entries()].find(([, value]) => String(value).includes(base[29]?.hash ?? ''));
    if (last) store.write([{ type: 'delete', key: last[0] }]);
    expect(() => new Chain(store, difficulty)).toThrow(UserError);
  });
});

describe('for any run of changes', () => {
  /** So low that short chains are linked in, and others written in place on top of them. */
  const tuning = { stageBatch: 6, inPlaceLimit: 12 };
  type Command =
    | { readonly kind: 'append'; readonly count: number }
    | {
        readonly kind: 'reorganise';
        readonly back: number;
        readonly reported: number;
        readonly longer: number;
      }
    | { readonly kind: 'give up'; readonly back: number; readonly count: number }
    | { readonly kind: 'sweep' }
    | { readonly kind: 'reopen' };
  /** How many blocks of ours are left: mostly few, as it goes. */
  const back = fc.oneof(
    { weight: 3, arbitrary: fc.nat({ max: 4 }) },
    { weight: 1, arbitrary: fc.nat({ max: 60 }) },
  );
  const commands = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant('append' as const), count: fc.integer({ min: 1, max: 5 }) }),
      fc.record({
        kind: fc.constant('reorganise' as const),
        back,
        reported: fc.nat({ max: 10 }),
        // Some are longer than what is kept in memory, some than what is written in place.
        longer: fc.nat({ max: 10 }),
      }),
      fc.record({
        kind: fc.constant('give up' as const),
        back,
        count: fc.nat({ max: 20 }),
      }),
      fc.constant({ kind: 'sweep' as const }),
      fc.constant({ kind: 'reopen' as const }),
    ),
    { minLength: 10, maxLength: 25 },
  );

  it('is what a plain list of blocks would be, valid, and leaves no garbage in the end', () => {
    let miners = 0;
    fc.assert(
      fc.property(commands, (list: Command[]) => {
        const store = new MemoryStore();
        let chain = new Chain(store, difficulty, tuning);
        let model: PlainBlock[] = [];
        for (const command of list) {
          switch (command.kind) {
            case 'append':
              model = extendChain(model, command.count, { difficulty, minedBy: `m${miners++}` });
              for (const block of model.slice(chain.height)) store.write(chain.append(block));
              break;
            case 'reorganise': {
              const fork = Math.max(0, model.length - command.back);
              const length = model.length + command.longer;
              if (length === 0 || length === fork) break;
              model = forkChain(model, fork, length, { difficulty, minedBy: `m${miners++}` });
              moveTo(chain, model, Math.max(-1, fork - 1 - command.reported), store);
              break;
            }
            case 'give up': {
              const fork = Math.max(0, model.length - command.back);
              const other = forkChain(model, fork, fork + command.count, {
                difficulty,
                minedBy: `m${miners++}`,
              });
              chain.beginStaging(fork - 1);
              for (const block of other.slice(fork)) store.write(chain.stage(block) as StoreWrite[]);
              chain.dropStaging();
              break;
            }
            case 'sweep':
              store.write(chain.sweep(3));
              break;
            case 'reopen':
              chain = new Chain(store, difficulty, tuning);
              break;
          }
          expect(chain.height).toBe(model.length);
        }
        expect(blocksOf(store)).toEqual(model);
        expect(chainFault(blocksOf(store), difficulty)).toBeUndefined();
        sweepAll(chain, store);
        expect(blocksOf(store)).toEqual(model);
        expect(stored(store)).toBe(model.length);
      }),
      { seed: 5, numRuns: 40 },
    );
  });
});
