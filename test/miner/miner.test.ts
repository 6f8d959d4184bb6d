import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { ClientEvents } from '../../miner/client.ts';
import { Miner, type Work } from '../../miner/miner.ts';
import type { PoolEvents, PoolStats } from '../../miner/pool.ts';
import { preimageHead } from '../../shared/block.ts';
import { decodePeerMessage, type FoundBlock, type MiningJob } from '../../shared/mining-wire.ts';
import { recordingLog } from './helpers.ts';

const NOW = 1_700_000_000_900;
const SECONDS = 1_700_000_000;
const HASH = 'ab'.repeat(28) + '00000000';

class FakePool extends EventEmitter<PoolEvents<Work>> {
  /** Every work that was set, the newest last. */
  readonly works: (Work | null)[] = [];

  get work(): Work | null | undefined {
    return this.works.at(-1);
  }

  paused = false;
  workers: { id: number; tried: number }[] = [];

  setWork(work: Work | null): void {
    this.works.push(work);
  }

  setPaused(paused: boolean): void {
    this.paused = paused;
  }

  stats(): PoolStats {
    const { paused, workers } = this;
    return { tried: 5, workers, paused, shares: 4, bestHash: HASH, crashes: 0 };
  }
}

class FakeClient extends EventEmitter<ClientEvents> {
  readonly submitted: FoundBlock[] = [];
  readonly rates: number[] = [];
  started = 0;
  closed = 0;

  start(): void {
    this.started++;
  }

  submit(found: FoundBlock): void {
    this.submitted.push(found);
  }

  tellRate(rate: number): void {
    this.rates.push(rate);
  }

  close(): void {
    this.closed++;
  }
}

let now = NOW;
let pool: FakePool;
let client: FakeClient;
let miner: Miner;
let lines: string[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
  now = NOW;
  pool = new FakePool();
  client = new FakeClient();
  const recording = recordingLog();
  lines = recording.lines;
  miner = new Miner(
    { difficulty: 5, name: 'fallback' },
    { client, pool, log: recording.log, now: () => now, random: () => 0 },
  );
  miner.start();
  client.emit('connected');
});

afterEach(() => {
  miner.stop();
  vi.useRealTimers();
});

/** A job as the wire reads it. */
function job(value: Record<string, unknown>): MiningJob {
  const decoded = decodePeerMessage(JSON.stringify({ height: 3, previous_hash: HASH, ...value }));
  if (!decoded.ok || decoded.message.type !== 'job') throw new Error('no job');
  return decoded.message.job;
}

const FULL = {
  messages: ['a'],
  minedBy: 'peer',
  difficulty: 4,
  timestamp: 99,
  nonce_prefix: 'pre',
  job: '1',
};

/** The pool finds a block for the work it has. */
function find(work = pool.work): void {
  if (!work) throw new Error('there is no work');
  pool.emit('found', work, 'nonce', HASH, 0);
}

