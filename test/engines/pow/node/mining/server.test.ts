import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { MiningLimits } from '../../../../../peer/engines/pow/node/mining/limits.ts';
import {
  MiningServer,
  type MiningServerOptions,
} from '../../../../../peer/engines/pow/node/mining/server.ts';
import { findTemplate } from '../../../../../peer/engines/pow/node/mining/verify.ts';
import { hashBlock, type Block } from '../../../../../shared/block.ts';
import { UserError } from '../../../../../shared/errors.ts';
import { silentLog, type Log } from '../../../../../shared/log.ts';
import type { SubmitResult, WorkTemplate } from '../../../../../shared/work.ts';
import { FakeSocket } from '../../../../support/fake-socket.ts';
import { TestClient, mine, until, workAt } from './helpers.ts';

const NOW = 1_700_000_000_500;
const SECONDS = 1_700_000_000;
const HELLO = { type: 'HELLO', agent: 'test', processes: 3 };

let now = NOW;
let submitted: Block[] = [];
let answerWith: SubmitResult | undefined;
let next: WorkTemplate | null | undefined;
const servers: MiningServer[] = [];
const clients: TestClient[] = [];

beforeEach(() => {
  now = NOW;
  submitted = [];
  answerWith = { status: 'accepted' };
  next = undefined;
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.destroy();
  for (const server of servers.splice(0)) await server.close();
});

/** A server on a free port. On acceptance it goes on to `next`, if that is set, before it answers. */
async function start(
  limits: Partial<MiningLimits> = {},
  options: Partial<MiningServerOptions> & { log?: Log; entropy?: () => Uint8Array } = {},
): Promise<{ server: MiningServer; port: number; join: () => Promise<TestClient> }> {
  const { log = silentLog, entropy = (): Uint8Array => Uint8Array.of(0, 0, 0, 7), ...rest } = options;
  const server: MiningServer = new MiningServer(
    { bind: '127.0.0.1', port: 0, tick: 3_600_000, limits, ...rest },
    {
      log,
      now: () => now,
      entropy,
      submit: (block) => {
        submitted.push(block);
        if (next !== undefined) server.setTemplate(next);
        return answerWith ?? { status: 'stale' };
      },
    },
  );
  servers.push(server);
  const { port } = await server.listen();
  const join = async (): Promise<TestClient> => {
    const client = await TestClient.connect(port);
    clients.push(client);
    return client;
  };
  return { server, port, join };
}

/** A modern miner that has had its first job and said HELLO. */
async function greet(server: MiningServer, client: TestClient): Promise<Record<string, unknown>> {
  const job = await client.next();
  const before = server.miners().filter(({ agent }) => agent !== null).length;
  client.send(HELLO);
  await until('HELLO is taken', () => server.miners().filter(({ agent }) => agent !== null).length > before);
  return job;
}

