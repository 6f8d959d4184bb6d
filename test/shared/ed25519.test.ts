import { generateKeyPairSync } from 'node:crypto';

import { describe, expect, test } from 'vitest';

import { generateKeyPair, isPublicKey, keyPairOf, verifierOf } from '../../shared/ed25519.ts';
import { MIN_MEMBERS, checkCluster, parseMembers } from '../../peer/engines/pbft/node/members.ts';

/** The low bytes of a little-endian number whose other bytes are ff, but the last, which is 7f or, with the sign, ff. */
const high = (first: string, last: '7f' | 'ff'): string => first + 'ff'.repeat(30) + last;

/** The points whose order divides 8. Source: Chalkias, Garillot, Nikolaenko, "Taming the Many EdDSAs" (2020), table 5. */
const SMALL_ORDER = [
  '01' + '00'.repeat(31),
  high('ec', '7f'),
  '00'.repeat(31) + '80',
  '00'.repeat(32),
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
];
/** Their other encodings: y + p, and a sign where x is 0. Same source. */
const SMALL_ORDER_AGAIN = [
  '01' + '00'.repeat(30) + '80',
  high('ec', 'ff'),
  high('ee', '7f'),
  high('ee', 'ff'),
  high('ed', '7f'),
  high('ed', 'ff'),
];
/**
 * y for which (y² - 1) / (dy² + 1) is no square, and y from p on that would be points if reduced. By Python:
 * `x2 = (y*y-1) * pow(d*y*y+1, p-2, p) % p; pow(x2, (p-1)//2, p)` is p - 1 and 1.
 */
const NO_POINT = ['02', '07', '08', '0b'].map((first) => first + '00'.repeat(31));
const TOO_HIGH = ['f0', 'f1', 'f6', 'ff'].map((first) => high(first, '7f'));
const NO_TEXT = ['', '0', '03' + '00'.repeat(30), 'g'.repeat(64), 'AB'.repeat(32)];

/** RFC 8032, section 7.1, tests 1 to 3, and y that are points by the formula above. */
const POINTS = [
  'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
  '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
  'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
];
const LOW_POINTS = ['03', '04', '05', '06', '09', '0a'].map((first) => first + '00'.repeat(31));

describe('a public key', () => {
  test.each([...SMALL_ORDER, ...SMALL_ORDER_AGAIN, ...NO_POINT, ...TOO_HIGH, ...NO_TEXT])(
    'is not "%s"',
    (text) => {
      expect(isPublicKey(text)).toBe(false);
      expect(() => verifierOf(text)).toThrow('no public key');
    },
  );

  test.each([...POINTS, ...LOW_POINTS])('may be "%s"', (text) => {
    expect(isPublicKey(text)).toBe(true);
  });

  test('is what is generated, here and by node:crypto', () => {
    for (let round = 0; round < 20; round++) {
      const { x = '' } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
      expect(isPublicKey(Buffer.from(x, 'base64url').toString('hex'))).toBe(true);
      expect(isPublicKey(generateKeyPair().publicKey)).toBe(true);
    }
  });

  test.each([...SMALL_ORDER, ...SMALL_ORDER_AGAIN, ...NO_POINT, ...TOO_HIGH])(
    'is not taken from a members file or by the library if it is "%s"',
    (publicKey) => {
      const others = Array.from({ length: MIN_MEMBERS - 1 }, () => ({
        publicKey: generateKeyPair().publicKey,
      }));
      const members = [...others, { publicKey }];
      expect(() => parseMembers(JSON.stringify({ cluster: 'c', members }))).toThrow(
        'members[3].publicKey: these digits are no public key',
      );
      expect(() => checkCluster({ name: 'c', members })).toThrow('the public key of member 3');
    },
  );
});

describe('known answers', () => {
  // Test 1 of RFC 8032, section 7.1: its message is empty.
  const [seed, publicKey, signature] = [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ];

  test('of RFC 8032: the key of a seed, and its signature of nothing', () => {
    const base64 = Buffer.from(signature, 'hex').toString('base64');
    expect(keyPairOf(seed).publicKey).toBe(publicKey);
    expect(keyPairOf(seed).sign('')).toBe(base64);
    expect(verifierOf(publicKey).verify('', base64)).toBe(true);
    expect(verifierOf(publicKey).verify(' ', base64)).toBe(false);
  });
});
