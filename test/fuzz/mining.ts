/** Both ends of a miner's connection, without a network: a peer among hostile miners, and a miner of a hostile peer. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';

import fc from 'fast-check';

import { PeerClient } from '../../miner/client.ts';
import { MAX_MIDSTATES } from '../../miner/kernel/layout.ts';
import { Miner, type Work } from '../../miner/miner.ts';
import type { PoolEvents, PoolStats } from '../../miner/pool.ts';
import { DEFAULT_MINING_LIMITS } from '../../peer/engines/pow/node/mining/limits.ts';
import { MiningServer } from '../../peer/engines/pow/node/mining/server.ts';
import { isMineableName, isMineableNonce, isMineableWord, type Block } from '../../shared/block.ts';
import { silentLog } from '../../shared/log.ts';
import { MAX_JOB_BYTES, MAX_NONCE_PREFIX_LENGTH } from '../../shared/mining-wire.ts';
import type { WorkTemplate } from '../../shared/work.ts';
import { mine, workAt } from '../engines/pow/node/mining/helpers.ts';
import { FakeSocket } from '../support/fake-socket.ts';
import { wireFault } from '../support/wire.ts';
import { miningMessages, type Corpus } from './corpus.ts';
import { hostileBytes, hostileText } from './inputs.ts';
import { defineTarget, type FuzzTarget } from './target.ts';

const NOW = 1_700_000_000_500;
const SECONDS = 1_700_000_000;
const DIFFICULTY = 1;

/** Few enough that a handful of miners meets every bound. */
const LIMITS = {
  miners: 4,
  minersPerHost: 3,
  offences: 3,
  writeBuffer: 2_000,
  byteBurst: 100_000,
  wordsInterval: 0,
};

/** What miners do; numbers choose one of them. */
type MinerAct =
  | { readonly act: 'say'; readonly miner: number; readonly bytes: Uint8Array }
  | {
      readonly act: 'answer';
      readonly miner: number;
      readonly age: number;
      readonly change: Change | undefined;
    }
  | { readonly act: 'join' | 'leave' | 'stall' | 'drain'; readonly miner: number }
  | { readonly act: 'flood'; readonly miner: number; readonly text: string; readonly count: number }
  | { readonly act: 'work'; readonly height: number; readonly word: string }
  | { readonly act: 'rest' };

/** A field of an answer that is another than it should be, from before it was mined or only after that. */
interface Change {
  readonly key: string;
  readonly value: unknown;
  readonly before: boolean;
}

const HELLO = '{"type":"HELLO","agent":"a","processes":1}';

function minerActs(corpus: Corpus): fc.Arbitrary<readonly MinerAct[]> {
  const bytes = hostileBytes(hostileText(miningMessages(corpus).fromMiner));
  const miner = fc.nat(3);
  const act = <A extends MinerAct['act']>(...acts: A[]): fc.Arbitrary<A> => fc.constantFrom(...acts);
  const text = fc.constantFrom('{}', '{', HELLO, '[', 'x', '{"type":"RATE","hashes_per_second":1}', ' ');
  return fc.array(
    fc.oneof<fc.MaybeWeightedArbitrary<MinerAct>[]>(
      { weight: 8, arbitrary: fc.record({ act: act('say'), miner, bytes }) },
      {
        weight: 4,
        arbitrary: fc.record({
          act: act('answer'),
          miner,
          age: fc.nat(3),
          change: fc.option(
            fc.record({
              key: fc.constantFrom('nonce', 'hash', 'minedBy', 'messages', 'timestamp', 'height', 'job'),
              value: fc.constantFrom<unknown>(
                'z',
                '',
                '\u00e9',
                'x'.repeat(65),
                7,
                ['z'],
                ['\n'],
                SECONDS + 1,
                1,
              ),
              before: fc.boolean(),
            }),
            { nil: undefined },
          ),
        }),
      },
      { weight: 3, arbitrary: fc.record({ act: act('join', 'join', 'leave', 'stall', 'drain'), miner }) },
      { weight: 1, arbitrary: fc.record({ act: act('flood'), miner, text, count: fc.nat(1_200) }) },
      {
        weight: 2,
        arbitrary: fc.record({
          act: act('work'),
          height: fc.nat(3),
          word: fc.constantFrom('a', 'bb', 'x'.repeat(19)),
        }),
      },
      { weight: 1, arbitrary: fc.record({ act: act('rest') }) },
    ),
    { maxLength: 25, size: 'max' },
  );
}

