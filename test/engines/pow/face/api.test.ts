import { createHash } from 'node:crypto';

import { afterEach, describe, expect, test } from 'vitest';
import type { z } from 'zod';

import { MAX_BODY_BYTES, REQUESTS_BURST } from '../../../../peer/web/limits.ts';
import { face } from '../../../../peer/engines/pow/face/face.ts';
import {
  blockSchema,
  blocksSchema,
  forksSchema,
  graphSchema,
  leaderboardSchema,
  minersSchema,
  newWordSchema,
  peersSchema,
  queuedWordSchema,
  searchSchema,
  statusSchema,
  submittedWordSchema,
  wordsSchema,
} from '../../../../peer/engines/pow/face/schemas.ts';
import { accessSchema, healthSchema, problemSchema, readySchema } from '../../../../peer/web/schemas.ts';
import type { AppOptions } from '../../../../peer/web/server.ts';
import { buildChain, mineBlock } from '../../../support/chains.ts';
import { at } from '../protocol/rig.ts';
import { expectFace } from '../../../web/face-compliance.ts';
import { readMetrics } from '../../../web/metrics-text.ts';
import { DIFFICULTY, HOSTILE, WebRig, hostileBlock } from '../../../web/web-rig.ts';

const plain = buildChain(30, { difficulty: DIFFICULTY });
const evil = hostileBlock(plain.at(-1) ?? null);
const chain = [...plain, evil];
const tip = { height: chain.length, hash: evil.hash };

const rigs: WebRig[] = [];
afterEach(() => {
  for (const rig of rigs.splice(0)) {
    rig.web.close();
    expect(rig.faults).toEqual([]);
  }
});

function newRig(options: Partial<AppOptions> = {}, blocks: readonly (typeof evil)[] = chain): WebRig {
  const rig = new WebRig(blocks, options);
  rigs.push(rig);
  return rig;
}

/** A rig whose index has read the chain. */
async function readRig(options: Partial<AppOptions> = {}): Promise<WebRig> {
  const rig = newRig(options);
  while ((await read(rig, '/leaderboard', leaderboardSchema)).counted < chain.length) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return rig;
}

async function read<T extends z.ZodType>(rig: WebRig, path: string, schema: T): Promise<z.output<T>> {
  return schema.parse(await rig.json(path));
}

async function problem(response: Response | Promise<Response>): Promise<z.output<typeof problemSchema>> {
  const answer = await response;
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  const found = problemSchema.parse(await answer.json());
  expect(found.status).toBe(answer.status);
  expect(found.detail).toMatch(/^[^\n]+[.]$/);
  return found;
}

test('the face is as every face must be', () => {
  expectFace(face);
});

