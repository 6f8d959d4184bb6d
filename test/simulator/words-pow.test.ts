/** Words of users in the proof-of-work network, some of which are handed to two nodes. */
import { describe, expect, it } from 'vitest';

import { powSubject } from '../../peer/simulator/pow/subject.ts';
import type { PowTypes } from '../../peer/simulator/pow/types.ts';
import { CHECKERS } from '../../peer/simulator/pow/watch.ts';
import * as plant from './plant.ts';

const SETTINGS = { nodes: 4, hours: 0.1, words: 120 };

/** How many nodes each word was handed to. */
function handedOut(): Map<string, number> {
  const nodes = new Map<string, number>();
  const listening: plant.Fault<PowTypes> = (effects, event) => {
    if (event.type === 'request' && event.request.kind === 'submit-word') {
      const { word } = event.request;
      nodes.set(word, (nodes.get(word) ?? 0) + 1);
    }
    return effects;
  };
  expect(plant.violations(plant.faulty(powSubject, listening), SETTINGS)).toEqual([]);
  return nodes;
}

/** Has all miners say a word, once it was submitted, until it stands in so many blocks. */
function repeating(word: string, times: number): plant.Fault<PowTypes> {
  let submitted = false;
  const blocks = new Set<string>();
  return (effects, event) => {
    submitted ||=
      event.type === 'request' && event.request.kind === 'submit-word' && event.request.word === word;
    return effects.map((effect) => {
      if (effect.type !== 'notify') return effect;
      const { notice } = effect;
      if (notice.kind === 'block' && notice.block.messages.includes(word)) blocks.add(notice.block.hash);
      if (notice.kind !== 'work' || notice.template === null || !submitted || blocks.size >= times)
        return effect;
      return { ...effect, notice: { ...notice, template: { ...notice.template, messages: [word] } } };
    });
  };
}

describe('a word', () => {
  it('is handed to one node or to two', () => {
    const counts = [...handedOut().values()];
    expect(new Set(counts)).toEqual(new Set([1, 2]));
    expect(counts.filter((count) => count === 2).length).toBeLessThan(counts.length / 2);
  });

  it.each([1, 2])('may be in the chain as often as nodes have taken it, and not once more: %i', (takers) => {
    const [word = ''] = [...handedOut()].find(([, count]) => count === takers) ?? [];
    const repeated = (times: number): string[] =>
      plant
        .violations(plant.faulty(powSubject, repeating(word, times)), SETTINGS)
        .map(({ checker, detail }) => `${checker}: ${detail}`);
    expect(repeated(takers)).toEqual([]);
    const detail = `"${word}" is in the chain ${takers + 1} times`;
    expect(repeated(takers + 1)).toEqual([`${CHECKERS.words}: ${detail}`]);
  });
});
