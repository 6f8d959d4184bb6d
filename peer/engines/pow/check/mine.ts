/** Makes blocks, right ones and wrong ones, at the low difficulty of a check. */
import { hashBlock, meetsDifficulty, type Block } from '../../../../shared/block.ts';
import { MINING_SLICE } from './limits.ts';

/** What is to be in a block, where that matters. */
export interface Draft {
  readonly minedBy?: string;
  readonly messages?: readonly string[];
  /** Written before the part of the nonce that is searched. */
  readonly nonceStart?: string;
  /** The nonce is a decimal number, as some implementations send it. */
  readonly decimal?: boolean;
  readonly timestamp?: number;
}

export interface Mine {
  /** Zeros that a hash must end in. */
  readonly difficulty: number;
  /** Signs blocks of this check: so that no two checks make the same ones. */
  readonly name: string;
  seconds(): number;
  /** Lets others have their turn. */
  rest(): Promise<void>;
}

type Below = Pick<Block, 'height' | 'hash'> | null;

/** The next block on top of another, null for a genesis; `suits` chooses its hash. */
async function search(
  mine: Mine,
  previous: Below,
  draft: Draft,
  suits: (hash: string) => boolean,
): Promise<Block> {
  const height = previous === null ? 0 : previous.height + 1;
  const { minedBy = mine.name, messages = [`check ${height}`], nonceStart = '', decimal = false } = draft;
  // A second back, so that it is in nobody's future.
  const head = { height, minedBy, messages, timestamp: draft.timestamp ?? mine.seconds() - 1 };
  for (let count = 0; ; count++) {
    if (count % MINING_SLICE === MINING_SLICE - 1) await mine.rest();
    const nonce = nonceStart + (decimal ? String(count) : count.toString(36).padStart(6, '0'));
    const hash = hashBlock({ ...head, nonce }, previous?.hash ?? '');
    if (suits(hash)) return { ...head, nonce, hash };
  }
}

export function mineBlock(mine: Mine, previous: Below, draft: Draft = {}): Promise<Block> {
  return search(mine, previous, draft, (hash) => meetsDifficulty(hash, mine.difficulty));
}

/** A block whose hash is right but misses the difficulty. */
export function missBlock(mine: Mine, previous: Below, draft: Draft = {}): Promise<Block> {
  return search(mine, previous, draft, (hash) => !meetsDifficulty(hash, mine.difficulty));
}

/** `chain` and `count` more blocks. */
export async function extend(
  mine: Mine,
  chain: readonly Block[],
  count: number,
  draft: Draft = {},
): Promise<Block[]> {
  const longer = [...chain];
  for (let added = 0; added < count; added++)
    longer.push(await mineBlock(mine, longer.at(-1) ?? null, draft));
  return longer;
}

/** The block with other messages: its hash stays, and so is wrong. */
export function forged(block: Block): Block {
  return { ...block, messages: ['forged'] };
}
