/** The targets that decode one input: nothing may throw, and what comes out must keep to its bounds. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';

import { Command } from 'commander';
import fc from 'fast-check';

import {
  BLOCK_RULES,
  MAX_MESSAGES,
  blockToJson,
  hashBlock,
  isHash,
  readBlock,
  verifyBlock,
  type Block,
} from '../../shared/block.ts';
import { UserError, messageOf } from '../../shared/errors.ts';
import { isJsonObject, parseJson } from '../../shared/json.ts';
import {
  JsonObjectStream,
  STREAM_RULES,
  type StreamFault,
  type StreamLimits,
} from '../../shared/json-stream.ts';
import {
  MAX_AGENT_LENGTH,
  MAX_NONCE_PREFIX_LENGTH,
  WIRE_RULES,
  decodeMinerMessage,
  decodePeerMessage,
  encodeAnswer,
  encodeHello,
  encodeJob,
  encodeRate,
  encodeResult,
  encodeWait,
  type MinerMessage,
  type PeerMessage,
} from '../../shared/mining-wire.ts';
import {
  addCommonOptions,
  addOption,
  applyOptions,
  hostPort,
  integer,
  seconds,
} from '../../shared/options.ts';
import { RECORD_RULES, readRecord, type RecordLine } from '../../shared/record.ts';
import { DATAGRAM_RULES, powCodec } from '../../peer/engines/pow/protocol/codec.ts';
import {
  MAX_HOST_LENGTH,
  MAX_ID_LENGTH,
  MAX_NAME_LENGTH,
  MAX_RECEIVED,
  MAX_WORD_LENGTH,
} from '../../peer/engines/pow/protocol/limits.ts';
import type { PowMessage } from '../../peer/engines/pow/protocol/messages.ts';
import { readLooseBlock, wireFault, wireHash } from '../support/wire.ts';
import { miningMessages, networkMessages, type Corpus } from './corpus.ts';
import {
  chunked,
  chunksOf,
  hostileBytes,
  hostileFields,
  hostileText,
  objectText,
  type Chunked,
  type Field,
} from './inputs.ts';
import { defineTarget, type FuzzTarget } from './target.ts';

/** What a call throws; undefined if it returns. */
function thrownBy(call: () => unknown): unknown {
  try {
    call();
    return undefined;
  } catch (error) {
    return error ?? new Error('nothing was thrown, by throw');
  }
}

function assertWhole(value: number, least: number, most: number): void {
  assert(Number.isSafeInteger(value) && value >= least && value <= most, `${value} is out of bounds`);
}

function assertLength(text: string | undefined, most: number): void {
  assert(text === undefined || text.length <= most, `a text has ${text?.length ?? 0} units`);
}

// JSON

/** Deepest nesting for which a text must be read: the exact parser recurses, and what is deeper may be refused. */
const MAX_DEPTH = 1_000;

function maybeTooDeep(text: string): boolean {
  return Math.max(text.split('[').length, text.split('{').length) > MAX_DEPTH;
}

/** The value with its big integers as the floats that they are otherwise read as. */
function inexact(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(inexact);
  if (!isJsonObject(value)) return value;
  const copy: object = {};
  for (const key of Object.keys(value)) {
    // Setting __proto__ in the plain way would do something else.
    Object.defineProperty(copy, key, { value: inexact(value[key]), enumerable: true });
  }
  return copy;
}

function checkJson(text: string): undefined {
  const error = thrownBy(() => parseJson(text));
  const refusal = thrownBy(() => JSON.parse(text));
  if (refusal !== undefined) {
    assert(error instanceof SyntaxError || error instanceof RangeError);
    return;
  }
  if (maybeTooDeep(text)) {
    assert(error === undefined || error instanceof RangeError);
    return;
  }
  assert.equal(error, undefined);
  assert.equal(JSON.stringify(inexact(parseJson(text))), JSON.stringify(JSON.parse(text)));
}

// The class network

function assertBlock(block: Block): void {
  assertWhole(block.height, 0, Number.MAX_SAFE_INTEGER);
  assert(block.messages.length >= 1 && block.messages.length <= MAX_MESSAGES);
  for (const text of [block.minedBy, block.nonce, ...block.messages]) assert.equal(typeof text, 'string');
  assert(isHash(block.hash));
  const { timestamp } = block;
  if (typeof timestamp === 'number') assertWhole(timestamp, 0, Number.MAX_SAFE_INTEGER);
  else assert(timestamp > Number.MAX_SAFE_INTEGER && timestamp < 2n ** 64n);
}

