import { describe, expect, it } from 'vitest';

import {
  SERVE_ALL_UNVERIFIED_BURST,
  SERVE_UNVERIFIED_BURST,
  SERVE_UNVERIFIED_PER_SECOND,
} from '../../../../peer/engines/pow/protocol/limits.ts';
import { buildChain } from '../../../support/chains.ts';
import { at, Rig } from './rig.ts';

const blocks = buildChain(5, { difficulty: 1 });
const nulls = { hash: null, height: null, messages: null, minedBy: null, nonce: null, timestamp: null };

function ask(rig: Rig, height: unknown): unknown {
  const from = at(3, 45_678);
  const [reply, ...more] = rig.receive(JSON.stringify({ type: 'GET_BLOCK', height }), from);
  expect(more).toEqual([]);
  expect(reply?.to).toEqual(from);
  return JSON.parse(reply?.text ?? '');
}

describe('GET_BLOCK', () => {
  it.each([0, 2, 4])('serves block %i to where the question came from', (height) => {
    expect(ask(new Rig({}, blocks), height)).toEqual({ type: 'GET_BLOCK_REPLY', ...blocks[height] });
  });

  it.each(['3', 3.0, ' 3 '])('serves a height that comes as %j', (height) => {
    expect(ask(new Rig({}, blocks), height)).toMatchObject({ height: 3 });
  });

  it.each([-1, -0.5, 1.5, 5, 6, 1e15, 1e300, null, undefined, 'x', '1.5', {}, [1], true])(
    'answers nulls for the height %j',
    (height) => {
      expect(ask(new Rig({}, blocks), height)).toEqual({ type: 'GET_BLOCK_REPLY', ...nulls });
    },
  );

  it('answers nulls while there is no chain', () => {
    expect(ask(new Rig(), 0)).toEqual({ type: 'GET_BLOCK_REPLY', ...nulls });
  });

  it('gives a host whose address may be forged no more than a trickle, whatever its ports', () => {
    const rig = new Rig({}, blocks);
    const flood = (): number => {
      let answers = 0;
      for (let index = 0; index < 4_000; index++) {
        answers += rig.receive({ type: 'GET_BLOCK', height: 1 }, at(3, 1_000 + index)).length;
      }
      return answers;
    };
    expect(flood()).toBe(SERVE_UNVERIFIED_BURST);
    rig.now += 1_000;
    expect(flood()).toBe(SERVE_UNVERIFIED_PER_SECOND);
    expect(rig.count('limit.answers')).toBe(8_000 - SERVE_UNVERIFIED_BURST - SERVE_UNVERIFIED_PER_SECOND);
    expect(rig.receive({ type: 'GET_BLOCK', height: 1 }, at(4))).toHaveLength(1);
  });

  it('gives all such hosts together no more than it can spare, and peers still what they ask for', () => {
    const rig = new Rig({}, blocks);
    rig.join(at(3));
    let answers = 0;
    for (let index = 0; index < SERVE_ALL_UNVERIFIED_BURST + 1_000; index++) {
      const forged = { host: `192.0.${(index >> 8) & 255}.${index & 255}`, port: 80 };
      answers += rig.receive({ type: 'GET_BLOCK', height: 1 }, forged).length;
    }
    expect(answers).toBe(SERVE_ALL_UNVERIFIED_BURST);
    expect(rig.count('limit.answers')).toBe(1_000);
    expect(rig.receive({ type: 'GET_BLOCK', height: 1 }, at(3))).toHaveLength(1);
  });

  it('gives a peer as much as it asks for, from any of its ports', () => {
    const rig = new Rig({}, blocks);
    rig.join(at(3));
    let answers = 0;
    for (let index = 0; index < 5_000; index++) {
      answers += rig.receive({ type: 'GET_BLOCK', height: index % 5 }, at(3, 9_000)).length;
    }
    expect(answers).toBe(5_000);
  });
});

describe('STATS', () => {
  const stats = (rig: Rig): unknown[] =>
    rig.receive('{"type":"STATS"}', at(3, 4_000)).map(({ text }) => JSON.parse(text) as unknown);

  it('answers with the number of blocks and the hash of the last', () => {
    expect(stats(new Rig({}, blocks))).toEqual([{ type: 'STATS_REPLY', height: 5, hash: blocks[4]?.hash }]);
  });

  it('answers 0 and null while there is no chain, because at a null height one implementation dies', () => {
    expect(stats(new Rig())).toEqual([{ type: 'STATS_REPLY', height: 0, hash: null }]);
  });

  it('shares its bound with GET_BLOCK', () => {
    const rig = new Rig({}, blocks);
    for (let index = 0; index < SERVE_UNVERIFIED_BURST; index++)
      rig.receive({ type: 'GET_BLOCK', height: 1 }, at(3));
    expect(stats(rig)).toEqual([]);
  });
});
