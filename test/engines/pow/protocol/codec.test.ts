import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { MAX_MINED_NAME_LENGTH, type Block } from '../../../../shared/block.ts';
import { DATAGRAM_RULES, powCodec, type DatagramFault } from '../../../../peer/engines/pow/protocol/codec.ts';
import {
  MAX_DATAGRAM,
  MAX_ID_LENGTH,
  MAX_NAME_LENGTH,
  MAX_RECEIVED,
  MAX_STRUCTURE,
} from '../../../../peer/engines/pow/protocol/limits.ts';
import type { PowMessage } from '../../../../peer/engines/pow/protocol/messages.ts';
import { buildChain } from '../../../support/chains.ts';

const block = { ...(buildChain(2, { difficulty: 1 })[1] as Block), nonce: '87540' };
const { hash } = block;

function decode(value: unknown): PowMessage | undefined {
  return powCodec.decode(Buffer.from(JSON.stringify(value))).message;
}

function decodeText(text: string): PowMessage | undefined {
  return powCodec.decode(Buffer.from(text)).message;
}

function faultOf(text: string | Uint8Array): string | undefined {
  return powCodec.decode(Buffer.from(text)).fault;
}

function encode(message: PowMessage): string {
  return String(powCodec.encode(message));
}

describe('GOSSIP and GOSSIP_REPLY', () => {
  const gossip = { type: 'GOSSIP', host: '10.0.0.2', port: 8999, id: 'an id', name: 'n' };

  it('reads a GOSSIP and keeps its text as it came', () => {
    const text = ' {"name":"n", "type":"GOSSIP","host":"10.0.0.2","port":8999,"id":"an id","extra":[1]}\n';
    expect(decodeText(text)).toEqual({ ...gossip, raw: text });
    const { message } = powCodec.decode(Buffer.from(text));
    expect(message && encode(message)).toBe(text);
  });

  it.each([
    ['a port as text', { ...gossip, port: '8999' }, 8999],
    ['a port as a float without fraction', { ...gossip, port: 8999.0 }, 8999],
    ['"post" for "port"', { ...gossip, port: undefined, post: 8999 }, 8999],
  ])('takes %s', (_name, value, port) => {
    expect(decode(value)).toMatchObject({ type: 'GOSSIP', port });
    expect(decode({ ...value, type: 'GOSSIP_REPLY' })).toMatchObject({ type: 'GOSSIP_REPLY', port });
  });

  it.each([
    ['a text', 'x', 'x'],
    ['an integer', 42, '42'],
    ['missing', undefined, undefined],
    ['null', null, undefined],
    ['an object', {}, undefined],
    ['too long', 'x'.repeat(MAX_ID_LENGTH + 1), undefined],
  ])('reads an id that is %s', (_name, id, read) => {
    expect(decode({ ...gossip, id })).toMatchObject({ type: 'GOSSIP' });
    expect((decode({ ...gossip, id }) as { id?: string }).id).toBe(read);
  });

  it('keeps the id of 39 digits that one implementation sends, but none of thousands', () => {
    const text = (digits: number): string =>
      `{"type":"GOSSIP","host":"h","port":1,"name":"","id":${'7'.repeat(digits)}}`;
    expect(decodeText(text(39))).toMatchObject({ id: '7'.repeat(39) });
    expect((decodeText(text(5_000)) as { id?: string }).id).toBeUndefined();
  });

  it('reads the reply that is spelt with a hyphen', () => {
    expect(decode({ ...gossip, type: 'GOSSIP-REPLY' })).toMatchObject({ type: 'GOSSIP_REPLY', port: 8999 });
  });

  it('cuts a long name and passes over one that is no text', () => {
    expect(decode({ ...gossip, name: 'n'.repeat(1000) })).toMatchObject({
      name: 'n'.repeat(MAX_NAME_LENGTH),
    });
    expect(decode({ ...gossip, name: 7 })).toMatchObject({ name: '' });
  });
});

