/**
 * Garbage, and a process that sends it: what a peer must live through when somebody means it harm. The datagrams are
 * made beforehand, so that the sender is fast enough and every run sends the same.
 */
import { fork } from 'node:child_process';
import type { Socket } from 'node:dgram';
import { join } from 'node:path';

import { blockFields } from '../../shared/block.ts';
import { ROOT, requireBuild } from './built.ts';
import { seededRandom } from './random.ts';
import { LOOPBACK, openSocket } from './wire.ts';

/** Different datagrams of the forged kinds, sent in turns: more than any memory of ids or blocks that a peer has. */
const VARIETY = 16_384;
/** Sockets of a flood from many addresses, each on a loopback address of its own. */
const MANY_SOURCES = 128;
/** Datagrams sent before the sender looks at the clock, and at its messages, again. */
const BURST = 64;
/** The longest datagram that this peer looks at. */
const LONGEST = 8192;

/** The address that a flood from many sends its datagram `index` from; one from a single address uses the first. */
function source(index: number): string {
  return `127.66.1.${1 + (index % MANY_SOURCES)}`;
}

/** This module compiled, which is also the program that it forks: Node runs no TypeScript. */
const PROGRAM = join(ROOT, 'dist/test/support/flood.js');

type Random = () => number;

function whole(random: Random, below: number): number {
  return Math.floor(random() * below);
}

function hex(random: Random, length: number): string {
  return Array.from({ length }, () => whole(random, 16).toString(16)).join('');
}

/** A hash as a block of difficulty 8 has it, which is good enough for any difficulty below. */
function plausibleHash(random: Random): string {
  return hex(random, 56) + '0'.repeat(8);
}

function forgedBlock(random: Random, height: number): string {
  return blockFields({
    height,
    minedBy: 'flood',
    messages: ['one', 'two', 'three'],
    nonce: hex(random, 16),
    timestamp: 1_700_000_000,
    hash: plausibleHash(random),
  });
}

function many(count: number, make: (index: number) => string): Buffer[] {
  return Array.from({ length: count }, (_, index) => Buffer.from(make(index)));
}

/** Text of the most bytes that are looked at: `middle` again and again, between a start and an end. */
function longest(start: string, middle: string, end: string): Buffer {
  const times = Math.floor((LONGEST - start.length - end.length) / middle.length);
  return Buffer.from(start + middle.repeat(times) + end);
}

/**
 * For each kind of garbage its datagrams, `count` of them where each is different; `height` is the length of the chain
 * of the peer that gets them.
 */