describe('work', () => {
  it('is what the job says', () => {
    client.emit('job', job(FULL), true);
    expect(pool.work).toMatchObject({ noncePrefix: 'pre', difficulty: 4 });
    expect(pool.work?.head).toEqual(preimageHead({ messages: ['a'], minedBy: 'peer', timestamp: 99 }, HASH));
    expect(miner.stats()).toMatchObject({ state: 'mining', difficulty: 4, tried: 5, shares: 4 });
  });

  it('has the messages in every order, and a block those of its head', () => {
    const orders = ['abc', 'bac', 'acb', 'cab', 'bca', 'cba'].map((order) => order.split(''));
    client.emit('job', job({ ...FULL, messages: ['a', 'b', 'c'] }), true);
    const { work } = pool;
    const heads = orders.map((messages) => preimageHead({ messages, minedBy: 'peer', timestamp: 99 }, HASH));
    expect([work?.head, ...(work?.otherHeads ?? [])]).toEqual(heads);
    if (!work) throw new Error('there is no work');
    pool.emit('found', work, 'nonce', HASH, 4);
    expect(client.submitted).toMatchObject([{ messages: ['b', 'c', 'a'] }]);
  });

  it('is completed where the job says nothing: name, difficulty, message, time, nonces', () => {
    client.emit('job', job({}), false);
    expect(pool.work).toMatchObject({
      noncePrefix: 'AAA',
      difficulty: 5,
      minedBy: 'fallback',
      orders: [['gossip-miner']],
      timestamp: SECONDS,
    });
    expect(miner.stats().difficulty).toBe(5);
  });

  it('moves on with the clock, if the peer names no time', () => {
    client.emit('job', job({}), false);
    now += 15_000;
    vi.advanceTimersByTime(15_000);
    expect(pool.work?.timestamp).toBe(SECONDS + 15);
    expect(pool.works).toHaveLength(2);
  });

  it('does not, if the peer does it', () => {
    client.emit('job', job(FULL), true);
    now += 60_000;
    vi.advanceTimersByTime(60_000);
    expect(pool.works).toHaveLength(1);
  });

  it('ends when the peer has nothing to mine, or is lost', () => {
    client.emit('job', job(FULL), true);
    client.emit('wait');
    expect(pool.work).toBeNull();
    expect(miner.stats()).toMatchObject({ state: 'waiting', difficulty: undefined });
    client.emit('job', job(FULL), true);
    client.emit('lost', 'the peer closed the connection', true, 500);
    expect(pool.work).toBeNull();
    expect(miner.stats().state).toBe('connecting');
  });

  it('says once that the peer has no work, and when it has', () => {
    const said = (): string[] => lines.filter((line) => line.includes('work'));
    client.emit('connected');
    vi.advanceTimersByTime(2_999);
    expect(said()).toEqual([]);
    vi.advanceTimersByTime(60_000);
    expect(said()).toEqual(['info the peer has no work so far; mining begins when it has {}']);
    client.emit('job', job(FULL), true);
    expect(said().at(-1)).toBe('info the peer has work {}');
    // A pause that nobody notices is none; a peer that is away is not said to have no work.
    client.emit('wait');
    vi.advanceTimersByTime(1_000);
    client.emit('job', job(FULL), true);
    client.emit('wait');
    client.emit('lost', 'the peer closed the connection', true, 500);
    vi.advanceTimersByTime(60_000);
    expect(said()).toHaveLength(2);
  });

  it('goes on undisturbed while a seed’s peer repeats its job, and is replaced when that changes', () => {
    client.emit('job', job({ messages: ['a'] }), false);
    client.emit('job', job({ messages: ['a'] }), false);
    expect(pool.works).toHaveLength(1);
    client.emit('job', job({ messages: ['b'] }), false);
    expect(pool.works).toHaveLength(2);
  });
});

describe('a block that was found', () => {
  it('is handed in with everything the job had, and the search rests', () => {
    client.emit('job', job(FULL), true);
    find();
    expect(client.submitted).toEqual([
      {
        height: 3,
        previousHash: HASH,
        messages: ['a'],
        minedBy: 'peer',
        difficulty: 4,
        timestamp: 99,
        nonce: 'nonce',
        hash: HASH,
        job: '1',
      },
    ]);
    expect(pool.work).toBeNull();
    expect(miner.stats()).toMatchObject({ state: 'waiting', found: 1, unanswered: 1 });
  });

  it('is handed in once, though two workers find one', () => {
    client.emit('job', job(FULL), true);
    const { work } = pool;
    find(work);
    find(work);
    expect(client.submitted).toHaveLength(1);
  });

  it('for the job before a tick of the clock is as good, for another tip it is not', () => {
    client.emit('job', job(FULL), true);
    const before = pool.work;
    client.emit('job', job({ ...FULL, timestamp: 114, job: '2' }), true);
    find(before);
    expect(client.submitted).toMatchObject([{ job: '1', timestamp: 99 }]);
    client.emit('job', job({ ...FULL, height: 4 }), true);
    find(before);
    client.emit('wait');
    find(before);
    expect(client.submitted).toHaveLength(1);
  });

  it('that was accepted lets the next job begin', () => {
    client.emit('job', job(FULL), true);
    find();
    client.emit('result', { status: 'accepted', job: '1', reason: undefined });
    vi.advanceTimersByTime(60_000);
    expect(pool.work).toBeNull();
    client.emit('job', job({ ...FULL, height: 4 }), true);
    expect(pool.work?.job.height).toBe(4);
    expect(miner.stats()).toMatchObject({ accepted: 1, stale: 0, rejected: 0, unanswered: 0 });
  });

  it.each(['stale', 'rejected'] as const)('that was %s does not end the job, after a pause', (status) => {
    client.emit('job', job(FULL), true);
    find();
    client.emit('result', { status, job: '1', reason: 'Because.' });
    expect(pool.work).toBeNull();
    vi.advanceTimersByTime(1000);
    expect(pool.work?.job.job).toBe('1');
    expect(miner.stats()).toMatchObject({ [status]: 1, state: 'mining' });
  });

  it('that was stale does not disturb the job that has come meanwhile', () => {
    client.emit('job', job(FULL), true);
    find();
    client.emit('job', job({ ...FULL, height: 4 }), true);
    client.emit('result', { status: 'stale', job: '1', reason: undefined });
    vi.advanceTimersByTime(10_000);
    expect(pool.works).toHaveLength(3);
  });

  it('for a seed’s peer is the only one at its height, until that must have lost it', () => {
    client.emit('job', job({}), false);
    find();
    now += 29_000;
    vi.advanceTimersByTime(29_000);
    client.emit('job', job({}), false);
    client.emit('job', job({ messages: ['new word'] }), false);
    expect(pool.work).toBeNull();
    now += 1000;
    client.emit('job', job({}), false);
    expect(pool.work).not.toBeNull();
    find();
    client.emit('job', job({ height: 4 }), false);
    expect(pool.work?.job.height).toBe(4);
  });
});

