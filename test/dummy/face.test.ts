/** What a node of an engine with nothing but a face shows: its API, metrics, events and files, without a port of its own. */
import { Hono } from 'hono';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { z } from 'zod';

import { statusOf, viewStatus } from '../../peer/cli/view-status.ts';
import { networkOfNodes } from '../../peer/commands/node-network.ts';
import { allEngines } from '../../peer/engines/registry.ts';
import { openNode, type RunningNode } from '../../peer/node/open-node.ts';
import { MemoryStore } from '../../peer/storage/memory.ts';
import { createFaceApp } from '../../peer/web/face-app.ts';
import type { WebEnv } from '../../peer/web/access.ts';
import { answer, listen } from '../../peer/web/http.ts';
import { MAX_SHOWN_ROWS, STEP_SECONDS, STEP_VALUES } from '../../peer/web/limits.ts';
import { viewSchema, type ViewJson } from '../../peer/web/schemas.ts';
import type { WebApp } from '../../peer/web/server.ts';
import { fieldsOf } from '../../peer/web/view.ts';
import { shown } from '../../peer/web/words.ts';
import type { Address } from '../../shared/address.ts';
import { UserError } from '../../shared/errors.ts';
import { silentLog } from '../../shared/log.ts';
import { engine as DUMMY_ENGINE, node as DUMMY, type Types } from '../support/dummy/engine.ts';
import { WITH_DUMMY } from '../support/dummy/registry.ts';
import { eventually } from '../support/asker.ts';
import { LOOPBACK } from '../support/wire.ts';
import { expectFace } from '../web/face-compliance.ts';
import { readMetrics } from '../web/metrics-text.ts';

type Node = RunningNode<Types, { count: number; peers: string[] }>;

const { face } = DUMMY;
const nodes: Node[] = [];
let web: WebApp;

async function openDummy(join: readonly Address[] = []): Promise<Node> {
  const node = await openNode(
    { engine: 'dummy', name: `dummy <b>${nodes.length}`, port: 0, bind: LOOPBACK, join },
    (parts) => DUMMY.setup({}, parts),
    {
      store: new MemoryStore(),
      log: silentLog,
      onFailure: (error) => {
        throw error;
      },
    },
  );
  nodes.push(node);
  return node;
}

const get = async (path: string): Promise<Response> => web.app.request(path, {}, {});

async function view(): Promise<ViewJson> {
  return viewSchema.parse(await (await get('/view')).json());
}

async function post(path: string, body: unknown): Promise<{ status: number; answer: unknown }> {
  const headers = { 'content-type': 'application/json' };
  const response = await web.app.request(path, { method: 'POST', headers, body: JSON.stringify(body) }, {});
  return { status: response.status, answer: await response.json() };
}

beforeEach(async () => {
  const node = await openDummy();
  web = createFaceApp(node, face, { bind: LOOPBACK });
  node.start();
});

afterEach(async () => {
  vi.useRealTimers();
  web.close();
  await Promise.all(nodes.splice(0).map((node) => node.close()));
});

/** A second node that joins the first. */
async function meet(): Promise<Node> {
  const [first] = nodes;
  const second = await openDummy(first && [first.address]);
  second.start();
  await eventually('the first knows the second', async () => (await view()).phase.text === 'counting');
  return second;
}

const FACES = await Promise.all(
  (await allEngines(WITH_DUMMY)).flatMap(({ name, node }) =>
    node === undefined ? [] : [node().then((offer) => ({ name, face: offer.face }))],
  ),
);

test.each(FACES)('the face of $name is as every face must be', ({ face: one }) => {
  expectFace(one);
});