describe('what is told', () => {
  test('the state, and what the difficulty means in time', async () => {
    const rig = newRig();
    expect(await read(rig, '/status', statusSchema)).toMatchObject({
      height: 31,
      tip: evil.hash,
      expectedHashes: 16,
      hashesPerSecond: null,
      expectedBlockSeconds: null,
      phase: 'following',
      name: HOSTILE,
    });
    rig.attach({ hashesPerSecond: 6 });
    rig.attach({ hashesPerSecond: 2 });
    expect(await read(rig, '/status', statusSchema)).toMatchObject({
      hashesPerSecond: 8,
      expectedBlockSeconds: 2,
      miners: 2,
    });
  });

  test('blocks, newest first, from any height down', async () => {
    const rig = newRig();
    const heights = async (query: string): Promise<number[]> =>
      (await read(rig, `/blocks${query}`, blocksSchema)).blocks.map(({ height }) => height);
    expect(await heights('?limit=3')).toEqual([30, 29, 28]);
    expect(await heights('?from=1')).toEqual([1, 0]);
    expect(await heights('?from=99&limit=1')).toEqual([30]);
    expect(await heights('')).toHaveLength(20);
    expect((await read(newRig({}, []), '/blocks', blocksSchema)).blocks).toEqual([]);
  });

  test('one block, by height and by hash, with the bytes that give its hash', async () => {
    const rig = await readRig();
    for (const block of chain) {
      const reported = await read(rig, `/blocks/${block.height}`, blockSchema);
      const bytes = Buffer.from(reported.preimage.map(({ hex }) => hex).join(''), 'hex');
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(block.hash);
      expect(await read(rig, `/blocks/${block.hash}`, blockSchema)).toEqual(reported);
      expect(reported.confirmations).toBe(30 - block.height);
    }
  });

  test('a block that can only be found by its hash once the chain has been read', async () => {
    const rig = newRig();
    expect(await problem(rig.get(`/blocks/${evil.hash}`))).toMatchObject({ status: 503 });
    await readRig();
  });

  test('what is found by a height, a part of a hash, and a part of a name', async () => {
    const rig = await readRig();
    const found = async (q: string): Promise<z.output<typeof searchSchema>> =>
      read(rig, `/search?q=${encodeURIComponent(q)}`, searchSchema);
    expect(await found(' 7 ')).toMatchObject({ blocks: [{ height: 7 }], miners: [], complete: true });
    expect((await found(evil.hash.slice(0, 12).toUpperCase())).blocks).toMatchObject([{ height: 30 }]);
    expect((await found('ONERROR')).miners).toEqual([evil.minedBy]);
    expect(await found('nobody at all')).toMatchObject({ blocks: [], miners: [] });
  });

  test('who mined how many', async () => {
    expect(await read(await readRig(), '/leaderboard', leaderboardSchema)).toEqual({
      height: 31,
      counted: 31,
      names: 2,
      leaders: [
        { name: 'test', blocks: 30, share: 30 / 31 },
        { name: evil.minedBy, blocks: 1, share: 1 / 31 },
      ],
    });
  });

  test('peers, how their chains compare with ours, and the graph that gossip reveals', async () => {
    const rig = newRig();
    const claims = {
      same: tip,
      behind: { height: 20, hash: plain[19]?.hash ?? '' },
      ahead: { height: 40, hash: `${'a'.repeat(63)}0` },
      fork: { height: 20, hash: `${'b'.repeat(63)}0` },
      unknown: undefined,
    };
    for (const [index, claim] of Object.values(claims).entries()) rig.meet(at(index + 2), claim);
    rig.engine.gossip(at(2), 'passed on', at(4));
    const { peers } = await read(rig, '/peers', peersSchema);
    expect(peers.map(({ agreement }) => agreement)).toEqual(Object.keys(claims));
    expect(peers[0]?.via).toEqual(['10.0.0.6:8000']);
    const graph = await read(rig, '/graph', graphSchema);
    expect(graph.nodes).toHaveLength(6);
    expect(graph.edges.filter(({ kind }) => kind === 'direct')).toHaveLength(5);
    expect(graph.edges).toContainEqual({ source: '10.0.0.4:8000', target: '10.0.0.6:8000', kind: 'gossip' });
    expect(await read(rig, '/status', statusSchema)).toMatchObject({ peers: 5, agreeing: 2 });
    expect((await read(rig, '/forks', forksSchema)).claims).toEqual([
      { ...claims.ahead, peers: 1, ours: false, ahead: true },
      { ...tip, peers: 3, ours: true, ahead: false },
      { ...claims.fork, peers: 1, ours: false, ahead: false },
    ]);
    expect((await readMetrics(await rig.get('/metrics'))).samples.get('gossip_peer_agreeing_peers')).toBe(2);
  });

  test('a peer that is one block late is on our chain, and there is no fork', async () => {
    const rig = newRig();
    const late = { height: tip.height - 1, hash: plain.at(-1)?.hash ?? '' };
    rig.meet(at(2), late);
    // Some tell the height of the last block.
    rig.meet(at(3), { ...late, height: late.height - 1 });
    rig.meet(at(4), { ...tip, height: tip.height - 1 });
    expect(await read(rig, '/status', statusSchema)).toMatchObject({ peers: 3, agreeing: 3 });
    const { claims } = await read(rig, '/forks', forksSchema);
    expect(claims).toEqual([{ ...tip, peers: 4, ours: true, ahead: false }]);
  });

  test('miners, with a rate that they tell or that their blocks suggest', async () => {
    const rig = newRig();
    rig.attach({ hashesPerSecond: null, agent: null, processes: null, accepted: 5 });
    rig.attach();
    rig.now += 10_000;
    expect((await read(rig, '/miners', minersSchema)).miners).toMatchObject([
      { hashesPerSecond: 8, rateSource: 'estimated', agent: null },
      { hashesPerSecond: 1000, rateSource: 'reported' },
    ]);
  });

  test('that the process runs, and whether it has a network', async () => {
    const rig = newRig();
    expect(await read(rig, '/healthz', healthSchema)).toEqual({ status: 'ok' });
    expect(await problem(newRig({}, []).get('/readyz'))).toMatchObject({ status: 503 });
    expect(await read(rig, '/readyz', readySchema)).toEqual({ status: 'ready' });
  });

  test('reorganisations, and how far a download is', async () => {
    const rig = newRig();
    const target = { height: 50, hash: `${'c'.repeat(63)}0` };
    rig.report(
      { kind: 'sync-started', target, forkPoint: 19, peers: 3 },
      { kind: 'sync-progress', verified: 30, total: 50 },
    );
    expect((await read(rig, '/status', statusSchema)).sync).toMatchObject({
      target,
      forkPoint: 19,
      verified: 30,
      total: 50,
    });
    rig.report(
      { kind: 'chain-adopted', ...target, added: 30, depth: 11, returnedWords: 2 },
      { kind: 'consensus-finished', outcome: 'adopted', answers: 3, height: 50 },
      { kind: 'chain-adopted', ...target, added: 1, depth: 0, returnedWords: 0 },
      { kind: 'false-chain', target, claimedBy: [at(3)], fault: 'It is false.' },
    );
    expect((await read(rig, '/status', statusSchema)).sync).toBeNull();
    const forks = await read(rig, '/forks', forksSchema);
    expect(forks.reorganisations).toMatchObject([{ forkPoint: 19, depth: 11, added: 30, returnedWords: 2 }]);
    expect(forks.falseChains).toMatchObject([{ target, fault: 'It is false.' }]);
  });
});

