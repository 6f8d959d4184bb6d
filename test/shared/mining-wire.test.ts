import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { MAX_MESSAGES, MAX_MINED_MESSAGE_LENGTH, MAX_MINED_NAME_LENGTH } from '../../shared/block.ts';
import {
  MAX_JOB_BYTES,
  MINING_STREAM_LIMITS,
  WIRE_RULES,
  decodeMinerMessage,
  decodePeerMessage,
  encodeAnswer,
  encodeHello,
  encodeJob,
  encodeRate,
  encodeResult,
  encodeWait,
  type FullJob,
  type MinerMessage,
  type MiningJob,
  type PeerMessage,
  type WireFault,
} from '../../shared/mining-wire.ts';

const HASH = 'ab'.repeat(28) + '00000000';

function fromPeer(value: unknown): PeerMessage | WireFault {
  const decoded = decodePeerMessage(typeof value === 'string' ? value : JSON.stringify(value));
  return decoded.ok ? decoded.message : decoded.fault;
}

function fromMiner(value: unknown): MinerMessage | WireFault {
  const decoded = decodeMinerMessage(typeof value === 'string' ? value : JSON.stringify(value));
  return decoded.ok ? decoded.message : decoded.fault;
}

function jobOf(value: unknown): MiningJob {
  const message = fromPeer(value);
  if (typeof message === 'string' || message.type !== 'job') throw new Error('no job');
  return message.job;
}

const FULL: FullJob = {
  height: 7,
  previousHash: HASH,
  messages: ['a', 'b'],
  minedBy: 'me',
  difficulty: 8,
  job: '12',
  noncePrefix: 'xYz',
  timestamp: 1_700_000_000,
};

describe('a job', () => {
  it('comes back as it was sent', () => {
    expect(jobOf(encodeJob(FULL))).toEqual({ ...FULL, protocol: 1 });
  });

  it('has the names of the seed, and is one line', () => {
    const line = encodeJob(FULL);
    expect(line.indexOf('\n')).toBe(line.length - 1);
    expect(Object.keys(JSON.parse(line) as object).slice(0, 5)).toEqual([
      'height',
      'messages',
      'previous_hash',
      'minedBy',
      'difficulty',
    ]);
  });

  it('fits into what the seed reads at once, however long its texts are', () => {
    const longest = encodeJob({
      ...FULL,
      height: Number.MAX_SAFE_INTEGER,
      messages: Array<string>(MAX_MESSAGES).fill('"'.repeat(MAX_MINED_MESSAGE_LENGTH)),
      minedBy: '\\'.repeat(MAX_MINED_NAME_LENGTH),
      job: String(Number.MAX_SAFE_INTEGER),
    });
    expect(Buffer.byteLength(longest)).toBeLessThan(MAX_JOB_BYTES / 2);
  });

  it('of the seed’s peer is understood, with what it may lack', () => {
    expect(jobOf('{"height":3,"previous_hash":"' + HASH + '"}')).toEqual({
      height: 3,
      previousHash: HASH,
      messages: [],
      minedBy: undefined,
      difficulty: undefined,
      protocol: undefined,
      job: undefined,
      noncePrefix: undefined,
      timestamp: undefined,
    });
    const captured = `{"minedBy": "Ramatjyot Singh", "previous_hash": "${HASH}", "height": 20, "difficulty": 4, "messages": ["world"]}`;
    expect(jobOf(captured)).toMatchObject({ minedBy: 'Ramatjyot Singh', difficulty: 4, messages: ['world'] });
  });

  it.each([
    [{ previous_hash: '' }],
    [{ previous_hash: null }],
    [{}],
    [{ height: 0 }],
    [{ height: 0, previous_hash: HASH }],
  ])('for a genesis: %j', (value) => {
    expect(jobOf(value)).toMatchObject({ height: 0, previousHash: '' });
  });

  it.each([
    ['a height but no block below', { height: 3 }],
    ['a block below but no height', { previous_hash: HASH }],
    ['a hash that is none', { height: 3, previous_hash: 'abc' }],
    ['a negative height', { height: -1, previous_hash: HASH }],
    ['too many messages', { messages: Array(11).fill('x') }],
    ['a message too long for a valid block', { messages: ['x'.repeat(21)] }],
    ['a message without UTF-8', '{"messages":["\\ud800"]}'],
    ['a difficulty beyond the hash', { difficulty: 65 }],
    ['a nonce prefix that leaves no room', { nonce_prefix: 'x'.repeat(23) }],
    ['a nonce prefix of other characters', { nonce_prefix: 'é' }],
    ['an empty name', { minedBy: '' }],
  ])('with %s is not taken', (_, value) => {
    expect(fromPeer(value)).toBe('bad-job');
  });

  it('counts code points, as the network does', () => {
    expect(jobOf({ messages: ['😀'.repeat(20)] }).messages).toHaveLength(1);
    expect(fromPeer({ messages: ['😀'.repeat(21)] })).toBe('bad-job');
  });
});

