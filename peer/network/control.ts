/**
 * What `peer network` and its peers say to each other, through the channel that a process has to its children.
 *
 * Processes on one machine are partitioned by having each of them lose the datagrams from and to the others. A relay
 * between them would do it too, but then no peer would be where its datagrams come from, and everything would be counted
 * twice. The channel is reached by nobody but the parent, so no option and no request can cut a peer off.
 */
import { z } from 'zod';

import { MAX_NODES, addressSchema } from '../web/schemas.ts';

/** To a peer: lose every datagram from and to these addresses, and from and to no others any more. */
export const controlSchema = z.strictObject({
  type: z.literal('block'),
  id: z.int().min(0).describe('comes back when it is done'),
  peers: z.array(addressSchema).max(MAX_NODES),
});
export type Control = z.infer<typeof controlSchema>;

/** From a peer: it takes part in the network now, or it has done what it was told. */
export const reportSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('up') }),
  z.strictObject({ type: z.literal('blocked'), id: z.int().min(0) }),
]);
export type Report = z.infer<typeof reportSchema>;
