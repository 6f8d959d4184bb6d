import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { KeyValueStore, keyValue } from '../../peer/applications/key-value.ts';
import { checkLinearizable, keyValueModel, type Observation } from './linearizability.ts';
import { seededRandom } from './random.ts';

const STORED = '{"stored":true}';
const SWAPPED = '{"swapped":true}';

/** An operation on key `k`, or on another one that is named before the verb. */
function seen(invoked: number, returned: number | undefined, line: string, answer?: string): Observation {
  const operation = keyValue.language.parse(line);
  return { client: invoked, invoked, returned, operation, answer };
}

const found = (value: string | null): string => JSON.stringify({ value });
const isLinearizable = (...history: readonly Observation[]): boolean =>
  checkLinearizable(history, keyValueModel).linearizable;

describe('a history that one copy explains', () => {
  it.each<[string, readonly Observation[]]>([
    ['nothing', []],
    ['one after the other', [seen(1, 2, 'put k 1', STORED), seen(3, 4, 'get k', found('1'))]],
    ['a read that sees a write under way', [seen(1, 9, 'put k 1', STORED), seen(2, 3, 'get k', found('1'))]],
    ['a read that does not yet see it', [seen(1, 9, 'put k 1', STORED), seen(2, 3, 'get k', found(null))]],
    [
      'a read that began before a write and ended after it',
      [seen(1, 9, 'get k', found(null)), seen(2, 3, 'put k 1', STORED), seen(4, 5, 'get k', found('1'))],
    ],
    ['a return at the time of a call', [seen(1, 2, 'put k 1', STORED), seen(2, 3, 'get k', found(null))]],
    [
      'one swap of two that expect the same',
      [seen(1, 9, 'cas k absent 1', SWAPPED), seen(1, 9, 'cas k absent 2', '{"swapped":false,"value":"1"}')],
    ],
    [
      'an unknown outcome that takes effect much later',
      [seen(1, undefined, 'put k 1'), seen(2, 3, 'get k', found(null)), seen(8, 9, 'get k', found('1'))],
    ],
    [
      'an unknown outcome that never takes effect',
      [seen(1, undefined, 'put k 1'), seen(8, 9, 'get k', found(null))],
    ],
    [
      'an unknown outcome that takes effect between two others',
      [seen(1, undefined, 'cas k 1 2'), seen(2, 3, 'put k 1', STORED), seen(4, 5, 'get k', found('2'))],
    ],
    [
      'a refusal for want of room',
      [seen(1, 2, 'put k 1', '{"error":"full"}'), seen(3, 4, 'get k', found(null))],
    ],
    ['keys that do not affect each other', [seen(1, 2, 'put a 1', STORED), seen(3, 4, 'get b', found(null))]],
    [
      'deletions',
      [
        seen(1, 2, 'put k 1', STORED),
        seen(3, 6, 'delete k', '{"deleted":false}'),
        seen(3, 6, 'delete k', '{"deleted":true}'),
      ],
    ],
  ])('has %s', (_, history) => {
    expect(checkLinearizable(history, keyValueModel)).toEqual({ linearizable: true });
  });
});

describe('a history that no copy explains', () => {
  it.each<[string, readonly Observation[]]>([
    [
      'a stale read',
      [seen(1, 2, 'put k 1', STORED), seen(3, 4, 'put k 2', STORED), seen(5, 6, 'get k', found('1'))],
    ],
    ['a value that nobody put', [seen(1, 2, 'get k', found('1'))]],
    ['a read of what is put only later', [seen(1, 2, 'get k', found('1')), seen(3, 4, 'put k 1', STORED)]],
    [
      'a lost update',
      [
        seen(1, 2, 'put k 0', STORED),
        seen(3, 6, 'cas k 0 1', SWAPPED),
        seen(4, 7, 'put k 2', STORED),
        seen(8, 9, 'get k', found('0')),
      ],
    ],
    ['two swaps of the same', [seen(1, 9, 'cas k absent 1', SWAPPED), seen(1, 9, 'cas k absent 2', SWAPPED)]],
    [
      'reads that see a write come and go',
      [seen(1, 9, 'put k 1', STORED), seen(2, 3, 'get k', found('1')), seen(4, 5, 'get k', found(null))],
    ],
    [
      'two readers that see two writes in different order',
      [
        seen(1, 20, 'put k 1', STORED),
        seen(1, 20, 'put k 2', STORED),
        seen(2, 3, 'get k', found('1')),
        seen(4, 5, 'get k', found('2')),
        seen(6, 7, 'get k', found('1')),
      ],
    ],
    [
      'an unknown outcome that takes effect twice',
      [
        seen(1, undefined, 'put k 1'),
        seen(2, 3, 'get k', found('1')),
        seen(4, 5, 'put k 2', STORED),
        seen(6, 7, 'get k', found('1')),
      ],
    ],
    [
      'an unknown outcome that takes effect before it was asked for',
      [seen(1, 2, 'get k', found('1')), seen(3, undefined, 'put k 1')],
    ],
    [
      'a refusal that took effect',
      [seen(1, 2, 'put k 1', '{"error":"full"}'), seen(3, 4, 'get k', found('1'))],
    ],
    [
      'the same thing deleted twice',
      [seen(1, 2, 'put k 1', STORED), ...[3, 4].map((at) => seen(at, 9, 'delete k', '{"deleted":true}'))],
    ],
  ])('has %s', (_, history) => {
    expect(isLinearizable(...history)).toBe(false);
  });

  it('is shown up to the first answer that makes it so, without the reads that do not matter', () => {
    const verdict = checkLinearizable(
      [
        seen(1, 2, 'put other 5', STORED),
        seen(1, 2, 'put k 1', STORED),
        seen(3, 4, 'get k', found('1')),
        seen(5, 6, 'put k 2', STORED),
        seen(7, 20, 'put k 3', STORED),
        seen(8, 9, 'get k', found('1')),
        seen(10, 11, 'get k', found('2')),
        seen(12, 13, 'put k 1', STORED),
      ],
      keyValueModel,
    );
    expect(verdict).toEqual({
      linearizable: false,
      counterexample: [
        'no order of these operations on "k" explains their answers, up to the one marked with >:',
        '  client 1, 1 to 2: ["put","k","1"] -> {"stored":true}',
        '  client 5, 5 to 6: ["put","k","2"] -> {"stored":true}',
        '  client 7, 7 to ?: ["put","k","3"] -> unknown',
        '> client 8, 8 to 9: ["get","k"] -> {"value":"1"}',
      ].join('\n'),
    });
  });
});