describe('an answer', () => {
  const FOUND = {
    height: 7,
    previousHash: HASH,
    messages: ['a', 'b'],
    minedBy: 'me',
    timestamp: 1_700_000_000,
    nonce: 'n',
    hash: HASH,
    job: '12',
  };

  it('comes back as it was sent', () => {
    expect(fromMiner(encodeAnswer({ ...FOUND, difficulty: 8 }))).toEqual({ type: 'answer', answer: FOUND });
  });

  it('to a seed’s peer has the names of the seed and nothing else', () => {
    const line = encodeAnswer({ ...FOUND, difficulty: 8, job: undefined });
    expect(Object.keys(JSON.parse(line) as object)).toEqual([
      'height',
      'messages',
      'previous_hash',
      'minedBy',
      'difficulty',
      'timestamp',
      'nonce',
      'hash',
    ]);
  });

  it.each([
    ['87540', '87540'],
    ['-3', '-3'],
    ['"87540"', '87540'],
    ['123456789012345678901234567890', '123456789012345678901234567890'],
  ])('may have the nonce %s', (json, nonce) => {
    expect(fromMiner(`{"timestamp":1,"nonce":${json}}`)).toMatchObject({ answer: { nonce } });
  });

  it.each([
    ['no nonce', { timestamp: 1 }],
    ['no timestamp', { nonce: 1 }],
    ['a fraction as nonce', { timestamp: 1, nonce: 1.5 }],
    ['a negative timestamp', { timestamp: -1, nonce: 1 }],
    ['a timestamp beyond all integers', '{"timestamp":99999999999999999999,"nonce":1}'],
    ['a nonce without UTF-8', '{"timestamp":1,"nonce":"\\udfff"}'],
    ['a nonce without end', { timestamp: 1, nonce: 'x'.repeat(300) }],
    ['messages that are no texts', { timestamp: 1, nonce: 1, messages: [1] }],
    ['nothing', {}],
  ])('with %s is not taken', (_, value) => {
    expect(fromMiner(value)).toBe('bad-answer');
  });
});

