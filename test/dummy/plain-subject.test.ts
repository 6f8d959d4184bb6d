/** What is checked of an engine that only gets further: engines that break each of the rules are found out. */
import { expect, it } from 'vitest';

import type { EngineParts } from '../../peer/core/engine.ts';
import { simulatedPlainly } from '../../peer/simulator/plain-subject.ts';
import { Counter, PLAIN, type Types } from '../support/dummy/engine.ts';
import { run } from '../simulator/harness.ts';

/** Checkers that an engine of this kind does not pass. */
function violatedBy(engine: (parts: EngineParts) => Counter): string[] {
  const simulated = simulatedPlainly<Types>({ ...PLAIN, engine });
  return run(simulated, 1, { nodes: 3, hours: 0.1 }).violations.map(({ checker }) => checker);
}

it('passes the dummy as it is', () => {
  expect(violatedBy((parts) => new Counter(parts))).toEqual([]);
});

it('finds an engine that answers before it has stored', () => {
  class Hasty extends Counter {
    override step(event: Parameters<Counter['step']>[0]): ReturnType<Counter['step']> {
      const effects = super.step(event);
      return [
        ...effects.filter(({ type }) => type === 'reply'),
        ...effects.filter(({ type }) => type !== 'reply'),
      ];
    }
  }
  expect(violatedBy((parts) => new Hasty(parts))).toEqual(['what is answered is stored']);
});

it('finds an engine that falls back', () => {
  class Forgetful extends Counter {
    override step(event: Parameters<Counter['step']>[0]): ReturnType<Counter['step']> {
      const effects = super.step(event);
      if (event.type !== 'timer' || this.count < 3) return effects;
      return [{ type: 'store', writes: [{ type: 'put', key: 'count', value: '1' }] }, ...effects];
    }
  }
  expect(violatedBy((parts) => new Forgetful(parts))).toEqual(['no node falls back']);
});

it('finds nodes that never get equally far', () => {
  class Deaf extends Counter {
    override step(event: Parameters<Counter['step']>[0]): ReturnType<Counter['step']> {
      return event.type === 'message' ? [] : super.step(event);
    }
  }
  expect(violatedBy((parts) => new Deaf(parts))).toEqual(['all honest nodes have got equally far']);
});
