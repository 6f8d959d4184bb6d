import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { MiningPool, type PoolOptions, type PoolWork } from '../../miner/pool.ts';
import { hashBlock, preimageHead, trailingZeros } from '../../shared/block.ts';
import { until } from '../mining/helpers.ts';
import { WORKER } from './helpers.ts';

const BLOCK = { height: 1, minedBy: 'me', messages: ['hello'], timestamp: 1_700_000_000 };
const PREVIOUS = '0'.repeat(64);
/** More zeros than anybody will see. */
const NEVER = 30;

interface Found {
  readonly work: PoolWork;
  readonly nonce: string;
  readonly hash: string;
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
  pool.on('found', (work, nonce, hash) => found.push({ work, nonce, hash }));
  pool.on('trouble', (message) => trouble.push(message));
  pool.on('failed', (error) => {
    failed = error;
  });
  return pool;
}

function workOf(difficulty: number, noncePrefix = 'xyz'): PoolWork {
  return { head: preimageHead(BLOCK, PREVIOUS), noncePrefix, difficulty };
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
      expect(pool.stats().tried).toBeGreaterThan(0);
      expect(pool.stats().shares).toBeGreaterThanOrEqual(3);
      expect(trailingZeros(pool.stats().bestHash)).toBeGreaterThanOrEqual(3);
    },
  );

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

  it('rests while there is no work, and goes on after it', async () => {
    const pool = start();
    pool.setWork(workOf(NEVER));
    await until('it searches', () => pool.stats().tried > 0);
    pool.setWork(null);
    let seen = { tried: -1, at: 0 };
    await until('nothing is tried for a while', () => {
      const { tried } = pool.stats();
      if (tried !== seen.tried) seen = { tried, at: performance.now() };
      return performance.now() > seen.at + 300;
    });
    pool.setWork(workOf(2));
    await until('it goes on', () => found.length > 0);
  });

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

  it('is not all that is watched: a kernel that reports false hits is replaced too', async () => {
    const path = join(directory, 'worker.mjs');
    const reference = new URL('./kernel/reference.js', WORKER).href;
    writeFileSync(
      path,
      `import { referenceKernel } from ${JSON.stringify(reference)};
       import run from ${JSON.stringify(WORKER.href)};
       referenceKernel.search = () => ({ run: () => ({ tried: 1, found: ['lie'], exhausted: false }) });
       export default run;`,
    );
    const pool = start({ processes: 1, worker: pathToFileURL(path) });
    pool.setWork(workOf(3));
    await until('a block is found', () => found.length > 0);
    expect(trouble).toEqual(['the reference kernel found a nonce that is none, and is replaced']);
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
