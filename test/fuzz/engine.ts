/**
 * The proof-of-work engine under any events in any order: datagrams that were spoilt, answers that lie, timers, floods,
 * jumps of the clock, and crashes in the middle of carrying out what it wanted done.
 */
import assert from 'node:assert/strict';

import fc from 'fast-check';

import type { Address } from '../../shared/address.ts';
import type { Block } from '../../shared/block.ts';
import type { EngineEvent } from '../../peer/core/engine.ts';
import { powCodec } from '../../peer/engines/pow/protocol/codec.ts';
import type { PowEffect } from '../../peer/engines/pow/protocol/context.ts';
import type { PowRequest } from '../../peer/engines/pow/protocol/interface.ts';
import * as limits from '../../peer/engines/pow/protocol/limits.ts';
import type { PowMessage } from '../../peer/engines/pow/protocol/messages.ts';
import type { PowTypes } from '../../peer/engines/pow/protocol/types.ts';
import type { PowEngine } from '../../peer/engines/pow/protocol/pow.ts';
import { DIFFICULTY, OWN, POOLS, storedChain } from '../engines/pow/protocol/pools.ts';
import { at, Rig } from '../engines/pow/protocol/rig.ts';
import { mineBlock } from '../support/chains.ts';
import { firstFault } from '../support/wire.ts';
import { networkMessages, type Corpus } from './corpus.ts';
import { hostileBytes, hostileText } from './inputs.ts';
import { defineTarget, processorTime, type FuzzTarget } from './target.ts';

/**
 * Most effects of one step: every silent peer dropped is one notice, every early block that fits at last is stored,
 * announced, told and makes room, every source's window may be filled, and some dozens besides.
 */
const MAX_EFFECTS =
  limits.MAX_PEERS + 4 * (limits.MAX_EARLY_BLOCKS + 1) + limits.MAX_SOURCES * limits.MAX_WINDOW + 64;

/** Questions of the engine that wait for an answer here; more are forgotten, as a network would lose them. */
const MAX_QUESTIONS = 500;

/**
 * Every collection that the engine keeps, by the path of fields to it, with its declared bound. The engine measures its
 * tables itself; this finds those that it forgot: a collection that is not named here has no bound until somebody thinks
 * of one.
 */
const TABLES: readonly (readonly [path: RegExp, bound: number])[] = [
  [
    /^context\.peers\.(byHost|byHost\[\]|list|directPerHost|verifiedPerHost|idle|idlePerHost)$/,
    limits.MAX_PEERS,
  ],
  [/\.sent$/, limits.MAX_SENT_BLOCKS],
  [/\.forwarders$/, limits.MAX_FORWARDERS],
  [/^context\.effects$/, 0],
  [/^context\.chain\.(written\.)?segments$/, 128],
  [/^context\.chain\.(written\.)?garbage$/, 64],
  [/^context\.chain\.staging\.pending$/, 4096],
  [/^words\.words$/, limits.MAX_WORDS],
  [/\.buckets\.entries$/, limits.MAX_RATED_HOSTS],
  [/^gossip\.greetings\.entries$/, limits.MAX_GREETINGS],
  [/^gossip\.seen\.(young|old)$/, limits.MAX_SEEN_IDS / 2],
  [/^announcements\.seen\.(young|old)$/, limits.MAX_SEEN_BLOCKS / 2],
  [/^announcements\.early\.entries$/, limits.MAX_EARLY_BLOCKS],
  [/^consensus\.round\.failures$/, limits.MAX_CANDIDATES * limits.MAX_SOURCES],
  [/^consensus\.credit\.falseChains\.entries$/, limits.MAX_FALSE_CHAINS],
  [/^consensus\.credit\.falseChains\.entries\[\]\.value$/, limits.MAX_BLAMED],
  [/^consensus\.credit\.vain\.entries$/, limits.MAX_VAIN_SOURCES],
  [/^consensus\.credit\.syncTimes\.entries$/, limits.MAX_SLOW_SOURCES],
  [/^consensus\.round\.state\.(poll\.(asked|answers|hosts)|answers)$/, limits.MAX_PEERS + 1],
  [
    /^consensus\.round\.(state\.)?(others|probe\.(targets|served|byHeight|byHeight\[\]))$/,
    limits.MAX_CANDIDATES,
  ],
  [/\.(sources|addresses|claimantHosts|liars|singles|rejections|byKey)$/, limits.MAX_PEERS + 1],
  [/^consensus\.round\.state\.sync\.messages$/, limits.MAX_STAGED_MESSAGES + 10],
  [/^consensus\.round\.state\.sync\.search\.asked$/, limits.MAX_PROBE_ROUNDS * limits.PROBES],
  [/^consensus\.round\.state\.sync\.search\.awaited$/, limits.PROBES],
  [/^consensus\.round\.state\.sync\.(download|whole)\.(received|again)$/, limits.MAX_AHEAD],
  [/\.(inFlight|lapsed)$/, 2 * limits.MAX_WINDOW],
  [/\.(unfit|refused)$/, limits.MAX_AHEAD],
  // Parts of a block, of a claim and of the generator.
  [/\.messages$/, 10],
];

