import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  BLOCK_RULES,
  MAX_MESSAGES,
  MAX_MESSAGE_LENGTH,
  MAX_NONCE_LENGTH,
  blockToJson,
  hashBlock,
  isHash,
  isMineableName,
  isMineableNonce,
  isMineableWord,
  meetsDifficulty,
  preimageHead,
  readBlock,
  readInteger,
  trailingZeros,
  verifyBlock,
  type Block,
  type BlockFault,
} from '../../shared/block.ts';
import { isJsonObject, parseJson } from '../../shared/json.ts';
import { GENESES } from '../vectors/geneses.ts';

type Previous = Pick<Block, 'height' | 'hash'>;
type Draft = Omit<Block, 'hash'>;

const PREVIOUS: Previous = { height: 6, hash: 'ab'.repeat(32) };
const DRAFT: Draft = {
  height: 7,
  minedBy: 'somebody',
  messages: ['one', 'two'],
  nonce: '42',
  timestamp: 1_700_000_000,
};

/** The hash as the assignment writes it down, with none of the program's code. */
function referenceHash(draft: Draft, previousHash: string): string {
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(draft.timestamp));
  return createHash('sha256')
    .update(
      Buffer.concat([
        Buffer.from(draft.height > 0 ? previousHash : ''),
        Buffer.from(draft.minedBy),
        ...draft.messages.map((message) => Buffer.from(message)),
        time,
        Buffer.from(draft.nonce),
      ]),
    )
    .digest('hex');
}

/** The rule as the assignment writes it down, for blocks whose shape is right. */
function referenceValid(block: Block, previous: Previous | null, difficulty: number): boolean {
  const texts = [block.minedBy, block.nonce, ...block.messages];
  return (
    block.height === (previous === null ? 0 : previous.height + 1) &&
    block.messages.length >= 1 &&
    block.messages.length <= 10 &&
    block.messages.every((message) => Array.from(message).length <= 20) &&
    Array.from(block.nonce).length < 40 &&
    // Only text without lone surrogates comes back from UTF-8 as it was.
    texts.every((text) => Buffer.from(text).toString() === text) &&
    block.hash.endsWith('0'.repeat(difficulty)) &&
    block.hash === referenceHash(block, previous?.hash ?? '')
  );
}

/** A block that is valid on `previous` at difficulty 0, but for the given changes, which are hashed as they are. */
function blockWith(changes: Partial<Draft>, previous: Previous = PREVIOUS): Block {
  const draft = { ...DRAFT, ...changes };
  return { ...draft, hash: referenceHash(draft, previous.hash) };
}

function verify(changes: Partial<Draft>): BlockFault | undefined {
  return verifyBlock(blockWith(changes), PREVIOUS, 0);
}

/** A block as it comes from the network. */
function wire(changes: Record<string, unknown>): Record<string, unknown> {
  return { ...blockWith({}), ...changes };
}

