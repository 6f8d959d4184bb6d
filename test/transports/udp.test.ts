import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';

import { afterEach, describe, expect, test } from 'vitest';

import type { Address } from '../../shared/address.ts';
import { UserError } from '../../shared/errors.ts';
import { silentLog } from '../../shared/log.ts';
import type { Resolve } from '../../peer/transports/names.ts';
import { MAX_DATAGRAM, openUdp, type UdpTransport } from '../../peer/transports/udp.ts';

const LOOPBACK = '127.0.0.1';

/** What a transport received, and who waits for more. */
class Inbox {
  readonly received: { bytes: Uint8Array; from: Address }[] = [];
  readonly errors: Error[] = [];
  #waiting: (() => void)[] = [];

  readonly handlers = {
    onMessage: (bytes: Uint8Array, from: Address): void => {
      this.received.push({ bytes, from });
      for (const wake of this.#waiting.splice(0)) wake();
    },
    onError: (error: Error): void => {
      this.errors.push(error);
    },
  };

  /** The datagram at a place, once it is there. */
  async at(place: number): Promise<{ text: string; from: Address }> {
    for (;;) {
      const found = this.received[place];
      if (found !== undefined) return { text: Buffer.from(found.bytes).toString(), from: found.from };
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}

const open: { close(): unknown }[] = [];

afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

async function transport(
  resolve: Resolve = () => Promise.reject(new Error('no names here')),
): Promise<{ udp: UdpTransport; inbox: Inbox }> {
  const inbox = new Inbox();
  const udp = await openUdp({ bind: LOOPBACK, port: 0, log: silentLog, resolve }, inbox.handlers);
  open.push(udp);
  return { udp, inbox };
}

async function plainSocket(): Promise<{ socket: Socket; port: number }> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, LOOPBACK, resolve));
  open.push(socket);
  return { socket, port: socket.address().port };
}

