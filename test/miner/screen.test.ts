import { describe, expect, it } from 'vitest';

import type { MinerStats } from '../../miner/miner.ts';
import { RateMeter } from '../../miner/rate.ts';
import { LiveLine, formatDuration, formatRate, secondsPerBlock, statusLine } from '../../miner/screen.ts';
import { recordingLog } from './helpers.ts';

const STATS: MinerStats = {
  state: 'mining',
  rate: 61_300_000,
  difficulty: 8,
  found: 3,
  accepted: 2,
  stale: 1,
  rejected: 0,
  tried: 1,
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

describe('the live line', () => {
  it('says what there is to know', () => {
    expect(statusLine(STATS, 69)).toBe(
      '61.3 MH/s · a block every 1m 10s at difficulty 8 · found 3 · accepted 2 · stale 1 · best 7 zeros · up 1m 09s',
    );
    expect(statusLine({ ...STATS, rejected: 4 }, 1)).toContain('rejected 4');
  });

  it('says why nothing is mined', () => {
    expect(statusLine({ ...STATS, state: 'connecting', difficulty: undefined }, 1)).toMatch(/^no peer · /);
    expect(statusLine({ ...STATS, state: 'waiting', bestHash: '' }, 1)).toMatch(/^nothing to mine · found/);
  });

  it('stays within the terminal, and below the log', () => {
    let screen = '';
    const line = new LiveLine({ columns: 11, write: (text: string) => (screen += text) });
    const { log, lines } = recordingLog();
    const above = line.above({
      ...log,
      info: (message) => {
        screen += `[${message}]`;
      },
    });
    line.show('0123456789abc');
    above.info('hello');
    line.show('');
    above.info('end');
    above.warn('other', { key: 1 });
    const clear = '\r\u001b[2K';
    expect(screen).toBe(`${clear}0123456789${clear}[hello]${clear}0123456789${clear}[end]`);
    expect(lines).toEqual(['warn other {"key":1}']);
  });

  it('takes a terminal that does not know its width for one of 80 columns', () => {
    let screen = '';
    new LiveLine({ columns: 0, write: (text: string) => (screen = text) }).show('x'.repeat(100));
    expect(screen).toHaveLength('\r\u001b[2K'.length + 79);
  });
});
