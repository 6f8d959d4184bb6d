/**
 * The disk of a simulated node. Writes are appended to a journal, as real stores do it: a record is there once all of
 * it, with its checksum, has reached the disk. A crash may come at any byte of a write, and leaves the state before or
 * after it, never one between.
 */
import { createHash } from 'node:crypto';

import type { StoreWrite } from '../core/store.ts';
import { StoredValues } from '../core/stored-values.ts';
import type { Chance } from './chance.ts';

/** Hex digits of the checksum before each record. */
const CHECKSUM_LENGTH = 16;

/** What a crash did to the write that was under way. */
export type WriteFate = 'lost' | 'torn' | 'kept';

export class SimulatedStore extends StoredValues {
  /** Writes carried out. */
  writes = 0;

  /** Carries out all writes; they survive every crash that comes later. */
  override write(writes: readonly StoreWrite[]): void {
    this.writes++;
    super.write(writes);
  }

  /**
   * Writes while the machine crashes: none, some or all of the record reaches the disk, and what is found there when
   * the node starts again is read as after any crash.
   */
  crashDuring(writes: readonly StoreWrite[], chance: Chance): WriteFate {
    const record = encode(writes);
    const reached = chance.pick([0, chance.below(record.length), record.length]);
    const found = decode(record.subarray(0, reached));
    if (found !== undefined) this.write(found);
    return reached === 0 ? 'lost' : found === undefined ? 'torn' : 'kept';
  }
}

/** A record of the journal: its checksum, then what is to be written. */
function encode(writes: readonly StoreWrite[]): Buffer {
  const body = JSON.stringify(
    writes.map((write) =>
      write.type === 'put' && typeof write.value !== 'string'
        ? { ...write, value: { base64: Buffer.from(write.value).toString('base64') } }
        : write,
    ),
  );
  return Buffer.from(checksum(body) + body);
}

/** What a record says, or undefined if it is not whole. */
function decode(record: Uint8Array): readonly StoreWrite[] | undefined {
  const text = Buffer.from(record).toString();
  const body = text.slice(CHECKSUM_LENGTH);
  if (body === '' || text.slice(0, CHECKSUM_LENGTH) !== checksum(body)) return undefined;
  // The checksum says that it is what encode() wrote.
  return JSON.parse(body, (_, value: unknown) =>
    value instanceof Object && 'base64' in value
      ? new Uint8Array(Buffer.from(String(value.base64), 'base64'))
      : value,
  ) as StoreWrite[];
}

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('hex').slice(0, CHECKSUM_LENGTH);
}
