/**
 * Hostile inputs: arbitrary bytes, arbitrary JSON, messages of which some fields have been replaced by what no program
 * should send, and all of these with bytes flipped, cut, inserted and spliced.
 */
import fc from 'fast-check';

import { MAX_INPUT_BYTES } from './target.ts';

/** A field of an object as it stands in the text: both parts are JSON, so a key may come twice and a value be broken. */
export interface Field {
  readonly key: string;
  readonly value: string;
}

/** The fields of an object, in order. Big integers are written exactly. */
export function fieldsOf(object: object): Field[] {
  return Object.entries(object)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]: [string, unknown]) => ({
      key: JSON.stringify(key),
      value: typeof value === 'bigint' ? `${value}` : JSON.stringify(value),
    }));
}

/** The text of an object. */
export function objectText(fields: readonly Field[]): string {
  return `{${fields.map(({ key, value }) => `${key}:${value}`).join(',')}}`;
}

const HASH_A = 'ab'.repeat(32);
const HASH_ZERO = '0'.repeat(64);

/** Values at the edges of what types hold, and beyond. Some are no JSON at all. */
const EDGES = [
  ...['null', 'true', 'false', '[]', '{}', '[[]]', '[null]', '{"a":1}', '', 'NaN', 'Infinity', '-Infinity'],
  ...['undefined', '01', '+1', '.5', '1.', '0x10', '1e', "'x'", '-', '"', '"\\"', '"\\u12"', '"\n"', '"\\x"'],
  ...['0', '-0', '-0.0', '1', '-1', '0.5', '-0.5', '5.0', '1e3', '1e18', '1e21', '1e308', '1e400', '-1e400'],
  ...['1e-400', '65535', '65536', '2147483648', '4294967296', '9007199254740991', '9007199254740992'],
  ...['9007199254740993', '-9007199254740993', '18446744073709551615', '18446744073709551616'],
  ...['123456789012345678901234567890', '-123456789012345678901234567890', '1.7976931348623157e308'],
  ...[
    '""',
    '" "',
    '"0"',
    '"-0"',
    '" 7 "',
    '"7.0"',
    '"1e3"',
    '"0x10"',
    '"\uff11"',
    '"None"',
    '"NaN"',
    '"null"',
  ],
  ...['"18446744073709551615"', '"18446744073709551616"', '"9007199254740993"', '"99999999999999999999"'],
  ...[
    '"\\ud800"',
    '"\\udc00"',
    '"\\udc00\\ud800"',
    '"\\ud83e\\udd80"',
    '"x\\udbff"',
    '"\\u0000"',
    '"\\u2028"',
  ],
  ...['"\ufeff"', '"\u{1f980}"', '"\u202e"', '"\\u001b[2J"', '"\\n"', '"__proto__"', '"constructor"'],
  ...[
    '"localhost"',
    '"0.0.0.0"',
    '"127.0.0.1"',
    '"::1"',
    '"255.255.255.255"',
    '"10.0.0.1"',
    '"a:1"',
    '"[a]"',
  ],
  ...[
    `"${HASH_A}"`,
    `"${HASH_A.toUpperCase()}"`,
    `"${HASH_ZERO}"`,
    `"${HASH_ZERO}\\n"`,
    `"${'ab'.repeat(28)}00000000"`,
  ],
] as const;

/** Keys that mean something to somebody, or to the language. */
const KEYS = [
  ...['type', 'host', 'port', 'post', 'id', 'name', 'height', 'hash', 'messages', 'minedBy', 'mined_by'],
  ...[
    'minedBy:',
    'miner_name',
    'nonce',
    'timestamp',
    'word',
    'previous_hash',
    'difficulty',
    'protocol',
    'job',
  ],
  ...['nonce_prefix', 'agent', 'processes', 'hashes_per_second', 'status', 'reason', 'join', 'config'],
  ...[
    'genesis',
    'log_level',
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'hasOwnProperty',
    'length',
    '',
  ],
] as const;

/** Types of all wires. */
const TYPES = [
  ...['GOSSIP', 'GOSSIP_REPLY', 'GOSSIP-REPLY', 'GET_BLOCK', 'GET_BLOCK_REPLY', 'STATS', 'STATS_REPLY'],
  ...['ANNOUNCE', 'CONSENSUS', 'DO_CONSENSUS', 'NEW_WORD', 'HELLO', 'RATE', 'RESULT', 'WAIT', '__proto__'],
] as const;

