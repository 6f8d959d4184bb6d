import { onceOf } from '../../../../peer/applications/once.ts';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { z } from 'zod';

import {
  EVENT_INTERVAL,
  MAX_EVENTS_PER_INTERVAL,
  MAX_REMEMBERED,
  MAX_SUBMISSIONS,
  MAX_SHOWN_REQUESTS,
  MAX_SHOWN_TEXT,
  RATE_STEPS,
  STEP_SECONDS,
  STEP_VALUES,
  SUBMIT_PATIENCE,
} from '../../../../peer/web/limits.ts';
import {
  checkpointsSchema,
  eventSchemas as ownEvents,
  offencesSchema,
  performanceSchema,
  replicasSchema,
  requestsSchema,
  viewChangesSchema,
} from '../../../../peer/engines/pbft/face/schemas.ts';
import { SubmitError } from '../../../../peer/engines/pbft/node/subject.ts';
import {
  accessSchema,
  glanceSchema,
  happeningSchema,
  healthSchema,
  problemSchema,
  readySchema,
  stepSchema,
  tableSchema,
} from '../../../../peer/web/schemas.ts';
import type { AppOptions } from '../../../../peer/web/server.ts';
import {
  HOSTILE,
  ReplicaRig,
  answerSchema,
  pendingSchema,
  statusSchema,
  submissionSchema,
} from './replica-rig.ts';

/** What was always sent. */
const eventSchemas = { ...ownEvents, status: statusSchema, answer: answerSchema };
/** What is sent besides, of every engine. */
const NODE_EVENTS = { glance: glanceSchema, table: tableSchema, step: stepSchema, journal: happeningSchema };

const rigs: ReplicaRig[] = [];
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval'] });
});
afterEach(() => {
  for (const rig of rigs.splice(0)) {
    rig.web.close();
    expect(rig.faults).toEqual([]);
  }
  vi.useRealTimers();
});

function newRig(options: Partial<AppOptions> = {}): ReplicaRig {
  const rig = new ReplicaRig(options);
  rigs.push(rig);
  return rig;
}

async function read<T extends z.ZodType>(rig: ReplicaRig, path: string, schema: T): Promise<z.output<T>> {
  const response = await rig.get(path);
  expect(response.status, path).toBe(200);
  return schema.parse(await response.json());
}