describe('blocks that were really mined', () => {
  it.each(GENESES)(
    'the genesis of $network is valid at difficulty $difficulty, not above',
    ({ block, difficulty }) => {
      expect(verifyBlock(block, null, difficulty)).toBeUndefined();
      expect(verifyBlock(block, null, difficulty + 1)).toBe('misses-difficulty');
      expect(hashBlock(block, '')).toBe(block.hash);
      // What the network calls the previous hash of a genesis makes no difference.
      expect(hashBlock(block, 'anything')).toBe(block.hash);
    },
  );

  const file = new URL('../../../shared/data/real-blocks.jsonl', import.meta.url);
  const known = existsSync(file);
  if (!known)
    console.info('skipped: the file of real blocks is not part of the project, and not beside it either');

  describe.skipIf(!known)('in the file of real blocks', () => {
    const records = (known ? readFileSync(file, 'utf8') : '')
      .split('\n')
      .filter((line) => line !== '')
      .map(parseJson)
      .filter(isJsonObject)
      .map((record) => ({
        name: `${String(record['network'])} ${String(record['height'])}`,
        value: record,
        difficulty: Number(record['difficulty']),
        previousHash: record['prev_hash'],
        verified: record['verified'] === true,
        timeless: !String(record['hash_rule']).includes('ts8'),
      }));
    const current = records.filter(({ timeless }) => !timeless);

    it('are all there', () => {
      expect(records).toHaveLength(26);
      expect(current.filter(({ verified }) => verified)).toHaveLength(18);
    });

    it.each(current.filter(({ verified }) => verified))(
      '$name is valid',
      ({ value, difficulty, previousHash }) => {
        const block = readBlock(value);
        if (typeof block === 'string') throw new Error(block);
        const previous = block.height === 0 ? null : { height: block.height - 1, hash: String(previousHash) };
        expect(verifyBlock(block, previous, difficulty)).toBeUndefined();
        expect(verifyBlock({ ...block, nonce: `${block.nonce}1` }, previous, difficulty)).toBe('wrong-hash');
        expect(verifyBlock({ ...block, minedBy: `${block.minedBy} ` }, previous, difficulty)).toBe(
          'wrong-hash',
        );
      },
    );

    it.each(current.filter(({ verified }) => !verified))(
      '$name, whose predecessor is unknown, is well-formed and meets its difficulty',
      ({ value, difficulty }) => {
        const block = readBlock(value);
        if (typeof block === 'string') throw new Error(block);
        expect(meetsDifficulty(block.hash, difficulty)).toBe(true);
        expect(readBlock(parseJson(blockToJson(block)))).toStrictEqual(block);
      },
    );

    it.each(records.filter(({ timeless }) => timeless))(
      '$name, of the rule without a time, is not a block',
      ({ value, difficulty, previousHash }) => {
        expect(readBlock(value)).toBe('bad-timestamp');
        // Not even with a time: it was not hashed.
        const dated = readBlock({ ...value, timestamp: 1_650_000_000 });
        if (typeof dated === 'string') throw new Error(dated);
        const previous = dated.height === 0 ? null : { height: dated.height - 1, hash: String(previousHash) };
        expect(verifyBlock(dated, previous, difficulty)).toBe('wrong-hash');
      },
    );

    it('the seven of 2023 at difficulty 9 are a chain', () => {
      const chain = current
        .filter(({ name }) => /^2023-chain2-d9 [0-6]$/.test(name))
        .map(({ value }) => readBlock(value))
        .filter((block) => typeof block !== 'string');
      expect(chain).toHaveLength(7);
      const faults = chain.map((block, index) => verifyBlock(block, chain[index - 1] ?? null, 9));
      expect(faults).toStrictEqual(chain.map(() => undefined));
      const [genesis, , second] = chain;
      if (genesis === undefined || second === undefined) throw new Error('the chain is incomplete');
      expect(verifyBlock(second, genesis, 9)).toBe('wrong-height');
      expect(verifyBlock({ ...second, height: 1 }, genesis, 9)).toBe('wrong-hash');
    });
  });
});

