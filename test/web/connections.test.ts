/** Connections beyond the bound, and those that only hold their places: with bounds that are small. */
import { EventEmitter, once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { Hono } from 'hono';
import { afterEach, expect, test, vi } from 'vitest';

import { silentLog } from '../../shared/log.ts';
import type { WebEnv } from '../../peer/web/access.ts';
import { Connections } from '../../peer/web/connections.ts';
import { listen, type Listening } from '../../peer/web/http.ts';
import { openPowWeb } from '../../peer/engines/pow/face/server.ts';
import { until } from '../engines/pow/node/mining/helpers.ts';
import { WebRig } from './web-rig.ts';

const MOST = 5;
const SPARE = 2;
const bounds = vi.hoisted(() => ({ idle: 60_000 }));
vi.mock('../../peer/web/limits.ts', async (original) => ({
  ...(await original<object>()),
  ...{ MAX_CONNECTIONS: 5, SPARE_CONNECTIONS: 2, HEADERS_TIMEOUT: 200, REQUEST_TIMEOUT: 300 },
  get SOCKET_TIMEOUT() {
    return bounds.idle;
  },
}));

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

class Client {
  readonly socket: Socket;
  text = '';
  closed = false;

  constructor({ address }: Listening) {
    // As those do that want to hold their places: the other end alone does not end it.
    this.socket = connect({ port: address.port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket.setEncoding('utf8').on('data', (chunk: string) => (this.text += chunk));
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => (this.closed = true));
    open.push({ close: () => this.socket.destroy() });
  }

  send(path: string, headers = ''): this {
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`);
    return this;
  }

  /** Sees that the other end has not only stopped to send: what it is sent then is refused. */
  async ended(): Promise<void> {
    await until('it is ended', () => {
      if (!this.closed) this.socket.write(' ');
      return this.closed;
    });
  }

  async says(wanted: string): Promise<void> {
    await until(`${wanted} comes`, () => this.text.includes(wanted));
  }
}

/** A server that never answers `/slow`, and what it refused. */
async function slowServer(): Promise<{ web: Listening; refused: string[]; begun: () => number }> {
  const refused: string[] = [];
  let begun = 0;
  const app = new Hono<WebEnv>();
  app.get('/slow', () => {
    begun++;
    return new Promise<never>(() => undefined);
  });
  app.get('/healthz', (context) => context.text('fine'));
  app.get('/status', (context) => context.text('state'));
  app.post('/words', async (context) => context.text(await context.req.text()));
  app.onError((_, context) => context.text('It broke off.', 400));
  const web = await listen(app, {
    ...{ bind: '127.0.0.1', port: 0, log: silentLog },
    onRefusal: (limit) => refused.push(limit),
  });
  open.push(web);
  return { web, refused, begun: () => begun };
}

test('one more than there is room for takes the place of the one that has waited longest', async () => {
  const { web, refused } = await slowServer();
  const idle: Client[] = [];
  for (let at = 0; at < MOST; at++) {
    const client = new Client(web);
    await once(client.socket, 'connect');
    // The first is used, so the second has waited longest.
    client.send('/status');
    await client.says('state');
    idle.push(client);
  }
  idle[0]?.send('/healthz');
  await idle[0]?.says('fine');
  const more = new Client(web).send('/status');
  await more.says('state');
  await idle[1]?.ended();
  expect(idle.map(({ closed }) => closed)).toEqual([false, true, false, false, false]);
  expect(refused).toEqual(['http-connections']);
});

test('half a request holds no place', async () => {
  const { web } = await slowServer();
  for (let at = 0; at < 3 * MOST; at++) {
    const client = new Client(web);
    client.socket.write(
      at % 2 === 0
        ? 'GET /slow HTTP/1.1\r\nHost: localhost\r\nX-Sl'
        : 'POST /words HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{',
    );
    await once(client.socket, 'connect');
  }
  await new Client(web).send('/status').says('state');
});

test('where all are busy, only the health of this machine is answered, however many of it are silent', async () => {
  const { web, refused, begun } = await slowServer();
  for (let at = 0; at < MOST; at++) new Client(web).send('/slow');
  await until('all are busy', () => begun() === MOST);
  for (let at = 0; at < 2 * SPARE; at++) await once(new Client(web).socket, 'connect');
  const other = new Client(web).send('/status');
  await other.says('HTTP/1.1 503 ');
  await other.ended();
  await new Client(web).send('/healthz').says('fine');
  expect(refused.length).toBeGreaterThan(0);
  expect(begun()).toBe(MOST);
});

test('where all are busy, a stranger is refused at once and holds no place', () => {
  let refused = 0;
  const connections = new Connections(() => refused++);
  const add = (remoteAddress: string): Socket & { destroyed: boolean } => {
    const socket = Object.assign(new EventEmitter(), {
      remoteAddress,
      destroyed: false,
      destroy: () => {
        socket.destroyed = true;
        socket.emit('close');
      },
    });
    connections.add(socket as never);
    return socket as never;
  };
  const ask = (socket: Socket, url: string): boolean => {
    return connections.begin({ socket, url, complete: true } as never, new EventEmitter() as never);
  };
  const first = add('192.0.2.1');
  expect(ask(first, '/slow')).toBe(true);
  for (let at = 1; at < MOST; at++) ask(add('192.0.2.1'), '/slow');
  expect(add('192.0.2.2').destroyed).toBe(true);
  expect(refused).toBe(1);
  for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
    const own = add(address);
    expect([ask(own, '/healthz'), ask(own, '/status')]).toEqual([true, false]);
    own.destroy();
  }
  // A place that gets free is everybody's.
  first.destroy();
  const next = add('192.0.2.2');
  expect([next.destroyed, ask(next, '/status')]).toEqual([false, true]);
});

test.each([
  ['nothing', ''],
  ['half of the headers', 'GET / HTTP/1.1\r\nHost: loc'],
  ['half of a body', 'POST /words HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{'],
])('one that sends %s is told so, and ended by us', async (_, text) => {
  const { web } = await slowServer();
  const client = new Client(web);
  client.socket.write(text);
  await client.says('HTTP/1.1 408 ');
  await client.ended();
});

test('one over which nothing moves is ended, whatever it waits for', async () => {
  bounds.idle = 100;
  const { web, begun } = await slowServer();
  bounds.idle = 60_000;
  const client = new Client(web).send('/slow');
  await until('it is ended', () => client.closed || (begun() === 1 && client.socket.readableEnded));
  await client.ended();
});

test('what was refused is counted', async () => {
  const rig = new WebRig();
  open.push(rig.web);
  const web = await openPowWeb(rig.subject, { bind: '127.0.0.1', port: 0, log: silentLog });
  open.push(web);
  for (let at = 0; at <= MOST; at++) await once(new Client(web).socket, 'connect');
  const client = new Client(web).send('/metrics', 'Connection: close\r\n');
  await client.says('gossip_peer_dropped_total{limit="http-connections"} ');
});
