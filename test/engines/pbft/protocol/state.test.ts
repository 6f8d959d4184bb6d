import { createHash } from 'node:crypto';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { KeyValueStore } from '../../../../peer/applications/key-value.ts';
import {
  changedPages,
  differingPages,
  GROUP_SIZE,
  type Snapshot,
} from '../../../../peer/core/paged-state.ts';
import { DIGESTS, MAX_SNAPSHOTS, ReplicatedState } from '../../../../peer/engines/pbft/protocol/state.ts';
import { Counter } from '../../../applications/example-counter.ts';

const CLIENTS = 3;

interface Step {
  readonly client: number;
  readonly timestamp: number;
  readonly operation: string;
  readonly time: number;
}

function stateOf(steps: readonly Step[] = []): ReplicatedState {
  const state = new ReplicatedState(new KeyValueStore(), CLIENTS, 8);
  run(state, steps);
  return state;
}

function run(state: ReplicatedState, steps: readonly Step[]): unknown[] {
  return steps.map(({ client, timestamp, operation, time }) => {
    state.advanceTime(time);
    return state.execute(client, timestamp, operation);
  });
}

/** What is in the state now, hashed page by page without anything from before. */
function fromScratch(state: ReplicatedState): string {
  const { pages } = state.checkpoint(0);
  return DIGESTS.root(pages.map((text, index) => DIGESTS.page(index, text)));
}

/** A state with the pages of a snapshot. */
function restored(snapshot: Snapshot, before: readonly Step[] = []): ReplicatedState {
  const state = stateOf(before);
  for (const index of state.differing(snapshot.pageDigests))
    state.restore(index, snapshot.pages[index] ?? '');
  return state;
}

const key = fc.constantFrom('a', 'b', 'c', 'd', '__proto__');
const value = fc.constantFrom('1', '2', '');
const operation = fc.oneof(
  fc.tuple(fc.constant('put'), key, value),
  fc.tuple(fc.constant('delete'), key),
  fc.tuple(fc.constant('cas'), key, fc.option(value), value),
);
const steps = fc.array(
  fc.record({
    client: fc.nat({ max: CLIENTS - 1 }),
    timestamp: fc.integer({ min: 1, max: 30 }),
    operation: operation.map((parts) => JSON.stringify(parts)),
    time: fc.nat({ max: 1000 }),
  }),
  { maxLength: 40 },
);

const PUT = { client: 1, timestamp: 5, operation: '["put","a","1"]', time: 1000 };