test('options of its own are handed on to the nodes of a network', () => {
  const options = [
    { flags: '--pace <number>', description: 'how fast' },
    { flags: '--eager', description: 'at once' },
    { flags: '--late', description: 'later' },
  ];
  const offer = networkOfNodes(DUMMY_ENGINE, { ...DUMMY, options });
  const place = { ports: [{ port: 1, httpPort: 2 }], folder: 'data' };
  const args = offer.plan({ pace: 3, eager: true, late: false }, 1).create(place).peer(0);
  expect(offer.options).toBe(options);
  expect(args.join(' ')).toMatch(/^dummy start --port 1 .*--pace 3 --eager$/);
});

test('a node alone says why it is not ready, and one that knows another is', async () => {
  expect(await view()).toMatchObject({
    phase: { text: 'alone', tone: 'warn' },
    unready: 'No other node is known.',
  });
  expect((await get('/readyz')).status).toBe(503);
  await meet();
  expect((await view()).unready).toBeNull();
  expect((await get('/readyz')).status).toBe(200);
});

test('an action reaches the engine, and others; what the schema refuses, or another name, does not', async () => {
  const second = await meet();
  expect(await post('/actions/increment', { by: 5 })).toEqual({
    status: 200,
    answer: {
      ...{ id: expect.any(String) as string, text: 'the count is 5', waitedMs: expect.any(Number) as number },
    },
  });
  expect(await post('/actions/increment', {})).toMatchObject({ answer: { text: 'the count is 6' } });
  for (const body of [{ by: 0 }, { by: 'a' }, { by: 1, more: 1 }])
    expect((await post('/actions/increment', body)).status).toBe(400);
  expect((await post('/actions/decrement', {})).status).toBe(404);
  await eventually('the other has it', () => second.status().count === 6);
});

test('the status begins as every status, and the view has figures, tables, a journal and forms', async () => {
  await meet();
  await post('/actions/increment', { by: 1234 % 100 });
  expect(await (await get('/status')).json()).toMatchObject({
    engine: 'dummy',
    version: expect.stringMatching(/^\d/) as string,
    startedAt: expect.stringMatching(/Z$/) as string,
    count: 34,
    peers: [expect.stringMatching(/^127/) as string],
  });
  const { figures, tables, journals, actions, name } = await view();
  expect(name).toBe('dummy <b>0');
  expect(figures).toEqual([
    {
      ...{ name: 'count', title: 'Count', help: 'The highest count that this node has heard of' },
      ...{ column: true, minor: false, text: '34', number: 34, unit: null, note: null },
    },
  ]);
  expect(tables[0]).toMatchObject({ count: 1, rows: [[expect.stringMatching(/^127/)]] });
  expect(tables[0]?.columns).toEqual([{ title: 'Address', unit: null, wide: false }]);
  expect(journals.map(({ entries }) => entries.map(({ text, tone }) => [text, tone]))).toEqual([
    [['the count is 34', 'good']],
  ]);
  expect(actions[0]?.fields).toEqual([
    { name: 'by', title: 'By how much', kind: 'integer', required: false, initial: '1' },
  ]);
});

test('metrics are made of the figures, with their help, and count what happened', async () => {
  await meet();
  await post('/actions/increment', { by: 7 });
  const text = await (await get('/metrics')).text();
  expect(text).toContain('# HELP gossip_peer_dummy_highest The highest count that this node has heard of\n');
  const { samples, types } = await readMetrics(await get('/metrics'));
  expect(samples.get('gossip_peer_dummy_highest')).toBe(7);
  expect(types.get('gossip_peer_dummy_highest')).toBe('gauge');
  expect(samples.get('gossip_peer_happenings_total{kind="raised"}')).toBe(1);
  expect(samples.get('gossip_peer_datagrams_total{direction="received"}')).toBeGreaterThan(0);
  expect(samples.get('gossip_peer_collection_entries{collection="peers"}')).toBe(1);
  expect(samples.get('gossip_peer_store_write_seconds_count')).toBe(1);
});

