/**
 * The golden digests were written by the simulator itself. What they are made with, the digest and the random numbers,
 * is reckoned a second time here, by a program in another language: a digest stands for its run as it is described.
 * What the runs do has no second source but the rules that the checkers hold every run to, and the second reader of the
 * chains (golden.test.ts).
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { Chance } from '../../peer/simulator/chance.ts';
import { Digest } from '../../peer/simulator/trace.ts';

const SCRIPT = fileURLToPath(new URL('../vectors/simulator.py', import.meta.url));

type Step =
  | readonly ['number', number]
  | readonly ['text', string]
  | readonly ['pair', number, number]
  | readonly ['sample', readonly number[]];

const LONG_TEXT = '0123456789'.repeat(13);
const bytes = (count: number): number[] => Array.from({ length: count }, (_, at) => (at * 37) % 256);

const asked = {
  digests: [
    [],
    ...[0, 1, 2 ** 31, 2 ** 32 + 5, 2 ** 53 - 1].map((value) => [['number', value] as const]),
    ...['', 'a', 'abc', 'abcd', 'é 🙂', 'x'.repeat(127), 'x'.repeat(128), LONG_TEXT].map((text) => [
      ['text', text] as const,
    ]),
    ...[0, 1, 7, 8, 9, 1000].map((count) => [['sample', bytes(count)] as const]),
    // A long text that comes again, and another of the same length.
    ...[[LONG_TEXT, LONG_TEXT, LONG_TEXT.replace('9', '8'), 'end'].map((text) => ['text', text] as const)],
    [
      ['number', 7] as const,
      ['text', 'one'] as const,
      ['pair', 0xffffffff, 3] as const,
      ['sample', bytes(20)] as const,
    ],
  ] satisfies readonly (readonly Step[])[],
  streams: [
    [1, 'network', 20],
    [20_000, 'latency', 20],
  ] as const,
  exponential: [[3, 'crashes', 500, 10]] as const,
};

interface Answers {
  readonly digests: readonly string[];
  readonly streams: readonly (readonly number[])[];
  readonly exponential: readonly (readonly number[])[];
}

const { error, stdout } = spawnSync('python3', [SCRIPT], { input: JSON.stringify(asked), encoding: 'utf8' });
const note = error === undefined ? '' : ' (skipped: there is no python3)';
const answers = (): Answers => JSON.parse(stdout) as Answers;

function take(digest: Digest, step: Step): void {
  switch (step[0]) {
    case 'number':
      digest.number(step[1]);
      break;
    case 'text':
      digest.text(step[1]);
      break;
    case 'pair':
      digest.pair(step[1], step[2]);
      break;
    case 'sample':
      digest.sample(Uint8Array.from(step[1]));
      break;
  }
}

describe.skipIf(error !== undefined)(`reckoned a second time${note}`, () => {
  it('digests are the same', () => {
    const own = asked.digests.map((steps) => {
      const digest = new Digest();
      for (const step of steps) take(digest, step);
      return digest.hex;
    });
    expect(own).toEqual(answers().digests);
  });

  it('streams of random numbers are the same', () => {
    const own = asked.streams.map(([seed, label, count]) => {
      const chance = new Chance(seed, label);
      return Array.from({ length: count }, () => chance.next());
    });
    expect(own).toEqual(answers().streams);
  });

  it('logarithms without Math.log are right', () => {
    const own = asked.exponential.map(([seed, label, count, mean]) => {
      const chance = new Chance(seed, label);
      return Array.from({ length: count }, () => chance.exponential(mean));
    });
    expect(own).toEqual(
      answers().exponential.map((list) => list.map((value) => expect.closeTo(value, 9) as number)),
    );
  });
});
