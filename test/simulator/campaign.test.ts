import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { describe, expect, it } from 'vitest';

import { Campaign, type CampaignOptions, type CampaignResult } from '../../peer/simulator/campaign.ts';
import { readPlan, type Wording } from '../../peer/simulator/plan.ts';
import { NOTHING_THROWS } from '../../peer/simulator/report.ts';
import { eventually } from '../support/asker.ts';
import { plantedEngine, VIOLATION } from './planted.ts';
import { requireBuild } from '../support/built.ts';

/** The compiled worker: Node 20 can't run TypeScript in a worker. */
const WORKER = new URL('../../dist/test/simulator/planted-worker.js', import.meta.url);
requireBuild('dist/test/simulator/planted-worker.js');
if (!existsSync(WORKER)) throw new Error('the tests are not compiled: run "npm run build" first');

/** A campaign over the planted engine: 200 seeds and two workers, unless said otherwise. */
function campaign(wording: Wording, options: Partial<CampaignOptions> = {}): Campaign {
  return new Campaign({
    engine: 'planted',
    plan: readPlan(plantedEngine, wording),
    seeds: { from: 1, to: 200 },
    keepGoing: false,
    workers: 2,
    worker: WORKER,
    ...options,
  });
}

function run(wording: Wording, options: Partial<CampaignOptions> = {}): Promise<CampaignResult> {
  return campaign(wording, options).run();
}