describe('the rule', () => {
  it('accepts a block on top of the one before it', () => {
    expect(verify({})).toBeUndefined();
    expect(verifyBlock(blockWith({ height: 0 }), null, 0)).toBeUndefined();
  });

  it('wants the next height', () => {
    expect(verify({ height: 6 })).toBe('wrong-height');
    expect(verify({ height: 8 })).toBe('wrong-height');
    expect(verifyBlock(blockWith({}), null, 0)).toBe('wrong-height');
    expect(verifyBlock(blockWith({ height: 0 }), PREVIOUS, 0)).toBe('wrong-height');
  });

  it('wants 1 to 10 messages', () => {
    expect(verify({ messages: [] })).toBe('bad-messages');
    expect(verify({ messages: Array<string>(MAX_MESSAGES).fill('x') })).toBeUndefined();
    expect(verify({ messages: Array<string>(MAX_MESSAGES + 1).fill('x') })).toBe('bad-messages');
  });

  it('counts the characters of a message in code points', () => {
    expect(verify({ messages: ['x'.repeat(MAX_MESSAGE_LENGTH)] })).toBeUndefined();
    expect(verify({ messages: ['fits', 'x'.repeat(MAX_MESSAGE_LENGTH + 1)] })).toBe('message-too-long');
    expect(verify({ messages: ['\u{1f980}'.repeat(MAX_MESSAGE_LENGTH)] })).toBeUndefined();
    expect(verify({ messages: ['\u{1f980}'.repeat(MAX_MESSAGE_LENGTH + 1)] })).toBe('message-too-long');
    expect(verify({ messages: [`${'\u{1f980}'.repeat(MAX_MESSAGE_LENGTH)}x`] })).toBe('message-too-long');
    // One character to the eye, two code points to the network.
    expect(verify({ messages: ['e\u0301'.repeat(MAX_MESSAGE_LENGTH / 2)] })).toBeUndefined();
    expect(verify({ messages: ['e\u0301'.repeat(MAX_MESSAGE_LENGTH)] })).toBe('message-too-long');
  });

  it('counts the characters of a nonce in code points', () => {
    expect(verify({ nonce: '' })).toBeUndefined();
    expect(verify({ nonce: '9'.repeat(MAX_NONCE_LENGTH) })).toBeUndefined();
    expect(verify({ nonce: '9'.repeat(MAX_NONCE_LENGTH + 1) })).toBe('nonce-too-long');
    expect(verify({ nonce: '\u{1f980}'.repeat(MAX_NONCE_LENGTH) })).toBeUndefined();
    expect(verify({ nonce: '\u{1f980}'.repeat(MAX_NONCE_LENGTH + 1) })).toBe('nonce-too-long');
  });

  it('takes any characters', () => {
    expect(verify({ messages: ['', "prot\u00e9g\u00e9's", '\u4e16\u754c', '<b>"\\'] })).toBeUndefined();
    expect(verify({ nonce: '*Ic\u001dB:D\u0012e?\u001a\u0018U2K&\0\n' })).toBeUndefined();
    expect(verify({ minedBy: '' })).toBeUndefined();
  });

  it('takes a name of any length', () => {
    for (const length of [1300, 1400, 4100, 100_000])
      for (const character of ['x', '\u00e9', '\u4e16', '\u{1f980}'])
        expect(verify({ minedBy: character.repeat(length) })).toBeUndefined();
    expect(verify({})).toBeUndefined();
  });

  it.each<[string, Partial<Draft>]>([
    ['minedBy', { minedBy: 'x\ud83e' }],
    ['a message', { messages: ['fine', '\udd80'] }],
    ['a nonce', { nonce: '\ud83e\ud83e\udd80' }],
    ['two messages that make a pair together', { messages: ['\ud83e', '\udd80'] }],
    ['a name and a message that make a pair together', { minedBy: '\ud83e', messages: ['\udd80'] }],
  ])('refuses halves of a pair in %s', (_, changes) => {
    expect(verify(changes)).toBe('lone-surrogate');
  });

  it('refuses halves of a pair also where the hash is that of the pair', () => {
    const pair = blockWith({ messages: ['\u{1f980}'] });
    expect(verifyBlock({ ...pair, messages: ['\ud83e', '\udd80'] }, PREVIOUS, 0)).toBe('lone-surrogate');
    expect(verifyBlock(pair, PREVIOUS, 0)).toBeUndefined();
  });

  it('wants the zeros at the end', () => {
    const block = { ...blockWith({}), hash: '0'.repeat(8) + 'a'.repeat(56) };
    expect(verifyBlock(block, PREVIOUS, 1)).toBe('misses-difficulty');
    expect(verifyBlock({ ...block, hash: 'a'.repeat(61) + '000' }, PREVIOUS, 3)).toBe('wrong-hash');
    expect(verifyBlock({ ...block, hash: 'a'.repeat(61) + '000' }, PREVIOUS, 4)).toBe('misses-difficulty');
  });

  it('hashes timestamps of 8 bytes exactly', () => {
    for (const timestamp of [
      0,
      1,
      0xffff_ffff,
      0x1_0000_0000,
      Number.MAX_SAFE_INTEGER,
      2n ** 53n + 1n,
      2n ** 64n - 1n,
    ])
      expect(verify({ timestamp })).toBeUndefined();
    const block = blockWith({ timestamp: 2n ** 53n + 1n });
    expect(verifyBlock({ ...block, timestamp: 2n ** 53n }, PREVIOUS, 0)).toBe('wrong-hash');
  });

  it('notices every change of what is hashed', () => {
    const block = blockWith({});
    const changes: Partial<Block>[] = [
      { minedBy: 'Somebody' },
      { messages: ['one', 'twO'] },
      { messages: ['two', 'one'] },
      { nonce: '43' },
      { timestamp: 1_700_000_001 },
      { hash: 'ab'.repeat(32) },
    ];
    for (const change of changes)
      expect(verifyBlock({ ...block, ...change }, PREVIOUS, 0)).toBe('wrong-hash');
    expect(verifyBlock(block, { ...PREVIOUS, hash: 'ac'.repeat(32) }, 0)).toBe('wrong-hash');
  });

  it('is said in one sentence for every fault', () => {
    for (const rule of Object.values(BLOCK_RULES)) expect(rule).toMatch(/^[A-Z][^.]*\.$/);
  });
});

