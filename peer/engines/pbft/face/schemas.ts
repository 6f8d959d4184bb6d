/** What the HTTP API of a PBFT replica takes and gives, once; see `../../../web/schemas.ts`. */
import { z } from 'zod';

import { MAX_SHOWN_REQUESTS, STEP_SECONDS } from '../../../web/limits.ts';
import { connectionSchema } from '../../../web/mesh.ts';
import { executedSchema } from '../../../web/operations.ts';
import { quantilesSchema } from '../../../web/quantiles.ts';
import { addressSchema, count, time, toneSchema, type EventsOf } from '../../../web/schemas.ts';

const member = count.describe('number of a member, from 0');
const sequence = count.describe('sequence number of a batch');
const milliseconds = z.number().min(0).describe('milliseconds');
const digest = z.string().describe('SHA-256 in hex');
// Status

export const latencySchema = z.strictObject({
  batches: count.describe('the last ones, of which these are the times'),
  prepare: quantilesSchema.describe('from the pre-prepare to 2f matching prepares'),
  commit: quantilesSchema.describe('from there to a quorum of commits'),
  total: quantilesSchema.describe('from the pre-prepare to the execution'),
});

export const transferSchema = z.strictObject({
  startedAt: time,
  sequence: sequence.describe('of the checkpoint whose state is fetched'),
  executed: count.describe('where we were'),
  pages: count.describe('that have come'),
  total: count.nullable().describe('that are to come; null while that is not known'),
  finishedAt: time.nullable(),
});

/** Why a primary was given up. */
export const REASONS = {
  timeout: 'a request waited too long',
  joined: 'others gave the primary up',
  'no new view': 'the next primary did not begin its view',
  told: 'we heard of the new view',
} as const;

export const viewChangeSchema = z.strictObject({
  startedAt: time,
  reason: z.enum(['timeout', 'joined', 'no new view', 'told']).describe(Object.values(REASONS).join(', or ')),
  from: count.describe('view that was given up'),
  view: count.describe('view that was entered, or is sought'),
  attempts: count.describe('views that were sought, one after the other'),
  endedAt: time.nullable().describe('when the new view was in force here; null while it is sought'),
  tookMs: milliseconds.nullable(),
  primary: member.nullable().describe('of the new view'),
  carried: count.nullable().describe('sequence numbers that the new view carries over'),
});

export const statusSchema = z.object({
  cluster: z.string(),
  clusterId: z.string().describe('digest of all that the replicas must have in common'),
  application: z.string().describe('what the cluster runs'),
  address: addressSchema.describe('where we listen (TCP)'),
  self: member,
  replicas: count,
  faulty: count.describe('replicas that may fail: f'),
  quorum: count,
  view: count,
  primary: member,
  phase: z.enum(['normal', 'changing view', 'fetching state']),
  proposed: sequence.describe('last one that was given out, at the primary, or seen'),
  executed: sequence.describe('last one that was executed'),
  digest: digest
    .nullable()
    .describe(
      'of the state after it, the same at all replicas that have executed as much; null while it changes too fast',
    ),
  low: sequence.describe('low watermark: the last stable checkpoint'),
  high: sequence.describe('high watermark: the primary gives out none beyond it'),
  full: z.boolean().describe('whether the high watermark is reached, so that nothing more is proposed'),
  waiting: count.describe('requests that wait to be executed'),
  outstanding: count.describe('our own requests that have no answer yet'),
  timeoutMs: milliseconds.describe('how long a request may wait until the primary is given up'),
  viewChanges: count.describe('since the start'),
  viewChange: viewChangeSchema.nullable().describe('the one that is under way'),
  transfer: transferSchema.nullable().describe('the one that is under way'),
  connected: count.describe('other replicas that are connected'),
  requests: count.describe('executed here since the start, without those that came with a state'),
  batches: count.describe('likewise'),
  requestsPerSecond: z.number().min(0).describe('of the last ten seconds'),
  latency: latencySchema.nullable().describe('null until a batch went through all phases here'),
});

// Replicas