/** What limits.ts and messages.ts say about a decoded message. */
function assertNetworkMessage(message: PowMessage): void {
  switch (message.type) {
    case 'GOSSIP':
      assertLength(message.id, MAX_ID_LENGTH);
      assertLength(message.raw, MAX_RECEIVED);
      break;
    case 'GET_BLOCK':
      if (message.height !== undefined) assertWhole(message.height, 0, Number.MAX_SAFE_INTEGER);
      break;
    case 'GET_BLOCK_REPLY':
      if (message.block !== null) assertBlock(message.block);
      break;
    case 'ANNOUNCE':
      assertBlock(message.block);
      break;
    case 'STATS_REPLY':
      assertWhole(message.height, 0, Number.MAX_SAFE_INTEGER);
      assert(message.hash === null ? message.height === 0 : message.height > 0 && isHash(message.hash));
      if (message.claims !== undefined) {
        assertLength(message.claims.host, MAX_HOST_LENGTH);
        assertWhole(message.claims.port, 1, 65_535);
      }
      break;
    case 'NEW_WORD':
      assertLength(message.word, MAX_WORD_LENGTH);
      break;
  }
  if (message.type === 'GOSSIP' || message.type === 'GOSSIP_REPLY') {
    assertLength(message.host, MAX_HOST_LENGTH);
    assertLength(message.name, MAX_NAME_LENGTH);
    assertWhole(message.port, 1, 65_535);
  }
}

/** A message as it is read back: where a STATS_REPLY says who sent it is only ever read. */
function withoutClaims(message: PowMessage): PowMessage {
  if (message.type !== 'STATS_REPLY') return message;
  const { type, height, hash } = message;
  return { type, height, hash };
}

function checkDatagram(bytes: Uint8Array): undefined {
  const { message, fault } = powCodec.decode(bytes);
  if (message === undefined) {
    assert(Object.hasOwn(DATAGRAM_RULES, fault), `no rule ${fault}`);
    return;
  }
  assertNetworkMessage(message);
  const sent = withoutClaims(message);
  const encoded = powCodec.encode(sent);
  if (encoded.length <= MAX_RECEIVED) assert.deepEqual(powCodec.decode(encoded).message, sent);
}

const anyText = fc.string({ unit: 'binary', maxLength: 60 });
const anyHash = fc.stringMatching(/^[0-9a-f]{64}$/);
const anyPort = fc.integer({ min: 1, max: 65_535 });
const anyHeight = fc.oneof(fc.nat(1_000), fc.maxSafeNat());
const anyBlock: fc.Arbitrary<Block> = fc.record(
  {
    height: anyHeight,
    minedBy: anyText,
    messages: fc.array(fc.string({ unit: 'binary', maxLength: 20 }), {
      minLength: 1,
      maxLength: MAX_MESSAGES,
    }),
    nonce: anyText,
    timestamp: fc.oneof(fc.maxSafeNat(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n })),
    hash: anyHash,
  },
  { noNullPrototype: true },
);

/** Every message that our engine may send. */
function sentMessages(): fc.Arbitrary<PowMessage> {
  const plain = { noNullPrototype: true };
  const constant = <T extends PowMessage['type']>(type: T): fc.Arbitrary<T> => fc.constant(type);
  const gossip = { host: anyText, port: anyPort, name: anyText };
  return fc.oneof<fc.Arbitrary<PowMessage>[]>(
    fc.record({ type: constant('GOSSIP'), ...gossip, id: anyText }, plain),
    fc.record({ type: constant('GOSSIP_REPLY'), ...gossip }, plain),
    fc.record({ type: constant('GET_BLOCK'), height: fc.option(anyHeight, { nil: undefined }) }, plain),
    fc.record({ type: constant('GET_BLOCK_REPLY'), block: fc.option(anyBlock, { nil: null }) }, plain),
    anyBlock.map((block) => ({ type: 'GET_BLOCK_REPLY', block, json: blockToJson(block) })),
    fc.record(
      { type: constant('STATS_REPLY'), height: anyHeight.map((height) => height || 1), hash: anyHash },
      plain,
    ),
    fc.constant({ type: 'STATS_REPLY', height: 0, hash: null }),
    fc.record({ type: constant('ANNOUNCE'), block: anyBlock }, plain),
    fc.record({ type: constant('NEW_WORD'), word: anyText }, plain),
    fc.constantFrom<PowMessage>({ type: 'STATS' }, { type: 'CONSENSUS' }),
  );
}

