/** Builds chains at a low difficulty: valid ones, forks, and every kind of false one. */
import {
  hashBlock,
  meetsDifficulty,
  readInteger,
  verifyBlock,
  type Block,
  type BlockFault,
} from '../../shared/block.ts';

/** A block whose timestamp is exact as a number, as all blocks here are. */
export type PlainBlock = Block & { readonly timestamp: number };

export interface BlockPlan {
  readonly difficulty: number;
  readonly minedBy?: string;
  readonly messages?: readonly string[];
  readonly timestamp?: number;
}

/** Long past, because some implementations refuse blocks from the future. */
const FIRST_TIMESTAMP = 1_700_000_000;

/**
 * Mines one block. Nonces count up from 0, so that they can also be sent as integers, and the same plan gives the
 * same block.
 */
export function mineBlock(previous: Pick<Block, 'height' | 'hash'> | null, plan: BlockPlan): PlainBlock {
  const height = previous === null ? 0 : previous.height + 1;
  const draft = {
    height,
    minedBy: plan.minedBy ?? 'test',
    messages: plan.messages ?? [`word ${height}`],
    timestamp: plan.timestamp ?? FIRST_TIMESTAMP + height,
  };
  for (let count = 0; ; count++) {
    const nonce = String(count);
    const hash = hashBlock({ ...draft, nonce }, previous?.hash ?? '');
    if (meetsDifficulty(hash, plan.difficulty)) return { ...draft, nonce, hash };
  }
}

/** Puts `count` blocks on top of `chain`, which stays as it is. */
export function extendChain(chain: readonly PlainBlock[], count: number, plan: BlockPlan): PlainBlock[] {
  const longer = [...chain];
  for (let added = 0; added < count; added++) longer.push(mineBlock(longer.at(-1) ?? null, plan));
  return longer;
}

/** A valid chain of `length` blocks. */
export function buildChain(length: number, plan: BlockPlan): PlainBlock[] {
  return extendChain([], length, plan);
}

/**
 * A valid chain of `length` blocks that shares the blocks below `height` with `chain` and none from there on.
 *
 * @param plan its `minedBy` must differ from the chain's, or the fork would be the same blocks again
 */
export function forkChain(
  chain: readonly PlainBlock[],
  height: number,
  length: number,
  plan: BlockPlan & { readonly minedBy: string },
): PlainBlock[] {
  if (chain[height]?.minedBy === plan.minedBy) throw new Error('a fork must be mined by somebody else');
  return extendChain(chain.slice(0, height), length - height, plan);
}

function replaceBlock(chain: readonly PlainBlock[], block: PlainBlock): PlainBlock[] {
  return chain.map((other, index) => (index === block.height ? block : other));
}

function blockAt(chain: readonly PlainBlock[], height: number): PlainBlock {
  const block = chain[height];
  if (block === undefined) throw new Error(`the chain has no block ${height}`);
  return block;
}

/** The chain with one bit of a message of block `height` flipped; its hash stays and so is wrong. */
export function flipBit(chain: readonly PlainBlock[], height: number): PlainBlock[] {
  const block = blockAt(chain, height);
  const [first = '', ...rest] = block.messages;
  const flipped = String.fromCharCode(first.charCodeAt(0) ^ 1) + first.slice(1);
  return replaceBlock(chain, { ...block, messages: [flipped, ...rest] });
}

/** The chain with block `height` mined, with all its zeros, on top of some other block than the one below it. */
export function wrongPrevious(
  chain: readonly PlainBlock[],
  height: number,
  difficulty: number,
): PlainBlock[] {
  const stranger = { height: height - 1, hash: 'ab'.repeat(32) };
  return replaceBlock(chain, mineBlock(stranger, { difficulty, minedBy: 'stranger' }));
}

/** The chain below `height`, a block there with a message of 21 characters, and valid blocks on top of that. */
export function longMessage(chain: readonly PlainBlock[], height: number, difficulty: number): PlainBlock[] {
  const below = chain.slice(0, height);
  const bad = mineBlock(below.at(-1) ?? null, { difficulty, messages: ['x'.repeat(21)] });
  return extendChain([...below, bad], chain.length - height - 1, { difficulty, minedBy: 'long' });
}

/**
 * The chain and `extra` more blocks that hash correctly but without the zeros: the lie that the class's well-known
 * liar "goose" tells.
 */
export function gooseChain(chain: readonly PlainBlock[], extra: number, difficulty: number): PlainBlock[] {
  const longer = [...chain];
  for (let added = 0; added < extra; added++) {
    const previous = longer.at(-1);
    for (let count = 0; ; count++) {
      const draft = {
        height: longer.length,
        minedBy: 'goose',
        messages: ['honk'],
        timestamp: FIRST_TIMESTAMP,
        nonce: String(count),
      };
      const hash = hashBlock(draft, previous?.hash ?? '');
      if (meetsDifficulty(hash, difficulty)) continue;
      longer.push({ ...draft, hash });
      break;
    }
  }
  return longer;
}

/** The first block of a chain that the project's own rule refuses, or undefined. */
export function chainFault(
  chain: readonly Block[],
  difficulty: number,
): { height: number; fault: BlockFault } | undefined {
  for (const [height, block] of chain.entries()) {
    const fault = verifyBlock(block, chain[height - 1] ?? null, difficulty);
    if (fault !== undefined) return { height, fault };
  }
  return undefined;
}

/** A nonce as the integer that some implementations send. */
export function integerNonce(block: Block): number {
  const number = readInteger(block.nonce);
  if (number === undefined) throw new Error(`the nonce ${block.nonce} is no integer`);
  return number;
}
