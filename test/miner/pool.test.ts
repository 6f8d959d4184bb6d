import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { messageOrders } from '../../miner/orders.ts';
import { MiningPool, type PoolOptions, type PoolWork } from '../../miner/pool.ts';
import { hashBlock, preimageHead, trailingZeros } from '../../shared/block.ts';
import { until } from '../engines/pow/node/mining/helpers.ts';
import { WORKER } from './helpers.ts';

const BLOCK = { height: 1, minedBy: 'me', messages: ['hello'], timestamp: 1_700_000_000 };
const PREVIOUS = '0'.repeat(64);
/** More zeros than anybody will see. */
const NEVER = 30;

interface Found {
  readonly work: PoolWork;
  readonly nonce: string;
  readonly hash: string;
  readonly head: number;
}

let found: Found[] = [];
let trouble: string[] = [];
let failed: Error | undefined;
const pools: MiningPool<PoolWork>[] = [];

beforeEach(() => {
  found = [];
  trouble = [];
  failed = undefined;
});

afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close();
});

function start(options: Partial<PoolOptions> = {}): MiningPool<PoolWork> {
  const pool = new MiningPool<PoolWork>({ processes: 2, kernel: 'reference', worker: WORKER, ...options });
  pools.push(pool);
  pool.on('found', (work, nonce, hash, head) => found.push({ work, nonce, hash, head }));
  pool.on('trouble', (message) => trouble.push(message));
  pool.on('failed', (error) => {
    failed = error;
  });
  return pool;
}

function workOf(difficulty: number, noncePrefix = 'xyz'): PoolWork {
  return { head: preimageHead(BLOCK, PREVIOUS), noncePrefix, difficulty };
}

async function untilIdle(pool: MiningPool<PoolWork>): Promise<void> {
  let seen = { tried: -1, at: 0 };
  await until('nothing is tried for a while', () => {
    const { tried } = pool.stats();
    if (tried !== seen.tried) seen = { tried, at: performance.now() };
    return performance.now() > seen.at + 300;
  });
}

