import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import {
  EVENT_INTERVAL,
  HEARTBEAT,
  MAX_EVENTS_PER_INTERVAL,
  MAX_QUEUED_BYTES,
  MAX_STREAMS_PER_CLIENT,
  RATE_STEP,
  RECONNECT,
} from '../../peer/web/limits.ts';
import { eventSchemas, statusSchema } from '../../peer/engines/pow/face/schemas.ts';
import { glanceSchema, happeningSchema, stepSchema, tableSchema } from '../../peer/web/schemas.ts';
import type { Block } from '../../shared/block.ts';
import { buildChain, extendChain } from '../support/chains.ts';
import { at } from '../engines/pow/protocol/rig.ts';
import { DIFFICULTY, WebRig, hostileBlock } from './web-rig.ts';

const chain = buildChain(3, { difficulty: DIFFICULTY });

const SCHEMAS = {
  ...{ status: statusSchema, glance: glanceSchema, step: stepSchema, journal: happeningSchema },
  ...{ table: tableSchema, ...eventSchemas },
};

/** A client of `/events`, as a browser reads it. */
class Listener {
  ended = false;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #pending: Promise<{ done: boolean; value?: Uint8Array | undefined }> | undefined;

  constructor(response: Response) {
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    if (response.body === null) throw new Error('no stream');
    this.#reader = response.body.getReader();
  }

  /** Everything that has come. */
  async text(): Promise<string> {
    let text = '';
    for (;;) {
      this.#pending ??= this.#reader.read();
      const chunk = await Promise.race([this.#pending, settled()]);
      if (chunk === undefined) return text;
      this.#pending = undefined;
      this.ended = chunk.done;
      if (chunk.done) return text;
      text += new TextDecoder().decode(chunk.value);
    }
  }

  /** The events that have come, each checked by its schema. */
  async events(): Promise<{ name: string; data: unknown }[]> {
    return (await this.text())
      .split('\n\n')
      .filter((text) => text.startsWith('event: '))
      .map((text) => {
        const [, name = '', json = ''] = /^event: ([a-z]+)\ndata: ([^\n]+)$/.exec(text) ?? [];
        const data: unknown = JSON.parse(json);
        SCHEMAS[name as keyof typeof SCHEMAS].parse(data);
        return { name, data };
      });
  }

  /** The names of the events that have come, but for the tables that changed. */
  async names(): Promise<string[]> {
    return (await this.events()).map(({ name }) => name).filter((name) => name !== 'table');
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel();
  }
}

/** Nothing more comes without time passing: microtasks have had their turn. */
async function settled(): Promise<undefined> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  return undefined;
}

let rig: WebRig;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval'] });
  rig = new WebRig(chain);
});
afterEach(() => {
  rig.web.close();
  vi.useRealTimers();
});

async function listen(): Promise<Listener> {
  return new Listener(await rig.get('/events'));
}

function announce(block: Block): void {
  rig.engine.receive({ type: 'ANNOUNCE', block }, at(1));
  rig.report();
}

async function streams(): Promise<number> {
  const text = await (await rig.get('/metrics')).text();
  return Number(/^gossip_peer_event_streams (\d+)$/m.exec(text)?.[1]);
}