/** The objects of what was written; each must be one, whole, on a line of its own. */
function linesOf({ written }: FakeSocket): Record<string, unknown>[] {
  return written.map((line) => {
    assert(line.endsWith('\n') && Buffer.byteLength(line) <= MAX_JOB_BYTES, `a line of ${line.length} units`);
    return JSON.parse(line) as Record<string, unknown>;
  });
}

/** Waits until everybody has heard of the connections that have ended. */
function closed(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(resolve);
  });
}

async function checkServer(acts: readonly MinerAct[]): Promise<undefined> {
  let template: WorkTemplate | null = workAt(3, ['hello'], DIFFICULTY);
  const server = new MiningServer(
    { bind: '127.0.0.1', port: 0, limits: LIMITS },
    {
      log: silentLog,
      now: () => NOW,
      entropy: (count) => new Uint8Array(count),
      submit: (block) => {
        assertSubmitted(block, template);
        return { status: 'accepted' };
      },
    },
  );
  server.setTemplate(template);
  const sockets: FakeSocket[] = [];
  const join = (miner: number): FakeSocket => {
    const socket = new FakeSocket(`192.0.2.${miner % 2}`, 50_000 + sockets.length);
    sockets.push(socket);
    server.accept(socket.socket);
    return socket;
  };
  for (const act of acts) {
    const socket = 'miner' in act ? sockets.at(-1 - act.miner) : undefined;
    switch (act.act) {
      case 'join':
        join(act.miner);
        break;
      case 'leave':
        socket?.destroy();
        await closed();
        break;
      case 'stall':
        if (socket !== undefined) socket.stalled = true;
        break;
      case 'drain':
        if (socket !== undefined) {
          socket.stalled = false;
          socket.writableLength = 0;
          socket.emit('drain');
        }
        break;
      case 'say':
        socket?.receive(act.bytes);
        break;
      case 'flood':
        socket?.receive(Buffer.from(act.text.repeat(act.count)));
        break;
      case 'answer':
        if (socket !== undefined) answer(socket, act);
        break;
      case 'work':
        template = workAt(act.height, [act.word], DIFFICULTY);
        server.setTemplate(template);
        break;
      case 'rest':
        template = null;
        server.setTemplate(null);
    }
    assert(server.miners().length <= LIMITS.miners);
    for (const { agent } of server.miners()) assert.match(agent ?? '', /^[\x20-\x7e]{0,32}$/);
  }
  for (const socket of sockets) assertSent(socket);
  for (const name of Object.keys(server.counters()))
    assert.match(name, /^(connection|cut|answer|message)\.[a-z0-9-]+$/);
  // When all have gone, an honest one gets work.
  for (const socket of sockets) socket.destroy();
  await closed();
  server.setTemplate(workAt(9, ['hello'], DIFFICULTY));
  const honest = join(0);
  assert.equal(linesOf(honest)[0]?.['height'], 9);
  await server.close();
}

/** The work may have changed when a block for the one before comes: it is judged by its own. */
function assertSubmitted(block: Block, template: WorkTemplate | null): void {
  assert(template !== null);
  assert.equal(wireFault(block, template.height, template.previousHash, DIFFICULTY), undefined);
  assert(
    isMineableName(block.minedBy) && isMineableNonce(block.nonce) && block.messages.every(isMineableWord),
  );
  assert(block.timestamp <= SECONDS && block.timestamp >= SECONDS - DEFAULT_MINING_LIMITS.answerAgeSeconds);
}

/** Until a miner has said HELLO it hears of nothing but jobs, each of them whole. */
function assertSent(socket: FakeSocket): void {
  let seed = true;
  for (const line of linesOf(socket)) {
    if (line['type'] !== undefined) seed = false;
    if (!seed) continue;
    assert.equal(typeof line['height'], 'number');
    assert.equal(typeof line['nonce_prefix'], 'string');
  }
}