describe('reading a block', () => {
  it.each<[BlockFault, unknown]>([
    ['not-an-object', null],
    ['not-an-object', [wire({})]],
    ['not-an-object', 'None'],
    ['not-an-object', 7],
    ['bad-height', wire({ height: undefined })],
    ['bad-height', wire({ height: null })],
    ['bad-height', wire({ height: -1 })],
    ['bad-height', wire({ height: 1.5 })],
    ['bad-height', wire({ height: '1.5' })],
    ['bad-height', wire({ height: 2 ** 53 })],
    ['bad-height', wire({ height: 2n ** 53n })],
    ['bad-height', wire({ height: 'None' })],
    ['bad-miner', wire({ minedBy: undefined })],
    ['bad-miner', wire({ minedBy: null })],
    ['bad-miner', wire({ minedBy: 7 })],
    ['bad-messages', wire({ messages: undefined })],
    ['bad-messages', wire({ messages: 'one' })],
    ['bad-messages', wire({ messages: [] })],
    ['bad-messages', wire({ messages: Array<string>(11).fill('x') })],
    ['bad-messages', wire({ messages: ['one', 2] })],
    ['bad-nonce', wire({ nonce: undefined })],
    ['bad-nonce', wire({ nonce: null })],
    ['bad-nonce', wire({ nonce: 1.5 })],
    ['bad-nonce', wire({ nonce: ['1'] })],
    ['bad-timestamp', wire({ timestamp: undefined })],
    ['bad-timestamp', wire({ timestamp: null })],
    ['bad-timestamp', wire({ timestamp: -1 })],
    ['bad-timestamp', wire({ timestamp: -1n })],
    ['bad-timestamp', wire({ timestamp: 2n ** 64n })],
    ['bad-timestamp', wire({ timestamp: 1e300 })],
    ['bad-timestamp', wire({ timestamp: Number.NaN })],
    ['bad-timestamp', wire({ timestamp: 'now' })],
    ['bad-timestamp', wire({ timestamp: '18446744073709551616' })],
    ['bad-hash', wire({ hash: undefined })],
    ['bad-hash', wire({ hash: null })],
    ['bad-hash', wire({ hash: 'AB'.repeat(32) })],
    ['bad-hash', wire({ hash: 'ab'.repeat(31) })],
    ['bad-hash', wire({ hash: `${'ab'.repeat(32)}\n` })],
  ])('%s, case %#', (fault, value) => {
    expect(readBlock(value)).toBe(fault);
  });

  it.each<[string, Record<string, unknown>, Partial<Block>]>([
    ['a nonce that is a number', { nonce: 87540 }, { nonce: '87540' }],
    ['a nonce that is a large number', { nonce: 2n ** 70n }, { nonce: '1180591620717411303424' }],
    ['a height that is text', { height: '7' }, { height: 7 }],
    ['a timestamp that is text', { timestamp: ' 1700000000 ' }, { timestamp: 1_700_000_000 }],
    [
      'a timestamp that is long text',
      { timestamp: '9007199254740993' },
      { timestamp: 9_007_199_254_740_993n },
    ],
    ['a timestamp with a fraction', { timestamp: 1_700_000_000.75 }, { timestamp: 1_700_000_000 }],
    ['a float timestamp above 2^53', { timestamp: 1e18 }, { timestamp: 10n ** 18n }],
    ['a timestamp that is a fraction below 0', { timestamp: -0.5 }, { timestamp: 0 }],
    ['a negative zero that is text', { height: '-0', timestamp: '-0' }, { height: 0, timestamp: 0 }],
    ['a negative zero', { height: -0, timestamp: -0 }, { height: 0, timestamp: 0 }],
    ['a timestamp above 2^53', { timestamp: 2n ** 63n }, { timestamp: 2n ** 63n }],
    ['mined_by', { minedBy: undefined, mined_by: 'me' }, { minedBy: 'me' }],
    ['minedBy with a colon', { minedBy: undefined, 'minedBy:': 'me' }, { minedBy: 'me' }],
    ['miner_name', { minedBy: undefined, miner_name: 'me' }, { minedBy: 'me' }],
    ['minedBy before its aliases', { mined_by: 'you' }, { minedBy: 'somebody' }],
    ['fields that no block has', { previous_hash: 'x', consensus: true, type: 'ANNOUNCE' }, {}],
  ])('takes %s', (_, changes, expected) => {
    expect(readBlock(wire(changes))).toStrictEqual({ ...blockWith({}), ...expected });
  });

  it('takes a height from elsewhere where there is none', () => {
    expect(readBlock(wire({ height: undefined }), 7)).toStrictEqual(blockWith({}));
    expect(readBlock(wire({ height: 7 }), 9)).toStrictEqual(blockWith({}));
  });

  it.each([
    [5, 5],
    [5.0, 5],
    ['5', 5],
    [' -5 ', -5],
    ['-0', 0],
    ['5.5', undefined],
    ['', undefined],
    ['1e3', undefined],
    [true, undefined],
    [[5], undefined],
    ['12345678901234567', undefined],
  ])('reads %j as the integer %j', (value, expected) => {
    expect(readInteger(value)).toBe(expected);
  });
});

