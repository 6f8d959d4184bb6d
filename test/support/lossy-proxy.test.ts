/** The bad network is a program too: each of its faults is checked here, and that there are none but those asked for. */
import type { RemoteInfo, Socket as UdpSocket } from 'node:dgram';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';

import { eventually } from './asker.ts';
import {
  HOLD,
  LossyNetwork,
  StreamProxy,
  Way,
  exponentialDelay,
  uniformDelay,
  type Conditions,
} from './lossy-proxy.ts';
import { freePort } from './processes.ts';
import { seededRandom } from './random.ts';
import { LOOPBACK, otherHost } from './wire.ts';

const COUNT = 1000;

/** A way, and the numbers that have come through it. */
function newWay(conditions: Partial<Conditions>, seed = 1): { way: Way; arrived: number[] } {
  const arrived: number[] = [];
  const way = new Way(seed, (bytes) => arrived.push(Buffer.from(bytes).readUInt32BE()));
  way.conditions = { ...way.conditions, ...conditions };
  return { way, arrived };
}

function numbered(number: number): Buffer {
  const bytes = Buffer.alloc(100);
  bytes.writeUInt32BE(number);
  return bytes;
}

function sendAll(way: Way, count = COUNT): void {
  for (let number = 0; number < count; number++) way.send(numbered(number));
}

describe('a way', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const all = Array.from({ length: COUNT }, (_, number) => number);

  it('without faults passes everything on at once and in order', () => {
    const { way, arrived } = newWay({});
    sendAll(way);
    expect(arrived).toEqual(all);
  });

  it('loses the share that it is told to, the same datagrams for the same seed', () => {
    const [one, same, other] = [newWay({ loss: 0.2 }), newWay({ loss: 0.2 }), newWay({ loss: 0.2 }, 2)];
    for (const { way } of [one, same, other]) sendAll(way);
    expect(one.arrived.length).toBeGreaterThan(0.75 * COUNT);
    expect(one.arrived.length).toBeLessThan(0.85 * COUNT);
    expect(same.arrived).toEqual(one.arrived);
    expect(other.arrived).not.toEqual(one.arrived);
    expect(one.way.counters).toMatchObject({ taken: COUNT, delivered: one.arrived.length });
  });

  it('delivers twice the share that it is told to', () => {
    const { way, arrived } = newWay({ duplication: 0.2 });
    sendAll(way);
    expect(new Set(arrived).size).toBe(COUNT);
    expect(arrived.length - COUNT).toBe(way.counters.duplicated);
    expect(way.counters.duplicated).toBeGreaterThan(0.15 * COUNT);
    expect(way.counters.duplicated).toBeLessThan(0.25 * COUNT);
  });

  it('lets datagrams be overtaken by the next one, and loses none by that', () => {
    const { way, arrived } = newWay({ reordering: 0.2 });
    sendAll(way);
    vi.advanceTimersByTime(HOLD);
    expect(arrived).not.toEqual(all);
    expect(arrived.toSorted((a, b) => a - b)).toEqual(all);
    for (const [index, number] of arrived.entries()) expect(Math.abs(index - number)).toBeLessThanOrEqual(1);
  });

  it('holds back no datagram for long when no other follows', () => {
    const { way, arrived } = newWay({ reordering: 1 });
    way.send(numbered(7));
    expect(arrived).toEqual([]);
    vi.advanceTimersByTime(HOLD);
    expect(arrived).toEqual([7]);
  });

  it('delays each datagram on its own', () => {
    const { way, arrived } = newWay({ delay: uniformDelay(10, 50) });
    sendAll(way);
    vi.advanceTimersByTime(9);
    expect(arrived).toEqual([]);
    vi.advanceTimersByTime(42);
    expect(arrived).not.toEqual(all);
    expect(arrived.toSorted((a, b) => a - b)).toEqual(all);
  });

  it('has a bandwidth', () => {
    const { way, arrived } = newWay({ bandwidth: 10_000 });
    sendAll(way, 20);
    vi.advanceTimersByTime(100);
    expect(arrived.length).toBeGreaterThanOrEqual(9);
    expect(arrived.length).toBeLessThanOrEqual(10);
    vi.advanceTimersByTime(100);
    expect(arrived).toEqual(all.slice(0, 20));
  });

  it('drops what is more than a router holds', () => {
    const { way, arrived } = newWay({ delay: () => 10 });
    sendAll(way, 1500);
    vi.advanceTimersByTime(10);
    expect(arrived.length + way.counters.overflowed).toBe(1500);
    expect(way.counters.overflowed).toBeGreaterThan(0);
  });

  it('that is blocked lets nothing through, not even what was under way, until it is not', () => {
    const { way, arrived } = newWay({ delay: () => 10 });
    const open = way.conditions;
    way.send(numbered(1));
    way.conditions = { ...open, blocked: true };
    way.send(numbered(2));
    vi.advanceTimersByTime(10);
    way.conditions = open;
    way.send(numbered(3));
    vi.advanceTimersByTime(10);
    expect(arrived).toEqual([3]);
  });

  it('decides the fate of later datagrams without regard to what happened to earlier ones', () => {
    const [one, other] = [newWay({ loss: 0.5 }), newWay({ loss: 0.5 })];
    const open = other.way.conditions;
    other.way.conditions = { ...open, blocked: true };
    for (let number = 0; number < COUNT; number++) {
      if (number === 500) other.way.conditions = open;
      for (const { way } of [one, other]) way.send(numbered(number));
    }
    expect(other.arrived).toEqual(one.arrived.filter((number) => number >= 500));
  });
});

