/**
 * What the HTTP APIs of all engines have in common. Requests are validated by such schemas, the OpenAPI descriptions are
 * made of them, and pages have their types from them. Times of day are ISO 8601 in UTC; durations say their unit. Every
 * text that came from the network is plain text, to be shown as such.
 */
import { z } from 'zod';

/** Longest name of a node of `peer network`, and how many of them there may be. */
export const MAX_NODE_NAME_LENGTH = 32;
export const MAX_NODES = 64;
/** Longest name of an engine. */
const MAX_ENGINE_NAME_LENGTH = 32;

export const count = z.int().min(0);
export const time = z.iso.datetime();

/** A whole number in a query: digits and nothing else, though JavaScript would read more as a number. */
export function wholeNumber(least: number, most: number): z.ZodType<number> {
  const rule = `it must be a whole number from ${least} to ${most}`;
  return z
    .string()
    .regex(/^\d{1,16}$/, rule)
    .transform(Number)
    .pipe(z.int(rule).min(least, rule).max(most, rule));
}

export const addressSchema = z.strictObject({ host: z.string(), port: z.int().min(0).max(65535) });

/** RFC 9457. */
export const problemSchema = z.strictObject({
  type: z.literal('about:blank'),
  title: z.string().describe('the name of the status'),
  status: z.int().min(400).max(599),
  detail: z.string().describe('what was wrong, in one sentence'),
});

export const accessSchema = z.strictObject({
  writing: z
    .enum(['open', 'token', 'off'])
    .describe('whether a POST of whoever asks is taken: as it is, with the token, or not at all'),
});

/** What every status begins with. */
export const programSchema = z.strictObject({
  version: z.string().describe('of this program'),
  startedAt: time,
});

/** What of a status shows whose it is. */
export const engineSchema = z.object({ engine: z.string().max(MAX_ENGINE_NAME_LENGTH) });

// The view: what an engine's face makes of a node, in words, for pages and terminals that know no engine

export const toneSchema = z.enum(['good', 'warn', 'bad', 'quiet']);

/** What a value is. Prometheus is given times in seconds, whatever they are in here. */
export const UNITS = [
  'seconds',
  'milliseconds',
  'bytes',
  'per second',
  'hashes per second',
  'hash',
  'time',
  // Milliseconds from then to now.
  'ago',
] as const;

const described = {
  name: z.string(),
  title: z.string(),
  help: z.string().describe('what it says, in a sentence'),
};

/** A value in words, alone where that is all; many are sent. */
export const cellSchema = z.union([
  z.string(),
  z.strictObject({ text: z.string(), number: z.number().describe('the value, as it is a number') }),
  z.strictObject({ text: z.string(), tone: toneSchema.describe('as it is good or bad in itself') }),
]);

export const happeningSchema = z.strictObject({
  journal: z.string().describe('the name of that which it is in'),
  at: time,
  word: z.string().nullable().describe('what it is, before the text'),
  text: z.string(),
  tone: toneSchema,
  mark: z.string().nullable().describe('what it is called on the plots, where it is marked there'),
});

export const fieldSchema = z.strictObject({
  name: z.string(),
  title: z.string(),
  kind: z.enum(['text', 'integer', 'number', 'boolean']),
  required: z.boolean(),
  initial: z.string().nullable().describe('what it is if nothing is said'),
});

/** What is seen of a node at a glance. */
export const glanceSchema = z.strictObject({
  engine: z.string().max(MAX_ENGINE_NAME_LENGTH),
  name: z.string().describe('what people call the node'),
  address: addressSchema.describe('where it listens'),
  phase: z.strictObject({ text: z.string(), tone: toneSchema }).describe('what it is doing'),
  unready: z.string().nullable().describe('why it is not ready; null if it is'),
  alert: z
    .strictObject({ title: z.string(), text: z.string() })
    .nullable()
    .describe('what people are to be told before everything else'),
  figures: z.array(
    z.strictObject({
      ...described,
      text: z.string().describe('the value in words'),
      number: z.number().nullable().describe('the value, where it is a number'),
      unit: z.enum(UNITS).nullable().describe('what the number is'),
      note: z.string().nullable().describe('more about it'),
      column: z.boolean().describe('whether it is told where many nodes are listed'),
      minor: z.boolean().describe('whether it stands only where everything is told'),
    }),
  ),
});