describe('what we mine', () => {
  it('is accepted by every known implementation', () => {
    expect(isMineableWord('x'.repeat(19))).toBe(true);
    for (const word of ['', 'x'.repeat(20), 'tab\t', '\u00e9']) expect(isMineableWord(word)).toBe(false);
    expect(isMineableNonce('9'.repeat(38))).toBe(true);
    for (const nonce of ['', '9'.repeat(39), '\0', '\u00e9']) expect(isMineableNonce(nonce)).toBe(false);
    expect(isMineableName('x'.repeat(64))).toBe(true);
    for (const name of ['', 'x'.repeat(65), '\u00e9']) expect(isMineableName(name)).toBe(false);
  });

  it('has a head that stays as it is while other blocks are hashed', () => {
    const head = preimageHead(DRAFT, PREVIOUS.hash);
    verify({ minedBy: 'somebody else' });
    const digest = createHash('sha256').update(head).update(DRAFT.nonce).digest('hex');
    expect(digest).toBe(referenceHash(DRAFT, PREVIOUS.hash));
  });
});

it('a hash is 64 lower-case hex digits, and its difficulty the zeros at its end', () => {
  expect(isHash('0'.repeat(64))).toBe(true);
  expect(isHash('0'.repeat(63))).toBe(false);
  expect(isHash('G'.repeat(64))).toBe(false);
  expect(trailingZeros('0'.repeat(64))).toBe(64);
  expect(trailingZeros('10200')).toBe(2);
  expect(trailingZeros('')).toBe(0);
  expect(meetsDifficulty('ff00', 2)).toBe(true);
  expect(meetsDifficulty('ff00', 3)).toBe(false);
});

