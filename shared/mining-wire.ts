/**
 * The wire between a peer and its miners: JSON objects over TCP.
 *
 *     peer  → miner   job       {"height","messages","previous_hash","minedBy","difficulty", ours: "protocol","job",
 *                                "nonce_prefix","timestamp"}
 *     miner → peer    answer    {"height","messages","previous_hash","minedBy","difficulty","timestamp","nonce","hash",
 *                                ours: "job"}
 *     miner → peer    hello     {"type":"HELLO","agent","processes"}
 *     miner → peer    rate      {"type":"RATE","hashes_per_second"}
 *     peer  → miner   result    {"type":"RESULT","job","status":"accepted|stale|rejected","reason"}
 *     peer  → miner   wait      {"type":"WAIT"}
 *
 * Job and answer are those of the seed (a class network's peer and miner), so that its miner works for our peer and
 * our miner for its peer. That decides the rest:
 *
 * - The seed's miner reads once and parses what it got as exactly one object. So a peer greets with one job and
 *   nothing else, and until a miner has sent HELLO it has one job outstanding and gets no other kind of message.
 * - The seed's peer takes whatever a miner sends as a block, unverified. So a miner sends HELLO (and RATE) only to a
 *   peer whose job carries `protocol`.
 *
 * We end every object with a newline and need none to read.
 */
import { z } from 'zod';

import {
  MAX_DIFFICULTY,
  MAX_MESSAGES,
  MAX_MESSAGE_LENGTH,
  MAX_MINED_NONCE_LENGTH,
  isHash,
  readInteger,
} from './block.ts';
import { parseJson } from './json.ts';
import type { StreamLimits } from './json-stream.ts';

/** The version of our additions that a peer's jobs carry. */
export const MINING_PROTOCOL = 1;

/**
 * The largest message either side reads. The seed reads jobs of at most 4,096 bytes and ours are below 2,048; four
 * times the seed's is room for what others may add.
 */
export const MINING_STREAM_LIMITS: StreamLimits = { objectBytes: 16_384, depth: 8 };
/** The seed's miner reads this many bytes, once: no job of ours may be longer. */
export const MAX_JOB_BYTES = 4096;
/** Longest miner's name that is read, in UTF-16 units: it must fit into a job together with ten messages. */
const MAX_NAME_LENGTH = 256;
/** Longest id of a job, in characters; a counter or a random id fits. */
const MAX_JOB_ID_LENGTH = 64;
/** Longest name of a miner's program: it is shown in a table. */
export const MAX_AGENT_LENGTH = 32;
/** Most processes that a miner may claim; more than any machine has. */
const MAX_PROCESSES = 65_536;
/** Highest rate that a miner may claim, in hashes a second: more than the whole Bitcoin network's. */
const MAX_RATE = 1e24;
/** Longest reason of a result that is read, in UTF-16 units. */
const MAX_REASON_LENGTH = 500;
/** Longest part of the nonce that a peer may claim: at least 16 characters stay for the miner to vary. */
export const MAX_NONCE_PREFIX_LENGTH = MAX_MINED_NONCE_LENGTH - 16;
/** What our nonces are made of: 64 characters that need no escape in JSON, in a URL or on a command line. */
export const NONCE_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** Longest nonce, hash or message text that an answer may carry before it is looked at more closely. */
const MAX_ANSWER_TEXT = 256;

/**
 * A miner hands in blocks at most this often, in milliseconds: at a difficulty where they are found faster, the
 * chain's owner gains nothing and the peer would take it for a flood.
 */
export const SUBMIT_INTERVAL_MS = 10;
/** How often a miner sends its rate, in milliseconds. */
export const RATE_INTERVAL_MS = 10_000;

/** Why a message of this wire is not taken: one sentence each, the rule that was broken. */
export const WIRE_RULES = {
  'not-json': 'A message is one JSON object.',
  'unknown-type': 'A message with a type has one that this side knows.',
  'bad-hello': 'HELLO names the miner’s program in printable characters and its number of processes.',
  'bad-rate': 'RATE gives the hashes a second as a number from 0.',
  'bad-answer': 'An answer has a timestamp and a nonce, and the fields of its job as the job had them.',
  'bad-job': 'A job has a height, the hash of the block below and messages, fit to make a valid block.',
  'bad-result': 'RESULT has a status: accepted, stale or rejected.',
} as const;

/** The code of a broken rule. */
export type WireFault = keyof typeof WIRE_RULES;

/** A message, or the rule that it broke. */
export type Decoded<T> =
  { readonly ok: true; readonly message: T } | { readonly ok: false; readonly fault: WireFault };

/** A whole number, taken as decimal text or a float without fraction too, as the class's programs send it. */
const whole = (most: number): z.ZodType<number> =>
  z.preprocess((value) => readInteger(value) ?? value, z.int().min(0).max(most));

