/** The effects of a step: their order is a promise, to what is stored as well as to whoever carries them out. */
import { describe, expect, it } from 'vitest';

import { Context } from '../../../../peer/engines/pbft/protocol/context.ts';
import { DEFAULT_PBFT_CONFIG } from '../../../../peer/engines/pbft/protocol/interface.ts';
import type { PbftMessage } from '../../../../peer/engines/pbft/protocol/messages.ts';
import type { StoreWrite } from '../../../../peer/core/store.ts';
import { PbftNetwork } from '../../../support/pbft-network.ts';

const MESSAGE: PbftMessage = { type: 'STABLE', certificate: [] };
const [ONE, TWO, THREE] = [put('1'), put('2'), put('3')];

function put(value: string): StoreWrite {
  return { type: 'put', key: 'k', value };
}

function contextOf(self = 1): Context {
  const membership = { cluster: 'test', replicas: 4, self };
  return new Context(DEFAULT_PBFT_CONFIG, membership, new PbftNetwork(4).signing(self));
}

describe('the effects of a step', () => {
  it('are carried out in the order in which they were asked for', () => {
    const context = contextOf();
    context.cancel('timer');
    context.timer('timer', 5);
    context.send(2, MESSAGE);
    context.broadcast(MESSAGE);
    context.reply(7, { status: 'rejected', reason: 'why' });
    context.goOn();
    context.offend(3, 'rule');
    context.timer('other', 6);
    context.cancel('other');
    expect(context.takeEffects()).toEqual([
      { type: 'cancel', timer: 'timer' },
      { type: 'timer', timer: 'timer', after: 5 },
      { type: 'send', to: 2, message: MESSAGE },
      { type: 'broadcast', to: [0, 2, 3], message: MESSAGE },
      { type: 'reply', id: 7, result: { status: 'rejected', reason: 'why' } },
      { type: 'continue' },
      { type: 'notify', notice: { kind: 'offence', member: 3, rule: 'rule' } },
      { type: 'disconnect', peer: 3, reason: 'rule' },
      { type: 'timer', timer: 'other', after: 6 },
      { type: 'cancel', timer: 'other' },
    ]);
    expect(context.takeEffects()).toEqual([]);
  });

  it.each<[string, (context: Context) => void]>([
    [
      'send',
      (context) => {
        context.send(2, MESSAGE);
      },
    ],
    [
      'broadcast',
      (context) => {
        context.broadcast(MESSAGE, [2]);
      },
    ],
    [
      'reply',
      (context) => {
        context.reply(7, { status: 'rejected', reason: 'why' });
      },
    ],
    [
      'notify',
      (context) => {
        context.notify({ kind: 'offence', member: 3, rule: 'rule' });
      },
    ],
  ])('have all that is to be stored, in one write, before a %s that may rest on it', (type, act) => {
    const context = contextOf();
    context.store([ONE, TWO]);
    context.store([THREE]);
    act(context);
    const effects = context.takeEffects();
    expect(effects[0]).toEqual({ type: 'store', writes: [ONE, TWO, THREE] });
    expect(effects.slice(1).map((effect) => effect.type)).toEqual([type]);
  });

  it('end with what is stored, if nothing rests on it', () => {
    const context = contextOf();
    context.goOn();
    context.store([ONE]);
    context.store([]);
    expect(context.takeEffects()).toEqual([{ type: 'continue' }, { type: 'store', writes: [ONE] }]);
    expect(context.takeEffects()).toEqual([]);
  });

  it('have no message for nobody', () => {
    const context = contextOf();
    context.broadcast(MESSAGE, []);
    expect(context.takeEffects()).toEqual([]);
  });
});

describe('what a replica counts', () => {
  it('are outcomes, one at a time or many, and the offences of each member', () => {
    const context = contextOf();
    context.count('one');
    context.count('many', 3);
    context.count('many', 4);
    for (const rule of ['a', 'a', 'b']) context.accuse(2, rule);
    expect(context.counters).toEqual({ one: 1, many: 7, 'offence.a': 2, 'offence.b': 1 });
    expect(context.offences).toEqual([0, 0, 3, 0]);
  });
});

describe('the time on the wall', () => {
  it('is that of the event and how far the clock is ahead of it, in whole milliseconds, and never below 0', () => {
    const context = contextOf();
    expect([context.now, context.ahead, context.wall]).toEqual([0, 0, 0]);
    context.now = 1000.7;
    context.ahead = 20.5;
    expect(context.wall).toBe(1021);
    context.ahead = -2000;
    expect(context.wall).toBe(0);
  });
});
