import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { languageOfOnce, OnceOnly } from '../../peer/applications/once.ts';
import { APPLICATIONS } from '../../peer/applications/registry.ts';
import { complies, type Subject } from './compliance.ts';
import { Counter, counter } from './example-counter.ts';

/** Few enough that operations meet, and all that is odd among them. */
const key = fc.constantFrom(
  'a',
  'b',
  '',
  '__proto__',
  'constructor',
  '1',
  'ä',
  '😀',
  '\u0000',
  '"',
  '\ud800',
  'k'.repeat(256),
);
const value = fc.constantFrom(
  '',
  '1',
  '2',
  '\n',
  '"\\',
  '\u2028',
  '\udfff',
  'x'.repeat(8000),
  'x'.repeat(8001),
);

const json = (...parts: readonly fc.Arbitrary<unknown>[]): fc.Arbitrary<string> =>
  fc.tuple(...parts).map((operation) => JSON.stringify(operation));
const verb = (name: string): fc.Arbitrary<string> => fc.constant(name);

/** What to try each application of the registry with. */
const SUBJECTS: Readonly<Record<string, Omit<Subject, 'application'>>> = {
  log: {
    operations: fc.oneof(
      { weight: 4, arbitrary: json(verb('append'), fc.oneof(value, fc.string({ unit: 'binary' }))) },
      json(verb('entry'), fc.nat({ max: 40 })),
      json(verb('length')),
    ),
    lines: ['hello world', '  ', '"', '[1]', '/length', '/entry 3', '/append /entry 3', '👋'],
  },
  kv: {
    operations: fc.oneof(
      json(verb('get'), key),
      json(verb('put'), key, value),
      json(verb('delete'), key),
      json(verb('cas'), key, fc.option(value), value),
    ),
    lines: [
      'put a 1',
      'get a',
      'delete a',
      'cas a 1 2',
      'cas a absent 1',
      'put "a key" "a \\"value\\""',
      'put "" ""',
    ],
  },
};

describe('the registry of applications', () => {
  it('has none that is not tried', () => {
    expect([...APPLICATIONS.keys()].sort()).toEqual(Object.keys(SUBJECTS).sort());
  });
});

for (const [name, application] of APPLICATIONS) {
  const subject = SUBJECTS[name];
  if (subject !== undefined) complies(name, { application, ...subject });
}

const id = fc.constantFrom('a', 'b', 'c', 'x'.repeat(128), '', 'not an id', '__proto__');
const add = json(verb('add'), fc.integer({ min: -9, max: 9 }));
complies('counter, under ids', {
  application: {
    create: () => new OnceOnly(counter.create(), 5),
    language: languageOfOnce(counter.language),
  },
  operations: fc.oneof(
    { weight: 4, arbitrary: json(verb('once'), id, add) },
    json(verb('once'), id, fc.constantFrom('["value"]', 'x', '["once","a","[]"]')),
    add,
  ),
  lines: ['add 5'],
  unchanged: new Counter().pageCount,
});

complies('counter', {
  application: counter,
  operations: fc.oneof(json(verb('add'), fc.integer({ min: -9, max: 9 })), json(verb('value'))),
  lines: ['add 5', 'add -1', 'value'],
});
