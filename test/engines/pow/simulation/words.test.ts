/** Words of users in the proof-of-work network: some are handed to two nodes, some come in datagrams. */
import { describe, expect, it } from 'vitest';

import { powSubject } from '../../../../peer/engines/pow/simulation/subject.ts';
import type { PowTypes } from '../../../../peer/engines/pow/protocol/types.ts';
import { CHECKERS } from '../../../../peer/engines/pow/simulation/watch.ts';
import type { TraceLine } from '../../../../peer/simulator/trace.ts';
import * as plant from '../../../simulator/plant.ts';

type Event = plant.EventOf<PowTypes>;

const SETTINGS = { nodes: 4, hours: 0.1, words: 400 };

/** The word that a user gives to a node. */
type Reader = (event: Event) => string | undefined;

const requested: Reader = (event) =>
  event.type === 'request' && event.request.kind === 'submit-word' ? event.request.word : undefined;

const sent: Reader = (event) =>
  event.type === 'message' && event.message.type === 'NEW_WORD' ? event.message.word : undefined;

/** How many nodes each word was given to. */
function handedOut(wordOf: Reader): Map<string, number> {
  const nodes = new Map<string, number>();
  const listening: plant.Fault<PowTypes> = (effects, event) => {
    const word = wordOf(event);
    if (word !== undefined) nodes.set(word, (nodes.get(word) ?? 0) + 1);
    return effects;
  };
  expect(plant.violations(plant.faulty(powSubject, listening), SETTINGS)).toEqual([]);
  return nodes;
}

/** Has all miners say a word, once a node was given it, until it stands in so many blocks. */
function repeating(word: string, wordOf: Reader, times: number): plant.Fault<PowTypes> {
  let submitted = false;
  const blocks = new Set<string>();
  return (effects, event) => {
    submitted ||= wordOf(event) === word;
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

describe.each([
  ['in a request', requested],
  ['in a datagram', sent],
])('a word %s', (_, wordOf) => {
  it('is handed to one node or to two', () => {
    const counts = [...handedOut(wordOf).values()];
    expect(new Set(counts)).toEqual(new Set([1, 2]));
    expect(counts.filter((count) => count === 2).length).toBeLessThan(counts.length / 2);
  });

  it.each([1, 2])('may be in the chain as often as nodes have taken it, and not once more: %i', (takers) => {
    const [word = ''] = [...handedOut(wordOf)].find(([, count]) => count === takers) ?? [];
    const repeated = (times: number): string[] =>
      plant
        .violations(plant.faulty(powSubject, repeating(word, wordOf, times)), SETTINGS)
        .map(({ checker, detail }) => `${checker}: ${detail}`);
    expect(repeated(takers)).toEqual([]);
    const detail = `"${word}" is in the chain ${takers + 1} times`;
    expect(repeated(takers + 1)).toEqual([`${CHECKERS.words}: ${detail}`]);
  });
});

describe('words in datagrams', () => {
  const BAD_NETWORK = { ...SETTINGS, loss: 30, duplicate: 50, latency: 500 };

  it('come from outside, over a network that loses and doubles them, until it has healed', () => {
    const lines: TraceLine[] = [];
    const trace = (line: TraceLine): void => {
      lines.push(line);
    };
    expect(plant.simulation(powSubject, BAD_NETWORK, [], { trace }).finish().violations).toEqual([]);
    const healed = lines.findIndex(({ what }) => what === 'healed');
    const ofWords = (what: string, from = 0, to = lines.length): TraceLine[] =>
      lines.slice(from, to).filter((line) => line.what === what && line['type'] === 'NEW_WORD');
    const departures = ofWords('sent', 0, healed);
    expect(departures.length).toBeGreaterThan(5);
    expect(departures.every(({ node, as }) => node === null && /^192\.0\.2\.\d+:/.test(String(as)))).toBe(
      true,
    );
    const copies = departures.map(({ arrives }) => (arrives as number[]).length);
    expect(new Set(copies)).toEqual(new Set([1, 2]));
    expect(ofWords('dropped').map(({ node, reason }) => [node, reason])).toContainEqual([null, 'loss']);
    expect(ofWords('dropped', healed)).toEqual([]);
    expect(ofWords('sent', healed)).toHaveLength(1);
  });

  it('leave what happens to those between nodes as it was', () => {
    const arrivals = (words: number): unknown[] => {
      const seen: unknown[] = [];
      const trace = ({ t, node, what, type, arrives }: TraceLine): void => {
        if (what === 'sent' && type === 'GOSSIP') seen.push([t, node, arrives]);
      };
      // No block is found in that time, so words change nothing of what nodes tell each other.
      const settings = { ...BAD_NETWORK, words, 'block-interval': 86_400 };
      const run = plant.simulation(powSubject, settings, [], { trace });
      while (run.now() < 300_000) run.advance(100);
      return seen;
    };
    const undisturbed = arrivals(0);
    expect(undisturbed.length).toBeGreaterThan(50);
    expect(arrivals(4_000).slice(0, 50)).toEqual(undisturbed.slice(0, 50));
  });

  it('are missed if no node takes them', () => {
    const deaf = plant.wrapped(powSubject, (engine) => ({
      step: (event) => (sent(event) === undefined ? engine.step(event) : []),
      measure: (report) => {
        engine.measure(report);
      },
    }));
    const [first, ...more] = plant.violations(deaf, SETTINGS);
    expect(more).toEqual([]);
    expect(first?.checker).toMatch(/^a word that is sent/);
    expect(first?.detail).toMatch(/^1 words are missing: "word \d+" that nobody took$/);
  });

  it('are missed if a node takes them and does not mine them', () => {
    const words = new Set<string>();
    const forgetful: plant.Fault<PowTypes> = (effects, event) => {
      const word = sent(event);
      if (word !== undefined) words.add(word);
      return effects.map((effect) => {
        if (effect.type !== 'notify' || effect.notice.kind !== 'work') return effect;
        const { notice } = effect;
        const { template } = notice;
        if (template === null) return effect;
        const messages = template.messages.filter((message) => !words.has(message));
        return {
          ...effect,
          notice: { ...notice, template: { ...template, messages: [...messages, 'idle'] } },
        };
      });
    };
    const [first, ...more] = plant.violations(plant.faulty(powSubject, forgetful), SETTINGS);
    expect(more).toEqual([]);
    expect(first?.checker).toMatch(/^every word that reached/);
    expect(first?.detail).toMatch(/of node \d/);
  });
});