describe('text from the network', () => {
  test('is JSON that no browser takes for a page', async () => {
    const rig = await readRig();
    rig.engine.receive({ type: 'GOSSIP', ...at(7), id: 'x', name: HOSTILE }, at(7));
    for (const path of ['/blocks', '/blocks/30', '/leaderboard', '/peers', '/graph', '/status']) {
      const response = await rig.get(path);
      expect(response.headers.get('content-type')).toBe('application/json');
      expect(response.headers.get('x-content-type-options')).toBe('nosniff');
      expect(await response.text()).toContain('onerror=');
    }
    const block = await read(rig, '/blocks/30', blockSchema);
    expect(block).toMatchObject({
      minedBy: evil.minedBy,
      messages: evil.messages,
      nonce: evil.nonce,
      timestamp: '9223372036854775809',
      time: null,
    });
    expect(await (await rig.get('/metrics')).text()).not.toContain('onerror');
  });

  test('goes into no header and no error', async () => {
    const rig = newRig();
    const path = '/<script>alert(1)</script>';
    expect((await problem(rig.get(path))).detail).toContain('There is nothing');
    expect((await rig.get(path)).headers.get('content-security-policy')).toContain("default-src 'none'");
  });
});

describe('words', () => {
  test('are queued and shown', async () => {
    const rig = newRig();
    const response = await rig.post('/words', { word: '<b>hello</b>' });
    expect(response.status).toBe(202);
    expect(queuedWordSchema.parse(await response.json())).toMatchObject({ word: '<b>hello</b>', waiting: 1 });
    expect(await read(rig, '/words', wordsSchema)).toEqual({ words: ['<b>hello</b>'], limit: 1000 });
    expect(await problem(rig.post('/words', { word: '<b>hello</b>' }))).toMatchObject({ status: 409 });
  });

  const bad: [string, unknown, Record<string, string>, number, RegExp][] = [
    ['too long', { word: 'x'.repeat(20) }, {}, 400, /"word": it must be 1 to 19 printable ASCII/],
    ['empty', { word: '' }, {}, 400, /"word": it must be 1 to 19/],
    ['not a text', { word: 7 }, {}, 400, /"word": .*string/],
    ['not there', {}, {}, 400, /"word"/],
    ['more than a word', { word: 'x', also: 1 }, {}, 400, /"also"/],
    ['not an object', [], {}, 400, /the body/],
    ['not JSON', '{"word"', {}, 400, /not JSON/],
    [
      'of another type',
      'word=x',
      { 'content-type': 'application/x-www-form-urlencoded' },
      415,
      /must be JSON/,
    ],
    ['too much', { word: 'x', pad: 'x'.repeat(MAX_BODY_BYTES) }, {}, 413, /at most 4096 bytes/],
    ['from a page elsewhere', { word: 'x' }, { origin: 'http://evil.example' }, 403, /from elsewhere/],
    ['from nowhere', { word: 'x' }, { origin: 'null' }, 403, /from elsewhere/],
  ];
  test.each(bad)('are refused: %s', async (_, body, headers, status, detail) => {
    const rig = newRig();
    const found = await problem(rig.post('/words', body, headers));
    expect(found.status).toBe(status);
    expect(found.detail).toMatch(detail);
    expect((await read(rig, '/words', wordsSchema)).words).toEqual([]);
  });

  test('come from our own page', async () => {
    expect((await newRig().post('/words', { word: 'x' }, { origin: 'http://localhost' })).status).toBe(202);
  });

  test('are not taken where others see the page, except with the token', async () => {
    const shown = newRig({ bind: '0.0.0.0' });
    expect(await problem(shown.post('/words', { word: 'x' }))).toMatchObject({ status: 403 });
    for (const bind of ['0.0.0.0', '127.0.0.1']) {
      const rig = newRig({ bind, token: 'secret' });
      expect(await read(rig, '/access', accessSchema)).toEqual({ writing: 'token' });
      for (const authorization of [
        '',
        'secret',
        'Bearer',
        'Bearer secre',
        'Bearer secret2',
        'Basic secret',
      ]) {
        const refused = await rig.post('/words', { word: 'x' }, { authorization });
        expect(refused.headers.get('www-authenticate')).toBe('Bearer');
        expect(await problem(refused)).toMatchObject({ status: 401 });
      }
      expect((await rig.post('/words', { word: 'x' }, { authorization: 'Bearer secret' })).status).toBe(202);
    }
  });

  describe('under an id', () => {
    const submission = { word: 'order', id: 'order-7' };
    /** Somebody's block with these words, on top of ours. */
    const mined = (rig: WebRig, ...messages: string[]): void => {
      const { height } = rig.subject.status();
      const previous = rig.subject.block(height - 1) ?? null;
      const block = mineBlock(previous, { difficulty: DIFFICULTY, messages });
      rig.engine.receive({ type: 'ANNOUNCE', block }, at(1));
    };

    test('are queued once, however often they come, also when they are mined', async () => {
      const rig = newRig(undefined, plain);
      rig.meet(at(1));
      const { id, ...word } = submission;
      for (const [body, headers] of [
        [submission, undefined],
        [word, { 'idempotency-key': id }],
        [submission, { 'idempotency-key': `"${id}"` }],
      ] as const) {
        const response = await rig.post('/words', body, headers);
        expect(response.status).toBe(202);
        expect(queuedWordSchema.parse(await response.json())).toEqual({ ...submission, waiting: 1 });
      }
      const look = () => read(rig, `/words/${id}`, submittedWordSchema);
      expect(await look()).toEqual({ ...submission, state: 'waiting', height: null });
      mined(rig, 'another');
      mined(rig, 'x', word.word);
      mined(rig, 'one more');
      expect((await rig.post('/words', submission)).status).toBe(202);
      expect(rig.subject.status().words).toEqual([]);
      expect(await look()).toEqual({ ...submission, state: 'mined', height: 31 });
    });

    test('are not other words, and what was refused may come again', async () => {
      const rig = newRig();
      expect((await rig.post('/words', submission)).status).toBe(202);
      expect(await problem(rig.post('/words', { ...submission, word: 'y' }))).toMatchObject({ status: 422 });
      expect(await problem(rig.post('/words', submission, { 'idempotency-key': 'b' }))).toMatchObject({
        status: 400,
      });
      expect(await problem(rig.post('/words', { ...submission, id: 'b' }))).toMatchObject({ status: 409 });
      expect(await problem(rig.get('/words/b'))).toMatchObject({ status: 404 });
      rig.meet(at(1));
      mined(rig, submission.word);
      expect((await rig.post('/words', { ...submission, id: 'b' })).status).toBe(202);
      expect(rig.subject.status().words).toEqual([submission.word]);
    });
  });

  test('have a schema that says what the rule says', () => {
    for (const word of ['a', ' ', 'x'.repeat(19)]) expect(newWordSchema.parse({ word })).toEqual({ word });
    for (const word of ['', 'é', '\n', 'x'.repeat(20)])
      expect(newWordSchema.safeParse({ word }).success).toBe(false);
  });
});

