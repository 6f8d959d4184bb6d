/** The pool of requests that wait: whose gives way, and how long a client has waited. */
import { describe, expect, it } from 'vitest';

import type { ClientRequest } from '../../../../peer/engines/pbft/protocol/messages.ts';
import { RequestPool } from '../../../../peer/engines/pbft/protocol/requests.ts';

const SHARE = 3;

function request(client: number, timestamp: number): ClientRequest {
  return { client, timestamp, operation: `of ${client}`, signature: `signed ${timestamp}` };
}

/** A pool for two clients with these requests of client 0. */
function poolWith(...timestamps: readonly number[]): RequestPool {
  const pool = new RequestPool(2, SHARE);
  for (const timestamp of timestamps) pool.add(request(0, timestamp), 0);
  return pool;
}

function timestamps(pool: RequestPool): number[] {
  return [...pool.all()].map((waiting) => waiting.request.timestamp);
}

describe('a client that asks for more than its share', () => {
  it('keeps its lowest timestamps, in whatever order they come', () => {
    const pool = poolWith(5, 1, 9);
    expect(pool.hasRoomFor(request(0, 10))).toBe(false);
    expect(pool.add(request(0, 10), 0)).toBe(false);
    expect(pool.hasRoomFor(request(0, 7))).toBe(true);
    expect(pool.add(request(0, 7), 0)).toBe(true);
    expect(timestamps(pool)).toEqual([5, 1, 7]);
    expect(pool.size).toBe(SHARE);
  });

  it('keeps what is proposed', () => {
    const pool = poolWith(5, 1, 9);
    for (const waiting of pool.all()) waiting.proposed = true;
    expect(pool.hasRoomFor(request(0, 7))).toBe(false);
    expect(pool.add(request(0, 7), 0)).toBe(false);
    expect(timestamps(pool)).toEqual([5, 1, 9]);
  });

  it('takes no room from others, and has one request under a timestamp', () => {
    const pool = poolWith(5, 1, 9);
    expect(pool.add(request(1, 100), 0)).toBe(true);
    expect(pool.add({ ...request(1, 100), operation: 'another' }, 0)).toBe(false);
    expect(pool.hasRoomFor({ ...request(1, 100), operation: 'another' })).toBe(false);
    expect(pool.hasRoomFor(request(2, 1))).toBe(false);
  });
});

describe('the wait of a client', () => {
  it('begins anew when the first of its requests is executed, or one before it, and only then', () => {
    const pool = poolWith(5, 7);
    pool.add(request(1, 1), 0);
    const { longest } = pool;
    expect(longest?.client).toBe(0);
    pool.onExecuted(0, 7, 0);
    expect(pool.longest).toBe(longest);
    pool.onExecuted(0, 4, 0);
    expect(pool.longest?.client).toBe(1);
    pool.onExecuted(1, 1, 0);
    const again = pool.longest;
    expect(again?.client).toBe(0);
    pool.add(request(0, 8), 0);
    pool.onExecuted(0, 5, 0);
    expect(pool.longest).not.toBe(again);
    pool.onExecuted(0, 8, 0);
    expect(pool.longest).toBeUndefined();
  });

  it('does not last for what has become too old to be executed', () => {
    const pool = poolWith(1, 2, 9);
    pool.onExecuted(0, 8, 2);
    expect(timestamps(pool)).toEqual([9]);
    pool.onExecuted(0, 20, 10);
    expect(pool.longest).toBeUndefined();
    expect(pool.size).toBe(0);
  });

  it('begins anew where a state was fetched in which some of it is executed', () => {
    const pool = poolWith(1, 2);
    const { longest } = pool;
    pool.keepWhere(({ timestamp }) => timestamp > 1);
    expect(pool.longest).toEqual({ client: 0 });
    expect(pool.longest).not.toBe(longest);
  });
});