function checkSent(message: PowMessage): undefined {
  const bytes = powCodec.encode(message);
  const read = powCodec.decode(bytes).message;
  if (message.type === 'GOSSIP') {
    assert.deepEqual(read, { ...message, raw: Buffer.from(bytes).toString() });
  } else if (message.type === 'GET_BLOCK_REPLY') {
    assert.deepEqual(read, { type: message.type, block: message.block });
  } else {
    assert.deepEqual(read, message);
  }
}

// Blocks

/** A block of which fields have been changed, and that was then mined again, or not. */
interface ChangedBlock {
  readonly fields: readonly Field[];
  /** Whether its hash is what its fields give, so that all other rules count. */
  readonly mined: boolean;
  /** Height of the block below; -1 stands for none. */
  readonly below: number;
  readonly difficulty: number;
}

const BELOW = 'cd'.repeat(32);

/** Fields at the very edge of the rule, and just beyond it. */
const EDGES: readonly Field[] = [
  ...[
    '0',
    '-0',
    '-1',
    '-0.5',
    '1e18',
    '18446744073709551615',
    '18446744073709551616',
    '"18446744073709551615"',
  ].map((value) => ({ key: '"timestamp"', value })),
  ...[19, 20, 21].flatMap((length) =>
    ['x', '\u{1f980}'].map((unit) => ({ key: '"messages"', value: JSON.stringify([unit.repeat(length)]) })),
  ),
  ...[0, 10, 11].map((count) => ({ key: '"messages"', value: JSON.stringify(Array(count).fill('x')) })),
  ...[39, 40].flatMap((length) =>
    ['x', '\u{1f980}'].map((unit) => ({ key: '"nonce"', value: JSON.stringify(unit.repeat(length)) })),
  ),
  ...['"minedBy"', '"nonce"'].flatMap((key) => ['"\\ud83e"', '"\\udd80"'].map((value) => ({ key, value }))),
  ...['["\\udd80"]', '["\\ud83e","\\udd80"]', '["\\ud83e\\udd80"]'].map((value) => ({
    key: '"messages"',
    value,
  })),
];

function changedBlocks({ blocks }: Corpus): fc.Arbitrary<ChangedBlock> {
  const fields = fc
    .tuple(
      hostileFields(blocks.map((block) => ({ type: 'ANNOUNCE', ...block }))),
      fc.array(fc.constantFrom(...EDGES), { maxLength: 2 }),
    )
    .map(([fields, edges]) => [...fields, ...edges]);
  return fc.record({
    fields,
    mined: fc.boolean(),
    below: fc.integer({ min: -1, max: 2 }),
    difficulty: fc.constantFrom(0, 0, 0, 1),
  });
}

/** What the fields of a text come to; undefined if it is no JSON. */
function lastFields(fields: readonly Field[]): Map<string, string> | undefined {
  if (thrownBy(() => JSON.parse(objectText(fields))) !== undefined) return undefined;
  return new Map(fields.map(({ key, value }) => [JSON.parse(key) as string, value.trim()]));
}

function checkBlock({ fields, mined, below, difficulty }: ChangedBlock): undefined {
  const previousHash = below < 0 ? '' : BELOW;
  let all = fields;
  const loose = lastFields(fields);
  // A value such as `1,"a":2` is more than one field: what it comes to is for the parsers to say.
  if (loose === undefined) return;
  if (Object.keys(JSON.parse(objectText(fields)) as object).length !== loose.size) return;
  let expected = readLooseBlock(loose);
  if (mined && expected !== undefined) {
    // Text without UTF-8 has no hash; a careless program would make up this one, and the block is still not valid.
    const hash = wireHash(expected, previousHash) ?? hashBlock(expected, previousHash);
    all = [...fields, { key: '"hash"', value: JSON.stringify(hash) }];
    expected = { ...expected, hash };
  }
  const valid =
    expected !== undefined && wireFault(expected, below + 1, previousHash, difficulty) === undefined;
  const text = objectText(all);
  if (maybeTooDeep(text)) return;
  const block = readBlock(parseJson(text));
  if (typeof block === 'string') {
    assert(Object.hasOwn(BLOCK_RULES, block));
    assert(!valid, `refused with ${block} what is valid`);
    return;
  }
  assertBlock(block);
  const fault = verifyBlock(block, below < 0 ? null : { height: below, hash: BELOW }, difficulty);
  assert.equal(fault === undefined, valid, `${fault ?? 'valid'} here, ${valid ? 'valid' : 'not'} there`);
  if (expected !== undefined) {
    const hash = wireHash(expected, below < 0 ? '' : BELOW);
    if (hash !== undefined && below >= 0 === block.height > 0) assert.equal(hashBlock(block, BELOW), hash);
  }
  assert.deepEqual(readBlock(parseJson(blockToJson(block))), block);
  const { message } = powCodec.decode(Buffer.from(text));
  if (message?.type === 'ANNOUNCE') assert.deepEqual(message.block, block);
}