describe('what is wrong', () => {
  const cases: [string, number, RegExp][] = [
    ['/blocks?limit=0', 400, /"limit": it must be a whole number from 1 to 100/],
    ['/blocks?limit=101', 400, /from 1 to 100/],
    ['/blocks?limit=1e1', 400, /from 1 to 100/],
    ['/blocks?limit=', 400, /from 1 to 100/],
    ['/blocks?from=-1', 400, /"from": it must be a whole number/],
    ['/blocks?from=99999999999999999', 400, /whole number/],
    ['/blocks?height=1', 400, /"height"/],
    ['/blocks/abc', 400, /the block: it is named by its height, or by its hash/],
    [`/blocks/${'A'.repeat(64)}`, 400, /in lower case/],
    ['/blocks/0x1', 400, /named by its height/],
    ['/blocks/31', 404, /no block 31/],
    ['/search', 400, /"q"/],
    ['/search?q=', 400, /"q"/],
    [`/search?q=${'a'.repeat(65)}`, 400, /"q"/],
    ['/nothing', 404, /nothing at/],
    ['/nodes', 404, /nothing at/],
    ['/blocks/1/2', 404, /nothing at/],
    ['/%zz', 404, /nothing at/],
    ['/../package.json', 404, /nothing at/],
    ['/..%2fpackage.json', 404, /nothing at/],
  ];
  test.each(cases)('GET %s', async (path, status, detail) => {
    const found = await problem((await readRig()).get(path));
    expect(found.status).toBe(status);
    expect(found.detail).toMatch(detail);
  });

  test.each([
    ['POST', '/status', 'GET, HEAD'],
    ['DELETE', '/words', 'GET, POST, HEAD'],
    ['PUT', '/blocks/1', 'GET, HEAD'],
    ['OPTIONS', '/words', 'GET, POST, HEAD'],
    ['PATCH', '/', 'GET, HEAD'],
  ])('%s %s', async (method, path, allow) => {
    const response = await newRig().get(path, { method, headers: { 'content-type': 'application/json' } });
    expect(response.headers.get('allow')).toBe(allow);
    expect(await problem(response)).toMatchObject({ status: 405 });
  });

  test('too much at once, until a second later', async () => {
    const rig = newRig();
    for (let count = 0; count < REQUESTS_BURST; count++) expect((await rig.get('/healthz')).status).toBe(200);
    const refused = await rig.get('/healthz');
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await problem(refused)).toMatchObject({ status: 429 });
    rig.now += 1_000;
    expect((await rig.get('/healthz')).status).toBe(200);
    expect(await (await rig.get('/metrics')).text()).toContain(
      'gossip_peer_dropped_total{limit="http-requests"} 1\n',
    );
  });

  test('another name for this machine, where only it can ask (DNS rebinding)', async () => {
    const ask = async (bind: string, host: string): Promise<number> =>
      (await newRig({ bind }).get('/status', { headers: { host } })).status;
    for (const host of ['localhost', 'localhost:8998', '127.0.0.1:8998', '[::1]:1', 'LOCALHOST'])
      expect(await ask('127.0.0.1', host)).toBe(200);
    for (const host of [
      'evil.example',
      'evil.example:8998',
      'localhost.evil.example',
      '127.0.0.1.nip.io',
      '',
    ])
      expect(await ask('127.0.0.1', host)).toBe(421);
    expect(await ask('0.0.0.0', 'peer.example')).toBe(200);
  });

  test('every answer, good or bad, forbids browsers all but our own files', async () => {
    const rig = newRig();
    for (const path of ['/status', '/nothing', '/', '/metrics', '/blocks?limit=x']) {
      const { headers } = await rig.get(path);
      expect(headers.get('content-security-policy')).toBe(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
          "base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
      );
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('access-control-allow-origin')).toBeNull();
    }
  });

  test('a node that has failed is said in one sentence, without what went wrong', async () => {
    const rig = newRig();
    rig.subject.request = () => {
      throw new Error('secret path');
    };
    const found = await problem(rig.post('/words', { word: 'x' }));
    expect(found.status).toBe(500);
    expect(found.detail).not.toContain('secret');
    expect(rig.faults.splice(0)).toMatchObject([{ message: 'secret path' }]);
  });
});