/**
 * Parts of the engine that are given to it or have a place elsewhere: the store, its configuration, and the links from
 * one entry of a map to the next, along which a walk would go thousands deep.
 */
const NOT_ITS_OWN = new Set([
  ...['view', 'config', 'counters', 'told', 'tuning'],
  ...['older', 'younger', 'oldest', 'youngest'],
]);

/** Calls `visit` with the path and size of every collection below a value. */
function eachTable(
  value: unknown,
  path: string,
  seen: Set<object>,
  visit: (path: string, size: number) => void,
): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || seen.has(value)) return;
  seen.add(value);
  if (Array.isArray(value) || value instanceof Set || value instanceof Map) {
    visit(path, Array.isArray(value) ? value.length : value.size);
    for (const item of value.values()) eachTable(item, `${path}[]`, seen, visit);
    return;
  }
  for (const [name, part] of Object.entries(value)) {
    if (!NOT_ITS_OWN.has(name)) eachTable(part, path === '' ? name : `${path}.${name}`, seen, visit);
  }
}

function assertTables(engine: PowEngine): void {
  engine.measure((name, size, bound) => {
    assert(size <= bound, `${name}: ${size}, more than ${bound}`);
  });
  eachTable(engine, '', new Set(), (path, size) => {
    const bound = TABLES.find(([pattern]) => pattern.test(path))?.[1];
    assert(bound !== undefined, `${path} has no declared bound`);
    assert(size <= bound, `${path} has ${size} entries, more than ${bound}`);
  });
}

/** How a peer that is asked answers. */
type Manner = 'honest' | 'none' | 'taller' | 'changed' | 'other-port' | 'stranger' | 'silent';

/** What happens; numbers choose among what there is at that moment. */
export type Happening =
  | { readonly kind: 'bytes'; readonly from: number; readonly bytes: Uint8Array }
  | { readonly kind: 'gossip'; readonly from: number; readonly about: number; readonly id: number }
  | { readonly kind: 'announce'; readonly from: number; readonly pool: number; readonly height: number }
  | { readonly kind: 'answer'; readonly count: number; readonly pool: number; readonly manner: Manner }
  | { readonly kind: 'converse'; readonly rounds: number; readonly pool: number; readonly manner: Manner }
  | { readonly kind: 'timer'; readonly which: number; readonly name: string | undefined }
  | { readonly kind: 'continue' }
  | { readonly kind: 'word'; readonly word: string }
  | { readonly kind: 'submit'; readonly pool: number; readonly height: number | undefined }
  | { readonly kind: 'consensus' }
  | { readonly kind: 'jump'; readonly milliseconds: number }
  /** The next event is the last one: of its effects so many are carried out, then the engine starts again. */
  | { readonly kind: 'crash'; readonly kept: number }
  | { readonly kind: 'flood'; readonly of: Flood; readonly count: number; readonly salt: number };

type Flood = 'peers' | 'introductions' | 'ids' | 'words' | 'early blocks' | 'claims' | 'questions';

const FLOODS: readonly Flood[] = [
  'peers',
  'introductions',
  'ids',
  'words',
  'early blocks',
  'claims',
  'questions',
];
const MANNERS: readonly Manner[] = [
  'honest',
  'honest',
  'honest',
  'none',
  'taller',
  'changed',
  'other-port',
  'stranger',
  'silent',
];
const TIMERS = ['gossip', 'consensus', 'stats', 'sync', 'nobody set this'] as const;