describe('a pool', () => {
  it.each(['reference', 'auto'] as const)(
    'finds blocks that are right, with the %s kernel',
    async (kernel) => {
      const pool = start({ kernel });
      const work = workOf(3);
      pool.setWork(work);
      await until('blocks are found', () => found.length >= 3);
      for (const { work: of, nonce, hash } of found) {
        expect(of).toBe(work);
        expect(nonce.startsWith('xyz')).toBe(true);
        expect(nonce.length).toBeLessThanOrEqual(38);
        expect(hashBlock({ ...BLOCK, nonce }, PREVIOUS)).toBe(hash);
        expect(trailingZeros(hash)).toBeGreaterThanOrEqual(3);
      }
      // A block is told at once, what was tried at the end of a task.
      await until('it tells what it tried', () => pool.stats().tried > 0);
      expect(pool.stats().shares).toBeGreaterThanOrEqual(3);
      expect(trailingZeros(pool.stats().bestHash)).toBeGreaterThanOrEqual(3);
    },
  );

  it('says with which head a nonce was found', async () => {
    const messages = ['first', 'the second one', 'third', 'number four', 'the last'];
    const orders = messageOrders(messages);
    // The first block holds the hash of the block below, the second the messages, the third the nonce.
    const parts = { ...BLOCK, minedBy: 'x'.repeat(128 - 64 - 8 - messages.join('').length) };
    const [head = new Uint8Array(), ...otherHeads] = orders.map((order) =>
      preimageHead({ ...parts, messages: order }, PREVIOUS),
    );
    const pool = start({ kernel: 'wasm' });
    pool.setWork({ head, otherHeads, noncePrefix: 'xyz', difficulty: 3 });
    await until(
      'blocks are found with several heads',
      () => new Set(found.map(({ head }) => head)).size >= 3,
    );
    for (const { nonce, hash, head } of found)
      expect(hashBlock({ ...parts, messages: orders[head] ?? [], nonce }, PREVIOUS)).toBe(hash);
  });

  it('tells of hashes that are almost good enough', async () => {
    const pool = start({ kernel: 'auto' });
    pool.setWork(workOf(7));
    await until('there is a share', () => pool.stats().shares > 0);
    expect(trailingZeros(pool.stats().bestHash)).toBeGreaterThanOrEqual(4);
  });

  it('never tries a nonce twice, whichever worker, however often it is given the same work', async () => {
    const pool = start();
    for (let round = 1; round <= 20; round++) {
      pool.setWork(workOf(2));
      await until('a block is found', () => found.length >= 2 * round);
    }
    const nonces = found.map(({ nonce }) => nonce);
    expect(new Set(nonces).size).toBe(nonces.length);
    // The character behind the prefix is the worker's.
    await until('both workers have found some', () => {
      return new Set(found.map(({ nonce }) => nonce.charAt(3))).size === 2;
    });
  });

  it('drops stale work at once: a task that would last for days gives way', async () => {
    const pool = start({ taskTime: 1e9 });
    pool.setWork(workOf(NEVER));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const easy = workOf(2, 'new');
    pool.setWork(easy);
    await until('a block of the new work is found', () => found.length > 0);
    expect(found[0]?.work).toBe(easy);
  });

  it('searches the last of many works that come at once', async () => {
    const pool = start({ taskTime: 1e9 });
    for (let i = 0; i < 100; i++) pool.setWork(workOf(NEVER));
    const last = workOf(2, 'end');
    pool.setWork(last);
    await until('a block of the last is found', () => found.length > 0);
    expect(found[0]?.work).toBe(last);
  });

  it('rests while there is no work, and goes on after it', async () => {
    const pool = start();
    pool.setWork(workOf(NEVER));
    await until('it searches', () => pool.stats().tried > 0);
    pool.setWork(null);
    await untilIdle(pool);
    pool.setWork(workOf(2));
    await until('it goes on', () => found.length > 0);
  });

  it('pauses in the middle of a task, and goes on with the work there is by then', async () => {
    const pool = start({ taskTime: 1e9 });
    const work = workOf(NEVER);
    await until('both search', () => {
      pool.setWork(work);
      return pool.stats().workers.every(({ tried }) => tried > 0);
    });
    pool.setPaused(true);
    expect(pool.stats().paused).toBe(true);
    const easy = workOf(2, 'new');
    pool.setWork(easy);
    await untilIdle(pool);
    expect(found).toEqual([]);
    pool.setPaused(false);
    await until('it goes on', () => found.length > 0);
    expect(found[0]?.work).toBe(easy);
  });

  it('starts and ends workers while it searches, and loses nothing that they did', async () => {
    const pool = start({ processes: 1, taskTime: 20 });
    pool.setWork(workOf(NEVER));
    pool.setProcesses(3);
    expect(pool.processes).toBe(3);
    await until('all search', () => pool.stats().workers.every(({ tried }) => tried > 0));
    const before = pool.stats();
    expect(new Set(before.workers.map(({ id }) => id)).size).toBe(3);
    expect(before.workers.reduce((sum, { tried }) => sum + tried, 0)).toBe(before.tried);
    pool.setProcesses(1);
    const [left] = pool.stats().workers;
    expect(left?.id).toBe(before.workers[0]?.id);
    await until('the one that is left goes on', () => {
      const [worker] = pool.stats().workers;
      return (worker?.tried ?? 0) > (left?.tried ?? 0);
    });
    expect(pool.stats().tried).toBeGreaterThan(before.tried);
    pool.setProcesses(2);
    await until('a new one joins in', () => pool.stats().workers.every(({ tried }) => tried > 0));
    expect(pool.stats().workers.at(-1)?.id).toBe(3);
    expect(pool.stats().crashes).toBe(0);
    expect(trouble).toEqual([]);
  });

  it.runIf(platform() === 'linux')(
    'ends a worker in the middle of a task that would last for days',
    async () => {
      const threads = (): number => readdirSync('/proc/self/task').length;
      const pool = start({ processes: 2, taskTime: 1e9 });
      const work = workOf(NEVER);
      await until('both search', () => {
        // Nothing is reported before a task ends, and new work is all that ends one.
        pool.setWork(work);
        return pool.stats().workers.every(({ tried }) => tried > 0);
      });
      const before = { tried: pool.stats().tried, threads: threads() };
      pool.setProcesses(1);
      await until('its thread is gone', () => threads() < before.threads);
      expect(pool.stats().tried).toBeGreaterThanOrEqual(before.tried);
      expect(trouble).toEqual([]);
    },
  );

  it.runIf(platform() === 'linux')(
    'lets its workers, and only them, stand back if it is told to',
    async () => {
      /** The niceness of every thread of this process. */
      const niceness = (): string[] =>
        readdirSync('/proc/self/task').map(
          (id) =>
            readFileSync(`/proc/self/task/${id}/stat`, 'latin1')
              .replace(/^.*\) /s, '')
              .split(' ')[16] ?? '',
        );
      const before = niceness().filter((nice) => nice === '13').length;
      expect(before).toBe(0);
      const pool = start({ niceness: 13 });
      pool.setWork(workOf(NEVER));
      await until('both search', () => pool.stats().workers.every(({ tried }) => tried > 0));
      expect(niceness().filter((nice) => nice === '13')).toHaveLength(2);
    },
  );

  it('ends its workers when it is closed, in the middle of a task', async () => {
    const pool = start({ taskTime: 1e9 });
    pool.setWork(workOf(NEVER));
    await new Promise((resolve) => setTimeout(resolve, 100));
    await pool.close();
    pool.setWork(workOf(1));
    expect(trouble).toEqual([]);
    expect(failed).toBeUndefined();
  });
});

