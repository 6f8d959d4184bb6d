import { describe, expect, it } from 'vitest';

import { Chain } from '../../../../peer/engines/pow/protocol/chain.ts';
import type { PowConfig } from '../../../../peer/engines/pow/protocol/interface.ts';
import { nextTemplate } from '../../../../peer/engines/pow/protocol/template.ts';
import { preimageHead } from '../../../../shared/block.ts';
import { suitsMiners } from '../../../../shared/work.ts';
import { buildChain } from '../../../support/chains.ts';
import { storeWith } from '../../../support/virtual-network.ts';

const chain = new Chain(storeWith(buildChain(3, { difficulty: 1 }), 1), 1);

function templateOf(
  words: readonly string[],
  minedBy = 'alice',
  idleWord = 'gossip-peer',
): readonly string[] {
  const config: PowConfig = {
    self: { host: '127.0.0.1', port: 1 },
    selfHosts: [],
    name: 'x',
    difficulty: 1,
    join: [],
    consensusInterval: 1,
    gossipInterval: 1,
    peerTimeout: 1,
    minedBy,
    idleWord,
    genesis: false,
  };
  return nextTemplate(chain, config, words).messages;
}

/** Bytes before the nonce, counted by what is really hashed. */
function headLength(messages: readonly string[], minedBy = 'alice'): number {
  return preimageHead({ minedBy, messages, timestamp: 1_700_000_000 }, chain.tip?.hash ?? '').length;
}

describe('the next block', () => {
  it('stands on the tip', () => {
    expect(nextTemplate(chain, { minedBy: 'a', idleWord: 'b' } as PowConfig, [])).toMatchObject({
      height: 3,
      previousHash: chain.tip?.hash,
      difficulty: 1,
    });
  });

  it('takes words in their order, and leaves a few for later where that suits miners', () => {
    const words = Array.from({ length: 10 }, (_, index) => `word number ${index}`);
    const messages = templateOf(words);
    expect(messages).toEqual(words.slice(0, messages.length));
    expect(messages.length).toBeGreaterThanOrEqual(5);
    expect(suitsMiners(headLength(messages))).toBe(true);
  });

  it('takes all words where no number of them suits', () => {
    expect(suitsMiners(headLength(['ab']))).toBe(false);
    expect(templateOf(['ab'])).toEqual(['ab']);
  });

  it('repeats the idle word until the block suits miners, whatever the name', () => {
    for (let length = 1; length <= 64; length++) {
      const name = 'n'.repeat(length);
      const messages = templateOf([], name);
      expect(messages.every((message) => message === 'gossip-peer')).toBe(true);
      expect(messages.length).toBeLessThanOrEqual(10);
      expect(suitsMiners(headLength(messages, name))).toBe(true);
    }
  });
});