function happenings(corpus: Corpus): fc.Arbitrary<Happening> {
  const blocks = POOLS.flatMap((pool) =>
    [0, 5, 29, 30, 31, 59, 60, 95].flatMap((height) => pool[height] ?? []),
  );
  const bytes = hostileBytes(hostileText(networkMessages({ blocks: [...corpus.blocks, ...blocks] })));
  const peer = fc.nat(7);
  const pool = fc.nat(POOLS.length - 1);
  const height = fc.nat(130);
  const manner = fc.constantFrom(...MANNERS);
  const kind = <K extends Happening['kind']>(name: K): fc.Arbitrary<K> => fc.constant(name);
  const count = fc.oneof(
    { weight: 30, arbitrary: fc.nat(40) },
    { weight: 3, arbitrary: fc.nat(1_200) },
    { weight: 1, arbitrary: fc.constant(9_000) },
  );
  const many = fc.oneof({ weight: 5, arbitrary: fc.nat(4) }, { weight: 1, arbitrary: fc.nat(200) });
  const time = fc.oneof(fc.nat(100), fc.nat(2_000), fc.nat(400_000), fc.nat(2 ** 31 - 1));
  return fc.oneof<fc.MaybeWeightedArbitrary<Happening>[]>(
    { weight: 6, arbitrary: fc.record({ kind: kind('bytes'), from: peer, bytes }) },
    { weight: 3, arbitrary: fc.record({ kind: kind('gossip'), from: peer, about: peer, id: fc.nat(20) }) },
    { weight: 3, arbitrary: fc.record({ kind: kind('announce'), from: peer, pool, height }) },
    { weight: 4, arbitrary: fc.record({ kind: kind('answer'), count: many, pool, manner }) },
    { weight: 4, arbitrary: fc.record({ kind: kind('converse'), rounds: fc.nat(12), pool, manner }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: kind('timer'),
        which: fc.nat(3),
        name: fc.option(fc.constantFrom(...TIMERS), { nil: undefined, freq: 4 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: kind('continue') }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: kind('word'), word: fc.string({ unit: 'binary', maxLength: 25 }) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: kind('submit'), pool, height: fc.option(height, { nil: undefined }) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: kind('consensus') }) },
    { weight: 3, arbitrary: fc.record({ kind: kind('jump'), milliseconds: time }) },
    { weight: 1, arbitrary: fc.record({ kind: kind('crash'), kept: fc.nat(6) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: kind('flood'), of: fc.constantFrom(...FLOODS), count, salt: fc.nat(3) }),
    },
  );
}

interface Question {
  readonly to: Address;
  readonly message: PowMessage;
}

/** An engine and what its network has been asked. */
class World {
  readonly rig: Rig;
  /** Milliseconds of the slowest step. */
  slowest = 0;
  private questions: Question[] = [];
  private height: number;
  private requests = 0;
  /** Set while a crash is due: how many effects of the next event are carried out. */
  private kept: number | undefined;

  constructor({ old, genesis, batched }: Pick<Life, 'old' | 'genesis' | 'batched'>) {
    const config = { join: [at(1)], consensusInterval: 20_000, genesis };
    this.rig = new Rig(config, old ? OWN : [], batched ? { stageBatch: 8, inPlaceLimit: 4 } : {});
    this.height = this.rig.height;
    this.collect(this.rig.effects);
  }

  happen(happening: Happening): void {
    const { rig } = this;
    switch (happening.kind) {
      case 'bytes':
        this.receive(happening.bytes, at(happening.from));
        break;
      case 'gossip': {
        const { host, port } = at(happening.about);
        const id = `${happening.id}`;
        this.say({ type: 'GOSSIP', host, port, id, name: 'somebody' }, at(happening.from));
        break;
      }
      case 'announce':
        this.say({ type: 'ANNOUNCE', block: blockOf(happening.pool, happening.height) }, at(happening.from));
        break;
      case 'answer':
        this.answer(happening.count, happening.pool, happening.manner);
        break;
      case 'converse':
        for (let round = 0; round < happening.rounds; round++) {
          this.answer(100, happening.pool, happening.manner);
          if (rig.waits) this.step({ type: 'continue', now: rig.now });
          else this.runTimer(0);
        }
        break;
      case 'timer':
        if (happening.name === undefined) this.runTimer(happening.which);
        else this.step({ type: 'timer', now: rig.now, timer: happening.name });
        break;
      case 'continue':
        this.step({ type: 'continue', now: rig.now });
        break;
      case 'word':
        this.request({ kind: 'submit-word', word: happening.word });
        break;
      case 'submit':
        this.request({ kind: 'submit-block', block: this.mined(happening.pool, happening.height) });
        break;
      case 'consensus':
        this.request({ kind: 'consensus' });
        break;
      case 'jump':
        rig.now += happening.milliseconds;
        break;
      case 'crash':
        this.kept = happening.kept;
        break;
      case 'flood':
        for (let index = 0; index < happening.count; index++) this.flood(happening, index);
        assertTables(rig.engine);
    }
  }

