import { describe, expect, it } from 'vitest';

import { UserError } from '../../shared/errors.ts';
import { commandLine, findEngine, readPlan, readSeeds, type Wording } from '../../peer/simulator/plan.ts';
import { engineNamed } from './harness.ts';
import { plantedEngine } from './planted.ts';

function plan(wording: Wording): ReturnType<typeof readPlan> {
  return readPlan(plantedEngine, wording);
}

describe('a plan in words', () => {
  it('is quiet where nothing is said', () => {
    expect(plan({})).toEqual({ faults: 'none', ranges: {}, byzantineKinds: [] });
  });

  it('has numbers and ranges, of every simulation and of the engine', () => {
    expect(plan({ loss: '.5', hours: '0.5...75' }).ranges).toEqual({
      loss: { least: 0.5, most: 0.5 },
      hours: { least: 0.5, most: 0.75 },
    });
    expect(plan({ loss: '2.5', nodes: '3..10', 'fails-at': '7' }).ranges).toEqual({
      loss: { least: 2.5, most: 2.5 },
      nodes: { least: 3, most: 10 },
      'fails-at': { least: 7, most: 7 },
    });
  });

  it('has a menu of faults, and a shape of latencies', () => {
    expect(plan({ faults: 'mixed', 'latency-shape': 'uniform' })).toMatchObject({
      faults: 'mixed',
      shape: 'uniform',
    });
  });

  it('has Byzantine nodes by number, as a range, or by kind', () => {
    expect(plan({ byzantine: '2' })).toMatchObject({ byzantine: { least: 2, most: 2 }, byzantineKinds: [] });
    expect(plan({ byzantine: '0..3' }).byzantine).toEqual({ least: 0, most: 3 });
    expect(plan({ byzantine: 'fox, hen,fox' })).toEqual({
      faults: 'none',
      ranges: {},
      byzantineKinds: ['fox', 'hen', 'fox'],
    });
  });

  it('has foreign nodes by number, as a range, or by kind, where the engine has such', () => {
    const pow = engineNamed('pow');
    expect(readPlan(pow, { foreign: '2' }).foreign).toEqual({ least: 2, most: 2 });
    expect(readPlan(pow, { foreign: '0..6' }).foreign).toEqual({ least: 0, most: 6 });
    expect(readPlan(pow, { foreign: 'deaf, quiet,deaf' }).foreign).toEqual(['deaf', 'quiet', 'deaf']);
    expect(() => readPlan(pow, { foreign: 'fox' })).toThrow(
      '--foreign: there is no kind "fox"; there is: plain,',
    );
    expect(() => readPlan(pow, { foreign: '1.5' })).toThrow('--foreign 1.5: it must be a whole number');
    expect(() => readPlan(pow, { foreign: '7' })).toThrow(
      '--foreign: of 7 nodes at most 6 can be foreign, not 7',
    );
    expect(() => readPlan(pow, { foreign: '5', byzantine: '2' })).toThrow('at most 4 can be foreign, not 5');
    expect(() => plan({ foreign: '1' })).toThrow('--foreign is no setting of planted');
  });

  it.each<[Wording, string]>([
    [{ loss: '101' }, '--loss 101: it must be a number from 0 to 100, or a range of such, for example 0..30'],
    [{ hours: '0' }, '--hours 0: it must be a number from 0.01 to 8760, or a range of such, for example 1'],
    [{ loss: '5.' }, '--loss 5.: it must be a number'],
    [{ loss: '.' }, '--loss .: it must be a number'],
    [{ loss: '-1' }, '--loss -1: it must be a number'],
    [{ loss: '5..1' }, '--loss 5..1: it must be a number'],
    [{ loss: '1e1' }, '--loss 1e1: it must be a number'],
    [{ loss: '' }, '--loss : it must be a number'],
    [{ nodes: '2.5' }, '--nodes 2.5: it must be a whole number from 1 to 200'],
    [{ nodes: '5..201' }, '--nodes 5..201: it must be a whole number from 1 to 200'],
    [{ stub: '1' }, '--stub is no setting of planted'],
    [{ faults: 'all' }, '--faults all: it must be one of none, mixed'],
    [{ 'latency-shape': 'round' }, '--latency-shape round: it must be one of fixed, uniform'],
    [{ byzantine: 'fox,cow' }, '--byzantine: there is no kind "cow"; there is: fox, hen'],
    [{ byzantine: '' }, '--byzantine: there is no kind ""'],
    [
      { byzantine: '1.5' },
      '--byzantine 1.5: it must be a whole number from 0 to 199, or a range of such, for example 0..2',
    ],
    [
      { byzantine: '7' },
      '--byzantine: planted can bear 6 Byzantine nodes of 7, not 7; --nodes must be at least 8',
    ],
    [{ byzantine: '0..7' }, '--byzantine: planted can bear 6 Byzantine nodes of 7, not 7'],
    [{ byzantine: 'fox,hen', nodes: '2..9' }, 'can bear 1 Byzantine nodes of 2, not 2'],
    [{ byzantine: '3', faults: 'mixed' }, 'can bear 2 Byzantine nodes of 3, not 3'],
  ])('is refused where it makes no sense: %j', (wording, message) => {
    expect(() => plan(wording)).toThrow(UserError);
    expect(() => plan(wording)).toThrow(message);
  });

  it('allows as many Byzantine nodes as leave one honest', () => {
    expect(plan({ byzantine: '6' }).byzantine?.most).toBe(6);
    expect(plan({ byzantine: '0..9', faults: 'mixed' }).byzantine?.most).toBe(9);
    expect(plan({ byzantine: '0', nodes: '1' }).byzantine?.most).toBe(0);
  });

  it('can be written as a command', () => {
    expect(commandLine('pow', { loss: '0..30' }, { seed: '7' })).toBe(
      'node peer simulate pow --loss 0..30 --seed 7',
    );
    // As one word for a shell.
    expect(commandLine('pow', { byzantine: 'goose, eclipse' })).toBe(
      'node peer simulate pow --byzantine goose,eclipse',
    );
  });
});

it('an engine that is not there is answered with those that are', () => {
  expect(findEngine('planted', [plantedEngine])).toBe(plantedEngine);
  expect(() => findEngine('nope', [plantedEngine])).toThrow(
    'there is no engine "nope" to simulate; there is: planted',
  );
});

describe('the seeds of a campaign', () => {
  it('are a range', () => {
    expect(readSeeds('1..20000')).toEqual({ from: 1, to: 20_000 });
    expect(readSeeds('0..0')).toEqual({ from: 0, to: 0 });
  });

  it.each(['5', '', '5..', '7..6', '1.5..2', 'a..b', '0..10000000', '9007199254740992..9007199254740992'])(
    'can not be %j',
    (text) => {
      expect(() => readSeeds(text)).toThrow(UserError);
    },
  );
});
