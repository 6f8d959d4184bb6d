/** State that lies in pages: marks, and the way back to them. That of a replica is tried in `engines/pbft/protocol/state.test.ts`. */
import { expect, test } from 'vitest';

import { KeyValueStore } from '../../peer/applications/key-value.ts';
import { digestsOf, PagedState } from '../../peer/core/paged-state.ts';

const DIGESTS = digestsOf('test');

function stateOf(machine: KeyValueStore, marks = 2): PagedState {
  return new PagedState([machine], DIGESTS, { snapshots: 1, marks });
}

const put = (machine: KeyValueStore, value: string): string =>
  machine.execute(JSON.stringify(['put', 'a', value]));
const get = (machine: KeyValueStore): string => machine.execute('["get","a"]');

test('goes back to a mark as often as wanted, and not to one after it', () => {
  const machine = new KeyValueStore();
  const state = stateOf(machine);
  put(machine, '1');
  const first = state.mark();
  const root = state.digest();
  put(machine, '2');
  const second = state.mark();
  put(machine, '3');
  state.rewind(second);
  expect(get(machine)).toBe('{"value":"2"}');
  for (let times = 0; times < 2; times++) {
    state.rewind(first);
    expect([get(machine), state.digest()]).toEqual(['{"value":"1"}', root]);
    put(machine, '4');
  }
  expect(() => {
    state.rewind(second);
  }).toThrow('no mark 2');
  expect(get(machine)).toBe('{"value":"4"}');
});

test('keeps as many marks as it may, the newest ones, and none that were made final', () => {
  const machine = new KeyValueStore();
  const state = stateOf(machine);
  const marks = ['1', '2', '3'].map((value) => {
    put(machine, value);
    return state.mark();
  });
  const gauges: unknown[] = [];
  state.measure((...gauge) => gauges.push(gauge));
  expect(gauges).toContainEqual(['marks', 2, 2]);
  expect(() => {
    state.rewind(marks[0] ?? 0);
  }).toThrow(RangeError);
  state.forgetBefore(marks[2] ?? 0);
  expect(() => {
    state.rewind(marks[1] ?? 0);
  }).toThrow(RangeError);
  put(machine, '4');
  state.rewind(marks[2] ?? 0);
  expect(get(machine)).toBe('{"value":"3"}');
});

test('keeps snapshots as they are when it goes back', () => {
  const machine = new KeyValueStore();
  const state = stateOf(machine);
  const mark = state.mark();
  put(machine, '1');
  const snapshot = state.checkpoint(1);
  state.rewind(mark);
  expect(state.snapshot(1)).toBe(snapshot);
  expect(snapshot.pages.join('')).toBe('["a","1"]');
  expect(state.checkpoint(2).pages.join('')).toBe('');
});

test('has other digests in another domain, for an empty page as well', () => {
  const other = digestsOf('other');
  expect(other.empty).not.toBe(DIGESTS.empty);
  expect(other.page(1, 'a')).not.toBe(DIGESTS.page(1, 'a'));
  expect(other.root([other.empty])).not.toBe(DIGESTS.root([other.empty]));
});
