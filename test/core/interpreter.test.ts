/** What runs every engine, in nodes and in the simulator alike. */
import { describe, expect, test } from 'vitest';

import type { Effect, EngineEvent } from '../../peer/core/engine.ts';
import { Interpreter, type Outside } from '../../peer/core/interpreter.ts';
import type { StoreWrite } from '../../peer/core/store.ts';

interface Types {
  message: { readonly type: string };
  request: string;
  result: string;
  notice: string;
  peer: number;
}
type Event = EngineEvent<Types>;
type Effects = readonly Effect<Types>[];

/** An engine that does what the test says, and an outside that writes down what it is to do. */
class Bench implements Outside<Types> {
  readonly trace: string[] = [];
  readonly events: Event[] = [];
  readonly interpreter: Interpreter<Types>;
  running = true;
  now = 1_000;
  ahead = 0;
  refusedPlace = Infinity;
  onNotify: () => void = () => undefined;

  constructor(behave: (event: Event) => Effects = () => []) {
    this.interpreter = new Interpreter<Types>(
      {
        step: (event) => {
          this.events.push(event);
          return behave(event);
        },
      },
      this,
    );
  }

  isRunning(): boolean {
    return this.running;
  }

  steady(): number {
    return this.now;
  }

  wall(): number {
    return this.now + this.ahead;
  }

  mayCarryOut(_: Effect<Types>, place: number): boolean {
    return place < this.refusedPlace;
  }

  send(to: readonly number[], { type }: Types['message']): void {
    this.trace.push(`send ${type} to ${to.join()}`);
  }

  publish(to: readonly number[], { type }: Types['message']): void {
    this.trace.push(`publish ${type} to ${to.join()}`);
  }

  disconnect(peer: number, reason: string): void {
    this.trace.push(`disconnect ${peer}: ${reason}`);
  }

  setTimer(name: string, after: number, now: number): void {
    this.trace.push(`timer ${name} at ${now + after}`);
  }

  cancelTimer(name: string): void {
    this.trace.push(`cancel ${name}`);
  }

  store(writes: readonly StoreWrite[]): void {
    this.trace.push(`store ${writes.map(({ key }) => key).join()}`);
  }

  notify(notice: string): void {
    this.trace.push(`notify ${notice}`);
    this.onNotify();
  }

  continueSoon(): void {
    this.trace.push('continue');
  }

  onReply(request: string, result: string): void {
    this.trace.push(`reply ${result} to ${request}`);
  }

  onThrow(error: unknown, { type }: Event): void {
    this.trace.push(`${String(error)} in ${type}`);
    this.running = false;
  }

  /** Asks, and writes down the answer. */
  ask(request: string): void {
    this.interpreter.ask(request, (result) => {
      this.trace.push(`${request}: ${result}`);
    });
  }
}

const notify = (notice: string): Effect<Types> => ({ type: 'notify', notice });

describe('effects', () => {
  test('of every kind are carried out, in order', () => {
    const bench = new Bench(() => [
      { type: 'store', writes: [{ type: 'delete', key: 'vote' }] },
      { type: 'send', to: 1, message: { type: 'A' } },
      { type: 'broadcast', to: [1, 2], message: { type: 'B' } },
      { type: 'publish', to: [3], message: { type: 'C' } },
      { type: 'timer', timer: 'round', after: 5 },
      { type: 'cancel', timer: 'round' },
      { type: 'disconnect', peer: 4, reason: 'lies' },
      notify('done'),
      { type: 'continue' },
    ]);
    bench.interpreter.start();
    expect(bench.trace).toEqual([
      ...['store vote', 'send A to 1', 'send B to 1,2', 'publish C to 3', 'timer round at 1005'],
      ...['cancel round', 'disconnect 4: lies', 'notify done', 'continue'],
    ]);
  });

  test('stop where the outside says so, or has ended, and with them the step', () => {
    const bench = new Bench(() => [notify('one'), notify('two'), notify('three')]);
    bench.refusedPlace = 1;
    bench.interpreter.start();
    expect(bench.trace).toEqual(['notify one']);
    bench.refusedPlace = Infinity;
    bench.onNotify = () => {
      bench.running = false;
    };
    bench.interpreter.goOn();
    bench.interpreter.goOn();
    expect(bench.trace).toEqual(['notify one', 'notify one']);
    expect(bench.events).toHaveLength(2);
  });

  test('of an engine that throws are none, and the outside hears of it', () => {
    const bench = new Bench(() => {
      throw new TypeError('oops');
    });
    bench.interpreter.start();
    bench.interpreter.goOn();
    expect(bench.trace).toEqual(['TypeError: oops in started']);
  });
});