describe('GET_BLOCK', () => {
  it.each([
    [7, 7],
    ['7', 7],
    [7.0, 7],
    [-1, undefined],
    [1.5, undefined],
    [1e300, undefined],
    ['x', undefined],
    [null, undefined],
    [undefined, undefined],
    [[7], undefined],
    [true, undefined],
  ])('reads the height %j as %j', (height, read) => {
    expect(decode({ type: 'GET_BLOCK', height })).toEqual({ type: 'GET_BLOCK', height: read });
  });

  it('knows no block at a height beyond 2^53', () => {
    const message = decodeText('{"type":"GET_BLOCK","height":123456789012345678901234567890}');
    expect(message).toEqual({ type: 'GET_BLOCK', height: undefined });
  });
});

describe('GET_BLOCK_REPLY', () => {
  const reply = { type: 'GET_BLOCK_REPLY', ...block };

  it.each<[string, object]>([
    ['as the assignment has it', reply],
    ['without a type', block],
    ['with an integer nonce', { ...reply, nonce: 87540 }],
    ['with the height as text', { ...reply, height: '1' }],
    ['with a float timestamp', { ...reply, timestamp: (block.timestamp as number) + 0.75 }],
    ['with the timestamp as text', { ...reply, timestamp: String(block.timestamp) }],
    ['with extra keys', { ...reply, previous_hash: 'x', consensus: true, addr: ['h', 1] }],
    ['with the key "minedBy:"', { ...reply, minedBy: undefined, 'minedBy:': block.minedBy }],
    ['with the key "mined_by"', { ...reply, minedBy: undefined, mined_by: block.minedBy }],
    ['with the key "miner_name"', { ...reply, minedBy: undefined, miner_name: block.minedBy }],
  ])('reads a block %s', (_name, value) => {
    expect(decode(value)).toEqual({ type: 'GET_BLOCK_REPLY', block });
  });

  it('reads a block that is typed ANNOUNCE as an announcement', () => {
    expect(decode({ ...block, type: 'ANNOUNCE' })).toEqual({ type: 'ANNOUNCE', block });
  });

  it('keeps a timestamp and a nonce beyond 2^53 exactly', () => {
    const text = JSON.stringify({ ...reply, timestamp: 0, nonce: 0 })
      .replace('"timestamp":0', '"timestamp":18446744073709551615')
      .replace('"nonce":0', '"nonce":12345678901234567890');
    expect(decodeText(text)).toEqual({
      type: 'GET_BLOCK_REPLY',
      block: { ...block, timestamp: 18446744073709551615n, nonce: '12345678901234567890' },
    });
  });

  const nulls = { hash: null, height: null, messages: null, minedBy: null, nonce: null, timestamp: null };
  it.each<[string, object]>([
    ['six nulls', { type: 'GET_BLOCK_REPLY', ...nulls }],
    ['six nulls without a type', nulls],
    [
      '"None" everywhere',
      { ...reply, hash: 'None', height: 'None', messages: 'None', minedBy: 'None', nonce: 'None' },
    ],
    ['only a null height', { type: 'GET_BLOCK_REPLY', height: null }],
    ['no messages, and the time', { ...reply, ...nulls, messages: [], timestamp: 1_700_000_000 }],
    ['a float timestamp and nulls', { ...reply, ...nulls, timestamp: 1.5 }],
    ['an apology for a hash', { ...reply, hash: 'Busy doing some other operation right now' }],
    ['no nonce', { ...reply, nonce: undefined }],
    ['a negative height', { ...reply, height: -1 }],
    ['eleven messages', { ...reply, messages: Array.from({ length: 11 }, () => 'x') }],
    ['a message that is no text', { ...reply, messages: [1] }],
    ['a boolean nonce', { ...reply, nonce: true }],
  ])('takes %s for "I have none"', (_name, value) => {
    expect(decode(value)).toEqual({ type: 'GET_BLOCK_REPLY', block: null });
  });

  it('does not take an array with an error text for a message', () => {
    expect(faultOf('["error text"]')).toBe('not-an-object');
  });
});