it('delays are within their bounds', () => {
  const random = seededRandom(3);
  const delay = exponentialDelay(5, 20, 60);
  const drawn = Array.from({ length: COUNT }, () => delay(random));
  expect(Math.min(...drawn)).toBeGreaterThanOrEqual(5);
  expect(Math.max(...drawn)).toBe(60);
  const mean = drawn.reduce((sum, one) => sum + one, 0) / COUNT;
  expect(mean).toBeGreaterThan(20);
  expect(mean).toBeLessThan(27);
});

/** Loopback addresses beyond the first are what the network is made of; macOS has none. */
const HAS_LOOPBACKS = (await otherHost(0)) !== LOOPBACK;

describe.runIf(HAS_LOOPBACKS)('a network', () => {
  interface Arrival {
    readonly text: string;
    readonly from: Pick<RemoteInfo, 'address' | 'port'>;
  }

  /** A socket in the network, where others know it, and what it got. */
  async function newEnd(
    network: LossyNetwork,
  ): Promise<{ socket: UdpSocket; port: number; host: string; arrived: Arrival[] }> {
    const port = await freePort();
    const socket = createSocket('udp4');
    socket.bind(port, LOOPBACK);
    await once(socket, 'listening');
    const arrived: Arrival[] = [];
    socket.on('message', (bytes, { address, port: from }) =>
      arrived.push({ text: bytes.toString(), from: { address, port: from } }),
    );
    onTestFinished(() => {
      socket.close();
    });
    return { socket, port, host: (await network.add(port)).host, arrived };
  }

  function newNetwork(): LossyNetwork {
    const network = new LossyNetwork(1);
    onTestFinished(() => {
      network.close();
    });
    return network;
  }

  it('shows each end to the others at its own address, from which answers find back', async () => {
    const network = newNetwork();
    const [a, b, c] = [await newEnd(network), await newEnd(network), await newEnd(network)];
    expect(new Set([a.host, b.host, c.host]).size).toBe(3);
    a.socket.send('hello', b.port, b.host);
    await eventually('b is greeted', () => b.arrived.length > 0);
    expect(b.arrived).toEqual([{ text: 'hello', from: { address: a.host, port: a.port } }]);
    const [{ from } = { from: { address: '', port: 0 } }] = b.arrived;
    b.socket.send('back', from.port, from.address);
    await eventually('a is answered', () => a.arrived.length > 0);
    expect(a.arrived).toEqual([{ text: 'back', from: { address: b.host, port: b.port } }]);
    expect(c.arrived).toEqual([]);
    expect(network.strangers).toBe(0);
  });

  it('passes on nothing from who is not in it', async () => {
    const network = newNetwork();
    const [a, b] = [await newEnd(network), await newEnd(network)];
    const stranger = createSocket('udp4');
    onTestFinished(() => {
      stranger.close();
    });
    stranger.send('psst', b.port, b.host);
    await eventually('the stranger was noticed', () => network.strangers > 0);
    a.socket.send('hello', b.port, b.host);
    await eventually('b is greeted', () => b.arrived.length > 0);
    expect(b.arrived.map(({ text }) => text)).toEqual(['hello']);
  });

  it('is torn apart and healed, in both directions or in one', async () => {
    const network = newNetwork();
    const [a, b] = [await newEnd(network), await newEnd(network)];
    const exchange = async (): Promise<void> => {
      const { taken } = network.counters();
      a.socket.send('to b', b.port, b.host);
      b.socket.send('to a', a.port, a.host);
      await eventually('both were decided on', () => {
        const { taken: now, delivered, blocked } = network.counters();
        return now === taken + 2 && delivered + blocked === now;
      });
      await eventually('what was delivered has arrived', () => {
        return a.arrived.length + b.arrived.length === network.counters().delivered;
      });
    };
    network.partition([a.port], [b.port]);
    await exchange();
    expect([a.arrived.length, b.arrived.length]).toEqual([0, 0]);
    network.heal();
    await exchange();
    expect([a.arrived.length, b.arrived.length]).toEqual([1, 1]);
    network.partitionOneWay([a.port], [b.port]);
    await exchange();
    expect([a.arrived.length, b.arrived.length]).toEqual([2, 1]);
    network.setAll({});
    await exchange();
    expect([a.arrived.length, b.arrived.length]).toEqual([3, 2]);
  });
});

