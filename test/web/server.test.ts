import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { UserError } from '../../shared/errors.ts';
import { silentLog, type Log } from '../../shared/log.ts';
import { MAX_BODY_BYTES, MAX_HEADER_BYTES } from '../../peer/web/limits.ts';
import type { Listening } from '../../peer/web/http.ts';
import { openPowWeb } from '../../peer/engines/pow/face/server.ts';
import { eventually } from '../support/asker.ts';
import { buildChain } from '../support/chains.ts';
import { until } from '../engines/pow/node/mining/helpers.ts';
import { DIFFICULTY, WebRig } from './web-rig.ts';

const chain = buildChain(3, { difficulty: DIFFICULTY });

let rig: WebRig;
const open: { close(): unknown }[] = [];
beforeEach(() => {
  rig = new WebRig(chain);
  open.push(rig.web);
});
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

async function serve(port = 0, anyPort = false, log: Log = silentLog): Promise<Listening> {
  const web = await openPowWeb(rig.subject, { bind: '127.0.0.1', port, anyPort, log });
  open.push(web);
  return web;
}

const url = ({ address }: Listening, path: string): string => `http://127.0.0.1:${address.port}${path}`;

/** A bare connection, and everything that came over it. */
async function dial(
  web: Listening,
): Promise<{ socket: Socket; text: () => string; ended: Promise<unknown> }> {
  const socket = connect(web.address.port, '127.0.0.1');
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  socket.on('error', () => undefined);
  const ended = once(socket, 'close');
  open.push({ close: () => socket.destroy() });
  await once(socket, 'connect');
  return { socket, text: () => text, ended };
}

async function streams(web: Listening): Promise<number> {
  const text = await (await fetch(url(web, '/metrics'))).text();
  return Number(/^gossip_peer_event_streams (\d+)$/m.exec(text)?.[1]);
}

describe('a server', () => {
  test('answers over a socket, and is gone after it was closed', async () => {
    const web = await serve();
    expect(await (await fetch(url(web, '/status'))).json()).toMatchObject({ height: 3 });
    const head = await fetch(url(web, '/blocks'), { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    await web.close();
    await expect(fetch(url(web, '/status'))).rejects.toThrow();
  });

  test('says which option to change where the port is taken, or takes any other', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    open.push(taken);
    const { port } = taken.address() as AddressInfo;
    await expect(serve(port)).rejects.toThrow(
      new UserError(`port ${port} for the status page is in use; choose another with --http-port`),
    );
    const said: string[] = [];
    const web = await serve(port, true, { ...silentLog, info: (message) => said.push(message) });
    expect(said).toEqual([expect.stringMatching(`port ${port} .*--http-port`)]);
    expect(web.address.port).not.toBe(port);
    expect((await fetch(url(web, '/healthz'))).status).toBe(200);
  });

  test('says which option to change where the address is none of this machine', async () => {
    const elsewhere = openPowWeb(rig.subject, { bind: '192.0.2.1', port: 0, log: silentLog });
    await expect(elsewhere).rejects.toThrow(/--http-bind/);
  });

  test('answers what is no request, and goes on', async () => {
    const web = await serve();
    for (const [bytes, status] of [
      ['\u0016\u0003\u0001 not HTTP at all\r\n\r\n', 400],
      [`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(MAX_HEADER_BYTES)}\r\n\r\n`, 431],
      ['GET / HTTP/1.1\r\n\r\n', 400],
    ] as const) {
      const { socket, text, ended } = await dial(web);
      socket.write(bytes);
      await ended;
      expect(text()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    }
    expect((await fetch(url(web, '/healthz'))).status).toBe(200);
  });

  test('says in a sentence what is wrong with a host or a path that can not be', async () => {
    const web = await serve();
    for (const head of [
      'GET / HTTP/1.1',
      'GET / HTTP/1.0',
      'GET / HTTP/1.1\r\nHost: a b',
      'GET / HTTP/1.1\r\nHost: localhost:99999',
      'OPTIONS * HTTP/1.1\r\nHost: localhost',
    ]) {
      const { socket, text, ended } = await dial(web);
      socket.write(`${head}\r\n\r\n`);
      await ended;
      expect(text(), head).toMatch(/^HTTP\/1\.1 400 [^]*application\/problem\+json[^]*"detail":"[^"]+\."/);
    }
  });

  test('takes no notice of an expectation that it does not know', async () => {
    const web = await serve();
    const { socket, text, ended } = await dial(web);
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nExpect: more\r\nConnection: close\r\n\r\n');
    await ended;
    expect(text()).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('does not warn of a client that goes in the middle of a body', async () => {
    const said: string[] = [];
    const web = await serve(0, false, { ...silentLog, warn: (message) => said.push(message) });
    const { socket, ended } = await dial(web);
    const fields = 'Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 50';
    socket.end(`POST /words HTTP/1.1\r\n${fields}\r\n\r\n{"word":`);
    await ended;
    await eventually('it is counted', async () => {
      const metrics = await (await fetch(url(web, '/metrics'))).text();
      return metrics.includes('gossip_peer_http_requests_total{status="400"} 1');
    });
    expect(said).toEqual([]);
  });

  test('reads no more of a body than its bound, said or not', async () => {
    const web = await serve();
    const chunk = new TextEncoder().encode(' '.repeat(1000));
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        controller.enqueue(chunk);
      },
    });
    const headers = { 'content-type': 'application/json' };
    const endless = await fetch(url(web, '/words'), {
      method: 'POST',
      headers,
      body,
      duplex: 'half',
    });
    expect(endless.status).toBe(413);
    const long = await fetch(url(web, '/words'), {
      method: 'POST',
      headers,
      body: ' '.repeat(MAX_BODY_BYTES + 1),
    });
    expect(long.status).toBe(413);
    expect(rig.subject.status().words).toEqual([]);
  });
});

describe('events over a socket', () => {
  test('reach a browser as they happen, and its stream is forgotten when it goes', async () => {
    const web = await serve();
    const controller = new AbortController();
    const response = await fetch(url(web, '/events'), { signal: controller.signal });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader?.read())?.value ?? '';
    expect(text).toMatch(/^retry: \d+\n\nevent: status\n/);
    rig.report({ kind: 'consensus-started', peers: 7 });
    while (!text.includes('event: consensus')) text += (await reader?.read())?.value ?? '';
    expect(await streams(web)).toBe(1);
    controller.abort();
    while ((await streams(web)) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  test('end when the server is closed', async () => {
    const web = await serve();
    const { socket, text, ended } = await dial(web);
    socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await until('the stream begins', () => text().includes('event: status'));
    await web.close();
    await ended;
  });

  test('are cut off where nobody reads them, whose connection is ended', async () => {
    const web = await serve();
    const { socket, text, ended } = await dial(web);
    socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await until('the stream begins', () => text().includes('event: status'));
    socket.pause();
    const block = { ...(chain[2] ?? chain[0]), minedBy: 'm'.repeat(8_000) } as (typeof chain)[number];
    for (let round = 0; (await streams(web)) > 0; round++) {
      if (round > 2_000) throw new Error('it was never cut off');
      for (let count = 0; count < 50; count++) rig.report({ kind: 'block', block, source: 'announced' });
      // More of a kind than this is told only after a while.
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    socket.resume();
    await ended;
    // It was not ended in order, for which everything that waits would have had to go first.
    expect(text().endsWith('0\r\n\r\n')).toBe(false);
  });
});
