import { hashBlock, meetsDifficulty, type Block } from '../../../../shared/block.ts';
import type { WorkTemplate } from '../../../../shared/work.ts';
import { stubHash } from './stub.ts';

/** When the first blocks of a network were mined, in seconds since 1970: before the simulation began. */
const FIRST_TIMESTAMP = 1_699_000_000;

/**
 * Such chains, by difficulty. They are the same for every seed, and a campaign would spend an eighth of its time on
 * mining them anew.
 */
const founded = new Map<number, Block[]>();

/** Makes the block that a miner finds: the search itself is cheap at the difficulties of a simulation. */
export class Prospector {
  /** Blocks made so far, by everybody: in every nonce, so that no two blocks are the same. */
  private made = 0;
  private readonly stub: boolean;

  /** @param stub whether blocks have the hashes of `stub.ts` */
  constructor(stub: boolean) {
    this.stub = stub;
  }

  /** The first blocks of the chain that a network starts with. To be asked for before any other block. */
  found(length: number, difficulty: number): readonly Block[] {
    const chain = (this.stub ? undefined : founded.get(difficulty)) ?? [];
    for (let height = chain.length; height < length; height++) {
      const previousHash = chain.at(-1)?.hash ?? '';
      const template = { height, previousHash, messages: ['before'], minedBy: 'founder', difficulty };
      this.made = height;
      chain.push(this.find(template, FIRST_TIMESTAMP + height));
    }
    if (!this.stub) founded.set(difficulty, chain);
    this.made = length;
    return chain.slice(0, length);
  }

  /** @param timestamp in seconds */
  find(template: WorkTemplate, timestamp: number): Block {
    const { height, previousHash, messages, minedBy, difficulty } = template;
    const label = (++this.made).toString(36);
    if (this.stub) {
      const block = { height, messages, minedBy, timestamp, nonce: label };
      return { ...block, hash: stubHash(block, previousHash, difficulty) };
    }
    for (let count = 0; ; count++) {
      const nonce = `${label}-${count.toString(36)}`;
      const block = { height, messages, minedBy, timestamp, nonce };
      const hash = hashBlock(block, previousHash);
      if (meetsDifficulty(hash, difficulty)) return { ...block, hash };
    }
  }
}
