import type { Block } from '../../shared/block.ts';

/** The geneses of networks that ran at the University of Manitoba, with the difficulty at which they were mined. */
export const GENESES: readonly {
  readonly network: string;
  readonly difficulty: number;
  readonly block: Block;
}[] = [
  {
    network: '2024, main',
    difficulty: 8,
    block: {
      height: 0,
      minedBy: 'Prof!',
      messages: ['Keep it', 'simple.', 'Veni', 'vidi', 'vici'],
      nonce: '663135608617883',
      timestamp: 1730910874,
      hash: '75977fa09516d028befa0695e16c93be20271b66630236d38718e35700000000',
    },
  },
  {
    network: '2023, main',
    difficulty: 8,
    block: {
      height: 0,
      minedBy: 'Prof!',
      messages: [
        '3010 rocks',
        'Warning:',
        'Procrastinators',
        'will be sent back',
        'in time to start',
        'early.',
      ],
      nonce: '7965175207940',
      timestamp: 1699293749,
      hash: '2483cc5c0d2fdbeeba3c942bde825270f345b2e9cd28f22d12ba347300000000',
    },
  },
  {
    network: '2023, second chain',
    difficulty: 8,
    block: {
      height: 0,
      minedBy: 'Prof!',
      messages: [
        '3010 rocks',
        'Warning:',
        'Procrastinators',
        'will be sent back',
        'in time to start',
        'early.',
        'Chain 2',
      ],
      nonce: '967128957948859',
      timestamp: 1700841637,
      hash: '9efb33ec9e0ed0a7e837d68d127dff33dba4290ba2535d2312a76f4f00000000',
    },
  },
  {
    network: '2023, second chain of the competition',
    difficulty: 9,
    block: {
      height: 0,
      minedBy: 'Prof!',
      messages: [
        '3010 rocks',
        'Warning:',
        'Procrastinators',
        'will be sent back',
        'in time to start',
        'early.',
        'Chain 2',
      ],
      nonce: '742463477029129',
      timestamp: 1700629652,
      hash: 'da32c5e6d1478caad5c39eea5f05855daed3bda5980da4633aa1e5c000000000',
    },
  },
];