/** Waits, turn by turn of the event loop, for what sockets do in their own time. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe('sending and receiving', () => {
  test('a datagram arrives with the address that it came from, and leaves from the listening port', async () => {
    const { udp, inbox } = await transport();
    const { socket, port } = await plainSocket();
    socket.send('ping', udp.local.port, LOOPBACK);
    const { text, from } = await inbox.at(0);
    expect(text).toBe('ping');
    expect(from).toEqual({ host: LOOPBACK, port });
    const answer = once(socket, 'message') as Promise<[Buffer, RemoteInfo]>;
    udp.send(Buffer.from('pong'), from);
    const [bytes, { port: source }] = await answer;
    expect(bytes.toString()).toBe('pong');
    expect(source).toBe(udp.local.port);
  });

  test('port 0 takes a free port, and two transports get two', async () => {
    const { udp } = await transport();
    const { udp: other } = await transport();
    expect(udp.local.host).toBe(LOOPBACK);
    expect(udp.local.port).toBeGreaterThan(0);
    expect(other.local.port).not.toBe(udp.local.port);
  });

  test('empty datagrams and the longest ones arrive whole', async () => {
    const { udp, inbox } = await transport();
    const { udp: other } = await transport();
    other.send(Buffer.alloc(0), udp.local);
    other.send(Buffer.alloc(MAX_DATAGRAM, 'x'), udp.local);
    expect((await inbox.at(0)).text).toBe('');
    expect((await inbox.at(1)).text).toBe('x'.repeat(MAX_DATAGRAM));
  });

  test('everything is counted', async () => {
    const { udp, inbox } = await transport();
    const { udp: other } = await transport();
    other.send(Buffer.from('12345'), udp.local);
    other.send(Buffer.from('1'), udp.local);
    await inbox.at(1);
    await until(() => other.counters.sent === 2);
    expect(other.counters).toMatchObject({ sent: 2, sentBytes: 6, received: 0, dropped: {} });
    expect(udp.counters).toMatchObject({ sent: 0, received: 2, receivedBytes: 6 });
  });
});

describe('what can not be sent is dropped and counted, never thrown', () => {
  const bytes = Buffer.from('x');
  test.each([
    ['too-long', Buffer.alloc(MAX_DATAGRAM + 1), { host: LOOPBACK, port: 9 }],
    ['bad-port', bytes, { host: LOOPBACK, port: 0 }],
    ['bad-port', bytes, { host: LOOPBACK, port: 65_536 }],
    ['bad-port', bytes, { host: LOOPBACK, port: -1 }],
    ['bad-port', bytes, { host: LOOPBACK, port: 80.5 }],
    ['bad-port', bytes, { host: LOOPBACK, port: NaN }],
    ['bad-host', bytes, { host: '', port: 9 }],
    ['bad-host', bytes, { host: '\u0000', port: 9 }],
    ['ipv6', bytes, { host: '::1', port: 9 }],
    ['unroutable', bytes, { host: '255.255.255.255', port: 9 }],
  ])('%s', async (reason, datagram, to) => {
    const { udp } = await transport();
    udp.send(datagram, to);
    expect(udp.counters.dropped).toEqual({ [reason]: 1 });
  });

  test("the system's own refusals", async () => {
    const { udp, inbox } = await transport();
    // Loopback sockets have no way to other machines.
    udp.send(bytes, { host: '192.0.2.1', port: 9 });
    await until(() => Object.keys(udp.counters.dropped).length > 0 || udp.counters.sent > 0);
    // Which code it is (EINVAL, ENETUNREACH, …) is the system's affair.
    expect(Object.entries(udp.counters.dropped)).toEqual([[expect.stringMatching(/^E[A-Z]+$/), 1]]);
    expect(inbox.errors).toEqual([]);
    // It goes on working.
    udp.send(Buffer.from('still here'), udp.local);
    expect((await inbox.at(0)).text).toBe('still here');
  });

  test('more than the queue holds', async () => {
    const { udp } = await transport();
    const { port } = await plainSocket();
    for (let sent = 0; sent < 5000; sent++) udp.send(bytes, { host: LOOPBACK, port });
    expect(udp.counters.dropped).toEqual({ 'queue-full': 5000 - 4096 });
    await until(() => udp.counters.sent === 4096);
    udp.send(bytes, { host: LOOPBACK, port });
    await until(() => udp.counters.sent === 4097);
  });

  test('after the end', async () => {
    const { udp } = await transport();
    await udp.close();
    udp.send(bytes, { host: LOOPBACK, port: 9 });
    expect(udp.counters.dropped).toEqual({ closed: 1 });
    await udp.close();
  });
});

describe('blocked addresses', () => {
  test('nothing is taken from them or sent to them, until they are blocked no more', async () => {
    const { udp, inbox } = await transport();
    const [other, blocked] = [await plainSocket(), await plainSocket()];
    const heard: string[] = [];
    blocked.socket.on('message', (bytes) => heard.push(bytes.toString()));
    const sendAll = async (text: string): Promise<void> => {
      for (const { socket } of [blocked, other]) {
        await new Promise((resolve) => {
          socket.send(text, udp.local.port, LOOPBACK, resolve);
        });
      }
    };
    udp.block([{ host: LOOPBACK, port: blocked.port }]);
    udp.send(Buffer.from('lost'), { host: LOOPBACK, port: blocked.port });
    await sendAll('first');
    // On loopback datagrams come in the order in which they were sent.
    expect((await inbox.at(0)).from.port).toBe(other.port);
    expect(udp.counters).toMatchObject({ blocked: 2, received: 1, sent: 0 });

    udp.block([]);
    udp.send(Buffer.from('heard'), { host: LOOPBACK, port: blocked.port });
    await sendAll('second');
    expect((await inbox.at(1)).from.port).toBe(blocked.port);
    await until(() => heard.length > 0);
    expect(heard).toEqual(['heard']);
    expect(udp.counters.blocked).toBe(2);
  });
});

describe('names', () => {
  test('datagrams to a name wait for its address, those to numbers do not', async () => {
    let answer: (address: string) => void = () => undefined;
    const { udp } = await transport(() => new Promise((resolve) => (answer = resolve)));
    const { udp: other, inbox } = await transport();
    const to = { host: 'peer.example', port: other.local.port };
    udp.send(Buffer.from('by name'), to);
    udp.send(Buffer.from('by number'), other.local);
    expect((await inbox.at(0)).text).toBe('by number');
    answer(LOOPBACK);
    expect((await inbox.at(1)).text).toBe('by name');
    udp.send(Buffer.from('by name again'), to);
    expect((await inbox.at(2)).text).toBe('by name again');
  });

  test('an unknown name is counted', async () => {
    const { udp } = await transport();
    udp.send(Buffer.from('x'), { host: 'nobody.example', port: 9 });
    await until(() => udp.counters.dropped['unresolved'] === 1);
    expect(udp.counters.sent).toBe(0);
  });

  test('an address that is found after the end is not used', async () => {
    let answer: (address: string) => void = () => undefined;
    const { udp } = await transport(() => new Promise((resolve) => (answer = resolve)));
    udp.send(Buffer.from('x'), { host: 'peer.example', port: 9 });
    await udp.close();
    answer(LOOPBACK);
    await until(() => udp.counters.dropped['closed'] === 1);
    expect(udp.counters.sent).toBe(0);
  });
});

describe('where it can not listen, it says in one line which option to change', () => {
  async function failure(bind: string, port: number): Promise<Error> {
    const { handlers } = new Inbox();
    return openUdp({ bind, port, log: silentLog }, handlers).then(
      async (udp) => {
        await udp.close();
        throw new Error('it did listen');
      },
      (error: unknown) => error as Error,
    );
  }

  test('a port in use', async () => {
    const { port } = await plainSocket();
    const error = await failure(LOOPBACK, port);
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toBe(
      `UDP port ${port} is already in use on ${LOOPBACK}; choose another one with --port`,
    );
  });

  test("an address that is not this machine's", async () => {
    const error = await failure('192.0.2.1', 0);
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toBe('--bind: this machine does not have the address 192.0.2.1');
  });

  test.each(['::1', 'localhost', 'nonsense', ''])('no IPv4 address: %j', async (bind) => {
    const error = await failure(bind, 0);
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toMatch(/^--bind: /);
  });
});
