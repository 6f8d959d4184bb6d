import { describe, expect, test } from 'vitest';

import type { Address } from '../../shared/address.ts';
import type { Codec, Effect, Engine, EngineEvent } from '../../peer/core/engine.ts';
import { EngineHost, HostError } from '../../peer/node/host.ts';
import type { Store, StoreWrite } from '../../peer/core/store.ts';
import type { Transport } from '../../peer/transports/transport.ts';

interface Types {
  message: { readonly type: string };
  request: string;
  result: string;
  notice: string;
  peer: Address;
}
type Message = Types['message'];
type Event = EngineEvent<Types>;
type Effects = readonly Effect<Types>[];

const PEER: Address = { host: '192.0.2.1', port: 8999 };
const MAX_ASKED = 3;
const OTHER: Address = { host: '192.0.2.2', port: 8999 };

/** An engine that does what the test says, between a transport and a store that write down what happens. */
class Bench implements Engine<Types>, Codec<Message>, Transport, Store {
  /** Everything that left the host, in order. */
  readonly trace: string[] = [];
  readonly events: Event[] = [];
  readonly failures: HostError[] = [];
  readonly local: Address = { host: '127.0.0.1', port: 1 };
  encoded = 0;
  now = 1000;
  ahead = 0;
  diskFull = false;
  onSend: (bytes: Uint8Array) => void = () => undefined;
  onNotice: (notice: string) => void = () => undefined;
  behave: (event: Event) => Effects;
  complete: (message: Message, from: Address, later: (message: Message) => void) => Message | undefined = (
    message,
  ) => message;
  readonly transport: Transport = {
    local: this.local,
    send: (bytes, to) => {
      this.send(bytes, to);
    },
    disconnect: ({ host }, reason) => {
      this.trace.push(`disconnect ${host}: ${reason}`);
    },
    close: () => this.closePart('transport'),
  };
  readonly host: EngineHost<Types>;
  #wake: () => void = () => undefined;

  constructor(behave: (event: Event) => Effects = () => []) {
    this.behave = behave;
    this.host = new EngineHost({
      engine: this,
      codec: this,
      transport: this.transport,
      store: {
        get: () => undefined,
        getBytes: () => undefined,
        keys: () => [],
        write: (writes) => {
          this.write(writes);
        },
        close: () => this.closePart('store'),
      },
      onNotice: (notice) => {
        this.trace.push(`notify ${notice}`);
        this.onNotice(notice);
      },
      onFailure: (error) => this.failures.push(error),
      maxAsked: MAX_ASKED,
      complete: (...args) => this.complete(...args),
      clock: () => this.now,
      wallClock: () => this.now + this.ahead,
    });
  }

  measure(): void {
    // It has nothing to grow.
  }

  step(event: Event): Effects {
    this.events.push(event);
    this.#wake();
    return this.behave(event);
  }

  decode(bytes: Uint8Array): ReturnType<Codec<Message>['decode']> {
    const message = Buffer.from(bytes).toString();
    if (message === '[[[') throw new RangeError('too deep for the stack');
    return message.startsWith('!') ? { fault: message.slice(1) } : { message: { type: message } };
  }

  encode({ type }: Message): Uint8Array {
    this.encoded++;
    return Buffer.from(type);
  }

  send(bytes: Uint8Array, to: Address): void {
    this.trace.push(`send ${Buffer.from(bytes).toString()} to ${to.host}`);
    this.onSend(bytes);
  }

  get(): undefined {
    return undefined;
  }

  getBytes(): undefined {
    return undefined;
  }

  keys(): [] {
    return [];
  }

  write(writes: readonly StoreWrite[]): void {
    if (this.diskFull) throw new Error('no space left');
    for (const { type, key } of writes) this.trace.push(`store ${type} ${key}`);
  }

  close(): Promise<void> {
    return this.host.close();
  }

  closePart(name: string): Promise<void> {
    this.trace.push(`close ${name}`);
    return Promise.resolve();
  }

  receive(text: string): void {
    this.host.receive(Buffer.from(text), PEER);
  }

