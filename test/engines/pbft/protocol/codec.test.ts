/** What the decoder of PBFT lets through; what else it makes of arbitrary input is tried by fuzzing. */
import { expect, it } from 'vitest';

import { pbftCodec } from '../../../../peer/engines/pbft/protocol/codec.ts';
import type { PbftMessage } from '../../../../peer/engines/pbft/protocol/messages.ts';

const signature = 'A'.repeat(86) + '==';
const digest = '0'.repeat(64);
const header = { view: 0, sequence: 1, digest, signature };

/** Each with a zero in every place where there may be one. */
const messages: readonly PbftMessage[] = [
  { type: 'PRE_PREPARE', header, batch: { time: 0, requests: [] } },
  { type: 'PREPARE', vote: { ...header, replica: 0 } },
  { type: 'FETCH_VIEW_CHANGE', view: 1, replica: 0, signature },
  { type: 'STATUS', status: { view: 0, changing: false, stable: 0, executed: 0 } },
  { type: 'FETCH_PAGES', sequence: 1, pages: [0] },
  { type: 'PAGES', sequence: 1, pages: [[0, 'a page']] },
  { type: 'NEW_VIEW', newView: { view: 1, viewChanges: [[0, signature]], headers: [header], signature } },
];

it.each(messages)(
  'takes $type with zeros, and none with the negative zero that JSON can write',
  (message) => {
    const text = new TextDecoder().decode(pbftCodec.encode(message));
    expect(pbftCodec.decode(Buffer.from(text))).toEqual({ message });
    const zeros = [...text.matchAll(/(?<=[:[])0(?=[,\]}])/g)].map(({ index }) => index);
    expect(zeros.length).toBeGreaterThan(0);
    for (const zero of zeros) {
      const negative = `${text.slice(0, zero)}-${text.slice(zero)}`;
      expect(pbftCodec.decode(Buffer.from(negative))).toEqual({ fault: 'malformed' });
    }
  },
);