// Streams of objects

interface StreamInput extends Chunked {
  readonly limits: StreamLimits;
}

/** What comes out of a stream, whatever its chunks. */
function cutAll(
  chunks: readonly Uint8Array[],
  limits: StreamLimits,
): [string[], StreamFault | undefined, number] {
  const stream = new JsonObjectStream(limits);
  const objects: string[] = [];
  for (const chunk of chunks) {
    objects.push(...stream.push(chunk).objects);
    assert(stream.pending <= limits.objectBytes, `${stream.pending} bytes wait`);
  }
  return [objects, stream.fault, stream.pending];
}

function checkStream(input: StreamInput): undefined {
  const { bytes, limits } = input;
  const [objects, fault, pending] = cutAll([bytes], limits);
  assert.deepEqual(cutAll(chunksOf(input), limits), [objects, fault, pending]);
  assert(fault === undefined || Object.hasOwn(STREAM_RULES, fault));
  let rest = Buffer.from(bytes);
  for (const object of objects) {
    const text = Buffer.from(object);
    assert(text.length <= limits.objectBytes);
    // Nothing is lost and nothing made up: objects and white space are all there was.
    const start = rest.indexOf(text);
    assert(start >= 0 && rest.subarray(0, start).toString().trim() === '');
    rest = rest.subarray(start + text.length);
  }
  if (fault === undefined) assert.equal(rest.toString('latin1').trimStart().length, pending);
}

function streams(corpus: Corpus): fc.Arbitrary<StreamInput> {
  const { fromMiner, fromPeer } = miningMessages(corpus);
  const text = hostileText([...fromMiner, ...fromPeer]);
  const joined = fc
    .tuple(fc.array(text, { maxLength: 4 }), fc.constantFrom('', '\n', ' \r\n\t', ',', '\u00a0'))
    .map(([texts, blank]) => texts.join(blank));
  const limits = fc.constantFrom<StreamLimits>(
    { objectBytes: 16_384, depth: 8 },
    { objectBytes: 200, depth: 2 },
    { objectBytes: 3, depth: 1 },
  );
  return fc
    .tuple(chunked(hostileBytes(joined)), limits)
    .map(([input, limits]): StreamInput => ({ ...input, limits }));
}

// Records

async function readAll(chunks: readonly (Uint8Array | string)[]): Promise<RecordLine[]> {
  const lines: RecordLine[] = [];
  for await (const line of readRecord(Readable.from(chunks, { objectMode: true }))) lines.push(line);
  return lines;
}

async function checkRecord(input: Chunked): Promise<undefined> {
  const lines = await readAll(chunksOf(input));
  assert.deepEqual(lines, await readAll([input.bytes]));
  let last = 0;
  for (const { line, block, fault } of lines) {
    assert(line > last);
    last = line;
    if (block === undefined) assert(Object.hasOwn(RECORD_RULES, fault));
    else assert.deepEqual(await readAll([`${blockToJson(block)}\n`]), [{ line: 1, block }]);
  }
}

function records({ blocks }: Corpus): fc.Arbitrary<Chunked> {
  const joined = fc
    .tuple(
      fc.array(hostileText(blocks), { maxLength: 4 }),
      fc.constantFrom('\n', '\r\n', '\n\n# a remark\n', '\r'),
    )
    .map(([texts, end]) => texts.join(end));
  // Now and then more than a line may have.
  const long = fc.nat(3_000).map((more) => 'x'.repeat(130_000 + more));
  return fc.oneof(
    { weight: 300, arbitrary: chunked(hostileBytes(joined)) },
    { weight: 1, arbitrary: chunked(long.map((text): Uint8Array => Buffer.from(text))) },
  );
}

// The wire between peer and miner

/** Bounds that mining-wire.ts does not export: written again here, from its docstrings. */
const WIRE_BOUNDS = {
  name: 256,
  job: 64,
  processes: 65_536,
  rate: 1e24,
  reason: 500,
  answerText: 256,
  message: 20,
};