/** At most so many UTF-16 units: zod's own bound counts code points, which may be twice as long. */
const short = (most: number): z.ZodString => z.string().refine((value) => value.length <= most);

/** UTF-8 must exist for it, or it cannot be hashed. */
const text = (most: number): z.ZodString => short(most).refine((value) => value.isWellFormed());

/** `''`, null or nothing means that there is no block below: a genesis. */
const previousHash = z
  .string()
  .nullish()
  .transform((value) => value ?? '')
  .refine((value) => value === '' || isHash(value));

const messages = z
  .array(text(2 * MAX_MESSAGE_LENGTH).refine((message) => Array.from(message).length <= MAX_MESSAGE_LENGTH))
  .max(MAX_MESSAGES);

const optional = <T extends z.ZodType>(schema: T): z.ZodType<z.output<T> | undefined> =>
  schema.nullish().transform((value) => value ?? undefined);

const jobSchema = z
  .object({
    height: optional(whole(Number.MAX_SAFE_INTEGER)),
    previous_hash: previousHash,
    messages: optional(messages),
    minedBy: optional(text(MAX_NAME_LENGTH).min(1)),
    difficulty: optional(whole(MAX_DIFFICULTY)),
    protocol: optional(whole(Number.MAX_SAFE_INTEGER)),
    job: optional(text(MAX_JOB_ID_LENGTH)),
    nonce_prefix: optional(
      z
        .string()
        .max(MAX_NONCE_PREFIX_LENGTH)
        .regex(/^[\x20-\x7e]*$/),
    ),
    timestamp: optional(whole(Number.MAX_SAFE_INTEGER)),
  })
  .refine(({ height, previous_hash }) => height === 0 || (height === undefined) === (previous_hash === ''))
  .transform((job) => ({
    height: job.height ?? 0,
    // A genesis has nothing below it, whatever the peer may have put there.
    previousHash: job.height === 0 ? '' : job.previous_hash,
    /** Empty if the peer named none. */
    messages: job.messages ?? [],
    minedBy: job.minedBy,
    difficulty: job.difficulty,
    /** Set if the peer speaks our additions: then it wants a HELLO. */
    protocol: job.protocol,
    job: job.job,
    /** This miner's own part of the nonce space: every nonce begins with it. */
    noncePrefix: job.nonce_prefix,
    /** The block's time to use, in seconds; if there is none, the miner takes its own clock's. */
    timestamp: job.timestamp,
  }));

/** Work for a miner, as a peer sent it. */
export type MiningJob = z.output<typeof jobSchema>;

const resultSchema = z.object({
  job: optional(text(MAX_JOB_ID_LENGTH)),
  status: z.enum(['accepted', 'stale', 'rejected']),
  reason: optional(text(MAX_REASON_LENGTH)),
});

/** What became of an answer. */
export type MiningResult = z.output<typeof resultSchema>;

/** What a peer sends to a miner. */
export type PeerMessage =
  | { readonly type: 'job'; readonly job: MiningJob }
  | { readonly type: 'result'; readonly result: MiningResult }
  | { readonly type: 'wait' };

const helloSchema = z.object({
  agent: z
    .string()
    .max(MAX_AGENT_LENGTH)
    .regex(/^[\x20-\x7e]*$/),
  processes: whole(MAX_PROCESSES),
});

/** How a miner introduces itself. */
export type MinerHello = z.output<typeof helloSchema>;

const rateSchema = z.object({
  // Integers above 2^53 come as bigints.
  hashes_per_second: z
    .union([z.number(), z.bigint()])
    .transform(Number)
    .pipe(z.number().min(0).max(MAX_RATE)),
});

const answerSchema = z
  .object({
    job: optional(text(MAX_JOB_ID_LENGTH)),
    height: optional(whole(Number.MAX_SAFE_INTEGER)),
    previous_hash: short(MAX_ANSWER_TEXT).nullish(),
    messages: optional(z.array(text(MAX_ANSWER_TEXT)).max(MAX_MESSAGES)),
    minedBy: optional(text(MAX_ANSWER_TEXT)),
    timestamp: whole(Number.MAX_SAFE_INTEGER),
    nonce: z.union([z.string(), z.int(), z.bigint()]).transform(String).pipe(text(MAX_ANSWER_TEXT)),
    hash: optional(short(MAX_ANSWER_TEXT)),
  })
  .transform((answer) => ({
    job: answer.job,
    height: answer.height,
    /** `''` stands for a genesis, undefined if the answer leaves it out. */
    previousHash: answer.previous_hash ?? undefined,
    messages: answer.messages,
    minedBy: answer.minedBy,
    timestamp: answer.timestamp,
    /** An integer becomes its decimal text, which is what was hashed. */
    nonce: answer.nonce,
    hash: answer.hash,
  }));

