/**
 * PBFT's messages on the wire: JSON, each object with just the fields that its schema names. Who may send what, and
 * whether the signatures are right, is the engine's to find out.
 */
import { z } from 'zod';

import { MAX_OPERATION_LENGTH, MAX_RESULT_LENGTH } from '../../../core/application.ts';
import { KEY_PATTERN, SIGNATURE_PATTERN } from '../../../../shared/ed25519.ts';
import type { Codec, Decoded } from '../../../core/engine.ts';
import {
  MAX_BATCH,
  MAX_PAGES,
  MAX_PAGE_LENGTH,
  MAX_RECEIVED,
  MAX_REPLICAS,
  MAX_REQUESTS,
  MAX_SLOTS,
  PAGES_PER_REQUEST,
} from './limits.ts';
import type { PbftMessage } from './messages.ts';

/** A whole number from 0 on. The negative zero, which JSON can write, has no place: what is signed can't tell it from zero. */
const whole = (most: number) =>
  z
    .int()
    .min(0)
    .max(most)
    .refine((value) => !Object.is(value, -0));
const count = whole(Number.MAX_SAFE_INTEGER);
const member = whole(MAX_REPLICAS - 1);
const sequence = z.int().min(1);
// A digest is written as a key is: 64 hexadecimal digits.
const digest = z.string().regex(KEY_PATTERN);
const signature = z.string().regex(SIGNATURE_PATTERN);
const quorum = <T extends z.ZodType>(item: T): z.ZodArray<T> => z.array(item).max(MAX_REPLICAS);

const request = z.strictObject({
  client: member,
  timestamp: sequence,
  operation: z
    .string()
    .max(MAX_OPERATION_LENGTH)
    .refine((text) => text.isWellFormed()),
  signature,
});
const requests = z.array(request).max(MAX_BATCH);
const batch = z.strictObject({ time: count, requests });
const header = z.strictObject({ view: count, sequence, digest, signature });
const vote = z.strictObject({ ...header.shape, replica: member });
const checkpoint = z.strictObject({ sequence, digest, replica: member, signature });
const signed = z.tuple([member, signature]);
const prepared = z.strictObject({ header, prepares: quorum(signed) });
const change = z.strictObject({
  view: sequence,
  stable: count,
  certificate: quorum(checkpoint),
  prepared: z.array(prepared).max(MAX_SLOTS),
  replica: member,
  signature,
});
const newView = z.strictObject({
  view: sequence,
  viewChanges: quorum(signed),
  headers: z.array(header).max(MAX_SLOTS),
  signature,
});
const reply = z.strictObject({
  view: count,
  replica: member,
  client: member,
  results: z.array(z.tuple([sequence, z.string().max(MAX_RESULT_LENGTH)])).max(MAX_BATCH),
  signature,
});
const status = z.strictObject({ view: count, changing: z.boolean(), stable: count, executed: count });
const page = whole(MAX_PAGES);
const pageText = z.string().max(MAX_PAGE_LENGTH);

const messageSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('REQUEST'), requests: requests.max(MAX_REQUESTS) }),
  z.strictObject({ type: z.literal('PRE_PREPARE'), header, batch }),
  z.strictObject({ type: z.literal('PREPARE'), vote }),
  z.strictObject({ type: z.literal('COMMIT'), vote }),
  z.strictObject({ type: z.literal('REPLY'), reply }),
  z.strictObject({ type: z.literal('CHECKPOINT'), vote: checkpoint }),
  z.strictObject({ type: z.literal('VIEW_CHANGE'), change }),
  z.strictObject({ type: z.literal('NEW_VIEW'), newView }),
  z.strictObject({ type: z.literal('FETCH_VIEW_CHANGE'), view: sequence, replica: member, signature }),
  z.strictObject({ type: z.literal('STATUS'), status }),
  z.strictObject({ type: z.literal('DECIDED'), batch, commits: quorum(vote) }),
  z.strictObject({ type: z.literal('FETCH_BATCH'), sequence, digest }),
  z.strictObject({ type: z.literal('BATCH'), sequence, batch }),
  z.strictObject({ type: z.literal('STABLE'), certificate: quorum(checkpoint) }),
  z.strictObject({ type: z.literal('FETCH_INDEX'), sequence }),
  z.strictObject({ type: z.literal('INDEX'), sequence, digests: z.array(digest).max(MAX_PAGES) }),
  z.strictObject({
    type: z.literal('FETCH_PAGES'),
    sequence,
    pages: z.array(page).max(PAGES_PER_REQUEST),
  }),
  z.strictObject({
    type: z.literal('PAGES'),
    sequence,
    pages: z.array(z.tuple([page, pageText])).max(PAGES_PER_REQUEST),
  }),
]);

export const pbftCodec: Codec<PbftMessage> = {
  decode: (bytes) => {
    if (bytes.length > MAX_RECEIVED) return { fault: 'too-long' };
    let json: unknown;
    try {
      json = JSON.parse(utf8.decode(bytes));
    } catch {
      return { fault: 'no-json' };
    }
    const parsed = messageSchema.safeParse(json);
    return parsed.success ? { message: parsed.data } : faultOf(json);
  },
  encode: (message) => encoder.encode(JSON.stringify(message)),
};

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** What is wrong, as far as it helps to tell the counters apart. */
function faultOf(json: unknown): Decoded<PbftMessage> {
  const type = typeof json === 'object' && json !== null && 'type' in json ? json.type : undefined;
  return { fault: TYPES.has(type) ? 'malformed' : 'unknown-type' };
}

const TYPES: ReadonlySet<unknown> = new Set(messageSchema.options.map(({ shape }) => shape.type.value));
