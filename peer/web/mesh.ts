/** How connections of a node with the other members of its cluster are shown. */
import { z } from 'zod';

import type { Address } from '../../shared/address.ts';
import { isoTime } from '../../shared/time.ts';
import { addressSchema, count, time } from './schemas.ts';

export const connectionSchema = z.strictObject({
  state: z
    .enum(['up', 'down', 'blocked', 'paused'])
    .describe('blocked: cut off, as in a partition; paused: kept out for a while after misbehaviour'),
  address: addressSchema.nullable(),
  connectedSince: time.nullable(),
  queued: count.describe('messages that wait to be sent'),
  received: count.describe('messages'),
  receivedBytes: count,
  sent: count.describe('messages'),
  sentBytes: count,
});

export type ConnectionJson = z.infer<typeof connectionSchema>;

/** What a transport knows of another member. */
type Connection = Omit<ConnectionJson, 'address' | 'connectedSince'> & {
  readonly address: Address | null;
  /** Wall clock in milliseconds. */
  readonly connectedSince: number | null;
};

export function connectionJson(connection: Connection): ConnectionJson {
  const { state, address, queued, received, receivedBytes, sent, sentBytes, connectedSince } = connection;
  return {
    ...{ state, address, connectedSince: connectedSince === null ? null : isoTime(connectedSince) },
    ...{ queued, received, receivedBytes, sent, sentBytes },
  };
}