export const replicaSchema = z.strictObject({
  replica: member,
  publicKey: z.string(),
  self: z.boolean(),
  primary: z.boolean().describe('of the view that we are in'),
  view: count,
  changing: z.boolean().describe('whether it is between two views'),
  executed: sequence,
  stable: sequence.describe('its last stable checkpoint'),
  behind: count.describe('sequence numbers that the furthest replica is ahead of it'),
  silenceMs: milliseconds
    .nullable()
    .describe('since it was last heard; null if it never was, 0 for ourselves'),
  offences: count.describe('how often it proved to be faulty'),
  state: z.strictObject({ text: z.string(), tone: toneSchema }).describe('all this in a word'),
  connection: connectionSchema.nullable().describe('null for ourselves'),
});

export const replicasSchema = z.strictObject({ replicas: z.array(replicaSchema) });

// Requests

export const requestSchema = z.strictObject({
  at: time.describe('when it was executed here'),
  sequence,
  view: count,
  client: member,
  timestamp: count.describe('that its client gave it'),
  ...executedSchema.shape,
});

export const requestsSchema = z.strictObject({
  executed: count.describe('since the start'),
  requests: z.array(requestSchema).max(MAX_SHOWN_REQUESTS).describe('the last ones, newest first'),
});

// What happened

export const viewChangesSchema = z.strictObject({
  viewChanges: z.array(viewChangeSchema).describe('newest first'),
});

export const checkpointSchema = z.strictObject({ at: time, sequence, digest });

export const checkpointsSchema = z.strictObject({
  checkpoints: z.array(checkpointSchema).describe('stable ones, newest first'),
  transfers: z.array(transferSchema).describe('states fetched from others, newest first'),
  divergences: z
    .array(checkpointSchema)
    .describe('where our state was not that of a quorum and was thrown away, newest first'),
});

export const offenceSchema = z.strictObject({
  at: time,
  member,
  rule: z.string().describe('that it broke'),
});

export const offencesSchema = z.strictObject({ offences: z.array(offenceSchema).describe('newest first') });

const series = z.array(z.number().min(0).nullable());

export const performanceSchema = z.strictObject({
  stepSeconds: z.literal(STEP_SECONDS),
  endsAt: time.describe('of the last value'),
  requestsPerSecond: z.array(z.number().min(0)).describe('executed, oldest first'),
  batchesPerSecond: z.array(z.number().min(0)),
  prepareMs: series.describe('median of the batches of each step; null where there was none'),
  commitMs: series.describe('likewise'),
  totalMs: series.describe('likewise'),
  totalP99Ms: series.describe('99 % of the batches took no longer'),
});

// Events

/** Events of `/events` besides those of all nodes, by name: what the data of each is. */
export const eventSchemas = {
  /** A batch was executed. */
  executed: z.strictObject({
    at: time,
    sequence,
    view: count,
    requests: count,
    totalMs: milliseconds.nullable(),
  }),
  /** The primary was given up, or a new view is in force. */
  view: viewChangeSchema,
  checkpoint: checkpointSchema,
  /** The state of others is fetched, or that was done. */
  transfer: transferSchema,
  offence: offenceSchema,
  /** Our state was not that of a quorum. */
  diverged: checkpointSchema,
};

/** What a replica says of itself, besides what every status begins with. */
export type Status = z.infer<typeof statusSchema>;
export type LatencyJson = z.infer<typeof latencySchema>;
export type TransferJson = z.infer<typeof transferSchema>;
export type ViewChangeJson = z.infer<typeof viewChangeSchema>;
export type ReplicaJson = z.infer<typeof replicaSchema>;
export type ReplicasJson = z.infer<typeof replicasSchema>;
export type RequestJson = z.infer<typeof requestSchema>;
export type CheckpointJson = z.infer<typeof checkpointSchema>;
export type ExecutedJson = z.infer<typeof eventSchemas.executed>;
export type OffenceJson = z.infer<typeof offenceSchema>;
/** What the page follows. */
export type PbftEvents = EventsOf<typeof eventSchemas> & { readonly status: Status };