/** Some round trips, so that whatever the server had to say has been said. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 50));
}

describe('a miner that connects', () => {
  it('gets exactly one bare job, with the names of the seed, and nothing else', async () => {
    const { server, join } = await start();
    server.setTemplate(workAt(7, ['one', 'two']));
    const client = await join();
    expect(await client.next()).toEqual({
      height: 7,
      messages: ['one', 'two'],
      previous_hash: workAt(7).previousHash,
      minedBy: 'tester',
      difficulty: 2,
      protocol: 1,
      job: '1',
      nonce_prefix: 'HAA',
      timestamp: SECONDS,
    });
    await settle();
    expect(client.received).toHaveLength(1);
  });

  it('gets nothing while there is nothing to mine, and the job as soon as there is', async () => {
    const { server, join } = await start();
    const client = await join();
    await settle();
    expect(client.received).toHaveLength(0);
    server.setTemplate(workAt(0));
    expect(await client.next()).toMatchObject({ height: 0, previous_hash: '' });
  });

  it('gets a part of the nonce space of its own, also after a wrap and beside those who stay', async () => {
    const { server, join } = await start({}, { entropy: () => Uint8Array.of(0, 3, 255, 254) });
    server.setTemplate(workAt(1));
    const stays = await join();
    const first = (await stays.next())['nonce_prefix'];
    const seen = new Set([first]);
    for (let round = 0; round < 5; round++) {
      const client = await join();
      seen.add((await client.next())['nonce_prefix']);
      client.socket.destroy();
    }
    expect(seen.size).toBe(6);
    for (const prefix of seen) expect(prefix).toMatch(/^[\w-]{3}$/);
  });

  it('is shown with what it says of itself', async () => {
    const { server, join } = await start();
    server.setTemplate(workAt(1));
    const seed = await join();
    await seed.next();
    const modern = await join();
    await greet(server, modern);
    modern.send({ type: 'RATE', hashes_per_second: 1234 });
    await until('the rate is known', () => server.miners()[1]?.hashesPerSecond === 1234);
    expect(server.miners()).toMatchObject([
      { agent: null, processes: null, hashesPerSecond: null, connectedAt: NOW },
      { agent: 'test', processes: 3, accepted: 0, stale: 0, rejected: 0, address: { host: '127.0.0.1' } },
    ]);
    modern.socket.end();
    await until('the miner is gone', () => server.miners().length === 1);
    expect(server.counters()).toMatchObject({ 'connection.accepted': 2 });
  });

  it('takes the place of one that found no block, the one silent longest, where half of the places are full', async () => {
    const { server, join } = await start({ miners: 4 });
    server.setTemplate(workAt(1));
    const [first, second] = [await join(), await join()];
    await first.next();
    await second.next();
    first.send({ type: 'RATE', hashes_per_second: 1 });
    await until('the first is heard', () => server.miners()[0]?.hashesPerSecond === 1);
    const third = await join();
    await second.end();
    await third.next();
    expect(first.closed).toBe(false);
    expect(server.miners()).toHaveLength(2);
    expect(server.counters()).toMatchObject({ 'cut.crowded': 1 });
  });

  it('never takes the place of one that found a block, and keeps nobody that did out', async () => {
    const { server, join } = await start({ miners: 2 });
    server.setTemplate(workAt(1));
    const useful = await join();
    useful.send(mine(await useful.next(), SECONDS));
    await until('its block is taken', () => server.miners()[0]?.accepted === 1);
    const idle = await join();
    await idle.next();
    const newcomer = await join();
    await idle.end();
    newcomer.send(mine(await newcomer.next(), SECONDS));
    await until('the second block is taken', () => server.miners()[1]?.accepted === 1);
    await (await join()).end();
    expect(server.counters()).toMatchObject({ 'connection.refused': 1, 'cut.crowded': 1 });
    expect(server.miners()).toMatchObject([{ accepted: 1 }, { accepted: 1 }]);
  });

  it('takes the place of one on its own host when that has taken its share of the places', async () => {
    const { server, join } = await start({ minersPerHost: 1 });
    server.setTemplate(workAt(1));
    const first = await join();
    await first.next();
    await (await join()).next();
    await first.end();
    expect(server.miners()).toHaveLength(1);
  });

  it('takes the place of one on the host that has most of them', async () => {
    const { server } = await start({ miners: 8 });
    const from = (last: number): FakeSocket => {
      const fake = new FakeSocket(`10.0.0.${last}`);
      server.accept(fake.socket);
      return fake;
    };
    const lonely = from(1);
    const crowd = [2, 2, 2].map(from);
    from(3);
    expect(crowd.map(({ destroyed }) => destroyed)).toEqual([true, false, false]);
    expect(lonely.destroyed).toBe(false);
  });
});

describe('miners of the seed', () => {
  it('each have work of their own, as they all begin at the same nonce, and one alone has just the words', async () => {
    const { server, join } = await start();
    server.setTemplate(workAt(1, ['hello', 'world']));
    const jobs = [await (await join()).next(), await (await join()).next(), await (await join()).next()];
    expect(jobs.map(({ messages }) => messages)).toEqual([
      ['hello', 'world'],
      ['hello', 'world', 'miner #2'],
      ['hello', 'world', 'miner #3'],
    ]);
  });

  it('have a message in the place of the last where a block is full, and answers to it are taken', async () => {
    const { server, join } = await start();
    const words = Array.from({ length: 10 }, (_, index) => `word ${index}`);
    server.setTemplate(workAt(1, words));
    await (await join()).next();
    const second = await join();
    const job = await second.next();
    expect(job['messages']).toEqual([...words.slice(0, 9), 'miner #2']);
    second.send(mine(job, SECONDS));
    await until('it is taken', () => submitted.length === 1);
    expect(submitted[0]?.messages).toEqual(job['messages']);
  });

  it('leave their number to the next one, and to those that say HELLO it means nothing', async () => {
    const { server, join } = await start();
    server.setTemplate(workAt(1));
    const seed = await join();
    await seed.next();
    const modern = await join();
    expect((await greet(server, modern))['messages']).toEqual(['hello', 'miner #2']);
    expect((await modern.next())['messages']).toEqual(['hello']);
    expect((await (await join()).next())['messages']).toEqual(['hello', 'miner #2']);
    seed.socket.destroy();
    await until('it is gone', () => server.miners().length === 2);
    expect((await (await join()).next())['messages']).toEqual(['hello']);
  });
});

describe('an answer that fits several templates', () => {
  it('goes to the newest', () => {
    const unsaid = { job: undefined, height: undefined, previousHash: undefined, messages: undefined };
    const answer = { ...unsaid, minedBy: undefined, hash: undefined, nonce: 'x', timestamp: SECONDS };
    const [older, newer] = [workAt(1, ['older']), workAt(1, ['newer'])];
    expect(findTemplate(answer, [older, newer])).toBe(newer);
    expect(findTemplate({ ...answer, height: 1 }, [older, newer, workAt(2)])).toBe(newer);
    expect(findTemplate({ ...answer, messages: ['older'] }, [older, newer])).toBe(older);
  });
});

describe('a seed miner', () => {
  it('mines block after block in lock-step: a bare answer with an integer nonce, no newline', async () => {
    const { server, join } = await start();
    server.setTemplate(workAt(1));
    const client = await join();
    for (let height = 1; height <= 5; height++) {
      const job = await client.next();
      expect(job).toMatchObject({ height });
      next = workAt(height + 1);
      client.send(mine(job, SECONDS));
    }
    await client.next();
    expect(submitted.map((block) => block.height)).toEqual([1, 2, 3, 4, 5]);
    expect(submitted.every(({ nonce }) => /^\d+$/.test(nonce))).toBe(true);
    // Only jobs, ever.
    expect(client.received.every((object) => !('type' in object))).toBe(true);
    expect(server.miners()[0]).toMatchObject({ accepted: 5 });
  });

  it('gets no second job while it mines, whatever happens, and then the newest', async () => {
    const { server, join } = await start({}, { tick: 10 });
    server.setTemplate(workAt(1));
    const client = await join();
    const job = await client.next();
    server.setTemplate(workAt(2));
    server.setTemplate(null);
    server.setTemplate(workAt(3));
    await settle();
    expect(client.received).toHaveLength(1);
    client.send(mine(job, SECONDS));
    expect(await client.next()).toMatchObject({ height: 3 });
    expect(submitted).toHaveLength(0);
    expect(server.miners()[0]).toMatchObject({ stale: 1 });
  });

  it('gets the next job only when the chain has moved on after its block', async () => {
    const { server, join } = await start();
    server.setTemplate(workAt(1));
    const client = await join();
    client.send(mine(await client.next(), SECONDS));
    await until('the block is submitted', () => submitted.length === 1);
    await settle();
    expect(client.received).toHaveLength(1);
    server.setTemplate(workAt(2));
    expect(await client.next()).toMatchObject({ height: 2 });
  });

  it('gets a job after a rejected answer too', async () => {
    const { server, join } = await start();
    server.setTemplate(workAt(1));
    const client = await join();
    const job = await client.next();
    client.send({ ...mine(job, SECONDS), hash: '00' });
    expect(await client.next()).toMatchObject({ height: 1 });
    client.send({ height: 1 });
    expect(await client.next()).toMatchObject({ height: 1 });
    expect(submitted).toHaveLength(0);
    expect(server.counters()).toMatchObject({ 'answer.wrong-hash': 1, 'message.bad-answer': 1 });
  });

  it('may leave out what its job said', async () => {
    const { server, join } = await start();
    server.setTemplate(workAt(4));
    const client = await join();
    const { nonce, hash } = mine(await client.next(), SECONDS);
    client.send({ nonce: String(nonce), timestamp: SECONDS });
    await until('the block is submitted', () => submitted.length === 1);
    expect(submitted[0]).toEqual({
      height: 4,
      minedBy: 'tester',
      messages: ['hello'],
      nonce: String(nonce),
      timestamp: SECONDS,
      hash,
    });
  });

  it('may sign with a name of its own', async () => {
    const { server, join } = await start();
    server.setTemplate(workAt(4));
    const client = await join();
    const job = await client.next();
    client.send(mine({ ...job, minedBy: 'me' }, SECONDS));
    await until('the block is submitted', () => submitted[0]?.minedBy === 'me');
  });

  it('mines a genesis', async () => {
    const { server, join } = await start();
    server.setTemplate(workAt(0));
    const client = await join();
    client.send({ ...mine(await client.next(), SECONDS), previous_hash: null });
    await until('the block is submitted', () => submitted[0]?.height === 0);
  });
});

describe('a modern miner', () => {
  it('hears of a new tip, of nothing to mine, and of new work at once', async () => {
    const { server, join } = await start();
    server.setTemplate(workAt(1));
    const client = await join();
    await greet(server, client);
    server.setTemplate(workAt(2));
    expect(await client.next()).toMatchObject({ height: 2, nonce_prefix: 'HAA', job: '2' });
    server.setTemplate(null);
    expect(await client.next()).toEqual({ type: 'WAIT' });
    server.setTemplate(workAt(3));
    expect(await client.next()).toMatchObject({ height: 3 });
    server.setTemplate(workAt(3));
    await settle();
    expect(client.received).toHaveLength(4);
  });

  it('hears with its HELLO what happened before it', async () => {
    const { server, join } = await start();
    server.setTemplate(workAt(1));
    const client = await join();
    await client.next();
    server.setTemplate(workAt(2));
    await settle();
    expect(client.received).toHaveLength(1);
    client.send(HELLO);
    expect(await client.next()).toMatchObject({ height: 2 });
  });

  it('is told to wait if the work is gone when it says HELLO', async () => {
    const { server, join } = await start();
    server.setTemplate(workAt(1));
    const client = await join();
    await client.next();
    server.setTemplate(null);
    client.send(HELLO);
    expect(await client.next()).toEqual({ type: 'WAIT' });
  });

  it('gets new words, at most so often, the last of them always', async () => {
    const { server, join } = await start({ wordsInterval: 40 });
    server.setTemplate(workAt(1, ['0']));
    const client = await join();
    await greet(server, client);
    for (let word = 1; word <= 50; word++) server.setTemplate(workAt(1, [String(word)]));
    await until('the last word comes', () =>
      client.received.some(({ messages }) => (messages as string[])[0] === '50'),
    );
    expect(client.received.length).toBeLessThan(5);
  });

  it('gets its job again with the time of each tick', async () => {
    const { server, join } = await start({}, { tick: 20 });
    server.setTemplate(workAt(1));
    const client = await join();
    const job = await greet(server, client);
    now += 15_000;
    await until('the new timestamp comes', () => client.received.at(-1)?.['timestamp'] === SECONDS + 15);
    expect(client.received.at(-1)).toMatchObject({ height: 1, nonce_prefix: job['nonce_prefix'] });
    // An answer to the job before the tick is as good.
    client.send(mine(job, SECONDS));
    await until('the block is submitted', () => submitted.length === 1);
  });

  it('is told accepted, stale or rejected, with the reason', async () => {
    const { server, join } = await start();
    server.setTemplate(workAt(1));
    const client = await join();
    const job = await greet(server, client);
    client.send({ ...mine(job, SECONDS), job: job['job'] });
    expect(await client.next()).toEqual({ type: 'RESULT', job: '1', status: 'accepted' });
    answerWith = { status: 'rejected', reason: 'Because.' };
    client.send({ ...mine(job, SECONDS), job: job['job'] });
    expect(await client.next()).toEqual({ type: 'RESULT', job: '1', status: 'rejected', reason: 'Because.' });
    server.setTemplate(workAt(2));
    await client.next();
    client.send({ ...mine(job, SECONDS), job: job['job'] });
    expect(await client.next()).toEqual({ type: 'RESULT', job: '1', status: 'stale' });
    client.send({ timestamp: 'soon' });
    expect(await client.next()).toMatchObject({ type: 'RESULT', status: 'rejected' });
    expect(submitted).toHaveLength(2);
    expect(server.miners()[0]).toMatchObject({ accepted: 1, stale: 1, rejected: 2 });
  });

  it('may answer with older words on the same tip, and with the words in another order', async () => {
    const { server, join } = await start({ wordsInterval: 0 });
    server.setTemplate(workAt(1, ['a', 'b']));
    const client = await join();
    const job = await greet(server, client);
    server.setTemplate(workAt(1, ['a', 'b', 'c']));
    await client.next();
    client.send(mine({ ...job, messages: ['b', 'a'] }, SECONDS));
    expect(await client.next()).toMatchObject({ status: 'accepted' });
    expect(submitted[0]?.messages).toEqual(['b', 'a']);
  });
});

describe('an answer is verified before the chain hears of it', () => {
  /** Sends one changed answer and returns what came of it. */
  async function judge(
    change: (job: Record<string, unknown>) => Record<string, unknown>,
  ): Promise<Record<string, unknown>> {
    const { server, join } = await start();
    server.setTemplate(workAt(1));
    const client = await join();
    const job = await greet(server, client);
    client.send(change(job));
    return client.next();
  }

  it.each([
    ['another height', 'It answers', (job) => mine({ ...job, height: 2 }, SECONDS)],
    ['another block below', 'It answers', (job) => mine({ ...job, previous_hash: 'f'.repeat(64) }, SECONDS)],
    ['other messages', 'It answers', (job) => mine({ ...job, messages: ['mine'] }, SECONDS)],
    ['a name no one accepts', 'The name', (job) => mine({ ...job, minedBy: 'é' }, SECONDS)],
    ['a nonce too long', 'The nonce', (job) => ({ ...mine(job, SECONDS), nonce: '1'.repeat(39) })],
    ['a nonce of other characters', 'The nonce', (job) => ({ ...mine(job, SECONDS), nonce: '\u0001' })],
    ['an empty nonce', 'The nonce', (job) => ({ ...mine(job, SECONDS), nonce: '' })],
    ['a time in the future', 'The timestamp is in', (job) => mine(job, SECONDS + 1)],
    ['a time long ago', 'The timestamp is too', (job) => mine(job, SECONDS - 24 * 3600 - 1)],
    [
      'a hash it does not have',
      'The hash is not',
      (job) => ({ ...mine(job, SECONDS), hash: '0'.repeat(64) }),
    ],
  ] as [string, string, (job: Record<string, unknown>) => Record<string, unknown>][])(
    'rejects %s',
    async (_, reason, change) => {
      const result = await judge(change);
      expect(result).toMatchObject({ type: 'RESULT', status: 'rejected' });
      expect(result['reason']).toMatch(new RegExp(`^${reason}`));
      expect(submitted).toHaveLength(0);
    },
  );

  it('rejects a hash that misses the difficulty', async () => {
    const result = await judge((job) => {
      const { height, messages, minedBy, previous_hash } = job as {
        height: number;
        messages: string[];
        minedBy: string;
        previous_hash: string;
      };
      for (let nonce = 0; ; nonce++) {
        const hash = hashBlock(
          { height, messages, minedBy, timestamp: SECONDS, nonce: String(nonce) },
          previous_hash,
        );
        if (!hash.endsWith('00')) return { timestamp: SECONDS, nonce, hash };
      }
    });
    expect(result).toMatchObject({ status: 'rejected', reason: 'The hash ends in too few zeros.' });
    expect(submitted).toHaveLength(0);
  });

  it('takes the second of now', async () => {
    expect(await judge((job) => mine(job, SECONDS))).toMatchObject({ status: 'accepted' });
  });
});