function assertMinerMessage(message: MinerMessage): void {
  switch (message.type) {
    case 'hello':
      assert.match(message.hello.agent, /^[\x20-\x7e]*$/);
      assertLength(message.hello.agent, MAX_AGENT_LENGTH);
      assertWhole(message.hello.processes, 0, WIRE_BOUNDS.processes);
      break;
    case 'rate':
      assert(message.hashesPerSecond >= 0 && message.hashesPerSecond <= WIRE_BOUNDS.rate);
      break;
    case 'answer': {
      const { answer } = message;
      assertLength(answer.job, WIRE_BOUNDS.job);
      assertWhole(answer.timestamp, 0, Number.MAX_SAFE_INTEGER);
      if (answer.height !== undefined) assertWhole(answer.height, 0, Number.MAX_SAFE_INTEGER);
      assert((answer.messages?.length ?? 0) <= MAX_MESSAGES);
      for (const text of [
        answer.nonce,
        answer.minedBy,
        answer.hash,
        answer.previousHash,
        ...(answer.messages ?? []),
      ])
        assertLength(text, WIRE_BOUNDS.answerText);
      break;
    }
  }
}

function encodeMinerMessage(message: MinerMessage): string | undefined {
  switch (message.type) {
    case 'hello':
      return encodeHello(message.hello);
    case 'rate':
      return Number.isInteger(message.hashesPerSecond) ? encodeRate(message.hashesPerSecond) : undefined;
    case 'answer': {
      const { height, previousHash, messages, minedBy, hash, ...rest } = message.answer;
      if (height === undefined || previousHash === undefined || hash === undefined) return undefined;
      if (messages === undefined || minedBy === undefined) return undefined;
      return encodeAnswer({ ...rest, height, previousHash, messages, minedBy, hash, difficulty: 1 });
    }
  }
}

function assertPeerMessage(message: PeerMessage): void {
  if (message.type === 'result') {
    assertLength(message.result.job, WIRE_BOUNDS.job);
    assertLength(message.result.reason, WIRE_BOUNDS.reason);
    assert(['accepted', 'stale', 'rejected'].includes(message.result.status));
  } else if (message.type === 'job') {
    const { job } = message;
    assertWhole(job.height, 0, Number.MAX_SAFE_INTEGER);
    assert.equal(job.previousHash === '', job.height === 0);
    assert(job.previousHash === '' || isHash(job.previousHash));
    assert(job.messages.length <= MAX_MESSAGES);
    for (const text of [...job.messages, job.minedBy ?? '']) assert(text.isWellFormed());
    for (const text of job.messages) assert(Array.from(text).length <= WIRE_BOUNDS.message);
    assertLength(job.minedBy, WIRE_BOUNDS.name);
    assertLength(job.job, WIRE_BOUNDS.job);
    assertLength(job.noncePrefix, MAX_NONCE_PREFIX_LENGTH);
    assert.match(job.noncePrefix ?? '', /^[\x20-\x7e]*$/);
    if (job.difficulty !== undefined) assertWhole(job.difficulty, 0, 64);
    if (job.timestamp !== undefined) assertWhole(job.timestamp, 0, Number.MAX_SAFE_INTEGER);
  }
}

function encodePeerMessage(message: PeerMessage): string | undefined {
  switch (message.type) {
    case 'wait':
      return encodeWait();
    case 'result':
      return encodeResult(message.result);
    case 'job': {
      const { minedBy, difficulty, protocol, job, noncePrefix, timestamp, ...rest } = message.job;
      if (minedBy === undefined || difficulty === undefined || job === undefined) return undefined;
      if (protocol !== 1 || noncePrefix === undefined || timestamp === undefined) return undefined;
      return encodeJob({ ...rest, minedBy, difficulty, job, noncePrefix, timestamp });
    }
  }
}

/** A check of one direction of the mining wire. */
function wireCheck<Message>(wire: {
  readonly decode: (text: string) => { ok: true; message: Message } | { ok: false; fault: string };
  readonly bounds: (message: Message) => void;
  /** Undefined for what our side never says. */
  readonly encode: (message: Message) => string | undefined;
}): (text: string) => undefined {
  const { decode, bounds, encode } = wire;
  return (text) => {
    const decoded = decode(text);
    if (!decoded.ok) {
      assert(Object.hasOwn(WIRE_RULES, decoded.fault));
      return;
    }
    bounds(decoded.message);
    const line = encode(decoded.message);
    // A field that is undefined is one that is not there.
    if (line !== undefined) assert.equal(JSON.stringify(decode(line)), JSON.stringify(decoded));
  };
}

