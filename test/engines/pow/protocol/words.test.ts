import { describe, expect, it } from 'vitest';

import { MAX_MESSAGES } from '../../../../shared/block.ts';
import { MAX_WORDS, WORDS_BURST, WORDS_PER_SECOND } from '../../../../peer/engines/pow/protocol/limits.ts';
import { ownWords, WordQueue } from '../../../../peer/engines/pow/protocol/words.ts';
import { buildChain, mineBlock } from '../../../support/chains.ts';
import { at, Rig } from './rig.ts';

const blocks = buildChain(3, { difficulty: 1 });

describe('WordQueue', () => {
  it('gives words in the order in which they came, ten at most, and keeps them until they are in a block', () => {
    const queue = new WordQueue();
    const words = Array.from({ length: 12 }, (_, index) => `word ${index}`);
    for (const word of words) expect(queue.add(word)).toBeUndefined();
    expect(queue.next()).toEqual(words.slice(0, MAX_MESSAGES));
    expect(queue.next()).toEqual(words.slice(0, MAX_MESSAGES));
    queue.remove(words.slice(0, 10));
    expect(queue.next()).toEqual(words.slice(10));
  });

  it.each([
    ['nothing', ''],
    ['20 characters', 'x'.repeat(20)],
    ['other than ASCII', 'protégé'],
    ['a control character', 'a\nb'],
  ])('refuses %s', (_name, word) => {
    expect(new WordQueue().add(word)).toBe('unfit');
  });

  it('takes 19 characters', () => {
    expect(new WordQueue().add('x'.repeat(19))).toBeUndefined();
  });

  it('refuses what waits already', () => {
    const queue = new WordQueue();
    queue.add('a');
    expect(queue.add('a')).toBe('waiting');
  });

  it('is bounded', () => {
    const queue = new WordQueue();
    for (let index = 0; index < MAX_WORDS; index++) queue.add(`${index}`);
    expect(queue.add('one more')).toBe('full');
    expect(queue.putBack(['first', 'second'])).toBe(2);
    expect(queue.waiting).toHaveLength(MAX_WORDS);
    expect(queue.waiting.slice(0, 3)).toEqual(['first', 'second', '0']);
  });

  it('puts words back once, before all others', () => {
    const queue = new WordQueue();
    queue.add('a');
    queue.add('b');
    expect(queue.putBack(['b', 'c'])).toBe(1);
    expect(queue.waiting).toEqual(['b', 'c', 'a']);
  });

  it('counts every change', () => {
    const queue = new WordQueue();
    const { version } = queue;
    queue.add('a');
    expect(queue.version).toBeGreaterThan(version);
    const { version: before } = queue;
    queue.remove(['not there']);
    queue.add('a');
    expect(queue.version).toBe(before);
  });
});

describe('ownWords', () => {
  it('finds the words that we signed, but not those that fill a block', () => {
    const config = { minedBy: 'me', idleWord: 'idle' };
    const block = (minedBy: string, messages: string[]) =>
      mineBlock(null, { difficulty: 0, minedBy, messages });
    expect(
      ownWords(
        [block('me', ['a', 'b']), block('you', ['c']), block('me', ['idle']), block('me', ['é'])],
        config,
      ),
    ).toEqual(['a', 'b']);
  });
});

describe('NEW_WORD', () => {
  const word = (text: string) => ({ type: 'NEW_WORD', word: text }) as const;

  it('queues the word, answers nothing and tells the miners', () => {
    const rig = new Rig({}, blocks);
    rig.pass(5_000);
    expect(rig.receive(word('hello'), at(1))).toEqual([]);
    expect(rig.engine.status().words).toEqual(['hello']);
    expect(rig.notices.at(-1)).toMatchObject({ kind: 'work', template: { messages: ['hello'], height: 3 } });
  });

  it('counts what it does not take', () => {
    const rig = new Rig({}, blocks);
    rig.receive(word('a'), at(1));
    rig.receive(word('a'), at(1));
    rig.receive(word('x'.repeat(30)), at(1));
    expect([
      rig.count('new-word.accepted'),
      rig.count('new-word.waiting'),
      rig.count('new-word.unfit'),
    ]).toEqual([1, 1, 1]);
  });

  it('is bounded by host, whatever ports the words come from', () => {
    const rig = new Rig({}, blocks);
    for (let index = 0; index < 500; index++) rig.receive(word(`${index}`), at(1, 1_000 + index));
    expect(rig.engine.status().words).toHaveLength(WORDS_BURST);
    expect(rig.count('limit.words')).toBe(500 - WORDS_BURST);
    rig.receive(word('of another'), at(2));
    rig.now += 1_000;
    for (let index = 500; index < 600; index++) rig.receive(word(`${index}`), at(1));
    expect(rig.engine.status().words).toHaveLength(WORDS_BURST + 1 + WORDS_PER_SECOND);
  });

  it('falls back to the idle word when nothing waits', () => {
    const rig = new Rig({}, blocks);
    rig.pass(5_000);
    rig.receive(word('hello'), at(1));
    rig.receive(
      { type: 'ANNOUNCE', block: mineBlock(blocks[2] ?? null, { difficulty: 1, messages: ['hello'] }) },
      at(1),
    );
    expect(rig.engine.status().words).toEqual([]);
    expect(rig.notices.at(-1)).toMatchObject({ kind: 'work', template: { height: 4 } });
    const notice = rig.notices.at(-1);
    const messages = notice?.kind === 'work' ? notice.template?.messages : undefined;
    expect(new Set(messages)).toEqual(new Set(['idle']));
  });

  it('takes a word from our own user, and says why it does not', () => {
    const rig = new Rig({}, blocks);
    expect(rig.request({ kind: 'submit-word', word: 'mine' })).toEqual({ status: 'accepted' });
    expect(rig.request({ kind: 'submit-word', word: 'mine' })).toMatchObject({ status: 'rejected' });
  });
});
