import { describe, expect, test } from 'vitest';

import { didYouMean } from '../../shared/suggest.ts';

const NAMES = ['status', 'start', 'verify', 'pbft', 'q', 'help'];

describe('what a mistyped word may have meant', () => {
  test.each([
    ['statu', ' (did you mean status?)'],
    ['statsu', ' (did you mean status?)'],
    ['strat', ' (did you mean start?)'],
    ['pfbt', ' (did you mean pbft?)'],
    ['helppp', ' (did you mean help?)'],
    ['stat', ' (did you mean start?)'],
    ['stars', ' (did you mean start?)'],
    ['w', ''],
    ['xyz', ''],
    ['127.0.0.1:8784', ''],
    ['', ''],
  ])('%j', (word, suggestion) => {
    expect(didYouMean(word, NAMES)).toBe(suggestion);
  });

  test('several that are as close are all named', () => {
    expect(didYouMean('pase', ['pause', 'quit', 'parse'])).toBe(' (did you mean pause or parse?)');
  });

  test('a word of any length costs next to nothing', () => {
    expect(didYouMean('s'.repeat(1_000_000), NAMES)).toBe('');
  });
});