async function problem(response: Response | Promise<Response>): Promise<z.output<typeof problemSchema>> {
  const answer = await response;
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  const found = problemSchema.parse(await answer.json());
  expect(found.status).toBe(answer.status);
  expect(found.detail).toMatch(/^[A-Z"][^\n]+[.]$/);
  return found;
}

/** Time passes, for the rig's clocks and its timers. */
async function pass(rig: ReplicaRig, milliseconds: number): Promise<void> {
  rig.now += milliseconds;
  await vi.advanceTimersByTimeAsync(milliseconds);
}

describe('what is told', () => {
  test('where the replica stands', async () => {
    const rig = newRig();
    rig.replica.become({
      view: 4,
      primary: 0,
      proposed: 150,
      executed: 149,
      low: 100,
      high: 300,
      waiting: 3,
    });
    expect(await read(rig, '/status', statusSchema)).toMatchObject({
      ...{ engine: 'pbft', cluster: 'test', application: 'kv', self: 0, replicas: 4, faulty: 1, quorum: 3 },
      ...{ view: 4, primary: 0, phase: 'normal', proposed: 150, executed: 149, low: 100, high: 300 },
      ...{ full: false, waiting: 3, timeoutMs: 10_000, connected: 3 },
      ...{ latency: null, viewChange: null, transfer: null },
    });
    rig.replica.become({ proposed: 300 });
    expect(await read(rig, '/status', statusSchema)).toMatchObject({ full: true });
  });

  test('every replica, how far behind it is, and the connection with it', async () => {
    const rig = newRig();
    const { replica } = rig;
    replica.become({
      ...{ view: 2, primary: 2, executed: 90, low: 50 },
      others: [
        { replica: 1, view: 2, changing: true, executed: 95, stable: 50, silence: 10.6, offences: 0 },
        { replica: 2, view: 1, changing: false, executed: 80, stable: 50, silence: 90_000, offences: 3 },
        { replica: 3, view: 0, changing: false, executed: 0, stable: 0, silence: null, offences: 0 },
      ],
    });
    replica.connections = replica.connections.map((one) =>
      one.member === 3 ? { ...one, state: 'blocked', address: null, connectedSince: null } : one,
    );
    const { replicas } = await read(rig, '/replicas', replicasSchema);
    expect(replicas).toMatchObject([
      { replica: 0, self: true, primary: false, view: 2, behind: 5, connection: null, silenceMs: 0 },
      { replica: 1, self: false, changing: true, behind: 0, silenceMs: 11, connection: { state: 'up' } },
      { replica: 2, primary: true, view: 1, behind: 15, offences: 3, publicKey: '2'.repeat(64) },
      { replica: 3, silenceMs: null, connection: { state: 'blocked', address: null, connectedSince: null } },
    ]);
    expect(await read(rig, '/status', statusSchema)).toMatchObject({ connected: 2 });
  });

  test('the requests that were executed last, with their texts cut and described', async () => {
    const rig = newRig();
    for (let batch = 0; batch < 30; batch++) rig.replica.execute([{}, {}, {}, {}]);
    rig.replica.execute([{ client: 3, operation: HOSTILE, result: 'r'.repeat(40_000) }]);
    const { executed, requests } = await read(rig, '/requests', requestsSchema);
    expect(executed).toBe(121);
    expect(requests).toHaveLength(MAX_SHOWN_REQUESTS);
    expect(requests[0]).toMatchObject({ sequence: 31, client: 3, operation: HOSTILE });
    expect(requests[0]?.result).toHaveLength(MAX_SHOWN_TEXT);
    expect(requests[0]?.text).toMatch(/^answer r+…$/);
    expect(requests[1]).toMatchObject({ sequence: 30, timestamp: 30_003, text: 'answer {"stored":true}' });
    expect((await rig.get('/requests')).headers.get('content-type')).toBe('application/json');
  });

  test('view changes: why, how many attempts they took, and how long', async () => {
    const rig = newRig();
    const { replica } = rig;
    replica.report({ kind: 'view-change-started', view: 1, reason: 'timeout' });
    await pass(rig, 1_500);
    expect((await read(rig, '/status', statusSchema)).viewChange).toMatchObject({
      ...{ from: 0, view: 1, reason: 'timeout', attempts: 1, endedAt: null, tookMs: null, primary: null },
    });
    replica.report({ kind: 'view-change-started', view: 2, reason: 'no new view' });
    await pass(rig, 500);
    replica.report({ kind: 'view-entered', view: 2, primary: 2, carried: 4 });
    // One that was away is told of a view.
    replica.report({ kind: 'view-entered', view: 7, primary: 3, carried: 0 });
    expect((await read(rig, '/view-changes', viewChangesSchema)).viewChanges).toMatchObject([
      { from: 2, view: 7, reason: 'told', attempts: 0, tookMs: 0, primary: 3 },
      { from: 0, view: 2, reason: 'timeout', attempts: 2, tookMs: 2_000, primary: 2, carried: 4 },
    ]);
    expect((await read(rig, '/status', statusSchema)).viewChange).toBeNull();
  });

  test('checkpoints, states that were fetched, and where ours was another one', async () => {
    const rig = newRig();
    const { replica } = rig;
    replica.report(
      { kind: 'checkpoint', sequence: 100, digest: 'aa' },
      { kind: 'transfer-started', sequence: 200, executed: 100 },
      { kind: 'transfer-progress', pages: 3, total: 9 },
    );
    expect((await read(rig, '/status', statusSchema)).transfer).toMatchObject({
      ...{ sequence: 200, executed: 100, pages: 3, total: 9, finishedAt: null },
    });
    // The others have gone on meanwhile.
    replica.report({ kind: 'transfer-started', sequence: 300, executed: 100 });
    await pass(rig, 1_000);
    replica.report({ kind: 'transfer-finished', sequence: 300, pages: 5 });
    replica.report({ kind: 'diverged', sequence: 400, digest: 'bb' });
    const reported = await read(rig, '/checkpoints', checkpointsSchema);
    expect(reported.checkpoints).toMatchObject([{ sequence: 100, digest: 'aa' }]);
    expect(reported.divergences).toMatchObject([{ sequence: 400, digest: 'bb' }]);
    expect(reported.transfers).toMatchObject([{ sequence: 300, executed: 100, pages: 5, total: 5 }]);
    const [transfer] = reported.transfers;
    expect(Date.parse(transfer?.finishedAt ?? '') - Date.parse(transfer?.startedAt ?? '')).toBe(1_000);
  });

  test('offences, as many as there is room for', async () => {
    const rig = newRig();
    for (let member = 0; member < MAX_REMEMBERED + 10; member++)
      rig.replica.report({ kind: 'offence', member, rule: 'equivocation' });
    const { offences } = await read(rig, '/offences', offencesSchema);
    expect(offences).toHaveLength(MAX_REMEMBERED);
    expect(offences[0]).toMatchObject({ member: MAX_REMEMBERED + 9, rule: 'equivocation' });
  });

  test('rates and latencies, by steps of time and of the last batches', async () => {
    const rig = newRig();
    const step = STEP_SECONDS * 1_000;
    for (let total = 1; total <= 100; total++) rig.replica.execute([{}, {}], total);
    await pass(rig, step);
    // Decided by others: it has no times of its own.
    rig.replica.report({
      ...{ kind: 'executed', sequence: 101, view: 0, digest: 'x', requests: [], phases: undefined },
    });
    await pass(rig, step);
    const reported = await read(rig, '/performance', performanceSchema);
    expect(reported).toMatchObject({
      requestsPerSecond: [200 / STEP_SECONDS, 0],
      batchesPerSecond: [100 / STEP_SECONDS, 1 / STEP_SECONDS],
      totalMs: [50, null],
      totalP99Ms: [99, null],
      commitMs: [25, null],
    });
    expect(Date.parse(reported.endsAt)).toBe(rig.now);
    const status = await read(rig, '/status', statusSchema);
    expect(status.latency).toMatchObject({ batches: 100, total: { p50: 50, p90: 90, p99: 99 } });
    expect(status.requestsPerSecond).toBe(200 / STEP_SECONDS / 2);
    for (let count = 0; count < RATE_STEPS; count++) await pass(rig, step);
    expect(await read(rig, '/status', statusSchema)).toMatchObject({ requestsPerSecond: 0, requests: 200 });
    for (let count = 0; count < STEP_VALUES; count++) await pass(rig, step);
    expect((await read(rig, '/performance', performanceSchema)).totalMs).toHaveLength(STEP_VALUES);
  });

  test('that the process runs, and whether the replica can do its work', async () => {
    const rig = newRig();
    expect(await read(rig, '/healthz', healthSchema)).toEqual({ status: 'ok' });
    expect(await read(rig, '/readyz', readySchema)).toEqual({ status: 'ready' });
    rig.replica.become({ phase: 'changing view' });
    expect(await problem(rig.get('/readyz'))).toMatchObject({ status: 503, detail: /changing view/ });
    rig.replica.become({ phase: 'normal' });
    rig.replica.connections = rig.replica.connections.map((one) => ({ ...one, state: 'down' }));
    expect((await problem(rig.get('/readyz'))).detail).toMatch(/Only 1 .* a quorum is 3/);
  });

  test('a description of everything that there is', async () => {
    const rig = newRig();
    const document = (await (await rig.get('/openapi.json')).json()) as {
      paths: Record<string, Record<string, { responses: Record<string, unknown> }>>;
      components: { schemas: Record<string, unknown> };
    };
    expect(Object.keys(document.paths).sort()).toEqual(
      [
        ...['/access', '/checkpoints', '/events', '/healthz', '/metrics', '/offences', '/performance'],
        ...['/readyz', '/replicas', '/requests', '/requests/{id}', '/status', '/view-changes'],
        ...['/view', '/view/glance', '/actions/look-up', '/actions/look-up/{id}'],
      ].sort(),
    );
    expect(Object.keys(document.paths['/requests']?.['post']?.responses ?? {})).toEqual(
      expect.arrayContaining(['200', '202', '400', '401', '403', '409', '413', '503']),
    );
    expect(Object.keys(document.components.schemas)).toEqual(
      expect.arrayContaining(['Problem', 'EventStatus', 'EventView', 'EventAnswer']),
    );
    // Nothing of the other engine.
    expect((await rig.get('/blocks')).status).toBe(404);
  });
});

describe('a submission', () => {
  test('has the operation executed, and gives the answer with its latency', async () => {
    const rig = newRig();
    rig.replica.onSubmit = async (operation) => {
      await pass(rig, 40);
      return `{"of":${operation}}`;
    };
    const response = await rig.post('/requests', { line: 'get key' });
    expect(response.status).toBe(200);
    expect(answerSchema.parse(await response.json())).toEqual({
      ...{
        id: expect.any(String) as string,
        operation: '["get","key"]',
        result: '{"of":["get","key"]}',
        waitedMs: 40,
      },
      text: 'answer {"of":["get","key"]}',
    });
  });

  test('that takes long is left to an event', async () => {
    const rig = newRig();
    const stream = (await rig.get('/events')).body?.pipeThrough(new TextDecoderStream()).getReader();
    let heard = (await stream?.read())?.value ?? '';
    let answer: (result: string) => void = () => undefined;
    rig.replica.onSubmit = () => new Promise((resolve) => (answer = resolve));
    const posted = rig.post('/requests', { line: 'put a b' });
    // It is read before time passes.
    await vi.advanceTimersByTimeAsync(1);
    await pass(rig, SUBMIT_PATIENCE);
    const response = await posted;
    expect(response.status).toBe(202);
    const { id, ...pending } = pendingSchema.parse(await response.json());
    expect(pending).toEqual({ operation: '["put","a","b"]', waitedMs: SUBMIT_PATIENCE });
    const become = { id, result: null, text: null };
    expect(await read(rig, `/requests/${id}`, submissionSchema)).toEqual({ ...become, state: 'waiting' });
    answer('{"stored":true}');
    while (!heard.includes('event: answer')) heard += (await stream?.read())?.value ?? '';
    const [, json = ''] = /event: answer\ndata: ([^\n]+)\n/.exec(heard) ?? [];
    expect(eventSchemas.answer.parse(JSON.parse(json))).toMatchObject({ id, result: '{"stored":true}' });
    expect(await read(rig, `/requests/${id}`, submissionSchema)).toEqual({
      ...{ id, state: 'answered', result: '{"stored":true}', text: 'answer {"stored":true}' },
    });
  });

  describe('under an id', () => {
    const put = { line: 'put a b', id: 'order-7' };

    test('is made once, however often it comes while its answer is awaited or known', async () => {
      const rig = newRig();
      const submitted: unknown[] = [];
      let answer: (result: string) => void = () => undefined;
      rig.replica.onSubmit = (operation, id) => {
        submitted.push([operation, id]);
        return new Promise((resolve) => (answer = resolve));
      };
      const posted = [rig.post('/requests', put), rig.post('/requests', put)];
      await vi.advanceTimersByTimeAsync(1);
      await pass(rig, SUBMIT_PATIENCE);
      for (const one of posted) expect((await one).status).toBe(202);
      const heard = new Array<unknown>();
      const stream = (await rig.get('/events')).body?.pipeThrough(new TextDecoderStream()).getReader();
      answer('{"stored":true}');
      await pass(rig, 0);
      const again = await rig.post('/requests', { line: put.line }, { 'idempotency-key': '"order-7"' });
      expect(again.status).toBe(200);
      expect(answerSchema.parse(await again.json())).toMatchObject({ id: put.id, result: '{"stored":true}' });
      expect(submitted).toEqual([['["put","a","b"]', 'order-7']]);
      await pass(rig, 2_000);
      rig.replica.report({ kind: 'offence', member: 1, rule: 'x' });
      while (!heard.join('').includes('event: offence')) heard.push((await stream?.read())?.value);
      expect(heard.join('').match(/event: answer/g)).toHaveLength(1);
    });

    test('is told of by whatever the cluster has executed under it, as long as that is remembered', async () => {
      const rig = newRig();
      rig.replica.recalled.set('order-7', ['{"stored":false}']);
      expect(await read(rig, '/requests/order-7', submissionSchema)).toEqual({
        ...{ id: 'order-7', state: 'answered', result: '{"stored":false}', text: 'answer {"stored":false}' },
      });
      expect(await problem(rig.get('/requests/order-8'))).toMatchObject({ status: 404 });
      expect(await problem(rig.get('/requests/a%20b'))).toMatchObject({ status: 400 });
    });

    test('is not that of another operation, here or elsewhere', async () => {
      const rig = newRig();
      expect((await rig.post('/requests', put)).status).toBe(200);
      expect(await problem(rig.post('/requests', { ...put, line: 'put a c' }))).toMatchObject({
        status: 422,
      });
      rig.replica.onSubmit = () => Promise.resolve('{"error":"id-reused"}');
      expect(await problem(rig.post('/requests', { ...put, id: 'order-8' }))).toMatchObject({ status: 422 });
    });

    test('may be made again where it had no answer', async () => {
      const rig = newRig();
      rig.replica.onSubmit = () => Promise.reject(new SubmitError('closed', 'it is closed'));
      expect(await problem(rig.post('/requests', put))).toMatchObject({ status: 503 });
      rig.replica.onSubmit = () => Promise.resolve('{}');
      expect((await rig.post('/requests', put)).status).toBe(200);
    });

    test.each([
      ['spaces', { ...put, id: 'a b' }, {}],
      ['nothing', { ...put, id: '' }, {}],
      ['129 characters', { ...put, id: 'a'.repeat(129) }, {}],
      ['another type', { ...put, id: 7 }, {}],
      ['an end of line in the header', { line: 'get a' }, { 'idempotency-key': 'é' }],
      ['one in the header and another in the body', put, { 'idempotency-key': 'order-8' }],
    ])('refuses %s', async (_, body, headers) => {
      const rig = newRig();
      expect(await problem(rig.post('/requests', body, headers))).toMatchObject({ status: 400 });
    });

    test('is named beside the operation in the list of requests', async () => {
      const rig = newRig();
      rig.replica.execute([{ operation: onceOf({ id: 'order-7', operation: '["get","a"]' }) }, {}]);
      const { requests } = await read(rig, '/requests', requestsSchema);
      expect(requests.map(({ id, operation }) => [id, operation])).toEqual([
        [null, '["put","key-1","value"]'],
        ['order-7', '["get","a"]'],
      ]);
    });
  });

  test('says why it is not taken', async () => {
    const rig = newRig();
    const post = (line: unknown): Promise<z.output<typeof problemSchema>> =>
      problem(rig.post('/requests', { line }));
    expect(await post('nonsense')).toMatchObject({
      ...{ status: 400, detail: 'What is to be done? As in: get <key>.' },
    });
    expect(await post('')).toMatchObject({ status: 400, detail: '"line": it must not be empty.' });
    expect(await post(7)).toMatchObject({ status: 400 });
    expect(await post('x'.repeat(20_001))).toMatchObject({ status: 400 });
    for (const [fault, status] of [
      ['rejected', 409],
      ['closed', 503],
      ['unanswered', 503],
    ] as const) {
      rig.replica.onSubmit = () => Promise.reject(new SubmitError(fault, `it is ${fault}`));
      expect(await post('get key')).toMatchObject({ status, detail: `It is ${fault}.` });
    }
  });

  test('takes a body that any operation fits into, and none beyond', async () => {
    const rig = newRig();
    // Each of these is six bytes in JSON that escapes what is not ASCII.
    const line = `put k ${'\\u4e2d'.repeat(16_000)}`;
    const headers = { 'content-type': 'application/json' };
    const send = (body: string): Promise<Response> => rig.get('/requests', { method: 'POST', headers, body });
    expect((await send(`{"line":"${line}"}`)).status).toBe(200);
    expect((await send(`{"line":"${'x'.repeat(140_000)}"}`)).status).toBe(413);
  });

  test('waits with so many others, and no more', async () => {
    const rig = newRig();
    rig.replica.onSubmit = () => new Promise(() => undefined);
    const posted = Array.from({ length: MAX_SUBMISSIONS }, () => rig.post('/requests', { line: 'get a' }));
    await pass(rig, 0);
    expect(await problem(rig.post('/requests', { line: 'get a' }))).toMatchObject({ status: 503 });
    await pass(rig, SUBMIT_PATIENCE);
    for (const one of posted) expect((await one).status).toBe(202);
    // They are still waiting, whoever has gone.
    expect((await rig.post('/requests', { line: 'get a' })).headers.get('retry-after')).toBe('1');
    expect(await (await rig.get('/metrics')).text()).toContain(
      'gossip_peer_dropped_total{limit="http-submissions"} 2\n',
    );
  });

  test('is not taken where others see the page, except with the token', async () => {
    const shown = newRig({ bind: '0.0.0.0' });
    expect(await problem(shown.post('/requests', { line: 'get a' }))).toMatchObject({ status: 403 });
    expect(await read(shown, '/access', accessSchema)).toEqual({ writing: 'off' });
    const rig = newRig({ bind: '0.0.0.0', token: 'secret' });
    expect(await problem(rig.post('/requests', { line: 'get a' }))).toMatchObject({ status: 401 });
    const authorization = 'Bearer secret';
    expect((await rig.post('/requests', { line: 'get a' }, { authorization })).status).toBe(200);
    const elsewhere = { authorization, origin: 'http://evil.example' };
    expect(await problem(rig.post('/requests', { line: 'get a' }, elsewhere))).toMatchObject({ status: 403 });
  });
});

describe('events', () => {
  test('tell what happens at once, and the status once an interval however much that was', async () => {
    const rig = newRig();
    const reader = (await rig.get('/events')).body?.pipeThrough(new TextDecoderStream()).getReader();
    const heard: string[] = [];
    void (async () => {
      for (;;) {
        const { value, done } = (await reader?.read()) ?? { done: true };
        if (done) return;
        heard.push(...value.split('\n\n').filter((text) => text.startsWith('event: ')));
      }
    })();
    const names = async (wait: number): Promise<string[]> => {
      await pass(rig, wait);
      for (let turn = 0; turn < 50; turn++) await Promise.resolve();
      return heard.splice(0).flatMap((text) => {
        const [, name = '', json = ''] = /^event: ([a-z]+)\ndata: ([^\n]+)$/.exec(text) ?? [];
        const every = NODE_EVENTS[name as keyof typeof NODE_EVENTS] as z.ZodType | undefined;
        (every ?? eventSchemas[name as keyof typeof eventSchemas]).parse(JSON.parse(json));
        return every === undefined ? [name] : [];
      });
    };
    await names(0);
    const { replica } = rig;
    replica.execute([{}]);
    replica.report(
      { kind: 'view-change-started', view: 1, reason: 'joined' },
      { kind: 'view-entered', view: 1, primary: 1, carried: 1 },
      { kind: 'checkpoint', sequence: 1, digest: 'aa' },
      { kind: 'transfer-started', sequence: 9, executed: 1 },
      { kind: 'transfer-finished', sequence: 9, pages: 2 },
      { kind: 'diverged', sequence: 9, digest: 'bb' },
      { kind: 'offence', member: 1, rule: 'equivocation' },
    );
    expect(await names(0)).toEqual([
      ...['executed', 'view', 'view', 'checkpoint', 'transfer', 'transfer', 'diverged', 'offence'],
    ]);
    expect(await names(EVENT_INTERVAL)).toEqual(['status']);
    for (let count = 0; count < MAX_EVENTS_PER_INTERVAL + 20; count++) replica.execute([{}]);
    expect(await names(0)).toHaveLength(MAX_EVENTS_PER_INTERVAL);
    await names(EVENT_INTERVAL);
    // Nothing happens, but rates go down and silence grows.
    expect(await names(2 * STEP_SECONDS * 1_000)).toContain('status');
  });
});
