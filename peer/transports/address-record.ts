/**
 * Where a member says that it can be reached, signed by it, so that others can pass it on and none of them can change it.
 * Of two records of a member the one with the higher sequence counts.
 */
import { z } from 'zod';

import type { Address } from '../../shared/address.ts';
import { KEY_PATTERN, SIGNATURE_PATTERN, type KeyPair, type Verifier } from '../../shared/ed25519.ts';
import { parseJson } from '../../shared/json.ts';
import { TCP_PROTOCOL } from './handshake.ts';

/** Longest record, in bytes: a name of 253 characters and some 300 more. */
export const MAX_ADDRESS_RECORD = 1024;
/** What a record's signature is for, so that it fits nothing else. */
const PURPOSE = 'gossip-peer tcp address';

const address = {
  // An IPv4 address or a name; whether there is such a host is for the resolver to say.
  host: z.string().regex(/^[A-Za-z0-9._-]{1,253}$/),
  port: z.int().min(1).max(65_535),
};
const addressSchema = z.object(address);
const schema = z.object({
  ...address,
  key: z.string().regex(KEY_PATTERN),
  sequence: z
    .int()
    .min(0)
    // JSON can write a negative zero, which what is signed can't tell from zero.
    .refine((sequence) => !Object.is(sequence, -0)),
  signature: z.string().regex(SIGNATURE_PATTERN),
});

/** A member's address. `key` is the public key of the member; `sequence` is a time in milliseconds, or more. */
export type AddressRecord = z.output<typeof schema>;

function textOf(cluster: string, { key, host, port, sequence }: Omit<AddressRecord, 'signature'>): string {
  return JSON.stringify([PURPOSE, TCP_PROTOCOL, cluster, key, host, port, sequence]);
}

/** Whether an address can stand in a record. */
export function isTellable(address: Address): boolean {
  return addressSchema.safeParse(address).success;
}

/** The record of our own address. */
export function signAddress(
  cluster: string,
  key: KeyPair,
  { host, port }: Address,
  sequence: number,
): AddressRecord {
  const record = { key: key.publicKey, host, port, sequence };
  return { ...record, signature: key.sign(textOf(cluster, record)) };
}

/** Whether a record was signed by the member that it is of. */
export function isSignedAddress(cluster: string, record: AddressRecord, verifier: Verifier): boolean {
  return verifier.verify(textOf(cluster, record), record.signature);
}

export function encodeAddress(record: AddressRecord): Buffer {
  return Buffer.from(JSON.stringify(record));
}

/** Reads a record without verifying it; undefined if it is none. */
export function decodeAddress(bytes: Uint8Array): AddressRecord | undefined {
  if (bytes.length > MAX_ADDRESS_RECORD) return undefined;
  try {
    return schema.safeParse(parseJson(Buffer.from(bytes).toString())).data;
  } catch {
    return undefined;
  }
}