describe('a stream proxy', () => {
  interface Ends {
    readonly proxy: StreamProxy;
    readonly client: Socket;
    readonly server: Socket;
    /** What each has got, and whether it has heard that there is no more. */
    readonly got: { client: string; server: string };
    readonly gone: { client: boolean; server: boolean };
  }

  async function newEnds(): Promise<Ends> {
    const listener = createServer({ allowHalfOpen: true });
    listener.listen(0, LOOPBACK);
    await once(listener, 'listening');
    const proxy = await StreamProxy.open(1, {
      host: LOOPBACK,
      port: (listener.address() as AddressInfo).port,
    });
    const accepted = once(listener, 'connection') as Promise<[Socket]>;
    const client = connect({ host: LOOPBACK, port: proxy.port, allowHalfOpen: true });
    const [server] = await accepted;
    const got = { client: '', server: '' };
    const gone = { client: false, server: false };
    for (const [name, socket] of [
      ['client', client],
      ['server', server],
    ] as const) {
      socket.setEncoding('utf8').on('data', (text: string) => (got[name] += text));
      socket.on('error', () => undefined);
      for (const event of ['end', 'close']) socket.once(event, () => (gone[name] = true));
    }
    onTestFinished(() => {
      proxy.close();
      listener.close();
      client.destroy();
      server.destroy();
    });
    return { proxy, client, server, got, gone };
  }

  it('passes all bytes on in order, in spite of delays and little bandwidth', async () => {
    const { proxy, client, server, got } = await newEnds();
    proxy.set({ delay: uniformDelay(0, 20), bandwidth: 1_000_000 });
    let sent = '';
    for (let number = 0; number < 200; number++) {
      const text = `${number} ${'x'.repeat(500)}\n`;
      sent += text;
      client.write(text);
      if (number % 20 === 0) await new Promise(setImmediate);
    }
    server.write('and back');
    await eventually('all has come', () => got.server.length === sent.length && got.client !== '');
    expect(got).toEqual({ client: 'and back', server: sent });
  });

  it('passes an end on, and the other direction still works', async () => {
    const { client, server, got, gone } = await newEnds();
    let ended = false;
    server.once('end', () => (ended = true));
    client.end('my last words');
    await eventually('the server has heard the end', () => ended);
    server.end('goodbye');
    await eventually('both are gone', () => gone.client && gone.server);
    expect(got).toEqual({ client: 'goodbye', server: 'my last words' });
  });

  it('cuts connections, and takes new ones after that', async () => {
    const { proxy, gone } = await newEnds();
    proxy.cut();
    await eventually('both have noticed', () => gone.client && gone.server);
    const again = connect({ host: LOOPBACK, port: proxy.port });
    await once(again, 'connect');
    await eventually('it is taken', () => proxy.connections === 2);
    again.destroy();
  });

  it('refuses connections when told to', async () => {
    const { proxy } = await newEnds();
    proxy.set({ refusing: true });
    const refused = connect({ host: LOOPBACK, port: proxy.port });
    refused.on('error', () => undefined);
    await new Promise((resolve) => refused.once('close', resolve));
    expect(proxy.connections).toBe(1);
  });

  it('keeps what is sent in a silent direction until it is not silent any more', async () => {
    const { proxy, client, server, got } = await newEnds();
    proxy.set({ silentToClient: true });
    server.write('early');
    client.write('heard');
    await eventually('the other direction works', () => got.server === 'heard');
    server.write(' late');
    client.write(' too');
    await eventually('the other direction still works', () => got.server === 'heard too');
    expect(got.client).toBe('');
    proxy.set({ silentToClient: false });
    await eventually('all comes', () => got.client === 'early late');
  });

  it('leaves a connection half open when its server goes in silence', async () => {
    const { proxy, client, server, gone } = await newEnds();
    proxy.set({ silentToClient: true });
    server.destroy();
    await eventually('the server is gone', () => gone.server);
    client.write('is anybody there?');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(gone.client).toBe(false);
    proxy.set({ silentToClient: false });
    await eventually('the client hears of it', () => gone.client);
  });
});