describe('a pause', () => {
  it('is passed on to the pool once, told, and does not count for the rate', () => {
    pool.workers = [{ id: 0, tried: 5 }];
    client.emit('job', job(FULL), true);
    miner.setPaused(true);
    miner.setPaused(true);
    expect(pool.paused).toBe(true);
    expect(miner.stats()).toMatchObject({ state: 'paused', rate: 0, workerRates: [0] });
    client.emit('job', job({ ...FULL, height: 4 }), true);
    client.emit('lost', 'the peer closed the connection', true, 500);
    expect(miner.stats().state).toBe('paused');
    miner.setPaused(false);
    expect(pool.paused).toBe(false);
    expect(miner.stats().state).toBe('connecting');
    expect(lines.filter((line) => /paused|mining again/.test(line))).toEqual([
      'info paused {}',
      'info mining again {}',
    ]);
  });

  it('lets a block be handed in that was on its way', () => {
    client.emit('job', job(FULL), true);
    miner.setPaused(true);
    find();
    expect(client.submitted).toHaveLength(1);
  });
});

describe('rates', () => {
  it('are those of the whole and of each worker, also when workers come and go', () => {
    let time = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => time);
    const stats = vi.spyOn(pool, 'stats');
    const measure = (tried: number, workers: { id: number; tried: number }[]): void => {
      stats.mockReturnValue({ tried, workers, paused: false, shares: 0, bestHash: '', crashes: 0 });
      time += 500;
      vi.advanceTimersByTime(500);
    };
    // The last measurement of the setup's own start is older than the window by then.
    for (let i = 0; i < 20; i++)
      measure(i * 300, [
        { id: 0, tried: i * 200 },
        { id: 1, tried: i * 100 },
      ]);
    expect(miner.stats().rate).toBeCloseTo(600);
    expect(miner.stats().workerRates.map(Math.round)).toEqual([400, 200]);
    for (let i = 20; i < 22; i++)
      measure(i * 300, [
        { id: 1, tried: i * 100 },
        { id: 7, tried: i * 50 },
      ]);
    expect(miner.stats().workerRates.map(Math.round)).toEqual([200, 100]);
    // A pause says nothing about how fast the search is.
    stats.mockReturnValue({ ...pool.stats(), tried: 6600 });
    miner.setPaused(true);
    expect(miner.stats().rate).toBe(0);
    expect(miner.stats().workerRates).toEqual([0, 0]);
    vi.restoreAllMocks();
  });
});

describe('the rest', () => {
  it('tells the peer the rate', () => {
    vi.advanceTimersByTime(10_000);
    expect(client.rates).toEqual([0]);
  });

  it('logs what happened, and the peer’s own words only at debug', () => {
    client.emit('job', job({ ...FULL, minedBy: 'EVIL', messages: ['EVIL'] }), true);
    find();
    client.emit('result', { status: 'rejected', job: '1', reason: 'EVIL' });
    client.emit('result', { status: 'accepted', job: 'EVIL', reason: undefined });
    client.emit('garbled', 'not-json');
    client.emit('lost', 'the peer closed the connection', true, 500);
    client.emit('lost', 'nothing listens at that address (ECONNREFUSED)', false, 1000);
    client.emit('lost', 'nothing listens at that address (ECONNREFUSED)', false, 2000);
    pool.emit('trouble', 'a worker crashed');
    const shown = lines.filter((line) => !line.startsWith('debug'));
    expect(shown.join('\n')).not.toContain('EVIL');
    expect(shown.map((line) => line.replace(/ {.*/, ''))).toEqual([
      'info connected to the peer',
      'info found a block',
      'warn the peer rejected the block',
      'info the peer accepted the block',
      'warn lost the peer',
      'warn cannot reach the peer',
      'warn a worker crashed',
    ]);
  });

  it('stops', () => {
    client.emit('job', job(FULL), true);
    miner.stop();
    expect(pool.work).toBeNull();
    expect(client.closed).toBe(1);
    vi.advanceTimersByTime(60_000);
    expect(client.rates).toEqual([]);
  });
});