describe('a campaign', () => {
  it('runs every seed once and adds up what they tell', async () => {
    const result = await run({});
    expect(result).toMatchObject({ complete: true, seeds: 200, failed: 0, failures: [] });
    expect(result.sums).toEqual({
      simulatedSeconds: 200 * 3_600,
      events: 200 * 10,
      messageFaults: 200 * (1 + 2 + 3 + 4),
      partitions: 200,
      partitionsByKind: { symmetric: 0, 'one-way': 200, 'isolate-one': 0, swizzle: 0 },
      crashes: 400,
      crashesMidStep: 200,
      lostWrites: 200,
      tornWrites: 0,
      replaced: 0,
      byzantine: 0,
      figures: { blocks: 1_000 },
    });
    expect(result.peaks).toEqual({ summit: 200 });
  });

  it('tells the same with one worker as with three', async () => {
    const wording = { 'fails-at': '7' };
    const one = await run(wording, { workers: 1, keepGoing: true });
    expect(await run(wording, { workers: 3, keepGoing: true })).toEqual(one);
    expect(one.digest).toMatch(/^[0-9a-f]{16}$/);
    expect((await run(wording, { seeds: { from: 2, to: 201 }, keepGoing: true })).digest).not.toBe(
      one.digest,
    );
  });

  it('ends with the lowest seed that fails, whoever finds it', async () => {
    for (const workers of [1, 3]) {
      const result = await run({ 'fails-at': '33' }, { workers });
      expect(result).toMatchObject({ complete: true, seeds: 33, failed: 1 });
      expect(result.failures).toEqual([{ seed: 33, violations: [VIOLATION] }]);
    }
  });

  it('does not count a failure above the lowest one, even if it was found first', async () => {
    const result = await run({ 'fails-at': '1', 'waits-at': '1' }, { seeds: { from: 1, to: 4 } });
    expect(result).toMatchObject({ complete: true, seeds: 1, failed: 1 });
    expect(result.failures).toEqual([{ seed: 1, violations: [VIOLATION] }]);
  });

  it('gives up the seeds above one that fails, also those that run already', async () => {
    const result = await run({ 'fails-at': '33', 'endless-from': '34' }, { seeds: { from: 32, to: 40 } });
    expect(result).toMatchObject({ complete: true, seeds: 2, failed: 1 });
  });

  it('goes on where it is told to', async () => {
    const result = await run({ 'fails-at': '33' }, { keepGoing: true });
    expect(result).toMatchObject({ complete: true, seeds: 200, failed: 6 });
    expect(result.failures.map(({ seed }) => seed)).toEqual([33, 66, 99, 132, 165, 198]);
  });

  it('keeps the first hundred failures, and the seeds of all others', async () => {
    const result = await run({ 'fails-at': '1' }, { keepGoing: true });
    expect(result.failed).toBe(200);
    expect(result.failures.map(({ seed }) => seed)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(result.furtherFailures).toEqual(Array.from({ length: 100 }, (_, i) => i + 101));
  });

  it('tells of each failure as soon as it is found, if it goes on', async () => {
    const reported: number[] = [];
    const options = { workers: 1, onFailure: ({ seed }: { seed: number }) => reported.push(seed) };
    // It never gets to its end.
    const endless = campaign({ 'fails-at': '50', 'endless-from': '120' }, { ...options, keepGoing: true });
    const end = endless.run();
    await eventually('it tells of two failures', () => Promise.resolve(reported.length === 2));
    expect(reported).toEqual([50, 100]);
    endless.stop();
    const result = await end;
    expect(result.failures.map(({ seed }) => seed)).toEqual([50, 100]);
    expect(result).toMatchObject({ counted: result.seeds, next: result.seeds + 1 });
    // Of one that ends with it, the end tells.
    expect(await run({ 'fails-at': '50' }, options)).toMatchObject({ failed: 1 });
    expect(reported).toHaveLength(2);
  });

  it('has no more workers than seeds', async () => {
    expect(await run({}, { seeds: { from: 5, to: 5 }, workers: 4 })).toMatchObject({ seeds: 1 });
  });

  it('stops in the midst of a seed, with what is done by then', async () => {
    // No seed ever ends, so none counts.
    const endless = campaign({ 'endless-from': '1' });
    const end = endless.run();
    await eventually('both workers run', () => Promise.resolve(endless.progress().events > 0));
    endless.stop();
    const result = await end;
    expect(result).toMatchObject({ complete: false, seeds: 0, digest: null, counted: null, next: 1 });
    expect(result.unfinishedEvents).toBeGreaterThan(0);
  });

  it('that is stopped before it begins starts nobody', async () => {
    const stopped = campaign({});
    stopped.stop();
    expect(await stopped.run()).toMatchObject({ complete: false, seeds: 0 });
  });

  it('ends with a seed that a worker died over, and tells of those that were done', async () => {
    const result = await run({ 'dies-at': '150', 'fails-at': '60' }, { workers: 1, keepGoing: true });
    expect(result).toMatchObject({ complete: false, seeds: 149, failed: 2, digest: null });
    expect(result.failures.map(({ seed }) => seed)).toEqual([60, 120]);
    expect(result.deaths).toEqual([{ seed: 150, reason: 'worker exited with code: 7' }]);
  });

  it('does not wait for a dead worker, and stops the others', async () => {
    const result = await run({ 'dies-at': '5', 'endless-from': '6' });
    expect(result).toMatchObject({ complete: false, deaths: [{ seed: 5 }] });
  });

  it('counts a seed over which the simulator itself fails as one that failed, and goes on', async () => {
    const result = await run({ 'throws-at': '150' }, { keepGoing: true });
    expect(result).toMatchObject({ complete: true, seeds: 200, failed: 1 });
    const [{ seed, violations } = { seed: 0, violations: [] }] = result.failures;
    expect(seed).toBe(150);
    expect(violations).toMatchObject([{ checker: NOTHING_THROWS, kind: 'safety', node: null }]);
    // What was thrown, and where.
    expect(violations[0]?.detail).toMatch(/^Error: oops +at /);
    expect(await run({ 'throws-at': '150' })).toMatchObject({ complete: true, seeds: 150, failed: 1 });
  });

  it('ends where its workers can not be loaded', async () => {
    const worker = new URL('./no-such-worker.js', WORKER);
    const { deaths } = await run({}, { worker });
    expect(deaths[0]?.seed).toBe(1);
    expect(deaths[0]?.reason).toContain('no-such-worker');
  });

  it('ends where they end while they are loaded', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gossip-campaign-'));
    try {
      writeFileSync(join(folder, 'worker.mjs'), 'process.exit(3);');
      const worker = pathToFileURL(join(folder, 'worker.mjs'));
      const { deaths } = await run({}, { worker });
      expect(deaths[0]).toEqual({ seed: 1, reason: 'it ended' });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