test('series are sampled at even steps', async () => {
  web.close();
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
  const [node] = nodes;
  if (node === undefined) throw new Error('there is no node');
  web = createFaceApp(node, face, { bind: LOOPBACK });
  for (const count of [0, 3, 3]) {
    if (count > node.status().count) node.request(count);
    vi.advanceTimersByTime(STEP_SECONDS * 1000);
  }
  const [series] = (await view()).series;
  expect(series?.lines).toEqual([{ title: 'count', dashed: false, values: [0, 3, 3] }]);
  expect(Date.parse(series?.endsAt ?? '')).toBe(Date.now());
  vi.advanceTimersByTime(STEP_VALUES * STEP_SECONDS * 1000);
  expect((await view()).series[0]?.lines[0]?.values).toHaveLength(STEP_VALUES);
});

test("units, rises, refusals, kinds of fields and long tables are everybody's", async () => {
  const [node] = nodes;
  if (node === undefined) throw new Error('there is no node');
  web.close();
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
  const figure = { title: 'Age', help: 'How old', of: ({ count }: { count: number }) => count };
  const rich: typeof face = {
    ...face,
    figures: [
      {
        ...{ ...figure, name: 'age', unit: 'milliseconds' },
        metric: { name: 'age_seconds', type: 'gauge' },
      },
      { ...figure, name: 'unknown', of: () => null, metric: { name: 'unknown', type: 'gauge' } },
      { ...figure, name: 'all', metric: { name: 'all_total', type: 'counter' } },
    ],
    series: [{ ...figure, name: 'rise', draw: 'rise', lines: [{ title: 'rise', of: figure.of }] }],
    tables: [
      {
        ...{ name: 'long', title: 'Long', help: 'Very', columns: [{ title: 'Size', unit: 'bytes' }] },
        rows: () => Array.from({ length: MAX_SHOWN_ROWS + 1 }, () => [2_000]),
      },
    ],
    actions: [
      {
        ...{ name: 'refuse', title: 'Refuse', help: 'Does nothing' },
        schema: z.strictObject({ why: z.string(), hard: z.boolean().optional(), share: z.number() }),
        run: ({ why }: { why: string }) => {
          throw new UserError(why);
        },
      },
    ],
    ready: () => undefined,
  };
  web = createFaceApp(node, rich, { bind: LOOPBACK });
  for (const by of [0, 6, 1500]) {
    if (by > 0) node.request(by);
    vi.advanceTimersByTime(STEP_SECONDS * 1000);
  }
  vi.useRealTimers();
  const { figures, series, tables, actions } = await view();
  expect(figures.map(({ text }) => text)).toEqual(['1.5 s', '–', '1,506']);
  expect(series[0]?.lines[0]?.values).toEqual([0, 6 / STEP_SECONDS, 1500 / STEP_SECONDS]);
  expect(tables[0]).toMatchObject({ count: MAX_SHOWN_ROWS + 1 });
  expect(tables[0]?.rows).toHaveLength(MAX_SHOWN_ROWS);
  expect(tables[0]?.rows[0]).toEqual([{ text: '2.0 kB', number: 2_000 }]);
  expect(actions[0]?.fields.map(({ name, kind, required }) => [name, kind, required])).toEqual([
    ['why', 'text', true],
    ['hard', 'boolean', false],
    ['share', 'number', true],
  ]);
  expect(await post('/actions/refuse', { why: 'it is late', share: 0.5 })).toMatchObject({
    ...{ status: 409, answer: { detail: 'It is late.' } },
  });
  const { samples } = await readMetrics(await get('/metrics'));
  expect(samples.get('gossip_peer_age_seconds')).toBe(1.506);
  expect(samples.get('gossip_peer_unknown')).toBeNaN();
  expect(samples.get('gossip_peer_all_total')).toBe(1506);
});

test('a terminal shows a node without a view by its status, as it is', async () => {
  const app = new Hono<WebEnv>();
  app.get('/status', () => answer({ engine: 'older', height: 3 }));
  const server = await listen(app, { bind: LOOPBACK, port: 0, log: silentLog });
  const shownBy = await viewStatus.ask(`http://${LOOPBACK}:${server.address.port}`);
  await server.close();
  expect(shownBy.line()).toBe('engine=older height=3');
});