describe('a worker that is ended before it has begun', () => {
  it('takes nothing along', async () => {
    // At most of these times it is in the middle of loading its modules.
    for (let pause = 0; pause < 150; pause += 20) {
      const pool = start();
      await new Promise((resolve) => setTimeout(resolve, pause));
      pool.setProcesses(1);
      await pool.close();
    }
    expect(trouble).toEqual([]);
  });
});

describe('a worker that crashes', () => {
  let directory = '';
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'gossip-miner-test-'));
  });
  afterEach(async () => {
    // Workers write to the folder as long as they live.
    for (const pool of pools.splice(0)) await pool.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** A worker that does `crash` in the first task of the first worker, and is the real one otherwise. */
  function workerThat(crash: string): URL {
    const path = join(directory, 'worker.mjs');
    writeFileSync(
      path,
      `import { writeFileSync } from 'node:fs';
       import run from ${JSON.stringify(WORKER.href)};
       function first() {
         try { writeFileSync(new URL('./crashed', import.meta.url), '', { flag: 'wx' }); return true; }
         catch { return false; }
       }
       export default function (task) { if (first()) { ${crash} } return run(task); }`,
    );
    return pathToFileURL(path);
  }

  it('never waits for the next task: one lies ready when the last ends', async () => {
    const path = join(directory, 'worker.mjs');
    const log = join(directory, 'begun');
    writeFileSync(log, '');
    writeFileSync(
      path,
      `import { appendFileSync } from 'node:fs';
       import run from ${JSON.stringify(WORKER.href)};
       export default function (task) { appendFileSync(${JSON.stringify(log)}, 'x'); return run(task); }`,
    );
    const begun = (): number => statSync(log).size;
    const pool = start({ processes: 1, worker: pathToFileURL(path), taskTime: 50 });
    pool.setWork(workOf(NEVER));
    await until('a task has begun', () => begun() > 0);

    // From here on this thread does not hear of the first task's end, so it can't hand out another.
    const end = performance.now() + 20_000;
    while (begun() < 2 && performance.now() < end);
    expect(begun()).toBe(2);
  });

  it('goes over to new work without waiting to be asked', async () => {
    const path = join(directory, 'worker.mjs');
    const log = join(directory, 'begun');
    writeFileSync(log, '');
    writeFileSync(
      path,
      `import { appendFileSync } from 'node:fs';
       import run from ${JSON.stringify(WORKER.href)};
       export default function (task) { appendFileSync(${JSON.stringify(log)}, task.noncePrefix); return run(task); }`,
    );
    const pool = start({ processes: 1, worker: pathToFileURL(path), taskTime: 1e9 });
    pool.setWork(workOf(NEVER, 'old'));
    await until('a task has begun', () => readFileSync(log, 'utf8') === 'old');
    pool.setWork(workOf(NEVER, 'new'));
    // This thread does not hear that the old task has ended.
    const end = performance.now() + 20_000;
    while (!readFileSync(log, 'utf8').includes('new') && performance.now() < end);
    expect(readFileSync(log, 'utf8')).toMatch(/^old(old)?new$/);
  });

  it.each([
    ['by leaving', 'process.exit(7);'],
    ['by an error in a task', "throw new Error('oops');"],
    [
      'by an error outside of any task',
      "setImmediate(() => { throw new Error('oops'); }); return new Promise(() => {});",
    ],
  ])('%s is replaced, and the search goes on', async (_, crash) => {
    const pool = start({ processes: 1, worker: workerThat(crash) });
    pool.setWork(workOf(2));
    await until('the crash is told', () => trouble.length > 0);
    found = [];
    await until('a block is found after it', () => found.length > 0);
    expect(trouble).toHaveLength(1);
    expect(trouble[0]).toMatch(/^a worker crashed and is replaced: /);
    expect(pool.stats().crashes).toBeGreaterThan(0);
    expect(failed).toBeUndefined();
  });

  it('is replaced also where it lives on but fails at everything, and another worker does well', async () => {
    const path = join(directory, 'worker.mjs');
    writeFileSync(
      path,
      `import { writeFileSync } from 'node:fs';
       import run from ${JSON.stringify(WORKER.href)};
       let broken = true;
       try { writeFileSync(new URL('./crashed', import.meta.url), '', { flag: 'wx' }); } catch { broken = false; }
       export default function (task) { if (broken) throw new Error('oops'); return run(task); }`,
    );
    const pool = start({ processes: 2, worker: pathToFileURL(path), taskTime: 20 });
    pool.setWork(workOf(NEVER));
    await until('both search', () => pool.stats().workers.every(({ tried }) => tried > 0));
    expect(pool.stats().crashes).toBeGreaterThan(0);
    expect(trouble).toEqual(['a worker crashed and is replaced: oops']);
  });

  it.each([
    [
      'found a nonce that is none',
      "{ run: () => ({ tried: 1, found: [{ head: 0, nonce: 'lie' }], exhausted: false }) }",
    ],
    ['did not go on', '{ run: fail }'],
    ['did not go on', 'fail()'],
  ])('is not all that is watched: a kernel that %s is replaced too (%s)', async (problem, search) => {
    const path = join(directory, 'worker.mjs');
    const source = (file: string): string => JSON.stringify(new URL(file, WORKER).href);
    writeFileSync(
      path,
      `import { referenceKernel } from ${source('./kernel/reference.js')};
       import { KernelFault } from ${source('./kernel/scan.js')};
       import run from ${source('./search.js')};
       const fail = () => { throw new KernelFault('reference', 'did not go on'); };
       referenceKernel.search = () => (${search});
       export default run;`,
    );
    const pool = start({ processes: 1, worker: pathToFileURL(path) });
    pool.setWork(workOf(3));
    await until('a block is found', () => found.length > 0);
    expect(trouble).toEqual([`the reference kernel ${problem}, and is replaced`]);
    expect(pool.stats().crashes).toBe(0);
    for (const { nonce, hash } of found) {
      expect(hashBlock({ ...BLOCK, nonce }, PREVIOUS)).toBe(hash);
      expect(trailingZeros(hash)).toBeGreaterThanOrEqual(3);
    }
  });

  it('again and again ends the search, with one error', async () => {
    const path = join(directory, 'worker.mjs');
    writeFileSync(path, "throw new Error('broken');");
    const pool = start({ processes: 1, worker: pathToFileURL(path) });
    pool.setWork(workOf(2));
    await until('it gives up', () => failed !== undefined);
    expect(failed?.message).toContain('broken');
  });
});