describe('the description', () => {
  interface Description {
    openapi: string;
    paths: Record<string, Record<string, { responses: Record<string, unknown>; parameters?: unknown[] }>>;
    components: { schemas: Record<string, unknown> };
  }

  test('lists every route but the files of the page, each with its answers', async () => {
    const rig = newRig();
    const description = (await rig.json('/openapi.json')) as Description;
    expect(description.openapi).toBe('3.1.0');
    const served = rig.web.app.routes
      .filter(({ method, path }) => method !== 'ALL' && !/[*]|^\/$|\.\w+$/.test(path))
      .map(({ method, path }) => `${method.toLowerCase()} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
    const described = Object.entries(description.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method} ${path}`),
    );
    expect(described.sort()).toEqual(served.sort());
    for (const operations of Object.values(description.paths)) {
      for (const { responses } of Object.values(operations)) expect(responses).toHaveProperty('default');
    }
    expect(Object.keys(description.components.schemas)).toContain('EventBlock');
    expect(JSON.stringify(description)).not.toContain('$schema');
  });

  test('says of the parameters what the validation does', async () => {
    const description = (await newRig().json('/openapi.json')) as Description;
    expect(description.paths['/blocks']?.['get']?.parameters).toMatchObject([
      { name: 'from', in: 'query', required: false, schema: { type: 'integer', minimum: 0 } },
      { name: 'limit', required: false, schema: { type: 'integer', minimum: 1, maximum: 100, default: 20 } },
    ]);
    expect(description.paths['/search']?.['get']?.parameters).toMatchObject([{ name: 'q', required: true }]);
    expect(description.paths['/blocks/{id}']?.['get']?.parameters).toMatchObject([
      { name: 'id', in: 'path' },
    ]);
  });
});

