/**
 * What `peer network` and its peers send each other, through the channel that a process has to its children.
 *
 * Processes on one machine are partitioned by having each of them lose what comes from and goes to the others. A relay
 * between them would do it too, but then no peer would be where its messages come from, and everything would be counted
 * twice. The channel is reached by nobody but the parent, so no option and no request can cut a peer off.
 */
import { z } from 'zod';

import { MAX_NODES, addressSchema } from '../web/schemas.ts';
import { MAX_ANSWER_LENGTH, MAX_SUBMITTED_LENGTH } from './limits.ts';

const id = z.int().min(0).describe('comes back in the report');
const member = z
  .int()
  .min(0)
  .max(MAX_NODES - 1);

/** To a peer. */
export const controlSchema = z.discriminatedUnion('type', [
  /** Lose every datagram from and to these addresses, and from and to no others any more. */
  z.strictObject({ type: z.literal('block'), id, peers: z.array(addressSchema).max(MAX_NODES) }),
  /** Block just these members of a cluster. */
  z.strictObject({ type: z.literal('block-members'), id, members: z.array(member).max(MAX_NODES) }),
  /** Have something executed that a person typed; for replicas. */
  z.strictObject({ type: z.literal('submit'), id, line: z.string().max(MAX_SUBMITTED_LENGTH) }),
]);
export type Control = z.infer<typeof controlSchema>;

/** From a peer. */
export const reportSchema = z.discriminatedUnion('type', [
  /** The peer takes part in the network now. */
  z.strictObject({ type: z.literal('up') }),
  /** The order is carried out. */
  z.strictObject({ type: z.literal('done'), id }),
  /** What was submitted has an answer, in words for people. */
  z.strictObject({ type: z.literal('answer'), id, text: z.string().max(MAX_ANSWER_LENGTH) }),
  /** The order can't be carried out: why. */
  z.strictObject({ type: z.literal('refused'), id, reason: z.string().max(MAX_ANSWER_LENGTH) }),
]);
export type Report = z.infer<typeof reportSchema>;