describe('the other messages', () => {
  it('come back as they were sent', () => {
    expect(fromMiner(encodeHello({ agent: 'gossip-miner', processes: 8 }))).toEqual({
      type: 'hello',
      hello: { agent: 'gossip-miner', processes: 8 },
    });
    expect(fromMiner(encodeRate(1234.5))).toEqual({ type: 'rate', hashesPerSecond: 1235 });
    expect(fromPeer(encodeWait())).toEqual({ type: 'wait' });
    for (const result of [
      { job: '1', status: 'accepted', reason: undefined },
      { job: undefined, status: 'stale', reason: undefined },
      { job: '1', status: 'rejected', reason: 'Because.' },
    ] as const) {
      expect(fromPeer(encodeResult(result))).toEqual({ type: 'result', result });
    }
  });

  it.each([
    ['bad-hello', { type: 'HELLO', agent: 'x'.repeat(33), processes: 1 }],
    ['bad-hello', { type: 'HELLO', agent: '\u001b[2J', processes: 1 }],
    ['bad-hello', { type: 'HELLO', agent: 'x' }],
    ['bad-hello', { type: 'HELLO', agent: 'x', processes: -1 }],
    ['bad-rate', { type: 'RATE', hashes_per_second: -1 }],
    ['bad-rate', { type: 'RATE', hashes_per_second: '1' }],
    ['bad-rate', '{"type":"RATE","hashes_per_second":1e999}'],
    ['unknown-type', { type: 'NEWS' }],
    ['unknown-type', { type: 1, nonce: 1, timestamp: 1 }],
    ['not-json', '{nope}'],
    ['not-json', '[]'],
    ['not-json', '"{}"'],
  ])('%s', (fault, value) => {
    expect(fromMiner(value)).toBe(fault);
  });

  it.each([
    ['bad-result', { type: 'RESULT', status: 'perhaps' }],
    ['bad-result', { type: 'RESULT', status: 'rejected', reason: 'x'.repeat(501) }],
    ['unknown-type', { type: 'NEWS' }],
    ['not-json', 'null'],
  ])('%s', (fault, value) => {
    expect(fromPeer(value)).toBe(fault);
  });

  it('are told apart by rules in one sentence', () => {
    for (const rule of Object.values(WIRE_RULES)) expect(rule).toMatch(/^[A-Z].*\.$/);
  });
});

describe('whatever comes', () => {
  const anything = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc
      .record(
        {
          type: fc.constantFrom('HELLO', 'RATE', 'RESULT', 'WAIT', null, 1),
          height: fc.anything(),
          previous_hash: fc.oneof(fc.constant(HASH), fc.anything()),
          messages: fc.oneof(fc.array(fc.string()), fc.anything()),
          nonce: fc.anything(),
          timestamp: fc.oneof(fc.nat(), fc.anything()),
          nonce_prefix: fc.anything(),
        },
        { requiredKeys: [] },
      )
      .map((value) =>
        JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part)),
      ),
  );

  it('is decoded or refused, never thrown', () => {
    fc.assert(
      fc.property(anything, (text) => {
        expect(typeof decodePeerMessage(text).ok).toBe('boolean');
        expect(typeof decodeMinerMessage(text).ok).toBe('boolean');
      }),
      { numRuns: 1000, seed: 1 },
    );
  });

  it('does not overflow the stack at the depth that the stream allows', () => {
    const deep = `${'{"a":'.repeat(MINING_STREAM_LIMITS.depth)}1${'}'.repeat(MINING_STREAM_LIMITS.depth)}`;
    expect(fromMiner(deep)).toBe('bad-answer');
  });

  it('measures texts in UTF-16 units, as its bounds are given', () => {
    const answer = { timestamp: 1, nonce: 'x' };
    expect(fromMiner({ ...answer, nonce: '\u{1f980}'.repeat(128) })).toMatchObject({ type: 'answer' });
    for (const field of ['nonce', 'minedBy', 'hash', 'previous_hash'])
      expect(fromMiner({ ...answer, [field]: '\u{1f980}'.repeat(129) })).toBe('bad-answer');
    expect(fromPeer({ type: 'RESULT', status: 'stale', job: '\u{1f980}'.repeat(33) })).toBe('bad-result');
  });

  it('reads every rate that it writes, up to the highest', () => {
    for (const rate of [0, 1e15, 1e18, 1e20, 1e24])
      expect(fromMiner(encodeRate(rate))).toEqual({ type: 'rate', hashesPerSecond: rate });
    expect(fromMiner(encodeRate(1.1e24))).toBe('bad-rate');
  });

  it('bounds a nonce that is an integer as it bounds one that is text', () => {
    expect(fromMiner(`{"timestamp":1,"nonce":${'7'.repeat(257)}}`)).toBe('bad-answer');
    expect(fromMiner(`{"timestamp":1,"nonce":${'7'.repeat(256)}}`)).toMatchObject({ type: 'answer' });
  });
});