/** Text that is repeated to make something long, or deep. */
const longValue = fc
  .tuple(
    fc.constantFrom('x', '9', '0', ' ', '\\"', '\\u0041', '\\ud800', '\u00e9', '\u{1f980}', '{', '['),
    fc.oneof({ weight: 4, arbitrary: fc.nat(300) }, { weight: 1, arbitrary: fc.nat(20_000) }),
    fc.constantFrom('text', 'digits', 'fraction', 'nested array', 'nested object', 'list', 'blanks'),
  )
  .map(([unit, count, form]) => {
    switch (form) {
      case 'digits':
        return `1${'0'.repeat(count)}`;
      case 'fraction':
        return `0.${'3'.repeat(count)}e${count}`;
      case 'nested array':
        return '['.repeat(count) + ']'.repeat(count);
      case 'nested object':
        return `${'{"a":'.repeat(count)}1${'}'.repeat(count)}`;
      case 'list':
        return `[${Array<string>(count % 64)
          .fill(`"${unit}"`)
          .join(',')}]`;
      case 'blanks':
        return `"${' '.repeat(count)}7${' '.repeat(count)}"`;
      default:
        return `"${unit.repeat(count)}"`;
    }
  });

const textValue = fc
  .oneof(
    fc.string({ maxLength: 45 }),
    fc.string({ unit: 'binary', maxLength: 45 }),
    fc.constantFrom(...TYPES),
  )
  .map((text) => JSON.stringify(text));

const hashValue = fc
  .tuple(fc.bigInt({ min: 0n, max: 2n ** 64n }), fc.constantFrom('', '0', '00000000'))
  .map(([number, zeros]) => `"${(number.toString(16) + zeros).padStart(64, '3')}"`);

/** The text of a value that may stand anywhere. */
export const hostileValue: fc.Arbitrary<string> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...EDGES) },
  { weight: 2, arbitrary: fc.integer().map(String) },
  { weight: 1, arbitrary: fc.double().map(String) },
  { weight: 1, arbitrary: fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String) },
  { weight: 4, arbitrary: textValue },
  { weight: 1, arbitrary: hashValue },
  { weight: 2, arbitrary: longValue },
  { weight: 2, arbitrary: fc.array(textValue, { maxLength: 12 }).map((texts) => `[${texts.join(',')}]`) },
  { weight: 1, arbitrary: fc.json({ maxDepth: 3 }) },
);

const place = fc.nat(11);
const key = fc.constantFrom(...KEYS).map((name) => JSON.stringify(name));

/** One change of the fields of an object. Places are taken round, so that every number is one. */
type FieldEdit =
  | { readonly edit: 'set'; readonly at: number; readonly value: string }
  | { readonly edit: 'add'; readonly at: number; readonly key: string; readonly value: string }
  | { readonly edit: 'twice'; readonly at: number; readonly value: string }
  | { readonly edit: 'rename'; readonly at: number; readonly key: string }
  | { readonly edit: 'drop' | 'last'; readonly at: number };

const fieldEdit: fc.Arbitrary<FieldEdit> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ edit: fc.constant('set'), at: place, value: hostileValue }) },
  { weight: 2, arbitrary: fc.record({ edit: fc.constant('add'), at: place, key, value: hostileValue }) },
  { weight: 1, arbitrary: fc.record({ edit: fc.constant('twice'), at: place, value: hostileValue }) },
  { weight: 1, arbitrary: fc.record({ edit: fc.constant('rename'), at: place, key }) },
  { weight: 1, arbitrary: fc.record({ edit: fc.constantFrom('drop', 'last'), at: place }) },
);

function applyFieldEdit(fields: readonly Field[], edit: FieldEdit): readonly Field[] {
  const at = fields.length === 0 ? 0 : edit.at % fields.length;
  const field = fields[at];
  if (edit.edit === 'add') return fields.toSpliced(at, 0, { key: edit.key, value: edit.value });
  if (field === undefined) return fields;
  switch (edit.edit) {
    case 'set':
      return fields.with(at, { key: field.key, value: edit.value });
    case 'twice':
      return [...fields, { key: field.key, value: edit.value }];
    case 'rename':
      return fields.with(at, { key: edit.key, value: field.value });
    case 'drop':
      return fields.toSpliced(at, 1);
    case 'last':
      return [...fields.toSpliced(at, 1), field];
  }
}