export const tableSchema = z.strictObject({
  ...described,
  columns: z.array(
    z.strictObject({
      title: z.string(),
      unit: z.enum(UNITS).nullable().describe('what its numbers are; times are in milliseconds since 1970'),
      wide: z.boolean().describe('whether it is left out where room is scarce'),
    }),
  ),
  rows: z.array(z.array(cellSchema)).describe('the first of them'),
  count: count.describe('how many there are'),
  empty: z.string().describe('what stands there if there are none'),
});

/** The newest value of each line of each series, by the name of the series. */
export const stepSchema = z.strictObject({
  endsAt: time,
  values: z.record(z.string(), z.array(z.number().nullable())),
});

export const viewSchema = programSchema.extend({
  ...glanceSchema.shape,
  tables: z.array(tableSchema),
  series: z.array(
    z.strictObject({
      ...described,
      stepSeconds: z.number().min(0).describe('from one value to the next'),
      endsAt: time.describe('of the last value'),
      lines: z.array(
        z.strictObject({ title: z.string(), dashed: z.boolean(), values: z.array(z.number().nullable()) }),
      ),
    }),
  ),
  journals: z.array(
    z.strictObject({
      ...described,
      entries: z.array(happeningSchema).describe('newest first'),
      empty: z.string().describe('what stands there if there are none'),
    }),
  ),
  actions: z.array(
    z.strictObject({
      ...described,
      path: z.string().describe('where it is posted'),
      fields: z.array(fieldSchema).describe('of the body of that POST, besides an "id" of the client'),
      hint: z.string().nullable().describe('what may be typed'),
    }),
  ),
});

/** An action that was done; each action reports more of it. */
export interface DoneJson {
  readonly id: string;
  readonly text: string;
  readonly waitedMs: number;
}

/** An action that has no answer yet. */
export type PendingJson = Omit<DoneJson, 'text'>;

// Health

export const healthSchema = z.strictObject({ status: z.literal('ok') });
export const readySchema = z.strictObject({ status: z.literal('ready') });

// Only where `peer network` serves the page

export const nodesSchema = z.strictObject({
  nodes: z
    .array(
      z.strictObject({
        name: z.string().max(MAX_NODE_NAME_LENGTH),
        api: z
          .string()
          .describe('path under which the API of this node is served, without a slash at the end'),
        address: addressSchema.describe('where the node listens'),
        state: z.enum(['running', 'paused', 'down']),
        group: count.nullable().describe('its part of the network, while that is partitioned'),
        miners: count.describe('miner processes that work for it'),
      }),
    )
    .max(MAX_NODES),
  partitioned: z.boolean(),
});

export const nodeActionSchema = z.enum(['kill', 'start', 'pause', 'resume']);

export const partitionSchema = z.strictObject({
  groups: z
    .array(z.array(z.string().max(MAX_NODE_NAME_LENGTH)).min(1, 'no group may be empty').max(MAX_NODES))
    .min(2, 'a partition has two groups at the least')
    .max(MAX_NODES)
    .describe('names of nodes; those left out are a group of their own'),
});

export type AddressJson = z.infer<typeof addressSchema>;
export type Problem = z.infer<typeof problemSchema>;
export type AccessJson = z.infer<typeof accessSchema>;
export type Writing = AccessJson['writing'];
export type CellJson = z.infer<typeof cellSchema>;
export type FieldJson = z.infer<typeof fieldSchema>;
export type HappeningJson = z.infer<typeof happeningSchema>;
export type GlanceJson = z.infer<typeof glanceSchema>;
export type TableJson = z.infer<typeof tableSchema>;
export type StepJson = z.infer<typeof stepSchema>;
export type ViewJson = z.infer<typeof viewSchema>;
export type SeriesJson = ViewJson['series'][number];
export type NodesJson = z.infer<typeof nodesSchema>;

/** The schemas of what an engine's `/events` sends, by name. Every stream begins with the status. */
export type EventSchemas = Readonly<Record<string, z.ZodType>>;
/** The data of these events. */
export type EventsOf<Schemas extends EventSchemas> = {
  readonly [Name in keyof Schemas]: z.infer<Schemas[Name]>;
};
