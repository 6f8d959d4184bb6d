/** Valid messages of every wire, for the targets to spoil. */
import { createReadStream } from 'node:fs';

import type { Block } from '../../shared/block.ts';
import { UserError, fileFaultOf } from '../../shared/errors.ts';
import { encodeAnswer, encodeHello, encodeJob, encodeRate, encodeResult } from '../../shared/mining-wire.ts';
import { readRecord } from '../../shared/record.ts';
import { powCodec } from '../../peer/engines/pow/protocol/codec.ts';
import type { PowMessage } from '../../peer/engines/pow/protocol/messages.ts';
import { buildChain, mineBlock } from '../support/chains.ts';
import { GENESES } from '../vectors/geneses.ts';

/** Blocks at every edge of the rule, and some that were really mined. */
const SPECIAL: readonly Block[] = [
  mineBlock(null, { difficulty: 1, messages: ['prot\u00e9g\u00e9', '\u{1f980}'.repeat(20)] }),
  mineBlock(null, { difficulty: 1, messages: Array.from({ length: 10 }, () => '"'.repeat(20)) }),
  mineBlock(null, { difficulty: 1, minedBy: '\u0000\u001b[2J\u202e', messages: [''] }),
  mineBlock(null, { difficulty: 1, minedBy: 'x'.repeat(2_000) }),
  { ...mineBlock(null, { difficulty: 1 }), timestamp: 2n ** 64n - 1n },
  ...GENESES.map(({ block }) => block),
];

/** What the targets are made of. */
export interface Corpus {
  readonly blocks: readonly Block[];
}

/** What every target has. */
export const BUILT_IN: Corpus = { blocks: [...buildChain(8, { difficulty: 1 }), ...SPECIAL] };

/** Most blocks that are taken from a file: more would not make more kinds. */
const MAX_FILE_BLOCKS = 1_000;

/**
 * Adds the blocks of a record (see `shared/record.ts`); lines that are no blocks are passed over.
 *
 * @throws UserError if it cannot be read, or has no block in it: whoever named it thinks that it is used
 */
export async function withRecord(corpus: Corpus, path: string): Promise<Corpus> {
  const blocks: Block[] = [...corpus.blocks];
  try {
    for await (const { block } of readRecord(createReadStream(path))) {
      if (block !== undefined) blocks.push(block);
      if (blocks.length >= corpus.blocks.length + MAX_FILE_BLOCKS) break;
    }
  } catch (error) {
    throw new UserError(`can't read ${path}: ${fileFaultOf(error)}`);
  }
  if (blocks.length === corpus.blocks.length)
    throw new UserError(`there is no block in ${path}; a record has one block a line, as JSON`);
  return { blocks };
}

/** Messages of the class network as objects. */
export function networkMessages({ blocks }: Corpus): object[] {
  const hash = blocks[0]?.hash ?? null;
  const messages: PowMessage[] = [
    { type: 'GOSSIP', host: '10.0.0.2', port: 8999, id: '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed', name: 'n' },
    { type: 'GOSSIP_REPLY', host: 'silicon.example', port: 1, name: 'somebody' },
    { type: 'GET_BLOCK', height: 7 },
    { type: 'GET_BLOCK_REPLY', block: null },
    { type: 'STATS' },
    { type: 'STATS_REPLY', height: 20, hash },
    { type: 'CONSENSUS' },
    { type: 'NEW_WORD', word: 'hello' },
    ...blocks.flatMap((block): PowMessage[] => [
      { type: 'ANNOUNCE', block },
      { type: 'GET_BLOCK_REPLY', block },
    ]),
  ];
  return [
    ...messages.map((message) => JSON.parse(Buffer.from(powCodec.encode(message)).toString()) as object),
    { host: '10.0.0.2', port: 8000, height: 20, hash },
  ];
}

/** What a peer and its miners say to each other. */
export function miningMessages({ blocks }: Corpus): { fromPeer: object[]; fromMiner: object[] } {
  const fromPeer: string[] = [
    encodeResult({ job: '7', status: 'rejected', reason: 'The hash ends in too few zeros.' }),
    encodeResult({ job: undefined, status: 'accepted', reason: undefined }),
  ];
  const fromMiner: string[] = [encodeHello({ agent: 'gossip-miner', processes: 8 }), encodeRate(12_345_678)];
  for (const { height, messages, minedBy, nonce, hash } of blocks.slice(0, 12)) {
    const previousHash = height === 0 ? '' : hash;
    const work = {
      height,
      previousHash,
      messages,
      minedBy,
      difficulty: 1,
      timestamp: 1_700_000_000,
      job: '7',
    };
    fromPeer.push(encodeJob({ ...work, noncePrefix: 'xYz' }));
    fromMiner.push(encodeAnswer({ ...work, nonce, hash }));
  }
  const parsed = (lines: readonly string[]): object[] => lines.map((line) => JSON.parse(line) as object);
  return {
    fromPeer: [...parsed(fromPeer), { type: 'WAIT' }, { height: 3, previous_hash: 'ab'.repeat(32) }],
    fromMiner: [...parsed(fromMiner), { nonce: 87540, timestamp: 1_700_000_000 }],
  };
}