describe('events', () => {
  test('that come while effects are carried out wait for their turn', () => {
    const bench = new Bench((event) => [notify(`${event.type} 1`), notify(`${event.type} 2`)]);
    let nested = false;
    bench.onNotify = () => {
      if (nested) return;
      nested = true;
      expect(bench.interpreter.stepping).toBe(true);
      bench.interpreter.message(1, { type: 'A' });
      bench.interpreter.goOn();
    };
    bench.interpreter.start();
    expect(bench.interpreter.stepping).toBe(false);
    expect(bench.trace).toEqual(
      ['started', 'message', 'continue'].flatMap((type) => [`notify ${type} 1`, `notify ${type} 2`]),
    );
  });

  test('have a time that never goes back, nor is before a timer was due', () => {
    const bench = new Bench();
    bench.interpreter.start();
    bench.now = 500;
    bench.interpreter.goOn();
    bench.interpreter.timer('round', 1_005);
    bench.interpreter.goOn();
    bench.now = 2_000;
    bench.interpreter.timer('round', 1_010);
    expect(bench.events.map(({ now }) => now)).toEqual([1_000, 1_000, 1_005, 1_005, 2_000]);
  });

  test('come after one that says where the clock of people stands, if somebody has set it', () => {
    const bench = new Bench();
    bench.ahead = 60_000;
    bench.interpreter.start();
    bench.interpreter.goOn();
    bench.interpreter.goOn();
    expect(bench.events.map(({ type }) => type)).toEqual(['started', 'clock', 'continue', 'continue']);
    expect(bench.events[1]).toEqual({ type: 'clock', now: 1_000, ahead: 60_000 });
  });
});

describe('requests', () => {
  /** Answers at once what begins with "now", and everything else when it goes on. */
  const open: { id: number; request: string }[] = [];
  const behave = (event: Event): Effects => {
    if (event.type === 'request' && !event.request.startsWith('now')) {
      open.push(event);
      return [];
    }
    const due = event.type === 'request' ? [event] : open.splice(0);
    return due.flatMap(({ id, request }): Effects => {
      const reply = { type: 'reply', id, result: request.toUpperCase() } as const;
      return [reply, reply, { ...reply, id: id + 1_000 }];
    });
  };

  test('are answered once each, in their own step or a later one', () => {
    const bench = new Bench(behave);
    bench.ask('later');
    bench.ask('now');
    expect(bench.trace).toEqual(['reply NOW to now', 'now: NOW']);
    expect(bench.interpreter.waiting).toBe(1);
    bench.interpreter.goOn();
    expect(bench.trace.slice(2)).toEqual(['reply LATER to later', 'later: LATER']);
    expect(bench.interpreter.waiting).toBe(0);
    bench.interpreter.goOn();
    expect(bench.trace).toHaveLength(4);
  });

  test('are not answered any more where hearing of the answer has ended everything', () => {
    const bench = new Bench(behave);
    bench.onReply = () => {
      bench.running = false;
    };
    bench.ask('now');
    expect(bench.trace).toEqual([]);
  });
});

describe('verdicts', () => {
  const judging = new Bench((event): Effects => {
    if (event.type !== 'message') return [];
    switch (event.message.type) {
      case 'good':
        return [{ type: 'verdict', verdict: 'accept' }];
      case 'bad':
        return [
          { type: 'verdict', verdict: 'accept' },
          { type: 'verdict', verdict: 'reject', reason: 'lies' },
        ];
      case 'old':
        return [{ type: 'verdict', verdict: 'ignore' }];
      default:
        return [];
    }
  });

  test.each([
    ['good', 'accept', []],
    ['bad', 'reject', ['disconnect 7: lies']],
    ['old', 'ignore', []],
    ['unknown', undefined, []],
  ] as const)('on a message that is %s: %s', (type, verdict, trace) => {
    judging.trace.length = 0;
    expect(judging.interpreter.message(7, { type })).toBe(verdict);
    expect(judging.trace).toEqual(trace);
  });

  test('on what the decoder refused is to reject it', () => {
    judging.trace.length = 0;
    judging.interpreter.malformed(8, 'no-json');
    expect(judging.trace).toEqual(['disconnect 8: no-json']);
  });

  test('come from the message at hand, not from one that came while it was handled', () => {
    let nested = false;
    const bench = new Bench((event): Effects =>
      event.type === 'message' && event.message.type === 'first'
        ? [{ type: 'verdict', verdict: 'accept' }, notify('x')]
        : [{ type: 'verdict', verdict: 'reject', reason: 'second' }],
    );
    bench.onNotify = () => {
      nested = true;
      expect(bench.interpreter.message(2, { type: 'second' })).toBeUndefined();
    };
    expect(bench.interpreter.message(1, { type: 'first' })).toBe('accept');
    expect(nested).toBe(true);
    expect(bench.trace).toEqual(['notify x', 'disconnect 2: second']);
  });
});