describe('a miner that misbehaves is cut off, and the others go on', () => {
  /** Starts an honest modern miner beside the bad one, and checks afterwards that it can still mine. */
  async function beside(
    limits: Partial<MiningLimits>,
    misbehave: (client: TestClient, server: MiningServer) => Promise<void> | void,
    reason: string,
  ): Promise<void> {
    const { server, join } = await start(limits);
    server.setTemplate(workAt(1));
    const honest = await join();
    await greet(server, honest);
    const bad = await join();
    await bad.next();
    await misbehave(bad, server);
    await until('it is cut off', () => server.counters()[`cut.${reason}`] === 1);
    expect(server.miners()).toHaveLength(1);
    expect(honest.closed).toBe(false);
    server.setTemplate(workAt(1_000_000));
    await until('it hears of new work', () => honest.received.at(-1)?.['height'] === 1_000_000);
    const job = honest.received.at(-1) ?? {};
    honest.send({ ...mine(job, SECONDS), job: 'last' });
    await until('the honest miner is answered', () =>
      honest.received.some(({ job: id, status }) => id === 'last' && status === 'accepted'),
    );
  }

  it('garbage', () =>
    beside(
      {},
      (client) => {
        client.send('GET / HTTP/1.1\r\n\r\n');
        return client.end();
      },
      'garbage',
    ));

  it('deep nesting', () =>
    beside(
      {},
      (client) => {
        client.send('{"a":'.repeat(1000));
        return client.end();
      },
      'garbage',
    ));

  it('lies: invalid answers again and again', () =>
    beside(
      { offences: 3 },
      async (client) => {
        for (let lie = 0; lie < 3; lie++)
          client.send({ timestamp: SECONDS, nonce: lie, hash: '0'.repeat(64) });
        await client.end();
        expect(submitted).toHaveLength(0);
      },
      'lies',
    ));

  it('a flood of messages', () =>
    beside(
      { messagesPerSecond: 1, messageBurst: 10 },
      (client) => {
        client.send(JSON.stringify({ type: 'RATE', hashes_per_second: 1 }).repeat(11));
        return client.end();
      },
      'flood',
    ));

  it('a flood of bytes', () =>
    beside(
      { bytesPerSecond: 1, byteBurst: 1000 },
      (client) => {
        client.send(' '.repeat(1001));
        return client.end();
      },
      'flood',
    ));

  it('half an object', () =>
    beside(
      { halfObject: 50 },
      (client) => {
        client.send('{"height": 1, "mess');
        return client.end();
      },
      'half-object',
    ));

  it('half an object behind whole ones, dripping', () =>
    beside(
      { halfObject: 60 },
      async (client) => {
        const drip = setInterval(() => {
          client.send(' ');
        }, 5);
        client.send('{"type":"RATE","hashes_per_second":1}{"type":');
        await client.end();
        clearInterval(drip);
      },
      'half-object',
    ));

  it('no reading: what waits for it is bounded', () =>
    beside(
      { writeBuffer: 20_000 },
      async (client, server) => {
        client.send(HELLO);
        client.socket.pause();
        for (let height = 2; server.counters()['cut.stalled'] === undefined; height++) {
          server.setTemplate(workAt(height));
          if (height % 100 === 0) await new Promise(setImmediate);
        }
      },
      'stalled',
    ));

  it('no reading: the time that something waits is bounded', () =>
    beside(
      { writeBuffer: 1e9, writeStall: 300 },
      async (client, server) => {
        client.send(HELLO);
        client.socket.pause();
        for (let height = 2; server.counters()['cut.stalled'] === undefined; height++) {
          server.setTemplate(workAt(height));
          if (height % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
        }
      },
      'stalled',
    ));

  it('but stale answers, a clock that is ahead and unknown types are no offence', async () => {
    const { server, join } = await start({ offences: 1 });
    server.setTemplate(workAt(1));
    const client = await join();
    const job = await greet(server, client);
    client.send({ type: 'NEWS', text: 'hello' });
    client.send(mine(job, SECONDS + 5));
    expect(await client.next()).toMatchObject({ status: 'rejected' });
    server.setTemplate(workAt(2));
    await client.next();
    for (let time = 0; time < 10; time++) {
      client.send(mine(job, SECONDS));
      expect(await client.next()).toMatchObject({ status: 'stale' });
    }
    expect(client.closed).toBe(false);
    expect(server.counters()).toMatchObject({ 'message.unknown-type': 1, 'answer.stale': 10 });
  });

  it('and an accepted block wipes out earlier mistakes', async () => {
    const { server, join } = await start({ offences: 2 });
    server.setTemplate(workAt(1));
    const client = await join();
    const job = await greet(server, client);
    for (let round = 0; round < 3; round++) {
      client.send({ timestamp: SECONDS, nonce: 'lie', hash: '0' });
      expect(await client.next()).toMatchObject({ status: 'rejected' });
      client.send(mine(job, SECONDS));
      expect(await client.next()).toMatchObject({ status: 'accepted' });
    }
    expect(client.closed).toBe(false);
  });

  it('and those of the seed, which never introduce themselves, come and go with a line as well', async () => {
    const lines: string[] = [];
    const log = { ...silentLog, info: (message: string): void => void lines.push(message) };
    const { server, join } = await start({ hello: 1 }, { log });
    const seed = await join();
    await until('it is noticed', () => lines.length === 1);
    const modern = await join();
    server.setTemplate(workAt(1));
    await greet(server, modern);
    modern.socket.destroy();
    await until('the other has come and gone', () => lines.length === 3);
    seed.socket.destroy();
    await until('it is gone', () => lines.length === 4);
    const [joined, left] = ['mining: miner joined', 'mining: miner left'];
    expect(lines).toEqual([joined, joined, left, left]);
  });

  it('and one that hands in a block at once is a miner, and who only knocks is none', async () => {
    const lines: string[] = [];
    const log = { ...silentLog, info: (message: string): void => void lines.push(message) };
    const { server, join } = await start({ hello: 3_600_000 }, { log });
    server.setTemplate(workAt(1));
    const knocks = await join();
    await knocks.next();
    knocks.socket.destroy();
    await until('it is gone', () => server.miners().length === 0);
    const seed = await join();
    seed.send(mine(await seed.next(), SECONDS));
    await until('it is noticed', () => lines.length > 0);
    expect(lines).toEqual(['mining: miner joined']);
  });

  it('and the log at info shows neither their text nor endless lines', async () => {
    const lines: string[] = [];
    const info = (message: string, data?: object): void => {
      lines.push(`${message} ${JSON.stringify(data)}`);
    };
    const log = { error: info, warn: info, info, debug: () => undefined };
    const { server, join } = await start({ logLines: 6 }, { log });
    server.setTemplate(workAt(1));
    for (let time = 0; time < 8; time++) {
      const client = await join();
      await client.next();
      client.send({ type: 'HELLO', agent: 'EVIL', processes: 1 });
      client.send('EVIL');
      await client.end();
    }
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThanOrEqual(6);
    expect(lines.join()).not.toContain('EVIL');
  });
});

describe('the port', () => {
  it('says which option to change if it is in use', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const attempt = start({}, { port });
    await expect(attempt).rejects.toThrow(UserError);
    await expect(attempt).rejects.toThrow(/--miner-port/);
    await new Promise((resolve) => taken.close(resolve));
  });

  it('says which option to change if the address is not ours', async () => {
    await expect(start({}, { bind: '192.0.2.1' })).rejects.toThrow(/--miner-bind/);
  });

  it('is free again after close, and every miner is disconnected', async () => {
    const { server, port, join } = await start();
    server.setTemplate(workAt(1));
    const client = await join();
    await client.next();
    await server.close();
    await client.end();
    await start({}, { port });
  });
});