describe('the state of a replica', () => {
  it('executes a request once, and answers it again as it did', () => {
    const state = new ReplicatedState(new Counter(), CLIENTS, 2);
    expect(state.look(0, 7)).toBe('new');
    expect(state.execute(0, 7, '["add",1]')).toEqual({ kind: 'executed', result: '{"value":1}' });
    expect(state.execute(0, 7, '["add",1]')).toEqual({ kind: 'repeated', result: '{"value":1}' });
    expect(state.look(0, 7)).toEqual({ result: '{"value":1}' });
    expect(state.execute(1, 7, '["add",1]')).toEqual({ kind: 'executed', result: '{"value":2}' });
    state.execute(0, 8, '["add",1]');
    state.execute(0, 9, '["add",1]');
    expect(state.execute(0, 6, '["add",1]')).toEqual({ kind: 'old' });
    expect(state.execute(1, 8, '["value"]')).toEqual({ kind: 'executed', result: '{"value":4}' });
  });

  it('has a time that never goes back', () => {
    const state = stateOf();
    expect(state.time).toBe(0);
    state.advanceTime(1);
    // The first moment is not the same as none.
    expect(state.digest()).not.toBe(stateOf().digest());
    expect(restored(state.checkpoint(1)).time).toBe(1);
    state.advanceTime(1000);
    state.advanceTime(900);
    expect(state.time).toBe(1000);
  });

  it.each<[string, Step]>([
    ['what a client was answered', { ...PUT, timestamp: 6 }],
    ['who asked', { ...PUT, client: 2 }],
    ['the time', { ...PUT, time: 1001 }],
    ['the application', { ...PUT, operation: '["put","a","2"]' }],
  ])('has another digest if %s is not the same', (_, other) => {
    expect(stateOf([PUT]).digest()).toBe(stateOf([PUT]).digest());
    expect(stateOf([PUT]).digest()).not.toBe(stateOf([other]).digest());
  });

  it('has a digest that does not depend on what is asked of it in between, nor on the sequence number', () => {
    fc.assert(
      fc.property(steps, fc.array(fc.nat({ max: 40 })), fc.nat({ max: 3 }), (made, pauses, most) => {
        const plain = stateOf(made);
        const busy = stateOf();
        for (const [place, step] of made.entries()) {
          run(busy, [step]);
          if (pauses.includes(place)) busy.settle(most);
          if (pauses.includes(place + 1)) busy.checkpoint(place);
        }
        expect(busy.checkpoint(77).digest).toBe(plain.checkpoint(5).digest);
      }),
      { numRuns: 50, seed: 1 },
    );
  });

  it('has the digest that all pages hashed anew have, whatever changed since the last one', () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 4 }), (rounds) => {
        const state = stateOf();
        for (const made of rounds) {
          run(state, made);
          expect(state.digest()).toBe(fromScratch(state));
        }
      }),
      { numRuns: 30, seed: 1 },
    );
  });

  it('goes on from the pages of a snapshot as the original does, whatever it had before', () => {
    fc.assert(
      fc.property(steps, steps, steps, (made, others, later) => {
        const original = stateOf(made);
        const snapshot = original.checkpoint(1);
        const copy = restored(snapshot, others);
        expect(copy.digest()).toBe(snapshot.digest);
        expect(copy.time).toBe(original.time);
        expect(run(copy, later)).toEqual(run(original, later));
        expect(copy.digest()).toBe(original.digest());
        expect(copy.digest()).toBe(fromScratch(copy));
      }),
      { numRuns: 50, seed: 1 },
    );
  });

  it('is written to a store by what changed from snapshot to snapshot, and read back', () => {
    fc.assert(
      fc.property(fc.array(steps, { minLength: 1, maxLength: 4 }), (rounds) => {
        const state = stateOf();
        const stored = new Map<number, string>();
        let last: Snapshot | undefined;
        for (const [sequence, made] of rounds.entries()) {
          run(state, made);
          const snapshot = state.checkpoint(sequence);
          for (const { index, text } of changedPages(snapshot, last)) {
            if (text === '') stored.delete(index);
            else stored.set(index, text);
          }
          last = snapshot;
        }
        const copy = stateOf();
        for (const [index, text] of stored) copy.restore(index, text);
        expect(copy.digest()).toBe(state.digest());
      }),
      { numRuns: 30, seed: 1 },
    );
  });

  it('hashes no more pages at once than it is told', () => {
    const state = stateOf();
    const all = state.settle(0);
    expect(state.settle(100)).toBe(all - 100);
    expect(state.settle(Infinity)).toBe(0);
    // A page of a client, the time, and a page of the application.
    run(state, [PUT]);
    expect([state.settle(0), state.settle(1), state.settle(2), state.settle(1)]).toEqual([3, 2, 0, 0]);
  });

  it('has its digest told where little is to be hashed for it, and else when that has been done bit by bit', () => {
    const steps = Array.from({ length: 40 }, (_, index) => ({
      ...PUT,
      timestamp: PUT.timestamp + index,
      operation: JSON.stringify(['put', `key ${index}`, 'x'.repeat(1_000)]),
    }));
    const state = stateOf(steps);
    const digest = stateOf(steps).digest();
    expect(stateOf(steps).digestWithin(1_000_000)).toBe(digest);
    const reported = Array.from({ length: 50 }, () => state.digestWithin(1_500));
    expect(reported.slice(0, 10)).toEqual(Array<undefined>(10).fill(undefined));
    expect(reported.at(-1)).toBe(digest);
    // The one that changed, and the client's.
    run(state, [{ ...PUT, timestamp: 100 }]);
    expect(state.digestWithin(100_000)).toBe(stateOf([...steps, { ...PUT, timestamp: 100 }]).digest());
  });

  it('does not hash again what was restored', () => {
    const state = stateOf();
    const all = state.settle(0);
    for (const { index, text } of changedPages(stateOf([PUT]).checkpoint(1), undefined))
      state.restore(index, text);
    // A page of a client, that of the time and one of the application were still to be looked at.
    expect(state.settle(0)).toBe(all - 3);
  });

  it('keeps the last snapshots, unchanged by what follows', () => {
    const state = stateOf([PUT]);
    const first = state.checkpoint(100);
    const pages = [...first.pages];
    run(state, [{ ...PUT, timestamp: 6, operation: '["put","a","2"]' }]);
    for (let sequence = 200; sequence <= 100 * MAX_SNAPSHOTS; sequence += 100) state.checkpoint(sequence);
    expect(state.snapshot(100)).toBe(first);
    expect(first.pages).toEqual(pages);
    state.checkpoint(100 * MAX_SNAPSHOTS + 100);
    expect(state.snapshot(100)).toBeUndefined();
    state.dropBefore(300);
    expect([200, 300].map((sequence) => state.snapshot(sequence)?.sequence)).toEqual([undefined, 300]);
    state.measure((name, size, limit) => {
      expect([name, size <= limit]).toEqual(['snapshots', true]);
    });
  });

  it('shares the texts of pages that did not change', () => {
    const state = stateOf([PUT]);
    const before = state.checkpoint(1);
    run(state, [{ ...PUT, client: 2, operation: '["put","b","2"]' }]);
    const after = state.checkpoint(2);
    // Page 2 is what client 2 was answered; the time is the same.
    expect(differingPages(before.pageDigests, after.pageDigests)).toHaveLength(2);
    expect(changedPages(after, before).map(({ index }) => index)).toContain(2);
    expect(changedPages(after, undefined).every(({ text }) => text !== '')).toBe(true);
  });

  it('can be cleared, to begin anew', () => {
    const state = stateOf([PUT]);
    state.checkpoint(1);
    run(state, [{ ...PUT, timestamp: 6, operation: '["put","b","2"]' }]);
    state.clear();
    expect(state.snapshot(1)).toBeUndefined();
    expect(state.time).toBe(0);
    expect(state.digest()).toBe(stateOf().digest());
    expect(run(state, [PUT])).toEqual(run(stateOf(), [PUT]));
  });

  it('refuses a page that is none, and stays as it is', () => {
    const state = stateOf([PUT]);
    const digest = state.digest();
    // A client, the time, the application, and pages that there are not.
    for (const index of [0, CLIENTS, CLIENTS + 1, -1, state.pageCount]) {
      expect(() => {
        state.restore(index, 'x');
      }).toThrow();
    }
    for (const text of ['0', '-1', '01', '1.5', '1e3', ' 1', '9007199254740993']) {
      expect(() => {
        state.restore(CLIENTS, text);
      }).toThrow('no time');
    }
    expect(state.digest()).toBe(digest);
    expect(state.time).toBe(1000);
  });

  it('replaces a page that was changed but not looked at since', () => {
    const state = stateOf([PUT]);
    state.restore(1, '');
    expect(state.digest()).toBe(fromScratch(state));
    expect(state.look(1, 5)).toBe('new');
  });
});