describe('STATS_REPLY', () => {
  const none = { type: 'STATS_REPLY', height: 0, hash: null };
  it.each<[string, object, object]>([
    ['usual', { type: 'STATS_REPLY', height: 20, hash }, { height: 20, hash }],
    ['height as text', { type: 'STATS_REPLY', height: '20', hash }, { height: 20, hash }],
    [
      'without a type',
      { host: '10.0.0.2', port: 8000, height: 20, hash },
      { height: 20, hash, claims: { host: '10.0.0.2', port: 8000 } },
    ],
    ['in consensus, in words', { type: 'STATS_REPLY', height: '0', hash: 'doing conensus' }, none],
    ['null and null', { type: 'STATS_REPLY', height: null, hash: null }, none],
    ['0 and null', { type: 'STATS_REPLY', height: 0, hash: null }, none],
    ['-1 and null', { type: 'STATS_REPLY', height: -1, hash: null }, none],
    ['a message instead', { type: 'STATS_REPLY', message: 'CURRENTLY RUNNING CONSENSUS' }, none],
    ['nothing', { type: 'STATS_REPLY' }, none],
    ['a fraction', { type: 'STATS_REPLY', height: 1.5, hash }, none],
    ['upper-case hex', { type: 'STATS_REPLY', height: 5, hash: 'AB'.repeat(32) }, none],
  ])('%s', (_name, value, read) => {
    expect(decode(value)).toEqual({ type: 'STATS_REPLY', ...read });
  });

  it('takes 10^15 but no height beyond 2^53', () => {
    expect(decode({ type: 'STATS_REPLY', height: 1e15, hash })).toMatchObject({ height: 1e15 });
    expect(decodeText(`{"type":"STATS_REPLY","height":99999999999999999999,"hash":"${hash}"}`)).toEqual(none);
  });
});

describe('the other types', () => {
  it.each(['CONSENSUS', 'CONCENSUS', 'DO_CONSENSUS', 'CONSENSUS_REQUEST'])('reads %s', (type) => {
    expect(decode({ type })).toEqual({ type: 'CONSENSUS' });
  });

  it('reads STATS, whatever else it carries', () => {
    expect(decode({ type: 'STATS', height: 1 })).toEqual({ type: 'STATS' });
  });

  it('reads NEW_WORD', () => {
    expect(decode({ type: 'NEW_WORD', word: 'hello' })).toEqual({ type: 'NEW_WORD', word: 'hello' });
  });
});