describe('for any block', () => {
  const anyText = fc.string({ unit: 'binary' });
  const anyBlock: fc.Arbitrary<Block> = fc.record(
    {
      height: fc.nat(),
      minedBy: anyText,
      messages: fc.array(fc.string({ unit: 'binary', maxLength: 12 }), { minLength: 1, maxLength: 10 }),
      nonce: fc.string({ unit: 'binary', maxLength: 20 }),
      timestamp: fc.oneof(fc.maxSafeNat(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n })),
      hash: fc.string({ unit: fc.constantFrom('0', '1', '7', '9', 'a', 'f'), minLength: 64, maxLength: 64 }),
    },
    { noNullPrototype: true },
  );
  // Every edge of the rule: too long by a little, halves of pairs, wrong heights.
  const roughBlock: fc.Arbitrary<Block> = fc.record({
    height: fc.integer({ min: 0, max: 3 }),
    minedBy: fc.string({ unit: 'binary', maxLength: 30 }),
    messages: fc.array(
      fc.oneof(
        { weight: 8, arbitrary: fc.string({ unit: 'grapheme', maxLength: 20 }) },
        { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 18, maxLength: 22 }) },
        { weight: 1, arbitrary: fc.constantFrom('\ud800', '\udc00', 'x\udbff') },
      ),
      { maxLength: 11 },
    ),
    nonce: fc.oneof(
      { weight: 8, arbitrary: fc.string({ maxLength: 39 }) },
      { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 38, maxLength: 41 }) },
      { weight: 1, arbitrary: fc.constantFrom('\ud800', '\udc00') },
    ),
    timestamp: fc.oneof(fc.maxSafeNat(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n })),
    hash: fc.constant(''),
  });

  it('JSON and back changes nothing', () => {
    fc.assert(
      fc.property(anyBlock, (block) => {
        const text = blockToJson(block);
        expect(text).not.toContain('\n');
        expect(readBlock(parseJson(text))).toStrictEqual(block);
      }),
    );
  });

  it('reading never throws, and what it reads has the shape of a block', () => {
    const fields = fc.record(
      {
        height: fc.anything({ withBigInt: true }),
        minedBy: fc.oneof(fc.string(), fc.anything()),
        messages: fc.oneof(fc.array(fc.string()), fc.anything()),
        nonce: fc.oneof(fc.string(), fc.anything({ withBigInt: true })),
        timestamp: fc.oneof(fc.nat(), fc.anything({ withBigInt: true })),
        hash: fc.oneof(fc.constant('a'.repeat(64)), fc.anything()),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(fields, fc.anything()), (value) => {
        const block = readBlock(value);
        if (typeof block === 'string') expect(BLOCK_RULES).toHaveProperty(block);
        else expect(readBlock(parseJson(blockToJson(block)))).toStrictEqual(block);
      }),
    );
  });

  it('the rule is the one that is written down', () => {
    let valid = 0;
    fc.assert(
      fc.property(
        roughBlock,
        fc.integer({ min: -1, max: 2 }),
        fc.integer({ min: 0, max: 1 }),
        (rough, below, zeros) => {
          const previous = below < 0 ? null : { height: below, hash: 'c'.repeat(64) };
          const block = { ...rough, hash: referenceHash(rough, previous?.hash ?? '') };
          const fault = verifyBlock(block, previous, zeros);
          expect(fault === undefined).toBe(referenceValid(block, previous, zeros));
          if (fault === undefined) valid++;
        },
      ),
      { numRuns: 3000, seed: 3010 },
    );
    expect(valid).toBeGreaterThan(100);
  });

  it('the hash is the one that is written down', () => {
    fc.assert(
      fc.property(anyBlock, (block) => {
        expect(hashBlock(block, 'd'.repeat(64))).toBe(referenceHash(block, 'd'.repeat(64)));
      }),
    );
  });
});