// Option files

const OPTION_FILES: readonly object[] = [
  {
    port: 8784,
    join: ['10.0.0.2:8999', '[::1]:1'],
    genesis: true,
    interval: 0.5,
    mined_by: 'me',
    verbose: false,
  },
  { join: 'a:1, b:2', log_level: 'warn', 'log-format': 'json' },
];

function optionCommand(): Command {
  const command = new Command('fuzz').exitOverride();
  const port = { flags: '--port <number>', description: '', parse: integer(0, 65_535), default: 1 };
  addOption(command, 'peer', port);
  addOption(command, 'peer', { flags: '--mined-by <name>', description: '' });
  addOption(command, 'peer', { flags: '--interval <seconds>', description: '', parse: seconds(60) });
  addOption(command, 'peer', {
    flags: '--join <host:port>',
    description: '',
    parse: hostPort,
    repeatable: true,
  });
  addOption(command, 'peer', { flags: '--genesis', description: '' });
  return addCommonOptions(command, 'peer').parse([], { from: 'user' });
}

function checkOptions(text: string): undefined {
  const command = optionCommand();
  const error = thrownBy(() => {
    applyOptions(command, text, 'options.json');
  });
  if (error !== undefined) {
    assert(error instanceof UserError, messageOf(error));
    assert.match(error.message, /^option file options\.json: .+$/);
    return;
  }
  const { port, interval, join, genesis, minedBy } = command.opts();
  assertWhole(port as number, 0, 65_535);
  assert(interval === undefined || (typeof interval === 'number' && interval > 0 && interval <= 60));
  assert(genesis === undefined || typeof genesis === 'boolean');
  assert(minedBy === undefined || typeof minedBy === 'string');
  for (const address of join as { host: unknown; port: number }[]) {
    assert.equal(typeof address.host, 'string');
    assertWhole(address.port, 1, 65_535);
  }
}

/** All targets of this file. */
export function decoderTargets(corpus: Corpus): FuzzTarget[] {
  const network = networkMessages(corpus);
  const { fromMiner, fromPeer } = miningMessages(corpus);
  return [
    defineTarget({
      name: 'json',
      claim: 'parseJson takes what JSON.parse takes, and says the same but for big integers',
      share: 100,
      inputs: hostileText([...network, ...fromMiner]),
      check: checkJson,
    }),
    defineTarget({
      name: 'datagram',
      claim: 'a datagram is a message within its bounds, which is read back as it is, or breaks a rule',
      share: 200,
      inputs: hostileBytes(hostileText(network)),
      check: checkDatagram,
    }),
    defineTarget({
      name: 'sent',
      claim: 'every message of ours is read back as it was',
      share: 60,
      inputs: sentMessages(),
      check: checkSent,
    }),
    defineTarget({
      name: 'block',
      claim: 'a block is valid exactly where a second, independent rule says so',
      share: 200,
      inputs: changedBlocks(corpus),
      check: checkBlock,
    }),
    defineTarget({
      name: 'stream',
      claim: 'a stream is cut into the same objects whatever its chunks, and keeps no more than its limit',
      share: 80,
      inputs: streams(corpus),
      check: checkStream,
    }),
    defineTarget({
      name: 'record',
      claim: 'a record is read the same whatever its chunks, and each line is a block or breaks a rule',
      share: 60,
      inputs: records(corpus),
      check: checkRecord,
    }),
    defineTarget({
      name: 'from-miner',
      claim:
        'what a miner says is a message within its bounds, which is read back as it is, or breaks a rule',
      share: 80,
      inputs: hostileText(fromMiner),
      check: wireCheck({
        decode: decodeMinerMessage,
        bounds: assertMinerMessage,
        encode: encodeMinerMessage,
      }),
    }),
    defineTarget({
      name: 'from-peer',
      claim: 'what a peer says to a miner is a message within its bounds, or breaks a rule',
      share: 80,
      inputs: hostileText(fromPeer),
      check: wireCheck({ decode: decodePeerMessage, bounds: assertPeerMessage, encode: encodePeerMessage }),
    }),
    defineTarget({
      name: 'options',
      claim: 'an option file gives values within their bounds, or is refused in one line',
      share: 40,
      inputs: hostileText([...OPTION_FILES, ...network.slice(0, 2)]),
      check: checkOptions,
    }),
  ];
}