describe('what is no message', () => {
  const deep = 3_000;
  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
  const cases: [DatagramFault, string, string | Uint8Array][] = [
    ['empty', 'an empty datagram', ''],
    ['oversize', 'a datagram of 60 KB', 'x'.repeat(60_000)],
    ['oversize', 'a good message of 60 KB', JSON.stringify({ type: 'STATS', x: 'x'.repeat(60_000) })],
    ['not-utf8', 'invalid UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d)],
    ['not-utf8', 'half a character', Uint8Array.of(0x7b, 0x22, 0xc3, 0x7d)],
    ['not-an-object', 'words', 'goose'],
    ['not-an-object', 'half an object', '{"type":"STATS"'],
    ['not-an-object', 'nothing but white space', ' \r\n\t'],
    ['not-an-object', 'an opening brace', '{'],
    ['not-json', 'words between braces', '{goose}'],
    ['not-json', 'two objects', '{"type":"STATS"}{"type":"STATS"}'],
    ['not-an-object', 'a byte order mark', '\ufeff{"type":"STATS"}'],
    ['not-an-object', 'a NUL behind the object', '{"type":"STATS"}\0'],
    ['not-an-object', 'unbalanced depth', '['.repeat(deep)],
    ['too-complex', 'unbalanced depth between braces', `{"b":${'['.repeat(deep)}}`],
    ['too-complex', 'depth and a long number', `{"a":1234567890123456789,"b":${nested(deep)}}`],
    ['too-complex', 'depth in the length of a block', `{"type":"STATS","x":${nested(400)}}`],
    ['too-complex', 'many objects', `{"type":"STATS","x":[${'{"":0},'.repeat(100)}0]}`],
    ['too-complex', 'thousands of numbers', `{"type":"STATS","x":[${'1,'.repeat(2_000)}1]}`],
    ['too-complex', 'hundreds of fields', `{${'"x":1,'.repeat(300)}"type":"STATS"}`],
    ['not-an-object', 'depth', '['.repeat(deep) + ']'.repeat(deep)],
    ['not-an-object', 'double-encoded JSON', JSON.stringify('{"type":"STATS"}')],
    ['not-an-object', 'null', 'null'],
    ['not-an-object', 'a number', '8'],
    ['not-an-object', 'an array', '[{"type":"STATS"}]'],
    ['unknown-type', 'an empty object', '{}'],
    ['unknown-type', 'another type', '{"type":"HELLO"}'],
    ['unknown-type', 'a type of another kind', '{"type":["STATS"]}'],
    ['unknown-type', 'a null type', '{"type":null}'],
    ['unknown-type', 'the name of an inherited field', '{"type":"constructor"}'],
    ['unknown-type', 'the prototype as a type', '{"type":"__proto__"}'],
    ['bad-host', 'a GOSSIP without a host', '{"type":"GOSSIP","port":1}'],
    ['bad-host', 'a host that is no text', '{"type":"GOSSIP_REPLY","host":1,"port":1}'],
    [
      'bad-host',
      'a host of 300 characters',
      JSON.stringify({ type: 'GOSSIP', host: 'h'.repeat(300), port: 1 }),
    ],
    ['bad-port', 'no port', '{"type":"GOSSIP","host":"h"}'],
    ['bad-port', 'port 0', '{"type":"GOSSIP","host":"h","port":0}'],
    ['bad-port', 'port 65536', '{"type":"GOSSIP_REPLY","host":"h","port":65536}'],
    ['bad-port', 'a negative port', '{"type":"GOSSIP","host":"h","port":-1}'],
    ['bad-port', 'a fraction of a port', '{"type":"GOSSIP","host":"h","port":8000.5}'],
    ['bad-port', 'an endless port', `{"type":"GOSSIP","host":"h","port":${'9'.repeat(4000)}}`],
    ['bad-word', 'no word', '{"type":"NEW_WORD"}'],
    ['bad-word', 'a number for a word', '{"type":"NEW_WORD","word":7}'],
    ['bad-word', 'a word of 65 characters', JSON.stringify({ type: 'NEW_WORD', word: 'w'.repeat(65) })],
    ['bad-block', 'an ANNOUNCE without anything', '{"type":"ANNOUNCE"}'],
    [
      'bad-block',
      'an ANNOUNCE without timestamp',
      JSON.stringify({ ...block, type: 'ANNOUNCE', timestamp: undefined }),
    ],
  ];
  it.each(cases)('%s: %s', (fault, _name, bytes) => {
    expect(faultOf(bytes)).toBe(fault);
  });

  it('has a case for every rule', () => {
    expect(new Set(cases.map(([fault]) => fault))).toEqual(new Set(Object.keys(DATAGRAM_RULES)));
  });

  it('takes a datagram of the longest length', () => {
    const text = (length: number): string => `{"type":"STATS","x":"${'x'.repeat(length - 23)}"}`;
    expect(text(MAX_RECEIVED)).toHaveLength(MAX_RECEIVED);
    expect(faultOf(text(MAX_RECEIVED))).toBeUndefined();
    expect(faultOf(text(MAX_RECEIVED + 1))).toBe('oversize');
  });

  it('lets no key pollute a prototype', () => {
    const texts = [
      '{"__proto__":{"polluted":1},"type":"STATS"}',
      '{"__proto__":{"polluted":1},"n":12345678901234567890,"type":"STATS"}',
      '{"constructor":{"prototype":{"polluted":1}},"type":"STATS","n":12345678901234567890}',
    ];
    for (const text of texts) decodeText(text);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('reads nesting in a field that nobody looks at, up to a bound', () => {
    // A brace, a comma and two colons are in every such datagram.
    const most = MAX_STRUCTURE - 4;
    expect(decodeText(`{"type":"STATS","x":${nested(most)}}`)).toEqual({ type: 'STATS' });
    expect(faultOf(`{"type":"STATS","x":${nested(most + 1)}}`)).toBe('too-complex');
  });

  it.each([
    ['lists', '[', ']'],
    ['objects', '{"":', '}'],
  ])(
    'looks closely at what opens five %s or is too long to be sent, and at nothing else',
    (_, open, close) => {
      const numbers = `[${'1,'.repeat(MAX_STRUCTURE)}1]`;
      const holding = (openings: number): string =>
        `{"type":"STATS","x":${open.repeat(openings)}${numbers}${close.repeat(openings)}}`;
      const padded = (length: number): string =>
        `${holding(0)
          .slice(0, -1)
          .padEnd(length - 1)}}`;
      // The message and its numbers open two more.
      expect(decodeText(holding(2))).toEqual({ type: 'STATS' });
      expect(faultOf(holding(3))).toBe('too-complex');
      expect(decodeText(padded(MAX_DATAGRAM))).toEqual({ type: 'STATS' });
      expect(faultOf(padded(MAX_DATAGRAM + 1))).toBe('too-complex');
    },
  );

  it('does not take what stands in a text for structure', () => {
    const word = '[{,:'.repeat(12);
    const text = JSON.stringify({ type: 'NEW_WORD', word, x: `\\"${'[{"\\,:'.repeat(500)}` });
    expect(decodeText(text)).toEqual({ type: 'NEW_WORD', word });
  });

  it('reads white space around the object', () => {
    expect(decodeText(' \r\n\t{"type":"STATS"}\t\n\r ')).toEqual({ type: 'STATS' });
  });

  it('leaves lone surrogates in blocks to the rule of blocks', () => {
    const text = JSON.stringify({ ...block, type: 'ANNOUNCE', minedBy: '\ud800' });
    expect(text).toContain('\\ud800');
    expect(decodeText(text)).toEqual({ type: 'ANNOUNCE', block: { ...block, minedBy: '\ud800' } });
  });
});

describe('what we send', () => {
  it('answers an unknown block with six nulls', () => {
    expect(JSON.parse(encode({ type: 'GET_BLOCK_REPLY', block: null }))).toEqual({
      type: 'GET_BLOCK_REPLY',
      hash: null,
      height: null,
      messages: null,
      minedBy: null,
      nonce: null,
      timestamp: null,
    });
  });

  it('sends a stored block as it is stored', () => {
    const json = JSON.stringify(block);
    const text = encode({ type: 'GET_BLOCK_REPLY', block, json });
    expect(JSON.parse(text)).toEqual({ type: 'GET_BLOCK_REPLY', ...block });
  });

  it('sends nonces as texts and large timestamps as exact integers', () => {
    const text = encode({ type: 'ANNOUNCE', block: { ...block, timestamp: 18446744073709551615n } });
    expect(text).toContain('"nonce":"87540"');
    expect(text).toContain('"timestamp":18446744073709551615');
  });

  it('says 0 and null, never null height, while there is no chain', () => {
    expect(JSON.parse(encode({ type: 'STATS_REPLY', height: 0, hash: null }))).toEqual({
      type: 'STATS_REPLY',
      height: 0,
      hash: null,
    });
  });

  it('fits the largest block that we mine into a datagram that everybody receives', () => {
    // The worst for JSON: every character is escaped to two.
    const largest: Block = {
      height: 2 ** 31,
      minedBy: '"'.repeat(MAX_MINED_NAME_LENGTH),
      messages: Array.from({ length: 10 }, () => '\\'.repeat(19)),
      nonce: '"'.repeat(38),
      timestamp: 2 ** 34,
      hash,
    };
    expect(powCodec.encode({ type: 'ANNOUNCE', block: largest }).length).toBeLessThanOrEqual(MAX_DATAGRAM);
    expect(powCodec.encode({ type: 'GET_BLOCK_REPLY', block: largest }).length).toBeLessThanOrEqual(
      MAX_DATAGRAM,
    );
  });

  it('fits every other message of ours as well', () => {
    const host = 'h'.repeat(253);
    const name = '"'.repeat(MAX_NAME_LENGTH);
    const messages: PowMessage[] = [
      { type: 'GOSSIP', host, port: 65535, id: 'x'.repeat(36), name },
      { type: 'GOSSIP_REPLY', host, port: 65535, name },
      { type: 'STATS_REPLY', height: 2 ** 53 - 1, hash },
      { type: 'GET_BLOCK', height: 2 ** 53 - 1 },
    ];
    for (const message of messages) expect(powCodec.encode(message).length).toBeLessThanOrEqual(MAX_DATAGRAM);
  });
});

describe('for any input', () => {
  const text = (maxLength: number): fc.Arbitrary<string> => fc.string({ unit: 'grapheme', maxLength });
  const blocks: fc.Arbitrary<Block> = fc.record({
    height: fc.nat(),
    minedBy: text(80),
    messages: fc.array(text(20), { minLength: 1, maxLength: 10 }),
    nonce: text(39),
    timestamp: fc.oneof(fc.nat(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n })),
    hash: fc.stringMatching(/^[0-9a-f]{64}$/),
  });
  const port = fc.integer({ min: 1, max: 65535 });
  const messages: fc.Arbitrary<PowMessage> = fc.oneof(
    fc.record({ type: fc.constant('GOSSIP' as const), host: text(20), port, id: text(20), name: text(20) }),
    fc.record({ type: fc.constant('GOSSIP_REPLY' as const), host: text(20), port, name: text(20) }),
    fc.record({ type: fc.constant('GET_BLOCK' as const), height: fc.option(fc.nat(), { nil: undefined }) }),
    fc.record({ type: fc.constant('GET_BLOCK_REPLY' as const), block: fc.option(blocks) }),
    fc.record({
      type: fc.constant('STATS_REPLY' as const),
      height: fc.integer({ min: 1 }),
      hash: fc.stringMatching(/^[0-9a-f]{64}$/),
    }),
    fc.constant<PowMessage>({ type: 'STATS_REPLY', height: 0, hash: null }),
    fc.record({ type: fc.constant('ANNOUNCE' as const), block: blocks }),
    fc.record({ type: fc.constant('NEW_WORD' as const), word: text(20) }),
    fc.constantFrom<PowMessage>({ type: 'STATS' }, { type: 'CONSENSUS' }),
  );

  it('reads its own messages back as they were', () => {
    fc.assert(
      fc.property(messages, (message) => {
        const bytes = powCodec.encode(message);
        const { raw, ...read } = powCodec.decode(bytes).message as PowMessage & { raw?: string };
        expect(read).toEqual(message);
        if (raw !== undefined) expect(raw).toBe(String(bytes));
      }),
      { seed: 1 },
    );
  });

  const isOutcome = (bytes: Uint8Array): boolean => {
    const { message, fault } = powCodec.decode(bytes);
    return message === undefined ? fault in DATAGRAM_RULES : message.type.length > 0;
  };

  it('never throws on bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => isOutcome(bytes)),
      { seed: 2, numRuns: 500 },
    );
  });

  it('never throws on JSON', () => {
    const types = fc.constantFrom(
      'GOSSIP',
      'GET_BLOCK',
      'GET_BLOCK_REPLY',
      'STATS_REPLY',
      'ANNOUNCE',
      'NEW_WORD',
    );
    const keys = [
      'host',
      'port',
      'id',
      'name',
      'height',
      'hash',
      'messages',
      'minedBy',
      'nonce',
      'timestamp',
      'word',
    ];
    const objects = fc
      .tuple(types, fc.dictionary(fc.constantFrom(...keys, '__proto__', 'toString'), fc.jsonValue()))
      .map(([type, fields]) => JSON.stringify({ type, ...fields }));
    fc.assert(
      fc.property(fc.oneof(objects, fc.json()), (json) => isOutcome(Buffer.from(json))),
      { seed: 3, numRuns: 1_000 },
    );
  });

  it('never throws on messages with some bytes changed', () => {
    const mutations = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(messages, mutations, (message, changes) => {
        const bytes = Uint8Array.from(powCodec.encode(message));
        for (const [place, value] of changes) bytes[place % bytes.length] = value;
        return isOutcome(bytes);
      }),
      { seed: 4, numRuns: 1_000 },
    );
  });
});