  /** Everything that must hold when it is over. */
  conclude(settle: boolean): void {
    const { rig } = this;
    assertTables(rig.engine);
    if (settle) {
      rig.pass(700_000);
      // A consensus that is just running, as one does every now and then, ends within seconds.
      const resting = (): boolean => ['following', 'waiting'].includes(rig.engine.status().phase);
      for (let turn = 0; turn < 5 && !resting(); turn++) rig.pass(1_000);
      assert(resting(), `it is ${rig.engine.status().phase}`);
      const blocks = [...rig.store.entries()].filter(([key]) => key.startsWith('b/'));
      assert.equal(blocks.length, rig.height, 'the store has other blocks than those of the chain');
      assertTables(rig.engine);
    }
    this.assertChain();
    const { height, hash } = rig.engine.status();
    const [reply, ...more] = rig.receive({ type: 'STATS' }, { host: '203.0.113.9', port: 9 });
    assert.deepEqual(reply?.message, { type: 'STATS_REPLY', height, hash });
    assert.equal(more.length, 0);
  }

  private assertChain(): void {
    const blocks = storedChain(this.rig.store);
    const { height, hash } = this.rig.engine.status();
    assert.deepEqual([blocks.length, blocks.at(-1)?.hash ?? null], [height, hash]);
    assert.equal(firstFault(blocks, DIFFICULTY), undefined);
  }

  private step(event: EngineEvent<PowTypes>): void {
    const { rig, kept } = this;
    const began = processorTime();
    rig.step(event, kept);
    this.slowest = Math.max(this.slowest, processorTime() - began);
    this.assertEffects(rig.effects, event, kept === undefined);
    this.collect(rig.effects);
    if (kept !== undefined) {
      this.kept = undefined;
      this.questions = [];
      rig.restart();
      this.assertChain();
      this.collect(rig.effects);
    }
    assert(rig.height >= this.height, `the chain fell from ${this.height} to ${rig.height} blocks`);
    this.height = rig.height;
  }

  private assertEffects(effects: readonly PowEffect[], { type }: { type: string }, whole: boolean): void {
    assert(effects.length <= MAX_EFFECTS, `${effects.length} effects in one step`);
    const replies = effects.filter((effect) => effect.type === 'reply').length;
    if (whole) assert.equal(replies, type === 'request' ? 1 : 0);
    for (const effect of effects) {
      if (effect.type === 'timer') assert(effect.after >= 0 && Number.isFinite(effect.after));
      if (effect.type === 'broadcast')
        assert(effect.to.length > 0 && effect.to.length <= limits.MAX_PEERS + 1);
      if (effect.type !== 'send' && effect.type !== 'broadcast') continue;
      const { message } = effect;
      const size = powCodec.encode(message).length;
      const carriesBlock = message.type === 'ANNOUNCE' || message.type === 'GET_BLOCK_REPLY';
      // Somebody else's block is passed on whole; all else must fit everywhere.
      assert(
        size <= (carriesBlock ? 2 * limits.MAX_RECEIVED : limits.MAX_DATAGRAM),
        `${message.type}: ${size} bytes`,
      );
    }
  }

  private collect(effects: readonly PowEffect[]): void {
    for (const effect of effects) {
      if (effect.type !== 'send' && effect.type !== 'broadcast') continue;
      const { message } = effect;
      if (message.type !== 'STATS' && message.type !== 'GET_BLOCK') continue;
      for (const to of effect.type === 'send' ? [effect.to] : effect.to) {
        if (this.questions.length < MAX_QUESTIONS) this.questions.push({ to, message });
      }
    }
  }

  private receive(bytes: Uint8Array, from: Address): void {
    const { message, fault } = powCodec.decode(bytes);
    const { now } = this.rig;
    if (message === undefined) this.step({ type: 'malformed', now, from, fault });
    else this.step({ type: 'message', now, from, message });
  }

  /** A message through the codec, as over a socket. */
  private say(message: PowMessage, from: Address): void {
    this.receive(powCodec.encode(message), from);
  }

  private request(request: PowRequest): void {
    this.step({ type: 'request', now: this.rig.now, id: ++this.requests, request });
  }

  /** Lets the timer that is due `which`-th run out, however long that takes. */
  private runTimer(which: number): void {
    const { rig } = this;
    const due = [...rig.timers].sort(([, a], [, b]) => a - b);
    const [timer, time] = due[which % Math.max(1, due.length)] ?? [];
    if (timer === undefined || time === undefined) return;
    rig.timers.delete(timer);
    rig.now = Math.max(rig.now, time);
    this.step({ type: 'timer', now: rig.now, timer });
  }