/** Hands in a block for one of the last jobs, as it should be or with one field changed. */
function answer(socket: FakeSocket, { age, change }: { age: number; change: Change | undefined }): void {
  const job = linesOf(socket)
    .filter((line) => line['type'] === undefined)
    .at(-1 - age);
  if (job === undefined) return;
  const { key = '', value, before = false } = change ?? {};
  const fitting = key === 'messages' ? Array.isArray(value) : key === 'minedBy' && typeof value === 'string';
  const early = before && fitting;
  const found = mine(early ? { ...job, [key]: value } : job, SECONDS);
  const late = change === undefined || early ? {} : { [key]: value };
  socket.receive(Buffer.from(JSON.stringify({ job: job['job'], ...found, ...late })));
}

// The miner

/** What a hostile peer does. */
type PeerAct =
  { readonly act: 'say'; readonly bytes: Uint8Array } | { readonly act: 'close' | 'find' | 'tell' };

function peerActs(corpus: Corpus): fc.Arbitrary<readonly PeerAct[]> {
  const bytes = hostileBytes(hostileText(miningMessages(corpus).fromPeer));
  const act = <A extends PeerAct['act']>(...acts: A[]): fc.Arbitrary<A> => fc.constantFrom(...acts);
  return fc.array(
    fc.oneof<fc.MaybeWeightedArbitrary<PeerAct>[]>(
      { weight: 4, arbitrary: fc.record({ act: act('say'), bytes }) },
      { weight: 1, arbitrary: fc.record({ act: act('close', 'find', 'find', 'tell') }) },
    ),
    { maxLength: 12, size: 'max' },
  );
}

/** A pool that searches nothing, and looks at what it is to search. */
class CheckingPool extends EventEmitter<PoolEvents<Work>> {
  work: Work | null = null;

  setWork(work: Work | null): void {
    this.work = work;
    if (work === null) return;
    const { head, otherHeads = [], noncePrefix, difficulty, orders, job } = work;
    assert(otherHeads.length < MAX_MIDSTATES && orders.length === otherHeads.length + 1);
    for (const other of otherHeads) assert.equal(other.length, head.length);
    assert(noncePrefix.length <= MAX_NONCE_PREFIX_LENGTH);
    assert(Number.isInteger(difficulty) && difficulty >= 0 && difficulty <= 64);
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(work.timestamp));
    const texts = [job.previousHash, work.minedBy, ...(orders[0] ?? [])].join('');
    assert.deepEqual(Buffer.from(head), Buffer.concat([Buffer.from(texts), time]));
  }

  setPaused(): void {
    // Nobody pauses it.
  }

  stats(): PoolStats {
    return { tried: 0, workers: [], paused: false, shares: 0, bestHash: '', crashes: 0 };
  }
}

function checkMiner(acts: readonly PeerAct[]): undefined {
  const sockets: FakeSocket[] = [];
  const pool = new CheckingPool();
  const client = new PeerClient({
    peer: { host: 'peer', port: 1 },
    hello: { agent: 'fuzz', processes: 1 },
    random: () => 0,
    connect: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket.socket;
    },
  });
  const miner = new Miner(
    { difficulty: DIFFICULTY, name: 'fuzz' },
    { client, pool, log: silentLog, now: () => NOW, random: () => 0 },
  );
  miner.start();
  const [socket] = sockets;
  assert(socket !== undefined);
  socket.emit('connect');
  try {
    for (const act of acts) {
      if (act.act === 'say') socket.receive(act.bytes);
      else if (act.act === 'close') socket.destroy();
      else if (act.act === 'tell') client.tellRate(5);
      else if (pool.work !== null && !socket.destroyed)
        pool.emit('found', pool.work, 'nonce', 'ab'.repeat(32), 0);
      miner.stats();
    }
  } finally {
    miner.stop();
  }
  let hellos = 0;
  for (const line of linesOf(socket)) {
    if (line['type'] === 'HELLO') hellos++;
    else if (line['type'] === 'RATE') assert.equal(hellos, 1);
    else assert.equal(line['nonce'], 'nonce');
  }
  assert(hellos <= 1, 'HELLO was said twice');
}

export function miningTargets(corpus: Corpus): FuzzTarget[] {
  return [
    defineTarget({
      name: 'miners',
      claim:
        'hostile miners hand in nothing invalid, take no more than their place, and leave the peer working',
      share: 40,
      inputs: minerActs(corpus),
      check: checkServer,
    }),
    defineTarget({
      name: 'miner',
      claim:
        'a hostile peer gets a miner to search nothing but well-formed work, and to say only what it may',
      share: 40,
      inputs: peerActs(corpus),
      check: checkMiner,
    }),
  ];
}