const MAKERS = {
  random: (random) =>
    Array.from({ length: 1024 }, () =>
      Buffer.from(Array.from({ length: 1 + whole(random, 512) }, () => whole(random, 256))),
    ),
  empty: () => [Buffer.alloc(0)],
  /** The most that a datagram can hold, nearly. */
  huge: () => [Buffer.alloc(60_000, '{')],
  /** Just too long, and a message otherwise. */
  long: () => [Buffer.from(`{"type":"STATS","x":"${'x'.repeat(9000)}"}`)],
  /** JSON that says nothing. */
  'no-message': () =>
    ['{}', '[]', 'null', '"STATS"', '17', '{"type":"HELLO"}', '{"type":17}', '["error"]'].map((text) =>
      Buffer.from(text),
    ),
  nested: () => [
    longest('', '[', ''),
    longest('{"type":', '[', ''),
    longest('{"type":"STATS","x":', '{"":', ''),
  ],
  /** As deep as can be, closed properly, beside a number that is not exact. */
  'nested-exact': () => {
    const depth = LONGEST / 2 - 30;
    const text = `{"type":"STATS","id":98765432109876543210,"x":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    return [Buffer.from(text)];
  },
  /** Thousands of values beside a number that is not exact. */
  numbers: () => [longest('{"type":"STATS","id":98765432109876543210,"x":[', '1,', '1]}')],
  /** Peers on addresses that nobody has, told of by somebody else. */
  gossip: (random, _, count) =>
    many(count, () => {
      const host = `10.${whole(random, 256)}.${whole(random, 256)}.${1 + whole(random, 254)}`;
      return JSON.stringify({ type: 'GOSSIP', host, port: 8999, id: hex(random, 32), name: 'flood' });
    }),
  /** Peers on the very hosts that the datagrams come from, so that they look like peers that we have heard. */
  'own-gossip': (random, _, count) =>
    many(count, (index) =>
      JSON.stringify({
        type: 'GOSSIP',
        host: source(index),
        port: 1 + index,
        id: hex(random, 32),
        name: 'flood',
      }),
    ),
  /** Another object at every step, each with a key of its own: what takes longest to parse. */
  objects: (random) =>
    Array.from({ length: 256 }, () =>
      Buffer.from(
        `{"type":"STATS","x":[${Array.from({ length: 700 }, () => `{"${hex(random, 3)}":1}`).join(',')}]}`,
      ),
    ),
  /** The same in a datagram no longer than the network's own. */
  'short-objects': (random) =>
    Array.from({ length: 256 }, () =>
      Buffer.from(
        `{"type":"STATS","x":[${Array.from({ length: 90 }, () => `{"${hex(random, 3)}":1}`).join(',')}]}`,
      ),
    ),
  /** Looks like a message until the parser meets the mistake. */
  'not-json': () => [Buffer.from('{"type":"STATS","x":nonsense}')],
  stats: () => [Buffer.from('{"type":"STATS"}')],
  'get-block': (random, height, count) =>
    many(count, () => `{"type":"GET_BLOCK","height":${whole(random, 2 * height)}}`),
  announce: (random, height, count) =>
    many(count, (index) => `{"type":"ANNOUNCE",${forgedBlock(random, height + (index % 4))}}`),
  'old-announce': (random, height, count) =>
    many(count, () => `{"type":"ANNOUNCE",${forgedBlock(random, whole(random, height))}}`),
  'stats-reply': (random, height, count) =>
    many(count, () =>
      JSON.stringify({ type: 'STATS_REPLY', height: height + 1000, hash: plausibleHash(random) }),
    ),
  'block-reply': (random, height, count) =>
    many(count, () => `{"type":"GET_BLOCK_REPLY",${forgedBlock(random, whole(random, height))}}`),
  'new-word': (random, _, count) =>
    many(count, () => JSON.stringify({ type: 'NEW_WORD', word: hex(random, 12) })),
  consensus: () => [Buffer.from('{"type":"CONSENSUS"}')],
} satisfies Record<string, (random: Random, height: number, count: number) => Buffer[]>;

/** A kind of garbage; `mixed` is all of them in turns, but for those so large that they would slow the sender. */
export type GarbageKind = keyof typeof MAKERS | 'mixed';

export const GARBAGE_KINDS: readonly GarbageKind[] = [
  ...(Object.keys(MAKERS) as (keyof typeof MAKERS)[]),
  'mixed',
];

/** The datagrams of a kind, to be sent in turns. */
export function garbage(kind: GarbageKind, height: number): readonly Buffer[] {
  if (kind !== 'mixed') return MAKERS[kind](seededRandom(1), height, VARIETY);
  const makers = Object.entries(MAKERS).filter(([name]) => name !== 'huge');
  const pools = makers.map(([, make]) => make(seededRandom(1), height, Math.ceil(VARIETY / makers.length)));
  return Array.from({ length: VARIETY }, (_, index) => {
    const pool = pools[index % pools.length] ?? [];
    return pool[Math.floor(index / pools.length) % pool.length] ?? Buffer.alloc(0);
  });
}

export interface FloodPlan {
  readonly port: number;
  readonly kind: GarbageKind;
  /** How long the chain is that the garbage speaks of. */
  readonly height: number;
  /** Datagrams a second. */
  readonly rate: number;
  /** Ends by itself after so many. */
  readonly count: number;
  /** From one port of one address, or from many addresses. */
  readonly sources: 'one' | 'many';
}

/** A flood from a process of its own. */
export interface Flood {
  /** Settles when the flood is over: datagrams sent, and the seconds it took. */
  readonly over: Promise<{ readonly sent: number; readonly seconds: number }>;
  /** Ends it early. */
  stop(): void;
}

/** Starts a flood; the promise settles when the first datagrams are on their way. */
export async function startFlood(plan: FloodPlan): Promise<Flood> {
  requireBuild('dist/test/support/flood.js');
  const child = fork(PROGRAM, [JSON.stringify(plan)], { stdio: 'inherit' });
  let begun: () => void = () => undefined;
  const beginning = new Promise<void>((resolve) => (begun = resolve));
  const over = new Promise<{ sent: number; seconds: number }>((resolve, reject) => {
    child.on('message', (message) => {
      if (message === 'begun') begun();
      else resolve(message as { sent: number; seconds: number });
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      reject(new Error(`the flood ended with ${String(code)}`));
    });
  });
  await Promise.race([beginning, over]);
  return {
    over,
    stop: () => {
      if (child.connected) child.send('stop');
    },
  };
}

async function openSources(sources: FloodPlan['sources']): Promise<Socket[]> {
  return Promise.all(
    Array.from({ length: sources === 'one' ? 1 : MANY_SOURCES }, (_, index) =>
      // Some systems have a single loopback address: then it is many ports.
      openSocket(source(index)).catch(() => openSocket()),
    ),
  );
}

async function flood(plan: FloodPlan): Promise<void> {
  const pool = garbage(plan.kind, plan.height);
  const sockets = await openSources(plan.sources);
  let stopped = false;
  process.on('message', () => (stopped = true));
  // Not to outlive whoever started it, however that ended.
  process.once('disconnect', () => process.exit());
  process.send?.('begun');
  const start = performance.now();
  let sent = 0;
  await new Promise<void>((resolve) => {
    const go = (): void => {
      const due = Math.min(plan.count, ((performance.now() - start) / 1000) * plan.rate);
      const until = Math.min(due, sent + BURST);
      for (; sent < until; sent++) {
        const bytes = pool[sent % pool.length];
        if (bytes !== undefined) sockets[sent % sockets.length]?.send(bytes, plan.port, LOOPBACK, noop);
      }
      if (stopped || sent >= plan.count) resolve();
      else if (sent < due) setImmediate(go);
      else setTimeout(go, 1);
    };
    go();
  });
  process.send?.({ sent, seconds: (performance.now() - start) / 1000 }, () => {
    process.disconnect();
  });
}

function noop(): void {
  // What can't be sent is not sent: a flood has plenty.
}

if (process.argv[1] === PROGRAM) {
  await flood(JSON.parse(process.argv[2] ?? '') as FloodPlan);
}
