import { hashBlock, meetsDifficulty, type Block } from '../../../shared/block.ts';
import type { WorkTemplate } from '../../../shared/work.ts';
import { stubHash } from './stub.ts';

/** Makes the block that a miner finds: the search itself is cheap at the difficulties of a simulation. */
export class Prospector {
  /** Blocks made so far, by everybody: in every nonce, so that no two blocks are the same. */
  private made = 0;
  private readonly stub: boolean;

  /** @param stub whether blocks have the hashes of `stub.ts` */
  constructor(stub: boolean) {
    this.stub = stub;
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
