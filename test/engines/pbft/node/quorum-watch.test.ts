import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { silentLog, type LogData } from '../../../../shared/log.ts';
import { QuorumWatch } from '../../../../peer/engines/pbft/node/quorum-watch.ts';

const PATIENCE = 1_000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function watched(connections: { connected: number; needed: number }): {
  watch: QuorumWatch;
  lines: (LogData | undefined)[];
} {
  const lines: (LogData | undefined)[] = [];
  const log = { ...silentLog, warn: (_: string, data?: LogData) => lines.push(data) };
  return { watch: new QuorumWatch(log, () => connections, PATIENCE), lines };
}

describe('an answer that does not come', () => {
  test('is explained, now and then, where too few are connected', async () => {
    const connections = { connected: 1, needed: 2 };
    const { watch, lines } = watched(connections);
    let answer: (value: string) => void = () => undefined;
    const first = watch.over(new Promise<string>((resolve) => (answer = resolve)));
    void watch.over(Promise.resolve('at once'));
    await vi.advanceTimersByTimeAsync(PATIENCE - 1);
    expect(lines).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(lines).toEqual([{ connected: 1, needed: 2 }]);
    await vi.advanceTimersByTimeAsync(PATIENCE);
    expect(lines.length).toBe(2);
    connections.connected = 2;
    await vi.advanceTimersByTimeAsync(10 * PATIENCE);
    expect(lines.length).toBe(2);
    answer('done');
    expect(await first).toBe('done');
    expect(vi.getTimerCount()).toBe(0);
  });

  test('is explained no more when it has failed, or everything ends', async () => {
    const { watch, lines } = watched({ connected: 0, needed: 2 });
    await expect(watch.over(Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(vi.getTimerCount()).toBe(0);
    void watch.over(new Promise(() => undefined));
    watch.close();
    await vi.advanceTimersByTimeAsync(10 * PATIENCE);
    expect(lines).toEqual([]);
  });
});
