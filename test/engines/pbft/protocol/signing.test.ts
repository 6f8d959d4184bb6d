/** What members sign, byte for byte, against texts and signatures that a program in another language has made. */
import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { pbftCodec } from '../../../../peer/engines/pbft/protocol/codec.ts';
import type { Signatures } from '../../../../peer/engines/pbft/protocol/interface.ts';
import type {
  Batch,
  CheckpointVote,
  ClientRequest,
  Header,
  NewView,
  PbftMessage,
  Reply,
  ViewChange,
  Vote,
} from '../../../../peer/engines/pbft/protocol/messages.ts';
import { Signing } from '../../../../peer/engines/pbft/protocol/signing.ts';
import { keyPairOf, verifierOf } from '../../../../shared/ed25519.ts';

interface Vector {
  readonly kind: keyof typeof KINDS;
  readonly member: number;
  readonly message: object;
  readonly text: string;
  readonly signature: string;
}

/** By test/vectors/signed-texts.py. */
const known = JSON.parse(
  readFileSync(new URL('../../../vectors/signed-texts.json', import.meta.url), 'utf8'),
) as {
  readonly cluster: string;
  readonly seeds: readonly string[];
  readonly batch: Batch & { readonly digest: string };
  readonly vectors: readonly Vector[];
  readonly malleable: string;
};
const pairs = known.seeds.map(keyPairOf);
const verifiers = pairs.map(({ publicKey }) => verifierOf(publicKey));

interface Kind {
  readonly sign: (signing: Signing, message: object) => { readonly signature: string };
  readonly verify: (signing: Signing, message: object) => boolean;
}

const KINDS = {
  request: {
    sign: (signing, message) => signing.request(message as ClientRequest),
    verify: (signing, message) => signing.isRequest(message as ClientRequest),
  },
  'pre-prepare': {
    sign: (signing, message) => signing.header(message as Header),
    verify: (signing, message) => signing.isHeader(message as Header),
  },
  prepare: {
    sign: (signing, message) => signing.vote('prepare', message as Vote),
    verify: (signing, message) => signing.isVote('prepare', message as Vote),
  },
  commit: {
    sign: (signing, message) => signing.vote('commit', message as Vote),
    verify: (signing, message) => signing.isVote('commit', message as Vote),
  },
  checkpoint: {
    sign: (signing, message) => signing.checkpoint(message as CheckpointVote),
    verify: (signing, message) => signing.isCheckpoint(message as CheckpointVote),
  },
  reply: {
    sign: (signing, message) => signing.reply(message as Reply),
    verify: (signing, message) => signing.isReply(message as Reply),
  },
  'view-change': {
    sign: (signing, message) => signing.viewChange(message as ViewChange),
    verify: (signing, message) => signing.isViewChange(message as ViewChange),
  },
  'new-view': {
    sign: (signing, message) => signing.newView(message as NewView),
    verify: (signing, message) => signing.isNewView(message as NewView),
  },
} satisfies Record<string, Kind>;

/** One member's, which notes what it signs and what it is asked to verify. */
function signingOf(self: number, texts: string[] = []): Signing {
  const signatures: Signatures = {
    sign(text) {
      texts.push(text);
      return pairs[self]?.sign(text) ?? '';
    },
    verify(member, text, signature) {
      texts.push(text);
      return verifiers[member]?.verify(text, signature) ?? false;
    },
  };
  return new Signing({ cluster: known.cluster, replicas: known.seeds.length, self }, signatures);
}

describe('what is signed', () => {
  it('has a known answer for every kind of message', () => {
    expect(known.vectors.map(({ kind }) => kind)).toEqual(Object.keys(KINDS));
  });

  it.each(known.vectors)('of a $kind is just this text, with this signature', (vector) => {
    const { kind, member, message, text, signature } = vector;
    const signed: string[] = [];
    expect(KINDS[kind].sign(signingOf(member, signed), message)).toEqual({ ...message, signature });
    expect(signed).toEqual([text]);
    const verified: string[] = [];
    const other = (member + 1) % known.seeds.length;
    expect(KINDS[kind].verify(signingOf(other, verified), { ...message, signature })).toBe(true);
    expect(verified).toEqual([text]);
  });

  it('of a batch goes by this digest', () => {
    expect(signingOf(0).digestOf(known.batch)).toBe(known.batch.digest);
  });

  it('has one signature: the same with the order of the group added to s is none', () => {
    const [{ member, text, signature } = { member: 0, text: '', signature: '' }] = known.vectors;
    expect(verifiers[member]?.verify(text, signature)).toBe(true);
    expect(known.malleable).not.toBe(signature);
    expect(verifiers[member]?.verify(text, known.malleable)).toBe(false);
  });
});

describe('a text on the wire that is spelled otherwise', () => {
  const signature = known.vectors[0]?.signature ?? '';
  const digest = 'ab'.repeat(32);
  const message: PbftMessage = {
    type: 'PREPARE',
    vote: { view: 10, sequence: 1, digest, replica: 0, signature },
  };
  const text = JSON.stringify(message);
  const decode = (spelled: string): object => pbftCodec.decode(Buffer.from(spelled));

  it.each([
    ['a number with a fraction', text.replace('"view":10', '"view":10.0')],
    ['a number with an exponent', text.replace('"view":10', '"view":1e1')],
    ['white space', text.replaceAll(',', ' ,\n')],
    [
      'letters by their numbers',
      text.replace('PREPARE', '\\u0050REPARE').replace(digest, `\\u0061${digest.slice(1)}`),
    ],
    ['fields in another order', JSON.stringify({ vote: message.vote, type: message.type })],
    ['a field that is overwritten', text.replace('"view":10', '"view":3,"view":10')],
  ])('is the same message: what is signed is made of what it says, not of how: %s', (_, spelled) => {
    expect(spelled).not.toBe(text);
    expect(decode(spelled)).toEqual({ message });
  });

  it.each([
    ['a byte order mark', `\ufeff${text}`, 'no-json'],
    ['a digest in capitals', text.replace(digest, digest.toUpperCase()), 'malformed'],
    ['a digest with a line end', text.replace(digest, `${digest}\\n`), 'malformed'],
    ['a digest as a number', text.replace(`"${digest}"`, '12'), 'malformed'],
    ['a number as a text', text.replace('"view":10', '"view":"10"'), 'malformed'],
    ['a number with a sign', text.replace('"view":10', '"view":+10'), 'no-json'],
    ['a number with a zero before it', text.replace('"view":10', '"view":010'), 'no-json'],
    [
      'a number that is rounded to a whole one',
      text.replace('"view":10', '"view":9007199254740993'),
      'malformed',
    ],
    ['a field that nobody knows', text.replace('"view":10', '"view":10,"x":1'), 'malformed'],
    ['a field of the prototype', text.replace('"view":10', '"view":10,"__proto__":{}'), 'malformed'],
  ])('is none: %s', (_, spelled, fault) => {
    expect(spelled).not.toBe(text);
    expect(decode(spelled)).toEqual({ fault });
  });
});
