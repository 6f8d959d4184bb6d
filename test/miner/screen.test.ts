import { describe, expect, it } from 'vitest';

import type { MinerStats } from '../../miner/miner.ts';
import { RateMeter } from '../../miner/rate.ts';
import {
  LiveLines,
  formatDuration,
  formatRate,
  keyLine,
  secondsPerBlock,
  statusLines,
} from '../../miner/screen.ts';
import { recordingLog } from './helpers.ts';

const STATS: MinerStats = {
  state: 'mining',
  rate: 61_300_000,
  workerRates: [30_400_000, 30_900_000],
  difficulty: 8,
  found: 3,
  accepted: 2,
  stale: 1,
  rejected: 0,
  unanswered: 0,
  tried: 1,
  workers: [],
  paused: false,
  shares: 1,
  bestHash: 'ab0000000',
  crashes: 0,
};

describe('numbers for people', () => {
  it.each([
    [0, '0 H/s'],
    [5, '5.00 H/s'],
    [999, '999 H/s'],
    [999.6, '1.00 kH/s'],
    [61_300_000, '61.3 MH/s'],
    [5.2e8, '520 MH/s'],
    [1.6e10, '16.0 GH/s'],
  ])('%d hashes a second', (rate, text) => {
    expect(formatRate(rate)).toBe(text);
  });

  it.each([
    [0, '0.0s'],
    [8.31, '8.3s'],
    [59, '59s'],
    [69, '1m 09s'],
    [3661, '1h 01m'],
    [90_000, '1d 01h'],
    [Infinity, 'never'],
  ])('%d seconds', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });

  it('the expected time of a block', () => {
    expect(secondsPerBlock(8, 16 ** 8)).toBe(1);
    expect(secondsPerBlock(9, 16 ** 8)).toBe(16);
  });
});

describe('the rate', () => {
  it('is that of the last seconds', () => {
    const meter = new RateMeter();
    expect(meter.perSecond).toBe(0);
    meter.add(0, 0);
    expect(meter.perSecond).toBe(0);
    meter.add(1000, 500);
    expect(meter.perSecond).toBe(500);
    for (let at = 2000; at <= 20_000; at += 1000) meter.add(at, 500 + at);
    expect(meter.perSecond).toBe(1000);
    for (let at = 21_000; at <= 30_000; at += 1000) meter.add(at, 20_500);
    expect(meter.perSecond).toBe(0);
  });
});

describe('the live lines', () => {
  it('say what there is to know', () => {
    expect(statusLines(STATS, 69)).toEqual([
      '61.3 MH/s · 2 workers of 30.4 MH/s to 30.9 MH/s · a block every 1m 10s at difficulty 8',
      'found 3 · accepted 2 · stale 1 · best 7 zeros · up 1m 09s',
    ]);
    expect(statusLines({ ...STATS, rejected: 4 }, 1)[1]).toContain('rejected 4');
    expect(statusLines({ ...STATS, workerRates: [6e7] }, 1)[0]).toContain(' · 1 worker · ');
    expect(statusLines({ ...STATS, workerRates: [3e7, 3.001e7, 3e7] }, 1)[0]).toContain(
      ' · 3 workers of 30.0 MH/s · ',
    );
  });

  it('say why nothing is mined', () => {
    expect(statusLines({ ...STATS, state: 'connecting', difficulty: undefined }, 1)[0]).toBe('no peer');
    expect(statusLines({ ...STATS, state: 'waiting', difficulty: undefined, bestHash: '' }, 1)).toEqual([
      'the peer has no work so far',
      'found 3 · accepted 2 · stale 1 · up 1.0s',
    ]);
    expect(statusLines({ ...STATS, state: 'waiting', unanswered: 1 }, 1)).toEqual([
      'waiting for what the peer makes of the block',
      'found 3 · accepted 2 · stale 1 · unanswered 1 · best 7 zeros · up 1.0s',
    ]);
    expect(statusLines({ ...STATS, state: 'paused' }, 1)[0]).toBe('paused');
    expect(statusLines({ ...STATS, rate: 0 }, 1)[0]).toBe('measuring');
  });

  it('say what the keys do', () => {
    expect(keyLine({ paused: false })).toBe('p pause · + and - workers · q quit');
    expect(keyLine({ paused: true })).toBe('p resume · + and - workers · q quit');
  });

  it('stay within the terminal, and below the log', () => {
    let screen = '';
    const lines = new LiveLines({ columns: 11, write: (text: string) => (screen += text) });
    const { log, lines: logged } = recordingLog();
    const above = lines.above({
      ...log,
      info: (message) => {
        screen += `[${message}]`;
      },
    });
    lines.show('0123456789abc', 'second', 'third');
    above.info('hello');
    lines.show();
    above.info('end');
    above.warn('other', { key: 1 });
    const clear = '\u001b[J';
    const up = '\u001b[1A';
    const shown = '0123456789\nsecond\nthird';
    expect(screen).toBe(
      `\r${clear}${shown}\r${up}${up}${clear}[hello]\r${clear}${shown}\r${up}${up}${clear}[end]`,
    );
    expect(logged).toEqual(['warn other {"key":1}']);
  });

  it('take a terminal that does not know its width for one of 80 columns', () => {
    let screen = '';
    new LiveLines({ columns: 0, write: (text: string) => (screen = text) }).show('x'.repeat(100));
    expect(screen).toBe(`\r\u001b[J${'x'.repeat(79)}`);
  });
});