describe('a stream', () => {
  test('begins with how soon to come back, and with the status', async () => {
    expect(await (await listen()).text()).toMatch(
      new RegExp(`^retry: ${RECONNECT}\n\nevent: status\ndata: `),
    );
    expect(await (await listen()).events()).toMatchObject([{ name: 'status', data: { height: 3 } }]);
  });

  test('tells each block at once, as one line of JSON whatever is in it', async () => {
    const listener = await listen();
    await listener.events();
    const evil = hostileBlock(chain.at(-1) ?? null);
    announce(evil);
    const events = await listener.events();
    expect(events).toMatchObject([
      { name: 'block', data: { height: 3, minedBy: evil.minedBy, source: 'announced' } },
    ]);
  });

  test('tells what changed, and the status once an interval however much that was', async () => {
    const listener = await listen();
    await listener.events();
    rig.attach();
    await rig.post('/words', { word: 'hello' });
    rig.meet(at(2));
    const target = { height: 9, hash: `${'c'.repeat(63)}0` };
    rig.report(
      { kind: 'consensus-started', peers: 1 },
      { kind: 'sync-started', target, forkPoint: 0, peers: 1 },
    );
    expect(await listener.names()).toEqual(['peer', 'consensus']);
    await vi.advanceTimersByTimeAsync(EVENT_INTERVAL);
    expect(await listener.names()).toEqual([...['status', 'glance', 'sync', 'words', 'miners']]);
    rig.report(
      { kind: 'chain-adopted', ...target, added: 8, depth: 2, returnedWords: 0 },
      { kind: 'false-chain', target, claimedBy: [at(2)], fault: 'x' },
      { kind: 'chain-unavailable', target },
      { kind: 'consensus-finished', outcome: 'adopted', answers: 1, height: 9 },
      { kind: 'peer-dropped', peer: at(2), peers: 0 },
      { kind: 'waiting' },
    );
    expect(await listener.names()).toEqual([
      ...['chain', 'journal', 'consensus', 'journal', 'consensus', 'journal'],
      ...['consensus', 'peer', 'consensus'],
    ]);
    await vi.advanceTimersByTimeAsync(EVENT_INTERVAL);
    const last = await listener.events();
    expect(last).toContainEqual({ name: 'sync', data: null });
    await vi.advanceTimersByTimeAsync(EVENT_INTERVAL);
    expect(await listener.events()).toEqual([]);
  });

  test('tells no more blocks at once than anybody could follow', async () => {
    const listener = await listen();
    await listener.events();
    const longer = extendChain(chain, MAX_EVENTS_PER_INTERVAL + 20, { difficulty: DIFFICULTY });
    for (const block of longer.slice(chain.length)) announce(block);
    expect(await listener.events()).toHaveLength(MAX_EVENTS_PER_INTERVAL);
    await vi.advanceTimersByTimeAsync(EVENT_INTERVAL);
    expect(await listener.events()).toContainEqual(
      expect.objectContaining({
        name: 'status',
        data: expect.objectContaining({ height: longer.length }) as unknown,
      }),
    );
  });

  test('tells miners and status now and then, and shows that it lives', async () => {
    const listener = await listen();
    await vi.advanceTimersByTimeAsync(EVENT_INTERVAL);
    await listener.events();
    rig.now += RATE_STEP;
    await vi.advanceTimersByTimeAsync(EVENT_INTERVAL);
    expect(await listener.names()).toEqual(['step', 'status', 'glance', 'miners']);
    await vi.advanceTimersByTimeAsync(HEARTBEAT);
    expect(await listener.text()).toContain('\n\n: still here\n\n');
  });
});

describe('bounds', () => {
  test('a client that does not read is cut off, and the others hear everything', async () => {
    const slow = await rig.get('/events');
    const listener = await listen();
    await listener.events();
    let reported = 0;
    let last: Block = chain.at(-1) ?? hostileBlock(null);
    for (let bytes = 0; bytes < MAX_QUEUED_BYTES + 10_000;) {
      last =
        extendChain([last as never], 1, { difficulty: DIFFICULTY, minedBy: 'm'.repeat(3_000) })[1] ?? last;
      rig.report({ kind: 'block', block: last, source: 'announced' });
      bytes += 3_000;
      reported += (await listener.events()).filter(({ name }) => name === 'block').length;
      await vi.advanceTimersByTimeAsync(EVENT_INTERVAL);
    }
    expect(reported).toBeGreaterThan(80);
    expect(listener.ended).toBe(false);
    expect(await streams()).toBe(1);
    expect(await (await rig.get('/metrics')).text()).toContain(
      'gossip_peer_dropped_total{limit="http-slow-streams"} 1\n',
    );
    // What it gets when it reads again is the beginning, and the end.
    const rest = new Listener(slow);
    while (!rest.ended) await rest.events();
  });

  test('so many streams for one client, until one of them ends', async () => {
    const listeners = [];
    for (let count = 0; count < MAX_STREAMS_PER_CLIENT; count++) listeners.push(await listen());
    const refused = await rig.get('/events');
    expect(refused.status).toBe(503);
    expect(refused.headers.get('content-type')).toBe('application/problem+json');
    await listeners[0]?.cancel();
    expect(await streams()).toBe(MAX_STREAMS_PER_CLIENT - 1);
    expect((await rig.get('/events')).status).toBe(200);
  });

  test('asking for the headers opens no stream', async () => {
    expect((await rig.get('/events', { method: 'HEAD' })).status).toBe(200);
    expect(await streams()).toBe(0);
  });

  test('closing ends every stream, and nothing is left that runs', async () => {
    const listener = await listen();
    await listener.events();
    rig.report({ kind: 'waiting' });
    rig.web.close();
    await listener.events();
    expect(listener.ended).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});