/** What clients see of one copy, each operation done at a moment within its own time, some answers lost. */
function honestHistory(operations: number, clients: number, seed: number, lost = 0.02): Observation[] {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const free = new Array<number>(clients).fill(0);
  const planned = Array.from({ length: operations }, (_, place) => {
    const client = place % clients;
    const invoked = (free[client] ?? 0) + random();
    const returned = invoked + random() * 5;
    free[client] = returned;
    const key = `k${below(3)}`;
    const lines = [
      `get ${key}`,
      `put ${key} ${below(4)}`,
      `delete ${key}`,
      `cas ${key} ${below(4)} ${below(4)}`,
    ];
    const line = lines[below(lines.length)] ?? '';
    const isLost = random() < lost;
    // What is lost may be done long after.
    const done = isLost ? invoked + random() * 50 : invoked + random() * (returned - invoked);
    return { client, invoked, returned, line, done, isLost };
  });
  const store = new KeyValueStore();
  return planned
    .toSorted((one, other) => one.done - other.done)
    .map(({ client, invoked, returned, line, isLost }) => {
      const operation = keyValue.language.parse(line);
      const answer = store.execute(operation);
      return {
        client,
        invoked,
        operation,
        ...(isLost ? { returned: undefined, answer: undefined } : { returned, answer }),
      };
    });
}

/** Whether any order at all explains a history: all of them are tried. For a few operations only. */
function bruteForce(history: readonly Observation[], state: string | null = null): boolean {
  if (history.every(({ returned }) => returned === undefined)) return true;
  return history.some((first, place) => {
    const others = history.toSpliced(place, 1);
    if (others.some(({ returned }) => returned !== undefined && returned < first.invoked)) return false;
    const { operation } = keyValueModel.read(first.operation);
    const after = keyValueModel.step(state, operation, first.answer);
    return after !== undefined && bruteForce(others, after.state);
  });
}

describe('the checker', () => {
  it('finds nothing wrong with what one copy did, thousands of operations and dozens of clients', () => {
    for (const seed of [1, 2, 3]) {
      expect(checkLinearizable(honestHistory(5000, 24, seed), keyValueModel)).toEqual({ linearizable: true });
    }
  });

  it('finds one wrong answer among thousands', () => {
    const history = honestHistory(3000, 12, 7);
    const place = history.findLastIndex(
      ({ answer, operation }) => answer !== undefined && operation.includes('get'),
    );
    const wrong = history.map((one, other) =>
      other === place ? { ...one, answer: found('never put') } : one,
    );
    const verdict = checkLinearizable(wrong, keyValueModel);
    expect(verdict.linearizable ? '' : verdict.counterexample).toMatch(
      /^> client .* -> {"value":"never put"}$/m,
    );
  });

  it('says what trying all orders says', () => {
    const verb = fc.constantFrom('get k', 'put k 1', 'put k 2', 'delete k', 'cas k 1 2', 'cas k absent 1');
    const answer = (line: string): fc.Arbitrary<string> => {
      const swaps = [SWAPPED, ...[null, '1', '2'].map((value) => JSON.stringify({ swapped: false, value }))];
      const reads = [null, '1', '2'].map(found);
      if (line.startsWith('get')) return fc.constantFrom(...reads);
      if (line.startsWith('cas')) return fc.constantFrom(...swaps);
      return line.startsWith('put')
        ? fc.constant(STORED)
        : fc.constantFrom('{"deleted":true}', '{"deleted":false}');
    };
    const one = fc
      .record({ line: verb, at: fc.nat({ max: 9 }), took: fc.nat({ max: 6 }), unknown: fc.nat({ max: 5 }) })
      .chain(({ line, at, took, unknown }) =>
        answer(line).map((text) =>
          unknown === 0 ? seen(at, undefined, line) : seen(at, at + took, line, text),
        ),
      );
    const outcomes = new Set<boolean>();
    fc.assert(
      fc.property(fc.array(one, { maxLength: 6 }), (history) => {
        const expected = bruteForce(history);
        outcomes.add(expected);
        expect(isLinearizable(...history)).toBe(expected);
      }),
      { numRuns: 1000, seed: 1 },
    );
    expect(outcomes.size).toBe(2);
  });
});