/** What a miner found. Fields of the job that it leaves out are to be taken from the job. */
export type MiningAnswer = z.output<typeof answerSchema>;

/** What a miner sends to a peer. */
export type MinerMessage =
  | { readonly type: 'hello'; readonly hello: MinerHello }
  | { readonly type: 'rate'; readonly hashesPerSecond: number }
  | { readonly type: 'answer'; readonly answer: MiningAnswer };

function fail(fault: WireFault): { readonly ok: false; readonly fault: WireFault } {
  return { ok: false, fault };
}

/** The parsed object and its type, if the text is an object. */
function parse(source: string): { value: unknown; type: unknown } | undefined {
  try {
    const value = parseJson(source);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return { value, type: 'type' in value ? value.type : undefined };
  } catch {
    return undefined;
  }
}

/** Reads what a miner sent: one object, as {@link JsonObjectStream} cuts it. Never throws. */
export function decodeMinerMessage(source: string): Decoded<MinerMessage> {
  const parsed = parse(source);
  if (parsed === undefined) return fail('not-json');
  const { value, type } = parsed;
  switch (type) {
    case 'HELLO': {
      const read = helloSchema.safeParse(value);
      return read.success ? { ok: true, message: { type: 'hello', hello: read.data } } : fail('bad-hello');
    }
    case 'RATE': {
      const read = rateSchema.safeParse(value);
      return read.success
        ? { ok: true, message: { type: 'rate', hashesPerSecond: read.data.hashes_per_second } }
        : fail('bad-rate');
    }
    case undefined: {
      const read = answerSchema.safeParse(value);
      return read.success ? { ok: true, message: { type: 'answer', answer: read.data } } : fail('bad-answer');
    }
    default:
      return fail('unknown-type');
  }
}

/** Reads what a peer sent: one object, as {@link JsonObjectStream} cuts it. Never throws. */
export function decodePeerMessage(source: string): Decoded<PeerMessage> {
  const parsed = parse(source);
  if (parsed === undefined) return fail('not-json');
  const { value, type } = parsed;
  switch (type) {
    case 'WAIT':
      return { ok: true, message: { type: 'wait' } };
    case 'RESULT': {
      const read = resultSchema.safeParse(value);
      return read.success ? { ok: true, message: { type: 'result', result: read.data } } : fail('bad-result');
    }
    case undefined: {
      const read = jobSchema.safeParse(value);
      return read.success ? { ok: true, message: { type: 'job', job: read.data } } : fail('bad-job');
    }
    default:
      return fail('unknown-type');
  }
}

/** A job as our peer gives it: everything is there. */
export interface FullJob {
  readonly height: number;
  readonly previousHash: string;
  readonly messages: readonly string[];
  readonly minedBy: string;
  readonly difficulty: number;
  readonly job: string;
  readonly noncePrefix: string;
  readonly timestamp: number;
}

/** The seed's fields first, in the order of its own peer. */
export function encodeJob(job: FullJob): string {
  return line({
    height: job.height,
    messages: job.messages,
    previous_hash: job.previousHash,
    minedBy: job.minedBy,
    difficulty: job.difficulty,
    protocol: MINING_PROTOCOL,
    job: job.job,
    nonce_prefix: job.noncePrefix,
    timestamp: job.timestamp,
  });
}

/** A block that a miner hands in. */
export interface FoundBlock {
  readonly height: number;
  readonly previousHash: string;
  readonly messages: readonly string[];
  readonly minedBy: string;
  readonly difficulty: number;
  readonly timestamp: number;
  readonly nonce: string;
  readonly hash: string;
  /** The id of the job, if it had one. */
  readonly job: string | undefined;
}

/** The seed's fields in the order of its own miner; `job` only where the peer gave one. */
export function encodeAnswer(found: FoundBlock): string {
  return line({
    height: found.height,
    messages: found.messages,
    previous_hash: found.previousHash,
    minedBy: found.minedBy,
    difficulty: found.difficulty,
    timestamp: found.timestamp,
    nonce: found.nonce,
    hash: found.hash,
    job: found.job,
  });
}

export function encodeHello(hello: MinerHello): string {
  return line({ type: 'HELLO', ...hello });
}

/** @param hashesPerSecond of the whole miner */
export function encodeRate(hashesPerSecond: number): string {
  return line({ type: 'RATE', hashes_per_second: Math.round(hashesPerSecond) });
}

export function encodeResult(result: MiningResult): string {
  return line({ type: 'RESULT', ...result });
}

/** Has a miner stop until the next job. */
export function encodeWait(): string {
  return line({ type: 'WAIT' });
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`;
}
