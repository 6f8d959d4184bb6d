import { describe, expect, it } from 'vitest';

import type { PbftNotice, PbftResult } from '../../../../peer/engines/pbft/protocol/interface.ts';
import { Answers } from '../../../../peer/engines/pbft/node/answers.ts';

function accepted(timestamp: number): () => PbftResult {
  return () => ({ status: 'accepted', timestamp });
}

function answered(timestamp: number, result: string): PbftNotice {
  return { kind: 'answered', timestamp, operation: 'x', result, waited: 1 };
}

describe('answers', () => {
  it('reach those who wait for them, in any order', async () => {
    const answers = new Answers(4);
    const [one, two] = [answers.wait(accepted(1)), answers.wait(accepted(2))];
    expect(answers.size).toBe(2);
    answers.onNotice(answered(2, '"two"'));
    answers.onNotice({ kind: 'checkpoint', sequence: 1, digest: '' });
    answers.onNotice(answered(1, '"one"'));
    expect([await one, await two]).toEqual(['"one"', '"two"']);
    expect(answers.size).toBe(0);
  });

  it('are heard although they come while the request is being made, and not by the next one', async () => {
    const answers = new Answers(4);
    const early = answers.wait(() => {
      answers.onNotice(answered(7, '"early"'));
      return accepted(7)();
    });
    expect(await early).toBe('"early"');
    // One that nobody waits for any more.
    answers.onNotice(answered(8, '"stray"'));
    const next = answers.wait(accepted(8));
    answers.onNotice(answered(8, '"own"'));
    expect(await next).toBe('"own"');
  });

  it('say why there is none: refused, too many, or the end', async () => {
    const answers = new Answers(1);
    const reason = 'The operation is no well-formed text.';
    await expect(answers.wait(() => ({ status: 'rejected', reason }))).rejects.toMatchObject({
      ...{ fault: 'rejected', message: reason },
    });
    const waiting = answers.wait(accepted(1));
    await expect(answers.wait(accepted(2))).rejects.toMatchObject({ fault: 'rejected' });
    const sizes: [string, number, number][] = [];
    answers.measure((...size) => sizes.push(size));
    expect(sizes).toEqual([['awaited answers', 1, 1]]);
    answers.close();
    await expect(waiting).rejects.toMatchObject({ fault: 'unanswered' });
    expect(answers.size).toBe(0);
  });
});