  /** Answers the oldest questions: as somebody who has the chain of a pool, or pretends to. */
  private answer(count: number, pool: number, manner: Manner): void {
    for (const { to, message } of this.questions.splice(0, count)) {
      if (manner === 'silent') continue;
      const from = manner === 'other-port' ? { ...to, port: 40_000 } : manner === 'stranger' ? at(6, 9) : to;
      if (message.type === 'STATS') this.say(statsOf(pool, manner), from);
      else if (message.type === 'GET_BLOCK') this.say(replyOf(pool, message.height ?? 0, manner), from);
    }
  }

  /** A block that one of our miners might hand in: of a pool, or made for our tip. */
  private mined(pool: number, height: number | undefined): Block {
    if (height !== undefined) return blockOf(pool, height);
    const tip = storedChain(this.rig.store).at(-1) ?? null;
    return mineBlock(tip, {
      difficulty: DIFFICULTY,
      minedBy: 'rig-miner',
      messages: ['mined', `by ${pool}`],
    });
  }

  private flood({ of, salt }: { of: Flood; salt: number }, index: number): void {
    const number = salt * 10_000 + index;
    const far: Address = { host: `172.${16 + salt}.${index >> 8}.${index & 255}`, port: 8000 };
    const near = at(index % 8);
    const gossip = { type: 'GOSSIP', id: `f${number}`, name: 'flood' } as const;
    switch (of) {
      case 'peers':
        this.say({ ...gossip, ...far }, far);
        break;
      case 'introductions':
        this.say({ ...gossip, ...far, id: undefined }, near);
        break;
      case 'ids':
        this.say({ ...gossip, ...near }, near);
        break;
      case 'words':
        this.say({ type: 'NEW_WORD', word: `w${number}` }, far);
        break;
      case 'early blocks': {
        const block = { ...blockOf(3, 119), height: 10_000 + index, messages: [`${salt}`] };
        this.say({ type: 'ANNOUNCE', block }, far);
        break;
      }
      case 'claims': {
        const hash = `${number.toString(16).padStart(63, 'e')}0`;
        this.say({ type: 'STATS_REPLY', height: 1_000 + number, hash }, near);
        break;
      }
      case 'questions':
        this.say({ type: 'GET_BLOCK', height: index }, far);
    }
  }
}

/** The block of a pool at a height, or its last. */
function blockOf(pool: number, height: number): Block {
  const block = POOLS[pool]?.[height] ?? POOLS[pool]?.at(-1);
  assert(block !== undefined);
  return block;
}

function statsOf(pool: number, manner: Manner): PowMessage {
  const tip = blockOf(pool, Infinity);
  if (manner === 'none') return { type: 'STATS_REPLY', height: 0, hash: null };
  const height = tip.height + (manner === 'taller' ? 2 ** 50 : 1);
  return { type: 'STATS_REPLY', height, hash: tip.hash };
}

function replyOf(pool: number, height: number, manner: Manner): PowMessage {
  const block = POOLS[pool]?.[height];
  if (manner === 'none' || (block === undefined && manner !== 'taller'))
    return { type: 'GET_BLOCK_REPLY', block: null };
  const given = block ?? { ...blockOf(pool, height), height };
  return {
    type: 'GET_BLOCK_REPLY',
    block: manner === 'changed' ? { ...given, messages: ['changed'] } : given,
  };
}

/** A life of an engine. */
interface Life {
  /** Whether it begins with a chain. */
  readonly old: boolean;
  readonly genesis: boolean;
  /** Whether chains are written in small batches, as otherwise only long ones are. */
  readonly batched: boolean;
  readonly happenings: readonly Happening[];
  /** Whether it is then left alone until it has come to rest. */
  readonly settle: boolean;
}

function checkLife(life: Life): number {
  const world = new World(life);
  for (const happening of life.happenings) world.happen(happening);
  world.conclude(life.settle);
  return world.slowest;
}

export function engineTarget(corpus: Corpus): FuzzTarget {
  return defineTarget({
    name: 'engine',
    claim: 'whatever happens, the engine keeps a valid chain and its bounds, and answers STATS',
    share: 10,
    inputs: fc.record<Life>({
      old: fc.boolean(),
      genesis: fc.boolean(),
      batched: fc.boolean(),
      happenings: fc.array(happenings(corpus), { maxLength: 60, size: 'max' }),
      settle: fc.integer({ min: 0, max: 7 }).map((number) => number === 7),
    }),
    check: checkLife,
  });
}