test('events begin with the status and tell what happened', async () => {
  web.close();
  // So that no step of the series tells the status.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const [node] = nodes;
  if (node === undefined) throw new Error('there is no node');
  web = createFaceApp(node, face, { bind: LOOPBACK });
  const response = await get('/events');
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let reported = '';
  const until = async (wanted: RegExp): Promise<void> => {
    while (!wanted.test(reported)) {
      const { value } = (await reader?.read()) ?? {};
      if (value === undefined) throw new Error(`the stream ended after: ${reported}`);
      reported += value;
    }
  };
  await until(/event: status\ndata: \{.*"engine":"dummy".*"count":0/);
  await post('/actions/increment', { by: 2 });
  await until(/event: journal\ndata: \{.*"text":"the count is 2","tone":"good"/);
  await until(/event: status\ndata: \{.*"count":2/);
  await reader?.cancel();
});

test('the API is described, and the page is the one that is made of the view', async () => {
  const api = (await (await get('/openapi.json')).json()) as { paths: Record<string, unknown> };
  expect(Object.keys(api.paths).sort()).toEqual([
    ...['/access', '/actions/increment', '/actions/increment/{id}', '/events', '/healthz', '/metrics'],
    ...['/readyz', '/status', '/view', '/view/glance'],
  ]);
  const page = await (await get('/')).text();
  expect(page).toContain('src="view/main.js"');
  for (const [, file = ''] of page.matchAll(/(?:src|href)="([\w./-]+\.(?:js|css))"/g))
    expect((await get(`/${file}`)).status, file).toBe(200);
});

test('a terminal has a column for each figure that says so, and words for what is unusual', () => {
  const status = statusOf(face);
  expect(status.columns).toEqual(['count']);
  expect(status.row({ engine: 'dummy', count: 1234, peers: [] }, 0)).toEqual({
    ...{ cells: [1234], word: '1,234(alone)', phase: 'alone' },
  });
  expect(status.row({ count: 1, peers: ['a'] }, 0)).toEqual({ cells: [1], word: '1' });
  expect(status.row(null, 0)).toBeUndefined();
});

test('a terminal is given no control characters, whoever wrote them', () => {
  const figures = [{ ...{ name: 'word', title: 'Word', help: 'h', column: true }, of: () => 'b\u001b[2J' }];
  const loud = { ...face, figures, phase: () => ({ text: 'a\u009b31m', tone: 'warn' as const }) };
  const row = statusOf(loud).row({ count: 1, peers: [] }, 0);
  expect(row?.cells).toEqual(['b\\u001b[2J']);
  expect(row?.word).toBe('b\\u001b[2J(a\\u009b31m)');
  expect(row?.phase).toBe('a\\u009b31m');
});

test('a form begins with the defaults of its schema', () => {
  const schema = z.object({ loud: z.boolean().default(true), by: z.int().default(2), word: z.string() });
  expect(
    fieldsOf(schema).map(({ name, kind, required, initial }) => [name, kind, required, initial]),
  ).toEqual([
    ['loud', 'boolean', false, 'true'],
    ['by', 'integer', false, '2'],
    ['word', 'text', true, null],
  ]);
});

test('values are written in one way', () => {
  expect([
    shown(null),
    shown(true),
    shown(12_345),
    shown(0.25, 'seconds'),
    shown(1500, 'milliseconds'),
    shown(3_400_000, 'bytes'),
    shown(2.5, 'per second'),
    shown('0123456789abcdef0', 'hash'),
    shown('x'.repeat(501)),
  ]).toEqual([
    ...[
      '–',
      'yes',
      '12,345',
      '0.3 s',
      '1.5 s',
      '3.4 MB',
      '2.5/s',
      '0123456789abcdef…',
      `${'x'.repeat(499)}…`,
    ],
  ]);
});