/** The fields of one of some objects, with a few of them changed. */
export function hostileFields(templates: readonly object[]): fc.Arbitrary<readonly Field[]> {
  return fc
    .tuple(fc.constantFrom(...templates.map(fieldsOf)), fc.array(fieldEdit, { maxLength: 4 }))
    .map(([fields, edits]) => edits.reduce<readonly Field[]>(applyFieldEdit, fields));
}

/** The text of one of some objects, with a few fields changed. */
export function hostileText(templates: readonly object[]): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 12, arbitrary: hostileFields(templates).map(objectText) },
    { weight: 1, arbitrary: fc.json({ maxDepth: 4 }) },
    { weight: 1, arbitrary: hostileValue },
  );
}

/** One change of bytes. */
type ByteEdit =
  | { readonly edit: 'flip'; readonly at: number; readonly bit: number }
  | { readonly edit: 'cut'; readonly at: number; readonly length: number }
  | { readonly edit: 'insert'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly edit: 'end' | 'splice'; readonly at: number };

const anywhere = fc.nat(2_000);
const byteEdit: fc.Arbitrary<ByteEdit> = fc.oneof(
  fc.record({ edit: fc.constant('flip'), at: anywhere, bit: fc.nat(7) }),
  fc.record({ edit: fc.constant('cut'), at: anywhere, length: fc.nat(20) }),
  fc.record({ edit: fc.constant('insert'), at: anywhere, bytes: fc.uint8Array({ maxLength: 8 }) }),
  fc.record({ edit: fc.constantFrom('end', 'splice'), at: anywhere }),
);

function applyByteEdit(bytes: Uint8Array, edit: ByteEdit, other: Uint8Array): Uint8Array {
  const at = edit.at % (bytes.length + 1);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (edit.edit) {
    case 'flip': {
      const changed = Buffer.from(bytes);
      if (at < changed.length) changed[at] = (changed[at] ?? 0) ^ (1 << edit.bit);
      return changed;
    }
    case 'cut':
      return Buffer.concat([before, after.subarray(edit.length)]);
    case 'insert':
      return Buffer.concat([before, edit.bytes, after]);
    case 'end':
      return before;
    case 'splice':
      return Buffer.concat([before, other.subarray(at % (other.length + 1))]);
  }
}

/** Bytes of a hostile text, often changed further, or just any bytes. Never longer than {@link MAX_INPUT_BYTES}. */
export function hostileBytes(text: fc.Arbitrary<string>): fc.Arbitrary<Uint8Array> {
  const changed = fc
    .tuple(text, text, fc.array(byteEdit, { minLength: 1, maxLength: 4 }))
    .map(([text, other, edits]) =>
      edits.reduce<Uint8Array>(
        (bytes, edit) => applyByteEdit(bytes, edit, Buffer.from(other)),
        Buffer.from(text),
      ),
    );
  return fc
    .oneof(
      { weight: 6, arbitrary: text.map((text): Uint8Array => Buffer.from(text)) },
      { weight: 3, arbitrary: changed },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes): Uint8Array => bytes) },
    )
    .map((bytes) => bytes.subarray(0, MAX_INPUT_BYTES));
}

/** Most chunks that bytes come in, so that handing them over is not what takes the time. */
const MAX_CHUNKS = 4_096;

/** Bytes and where they are cut into chunks, or that they come in as many as there may be. */
export interface Chunked {
  readonly bytes: Uint8Array;
  readonly cuts: readonly number[] | 'everywhere';
}

/** The same bytes in any chunks, also empty ones. */
export function chunked(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Chunked> {
  const cuts = fc.oneof(
    { weight: 20, arbitrary: fc.array(anywhere, { maxLength: 12 }) },
    { weight: 1, arbitrary: fc.constant<'everywhere'>('everywhere') },
  );
  return fc.record({ bytes, cuts });
}

export function chunksOf({ bytes, cuts }: Chunked): Uint8Array[] {
  if (cuts === 'everywhere') {
    const size = Math.ceil(bytes.length / MAX_CHUNKS);
    const count = size === 0 ? 0 : Math.ceil(bytes.length / size);
    return Array.from({ length: count }, (_, index) => bytes.subarray(index * size, (index + 1) * size));
  }
  const ends = [...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}