describe('the files of the page', () => {
  test('are served, compressed where that is understood, and not again where they are known', async () => {
    const rig = newRig();
    const page = await rig.get('/');
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(await page.text()).toContain('<!doctype html>');
    const files: [string, string][] = [
      ['/style.css', 'text/css; charset=utf-8'],
      ['/icon.svg', 'image/svg+xml'],
      ['/uPlot.iife.min.js', 'text/javascript; charset=utf-8'],
      ['/uPlot.min.css', 'text/css; charset=utf-8'],
    ];
    for (const [path, type] of files) {
      const file = await rig.get(path);
      expect(file.status).toBe(200);
      expect(file.headers.get('content-type')).toBe(type);
      const zipped = await rig.get(path, { headers: { 'accept-encoding': 'gzip, br' } });
      expect(zipped.headers.get('content-encoding')).toBe('gzip');
      const etag = file.headers.get('etag') ?? '';
      const known = await rig.get(path, { headers: { 'if-none-match': etag } });
      expect(known.status).toBe(304);
    }
  });

  test('are no other files', async () => {
    for (const path of ['/tsconfig.json', '/index.html.ts', '/main.ts', '/schemas.js'])
      expect((await newRig().get(path)).status).toBe(404);
  });
});

test('a block that is announced is shown with when and how it came', async () => {
  const rig = newRig();
  const block = mineBlock(evil, { difficulty: DIFFICULTY });
  rig.engine.receive({ type: 'ANNOUNCE', block }, at(1));
  rig.report();
  expect(await read(rig, '/blocks/31', blockSchema)).toMatchObject({
    source: 'announced',
    arrivedAt: new Date(rig.now).toISOString(),
  });
  expect(await read(rig, '/blocks/30', blockSchema)).toMatchObject({ source: null, arrivedAt: null });
});
