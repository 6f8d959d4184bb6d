import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Chance } from '../../peer/simulator/chance.ts';
import { SimulatedStore, type WriteFate } from '../../peer/simulator/store.ts';
import type { StoreValue, StoreWrite } from '../../peer/core/store.ts';

function contents(store: SimulatedStore): Map<string, StoreValue> {
  return new Map(store.entries());
}

const key = fc.constantFrom('a', 'b', 'c', 'd');
const write: fc.Arbitrary<StoreWrite> = fc.oneof(
  fc.record({
    type: fc.constant('put' as const),
    key,
    value: fc.oneof(fc.string({ unit: 'binary' }), fc.uint8Array()),
  }),
  fc.record({ type: fc.constant('delete' as const), key }),
);
const batch = fc.array(write, { minLength: 1, maxLength: 8 });

describe('a simulated disk', () => {
  it('has what was written and not deleted', () => {
    const store = new SimulatedStore();
    store.write([
      { type: 'put', key: 'a', value: '1' },
      { type: 'put', key: 'b', value: '2' },
    ]);
    store.write([
      { type: 'delete', key: 'a' },
      { type: 'put', key: 'b', value: '3' },
    ]);
    expect(contents(store)).toEqual(new Map([['b', '3']]));
    expect([store.get('a'), store.get('b'), store.writes]).toEqual([undefined, '3', 2]);
    store.clear();
    expect(contents(store).size).toBe(0);
  });

  it('holds what was there before a write or after it, wherever a crash comes', () => {
    fc.assert(
      fc.property(batch, batch, fc.nat(), (first, second, seed) => {
        const [store, after] = [new SimulatedStore(), new SimulatedStore()];
        store.write(first);
        after.write(first);
        after.write(second);
        const before = contents(store);
        const fate = store.crashDuring(second, new Chance(seed, 'crash'));
        expect(contents(store)).toEqual(fate === 'kept' ? contents(after) : before);
      }),
    );
  });

  it('meets all three fates, a torn record among them, which it does not take for a whole one', () => {
    const fates = new Map<WriteFate, number>();
    for (let seed = 0; seed < 300; seed++) {
      const store = new SimulatedStore();
      const fate = store.crashDuring([{ type: 'put', key: 'a', value: '1' }], new Chance(seed, 'crash'));
      fates.set(fate, (fates.get(fate) ?? 0) + 1);
      expect(store.get('a')).toBe(fate === 'kept' ? '1' : undefined);
    }
    for (const fate of ['lost', 'torn', 'kept'] as const) expect(fates.get(fate)).toBeGreaterThan(50);
  });
});