describe('the digests of pages', () => {
  it('are those that every version has: members that hash otherwise would never agree', () => {
    const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
    const texts = Array.from({ length: 130 }, (_, index) => (index % 3 === 0 ? '' : `page ${index}`));
    const pages = texts.map((text, index) =>
      hash(text === '' ? 'gossip-peer/pbft/empty page' : `gossip-peer/pbft/page ${index}\n${text}`),
    );
    const groups = [pages.slice(0, 64), pages.slice(64, 128), pages.slice(128)];
    const digests = groups.map((group, index) =>
      hash(`gossip-peer/pbft/group ${index}\n${JSON.stringify(group)}`),
    );
    expect(texts.map((text, index) => DIGESTS.page(index, text))).toEqual(pages);
    expect(DIGESTS.root(pages)).toBe(hash(`gossip-peer/pbft/state\n${JSON.stringify(digests)}`));
  });

  it('differ between pages with the same text, but not between pages with nothing in them', () => {
    expect(DIGESTS.page(1, 'a')).not.toBe(DIGESTS.page(2, 'a'));
    expect(DIGESTS.page(1, '1')).not.toBe(DIGESTS.page(11, ''));
    expect(DIGESTS.page(1, '')).toBe(DIGESTS.empty);
  });

  it('tell the right text from others, also from one with the same bytes as UTF-8', () => {
    const digest = DIGESTS.page(1, 'a\ufffd');
    expect(DIGESTS.isPage(1, 'a\ufffd', digest)).toBe(true);
    expect(DIGESTS.isPage(1, 'a\ud800', digest)).toBe(false);
    expect(DIGESTS.isPage(1, 'b\ufffd', digest)).toBe(false);
    expect(DIGESTS.isPage(2, 'a\ufffd', digest)).toBe(false);
  });

  it('make up the digests of groups, and these the whole', () => {
    const digests = Array.from({ length: GROUP_SIZE + 2 }, (_, index) => DIGESTS.page(index, 'text'));
    const groups = DIGESTS.groups(digests);
    expect(groups).toEqual([
      DIGESTS.group(0, digests.slice(0, GROUP_SIZE)),
      DIGESTS.group(1, digests.slice(GROUP_SIZE)),
    ]);
    expect(DIGESTS.root(digests)).toBe(DIGESTS.rootOfGroups(groups));
  });

  it('are others if a list is not the same, however it is parted', () => {
    const digests = Array.from({ length: GROUP_SIZE + 2 }, (_, index) => DIGESTS.page(index, 'text'));
    const swapped = digests.with(0, digests[1] ?? '').with(1, digests[0] ?? '');
    const lists = [
      digests,
      digests.slice(1),
      digests.slice(0, -1),
      swapped,
      digests.with(0, ''),
      ['a', 'b'],
      ['a,b'],
    ];
    expect(new Set(lists.map((list) => DIGESTS.root(list))).size).toBe(lists.length);
    expect(DIGESTS.group(0, digests)).not.toBe(DIGESTS.group(1, digests));
    expect(DIGESTS.root(['a","b'])).not.toBe(DIGESTS.root(['a', 'b']));
  });
});
