// How many blocks a second are verified, against the bare hash function over the same bytes: what the rule costs
// beside its hash. `node dist/test/bench/verify.bench.js`
import { hash } from 'node:crypto';

import { preimageHead, verifyBlock, type Block } from '../../shared/block.ts';
import { compare } from './measure.ts';

/** Few enough that the memory cache holds them, as it does a block that has just arrived. */
const BLOCKS = 1000;
const PASSES = 50;
/** As blocks of the class network are: one to five words, a long decimal nonce. */
const WORDS = ['penitence', 'overanimated', "wiz's", 'lubricant', 'castles'];

function subjects(messagesOf: (height: number) => readonly string[]): {
  chain: Block[];
  preimages: Buffer[];
} {
  const chain: Block[] = [];
  for (let height = 0; height < BLOCKS; height++) {
    const previous = chain.at(-1);
    const draft = {
      height,
      minedBy: 'GossipZilla!',
      messages: messagesOf(height),
      nonce: String(4_583_335_277_304_293 + height * 7919),
      timestamp: 1_700_629_652 + height * 60,
    };
    const bytes = Buffer.concat([preimageHead(draft, previous?.hash ?? ''), Buffer.from(draft.nonce)]);
    chain.push({ ...draft, hash: hash('sha256', bytes, 'hex') });
  }
  const preimages = chain.map((block, height) =>
    Buffer.concat([preimageHead(block, chain[height - 1]?.hash ?? ''), Buffer.from(block.nonce)]),
  );
  // As they come from the network: parsed.
  return { chain: JSON.parse(JSON.stringify(chain)) as Block[], preimages };
}

for (const [name, messagesOf] of [
  ['blocks of ASCII', (height: number) => WORDS.slice(0, 1 + (height % WORDS.length))],
  [
    'blocks with other characters',
    (height: number) => ['prot\u00e9g\u00e9', ...WORDS.slice(0, height % WORDS.length)],
  ],
] as const) {
  const { chain, preimages } = subjects(messagesOf);
  compare(
    name,
    {
      name: 'crypto.hash over the same bytes',
      run: () => {
        let right = 0;
        for (let pass = 0; pass < PASSES; pass++) {
          for (const [height, bytes] of preimages.entries()) {
            if (hash('sha256', bytes, 'hex') === chain[height]?.hash) right++;
          }
        }
        return expectAll(right);
      },
    },
    {
      name: 'verifyBlock',
      run: () => {
        let right = 0;
        for (let pass = 0; pass < PASSES; pass++) {
          let previous: Block | null = null;
          for (const block of chain) {
            if (verifyBlock(block, previous, 0) === undefined) right++;
            previous = block;
          }
        }
        return expectAll(right);
      },
    },
  );
}

function expectAll(right: number): number {
  if (right !== BLOCKS * PASSES) throw new Error(`${right} of ${BLOCKS * PASSES} blocks are right`);
  return right;
}