  /** Waits for the next event of a type. */
  async next(type: Event['type']): Promise<Event> {
    const seen = this.events.length;
    for (;;) {
      const found = this.events.slice(seen).find((event) => event.type === type);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** Two turns of the event loop: whatever was due immediately has happened. */
async function aMoment(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const put: Effect<Types> = {
  type: 'store',
  writes: [{ type: 'put', key: 'vote', value: '1' }],
};

describe('effects', () => {
  test('are carried out in order, a store before what follows it', () => {
    const bench = new Bench(() => [
      { type: 'send', to: PEER, message: { type: 'before' } },
      put,
      { type: 'notify', notice: 'stored' },
      { type: 'broadcast', to: [PEER, OTHER], message: { type: 'after' } },
    ]);
    bench.host.start();
    expect(bench.trace).toEqual([
      'send before to 192.0.2.1',
      'store put vote',
      'notify stored',
      'send after to 192.0.2.1',
      'send after to 192.0.2.2',
    ]);
  });

  test('a broadcast is encoded once, one to nobody not at all', () => {
    const bench = new Bench(() => [
      { type: 'broadcast', to: [PEER, OTHER, PEER], message: { type: 'x' } },
      { type: 'broadcast', to: [], message: { type: 'y' } },
    ]);
    bench.host.start();
    expect(bench.encoded).toBe(1);
    expect(bench.trace).toHaveLength(3);
  });

  test('what arrives while they are carried out waits for its turn', () => {
    const bench = new Bench((event) =>
      event.type === 'started'
        ? [
            { type: 'send', to: PEER, message: { type: 'loop' } },
            { type: 'notify', notice: 'end of started' },
          ]
        : [{ type: 'notify', notice: event.type }],
    );
    // A transport that delivers at once, as between two nodes of one process.
    bench.onSend = (bytes) => {
      bench.host.receive(bytes, PEER);
    };
    bench.host.start();
    expect(bench.trace).toEqual(['send loop to 192.0.2.1', 'notify end of started', 'notify message']);
  });
});

describe('events', () => {
  test('the first is started; messages carry who sent them', () => {
    const bench = new Bench();
    bench.receive('too early');
    bench.host.start();
    bench.receive('hello');
    expect(bench.events).toEqual([
      { type: 'started', now: 1000 },
      { type: 'message', now: 1000, from: PEER, message: { type: 'hello' } },
    ]);
    expect(bench.host.counters).toEqual({ messages: 1, malformed: {} });
  });

  test('a message that has to be completed comes when it is, at once or later, but not after the end', async () => {
    const bench = new Bench();
    const waiting: (() => void)[] = [];
    bench.complete = (message, { host }, later) => {
      const complete = { type: `${message.type} from ${host}` };
      if (!message.type.startsWith('later')) return complete;
      waiting.push(() => {
        later(complete);
      });
      return undefined;
    };
    bench.host.start();
    for (const text of ['later', 'at once', 'later than the end']) bench.receive(text);
    const messages = (): string[] =>
      bench.events.flatMap((event) => (event.type === 'message' ? [event.message.type] : []));
    expect(messages()).toEqual(['at once from 192.0.2.1']);
    bench.now = 2_000;
    waiting[0]?.();
    expect(messages()).toEqual(['at once from 192.0.2.1', 'later from 192.0.2.1']);
    expect(bench.events.at(-1)?.now).toBe(2_000);
    await bench.host.close();
    waiting[1]?.();
    expect(messages()).toHaveLength(2);
  });

  test('a clock that is set is told of before what comes next, once, and a machine that sleeps is the same', () => {
    const bench = new Bench();
    bench.ahead = 5_000;
    bench.host.start();
    bench.receive('a');
    bench.receive('b');
    // A moment that passes between two looks at the clocks is no step.
    bench.ahead = 5_900;
    bench.receive('c');
    bench.now = 2_000;
    bench.ahead = -60_000;
    bench.receive('d');
    expect(bench.events.map(({ type, now }) => `${type} ${now}`)).toEqual([
      'started 1000',
      'clock 1000',
      ...['message 1000', 'message 1000', 'message 1000'],
      'clock 2000',
      'message 2000',
    ]);
    expect(bench.events.filter(({ type }) => type === 'clock')).toMatchObject([
      { ahead: 5_000 },
      { ahead: -60_000 },
    ]);
  });

  test('malformed input is told and counted by fault', () => {
    const bench = new Bench();
    bench.host.start();
    for (const text of ['!not-json', '!not-json', '!too-deep']) bench.receive(text);
    expect(bench.events.at(-1)).toEqual({ type: 'malformed', now: 1000, from: PEER, fault: 'too-deep' });
    expect(bench.host.counters).toEqual({ messages: 0, malformed: { 'not-json': 2, 'too-deep': 1 } });
  });

  test('a decoder that throws has refused, too', () => {
    const bench = new Bench();
    bench.host.start();
    bench.receive('[[[');
    bench.receive('hello');
    expect(bench.host.counters).toEqual({ messages: 1, malformed: { 'decoder-failed': 1 } });
    expect(bench.failures).toEqual([]);
  });

  test('ever new faults do not fill the memory', () => {
    const bench = new Bench();
    bench.host.start();
    for (let fault = 0; fault < 1000; fault++) bench.receive(`!fault ${fault}`);
    const { malformed } = bench.host.counters;
    expect(Object.keys(malformed)).toHaveLength(129);
    expect(malformed['other']).toBe(1000 - 128);
  });

  test('the time never goes back', () => {
    const bench = new Bench();
    bench.host.start();
    bench.now = 500;
    bench.receive('a');
    bench.now = 1500;
    bench.receive('b');
    expect(bench.events.map(({ now }) => now)).toEqual([1000, 1000, 1500]);
  });

  test('continue comes after whatever waits on the event loop, once', async () => {
    let rounds = 3;
    const bench = new Bench((event) => {
      if (event.type === 'message' || --rounds < 0) return [];
      return [{ type: 'continue' }, { type: 'continue' }];
    });
    bench.host.start();
    // Between two slices of long work, an immediate of ours has its turn.
    setImmediate(() => {
      bench.receive('in between');
    });
    while (bench.events.length < 5) await aMoment();
    await aMoment();
    expect(bench.events.map(({ type }) => type)).toEqual([
      'started',
      'continue',
      'message',
      'continue',
      'continue',
    ]);
  });
});

describe('timers', () => {
  const arm = (after: number): Effects => [{ type: 'timer', timer: 'round', after }];

  test('run out by name, never early by the clock of the events', async () => {
    const bench = new Bench((event) => (event.type === 'started' ? arm(5) : []));
    bench.host.start();
    // The clock of this test stands still, as if the timer had run out too early.
    expect(await bench.next('timer')).toEqual({ type: 'timer', now: 1005, timer: 'round' });
  });

  test('set anew, the earlier one is gone', async () => {
    const bench = new Bench((event) => {
      if (event.type === 'started') return [...arm(1), ...arm(2), { type: 'timer', timer: 'last', after: 3 }];
      return [];
    });
    bench.host.start();
    while (!bench.events.some((event) => event.type === 'timer' && event.timer === 'last')) await aMoment();
    expect(bench.events.filter((event) => event.type === 'timer').map(({ now }) => now)).toEqual([
      1002, 1003,
    ]);
  });

  test('a cancelled one does not come', async () => {
    const bench = new Bench((event) => {
      if (event.type !== 'started') return [];
      return [
        ...arm(1),
        { type: 'cancel', timer: 'round' },
        { type: 'cancel', timer: 'unknown' },
        { type: 'timer', timer: 'last', after: 2 },
      ];
    });
    bench.host.start();
    expect(await bench.next('timer')).toMatchObject({ timer: 'last' });
  });

  test('one of a year does not run out at once', async () => {
    const bench = new Bench((event) =>
      event.type === 'started' ? [...arm(365 * 86_400_000), { type: 'timer', timer: 'soon', after: 2 }] : [],
    );
    bench.host.start();
    expect(await bench.next('timer')).toMatchObject({ timer: 'soon' });
    await bench.close();
  });
});

describe('requests', () => {
  const answer = (event: Event): Effects =>
    event.type === 'request' ? [put, { type: 'reply', id: event.id, result: `re: ${event.request}` }] : [];

  test('are answered at once, after what was stored for them', () => {
    const bench = new Bench(answer);
    bench.host.start();
    expect(bench.host.request('one')).toBe('re: one');
    expect(bench.host.request('two')).toBe('re: two');
    expect(bench.trace).toEqual(['store put vote', 'store put vote']);
  });

  test('are not answered when they could not be stored', () => {
    const bench = new Bench(answer);
    bench.host.start();
    bench.diskFull = true;
    expect(() => bench.host.request('one')).toThrow('the store failed: no space left');
    expect(() => bench.host.request('two')).toThrow('the store failed: no space left');
    expect(bench.failures).toHaveLength(1);
  });

  test('an engine that does not answer, or answers another, is found out', () => {
    const bench = new Bench((event) =>
      event.type === 'request' ? [{ type: 'reply', id: event.id + 1, result: 'to nobody' }] : [],
    );
    bench.host.start();
    expect(() => bench.host.request('one')).toThrow('the engine gave no answer');
  });

  test('come neither before the start, nor from within a notice, nor after the end', async () => {
    const bench = new Bench((event) =>
      event.type === 'message' ? [{ type: 'notify', notice: 'x' }] : answer(event),
    );
    expect(() => bench.host.request('early')).toThrow('the host does not run');
    bench.host.start();
    let thrown: unknown;
    bench.onNotice = () => {
      try {
        bench.host.request('nested');
      } catch (error) {
        thrown = error;
      }
    };
    bench.receive('hello');
    expect(String(thrown)).toContain('from within a notice');
    await bench.close();
    expect(() => bench.host.request('late')).toThrow('the host does not run');
  });
});

describe('asking', () => {
  /** Answers a request when the next message comes. */
  function late(): Bench {
    const open: number[] = [];
    return new Bench((event) => {
      if (event.type === 'request') open.push(event.id);
      if (event.type !== 'message') return [];
      return open.splice(0).map((id): Effect<Types> => ({ type: 'reply', id, result: event.message.type }));
    });
  }

  test('gives the answer whenever it comes, also to what is asked from within a notice', async () => {
    const bench = new Bench((event) => {
      if (event.type === 'message') return [{ type: 'notify', notice: 'x' }];
      return event.type === 'request'
        ? [{ type: 'reply', id: event.id, result: `re: ${event.request}` }]
        : [];
    });
    bench.host.start();
    await expect(bench.host.ask('one')).resolves.toBe('re: one');
    let nested: Promise<string> | undefined;
    bench.onNotice = () => {
      nested = bench.host.ask('nested');
    };
    bench.receive('hello');
    await expect(nested).resolves.toBe('re: nested');
    const slow = late();
    slow.host.start();
    const answers = Promise.all([slow.host.ask('a'), slow.host.ask('b')]);
    slow.receive('hello');
    await expect(answers).resolves.toEqual(['hello', 'hello']);
  });

  test('fails without a node that runs, where too many wait, and when the node ends', async () => {
    const bench = late();
    await expect(bench.host.ask('early')).rejects.toMatchObject({ name: 'AskError', fault: 'closed' });
    bench.host.start();
    const waiting = Array.from({ length: MAX_ASKED }, () => bench.host.ask('x'));
    const gauges: [string, number, number][] = [];
    bench.host.measure((...gauge) => gauges.push(gauge));
    expect(gauges).toEqual([['awaited answers', MAX_ASKED, MAX_ASKED]]);
    await expect(bench.host.ask('one more')).rejects.toMatchObject({ fault: 'busy' });
    bench.receive('hello');
    await expect(Promise.all(waiting)).resolves.toHaveLength(MAX_ASKED);
    const open = bench.host.ask('y');
    await Promise.all([bench.close(), expect(open).rejects.toMatchObject({ fault: 'unanswered' })]);
    await expect(bench.host.ask('late')).rejects.toMatchObject({ fault: 'closed' });
  });

  test('fails where the store does', async () => {
    const bench = new Bench((event) =>
      event.type === 'request' ? [put, { type: 'reply', id: event.id, result: 'never' }] : [],
    );
    bench.host.start();
    bench.diskFull = true;
    await expect(bench.host.ask('one')).rejects.toMatchObject({ fault: 'unanswered' });
    expect(bench.failures).toHaveLength(1);
  });
});

describe('what is made of a message', () => {
  test('is what the engine says, or nothing; what is malformed is rejected', () => {
    const bench = new Bench((event) =>
      event.type === 'message' && event.message.type === 'good'
        ? [{ type: 'verdict', verdict: 'accept' }]
        : [],
    );
    const receive = (text: string): string => bench.host.receive(Buffer.from(text), PEER);
    expect(receive('good')).toBe('ignore');
    bench.host.start();
    expect([receive('good'), receive('other'), receive('!no')]).toEqual(['accept', 'ignore', 'reject']);
  });

  test('ends the connection where it is rejected, and there is one', () => {
    const bench = new Bench((event) =>
      event.type === 'message' ? [{ type: 'verdict', verdict: 'reject', reason: 'lies' }] : [],
    );
    bench.host.start();
    bench.receive('bad');
    bench.receive('!no');
    expect(bench.trace).toEqual(['disconnect 192.0.2.1: lies', 'disconnect 192.0.2.1: no']);
  });

  test('is published by the transport where it can, and sent to each where it cannot', () => {
    const publish: Effects = [{ type: 'publish', to: [PEER, OTHER], message: { type: 'x' } }];
    const gossip = new Bench(() => publish);
    gossip.transport.publish = (bytes) => {
      gossip.trace.push(`publish ${Buffer.from(bytes).toString()}`);
    };
    gossip.host.start();
    expect(gossip.trace).toEqual(['publish x']);
    const plain = new Bench(() => publish);
    plain.host.start();
    expect(plain.trace).toEqual(['send x to 192.0.2.1', 'send x to 192.0.2.2']);
    expect(plain.encoded).toBe(1);
  });
});

describe('failures', () => {
  test('when the store fails nothing after it happens, and no event is taken any more', async () => {
    const bench = new Bench(() => [
      { type: 'timer', timer: 'soon', after: 0 },
      { type: 'continue' },
      put,
      { type: 'send', to: PEER, message: { type: 'never' } },
    ]);
    bench.diskFull = true;
    bench.host.start();
    expect(bench.failures).toHaveLength(1);
    expect(bench.failures[0]).toMatchObject({
      source: 'store',
      message: 'the store failed: no space left',
    });
    expect(bench.host.running).toBe(false);
    bench.receive('hello');
    await new Promise((resolve) => setTimeout(resolve, 5));
    await aMoment();
    expect(bench.events.map(({ type }) => type)).toEqual(['started']);
    expect(bench.trace).toEqual([]);
    await bench.close();
    expect(bench.trace).toEqual(['close transport', 'close store']);
  });

  test('an engine that throws is stopped: its state can not be trusted', () => {
    const bench = new Bench((event) => {
      if (event.type === 'message') throw new TypeError('a fault of the program');
      return [];
    });
    bench.host.start();
    bench.receive('odd');
    bench.receive('next');
    expect(bench.failures).toHaveLength(1);
    expect(bench.failures[0]).toMatchObject({ source: 'engine' });
    expect(bench.failures[0]?.cause).toBeInstanceOf(TypeError);
    expect(bench.events).toHaveLength(2);
  });

  test('the first failure is told, once', () => {
    const bench = new Bench();
    bench.host.start();
    bench.host.fail(new HostError('transport', new Error('the socket broke')));
    bench.host.fail(new HostError('transport', new Error('and again')));
    expect(bench.failures.map(({ message }) => message)).toEqual(['the transport failed: the socket broke']);
  });
});

describe('the end', () => {
  test('closes everything once, in order, and cancels what was to come', async () => {
    const bench = new Bench(() => [{ type: 'timer', timer: 'soon', after: 0 }, { type: 'continue' }]);
    bench.host.start();
    await Promise.all([bench.close(), bench.close()]);
    await bench.close();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(bench.trace).toEqual(['close transport', 'close store']);
    expect(bench.events.map(({ type }) => type)).toEqual(['started']);
  });

  test('from within a notice, nothing after the notice happens', async () => {
    const bench = new Bench(() => [
      { type: 'notify', notice: 'enough' },
      { type: 'send', to: PEER, message: { type: 'never' } },
    ]);
    bench.onNotice = () => void bench.close();
    bench.host.start();
    await bench.close();
    expect(bench.trace).toEqual(['notify enough', 'close transport', 'close store']);
  });

  test('without a beginning it closes as well, and it begins only once', async () => {
    const bench = new Bench();
    await bench.close();
    expect(bench.trace).toEqual(['close transport', 'close store']);
    expect(() => {
      bench.host.start();
    }).toThrow('a host starts once');
  });
});
