/** What the API of a proof-of-work peer takes and gives besides what all nodes have; see `../../../web/schemas.ts`. */
import { z } from 'zod';

import { MAX_MINED_MESSAGE_LENGTH, isMineableWord } from '../../../../shared/block.ts';
import { idSchema } from '../../../web/idempotency.ts';
import { addressSchema, count, time, wholeNumber } from '../../../web/schemas.ts';

/** Blocks in one answer: a page of a table, at most a megabyte even where every block is as long as one can be. */
export const MAX_BLOCKS = 100;
/** Rows of the leaderboard that are sent. */
export const MAX_LEADERS = 100;
/** Blocks, and names of miners, that a search finds. */
export const MAX_FOUND = 20;
/** Longest text to search for: a hash. */
export const MAX_QUERY_LENGTH = 64;

const hash = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .describe('64 lower-case hex digits');

export const claimSchema = z.strictObject({
  height: count.describe('number of blocks: the height of the last one, plus one'),
  hash: z.string().describe('hash of the last block'),
});

// Status

export const syncSchema = z.strictObject({
  target: claimSchema,
  forkPoint: z.int().min(-1).describe('height of the last block in common with ours, -1 if there is none'),
  verified: count.describe('height up to which the blocks of the chain that comes are verified'),
  total: count.describe('number of blocks of the chain that comes'),
  peers: count.describe('how many peers are asked for its blocks'),
  startedAt: time,
});

/** Of what a peer says of itself: what every status begins with is beside it. */
export const statusSchema = z.object({
  name: z.string().describe('our name in the network'),
  address: addressSchema.describe('where others reach us (UDP)'),
  height: count.describe('number of blocks: the height of the tip, plus one'),
  tip: hash.nullable().describe('hash of our last block'),
  difficulty: count.describe('zeros that a hash must end in'),
  expectedHashes: z
    .number()
    .describe('hashes that a block takes on average: 16 to the power of the difficulty'),
  hashesPerSecond: z.number().min(0).nullable().describe('of all attached miners; null if none is known'),
  expectedBlockSeconds: z
    .number()
    .min(0)
    .nullable()
    .describe('seconds that a block takes our miners on average; null without a hash rate'),
  lastBlockAt: time.nullable().describe('when the last block came to us, else what its miner says'),
  recentBlockSeconds: z
    .number()
    .min(0)
    .nullable()
    .describe('seconds that each of the last blocks took, at most 20, by what their miners say'),
  phase: z.enum(['joining', 'waiting', 'following', 'asking', 'searching', 'downloading']),
  sync: syncSchema.nullable().describe('null unless a chain is being downloaded'),
  peers: count,
  agreeing: count.describe('peers whose last claim is our own chain, or a beginning of it'),
  miners: count,
  words: count.describe('words that wait to be mined'),
});

// Blocks

export const blockSummarySchema = z.strictObject({
  height: count,
  hash,
  minedBy: z.string(),
  messages: z.array(z.string()).min(1).max(10),
  nonce: z.string(),
  timestamp: z
    .string()
    .regex(/^\d{1,20}$/)
    .describe('seconds since 1970 as decimal text: it has 64 bits'),
  time: time.nullable().describe('the timestamp as a time of day; null if it is none'),
  arrivedAt: time.nullable().describe('when it came to us; null if that was long ago'),
  source: z.enum(['mined', 'announced']).nullable().describe('how it came to us; null if that is not known'),
});

export const blocksSchema = z.strictObject({
  height: count.describe('number of blocks of the chain'),
  blocks: z.array(blockSummarySchema).max(MAX_BLOCKS).describe('newest first'),
});

/** One piece of what is hashed. */
export const preimagePartSchema = z.strictObject({
  name: z.enum(['previousHash', 'minedBy', 'message', 'timestamp', 'nonce']),
  text: z.string().describe('as people read it'),
  hex: z
    .string()
    .regex(/^([0-9a-f]{2})*$/)
    .describe('the bytes that are hashed'),
});

export const blockSchema = blockSummarySchema.extend({
  previousHash: hash.nullable().describe('null for the genesis'),
  zeros: count.describe('zeros that the hash ends in'),
  confirmations: count.describe('blocks on top of it'),
  preimage: z
    .array(preimagePartSchema)
    .describe('what is hashed, in order: the SHA-256 of all bytes, one part after the other, is the hash'),
});

export const blocksQuerySchema = z.strictObject({
  from: wholeNumber(0, Number.MAX_SAFE_INTEGER)
    .optional()
    .describe('height of the newest block wanted; the tip if left out'),
  limit: wholeNumber(1, MAX_BLOCKS).default(20).describe('blocks wanted, going down'),
});

/** A height, or a whole hash. */
export const blockIdSchema = z
  .string()
  .regex(/^(\d{1,15}|[0-9a-f]{64})$/, 'it is named by its height, or by its hash in lower case')
  .describe('height, or hash in lower case');

export const searchQuerySchema = z.strictObject({
  q: z
    .string()
    .trim()
    .min(1)
    .max(MAX_QUERY_LENGTH)
    .describe('a height, the beginning of a hash (at least 4 digits), or part of a miner’s name'),
});

export const searchSchema = z.strictObject({
  blocks: z.array(blockSummarySchema).max(MAX_FOUND).describe('newest first'),
  miners: z.array(z.string()).max(MAX_FOUND).describe('names that have the text in them'),
  complete: z.boolean().describe('false while the chain is still being read after the start'),
});

export const leaderboardSchema = z.strictObject({
  height: count.describe('number of blocks of the chain'),
  counted: count.describe('how many of them have been counted; fewer than all just after the start'),
  names: count.describe('different names met'),
  leaders: z
    .array(
      z.strictObject({
        name: z.string().describe('who signed the blocks, cut to 256 characters'),
        blocks: z.int().min(1),
        share: z.number().min(0).max(1).describe('of the blocks counted'),
      }),
    )
    .max(MAX_LEADERS)
    .describe('most blocks first'),
});

export const reorganisationSchema = z.strictObject({
  at: time,
  forkPoint: z.int().min(-1).describe('height of the last block that stayed, -1 if none did'),
  depth: count.describe('blocks of ours that left the chain; 0 where it was only continued'),
  added: count.describe('blocks that came in their place'),
  height: count.describe('number of blocks afterwards'),
  hash: hash.describe('of the tip afterwards'),
  returnedWords: count.describe('words of our orphaned blocks that wait again'),
});

export const falseChainSchema = z.strictObject({
  at: time,
  target: claimSchema,
  claimedBy: z.array(addressSchema),
  fault: z.string().describe('the rule that it broke, in one sentence'),
});

export const forksSchema = z.strictObject({
  reorganisations: z.array(reorganisationSchema).describe('newest first, only those that took blocks away'),
  falseChains: z.array(falseChainSchema).describe('claims that were proved false, newest first'),
  claims: z
    .array(
      claimSchema.extend({
        peers: count,
        ours: z.boolean(),
        ahead: z.boolean().describe('longer than ours, so that it may be ours continued'),
      }),
    )
    .describe(
      'our chain, with all who have it or a beginning of it, ourselves too, and others; longest first',
    ),
});

// Peers

export const peerSchema = z.strictObject({
  address: addressSchema,
  name: z.string(),
  claim: claimSchema.nullable().describe('what it last told of its chain'),
  agreement: z
    .enum(['same', 'behind', 'ahead', 'fork', 'unknown'])
    .describe('its chain against ours: the same, a beginning of it, longer, another one, or never told'),
  silenceMs: z.number().min(0).describe('milliseconds since it was last heard'),
  roundTripMs: z.number().min(0).nullable().describe('of the last STATS that it answered'),
  verified: z.boolean().describe('whether it spoke to us itself'),
  offences: count.describe('how often it was proved to have lied'),
  via: z.array(z.string()).describe('ids, as host:port, of peers that last passed its GOSSIP on to us'),
});

export const peersSchema = z.strictObject({ peers: z.array(peerSchema) });

export const graphSchema = z.strictObject({
  nodes: z.array(
    z.strictObject({
      id: z.string().describe('host:port'),
      name: z.string(),
      self: z.boolean(),
      agreement: peerSchema.shape.agreement,
    }),
  ),
  edges: z
    .array(
      z.strictObject({
        source: z.string(),
        target: z.string(),
        kind: z
          .enum(['direct', 'gossip'])
          .describe('spoke to us itself, or the target passed on a GOSSIP of the source'),
      }),
    )
    .describe('between nodes of the list only'),
});

// Miners

export const rateHistorySchema = z.strictObject({
  stepSeconds: z.literal(10),
  endsAt: time.describe('of the last value'),
  values: z
    .array(z.number().min(0).nullable())
    .describe('hashes a second, oldest first; null where it was not known'),
});

export const minerSchema = z.strictObject({
  address: addressSchema,
  agent: z.string().nullable().describe('what it says it is; null for one that says nothing'),
  processes: count.nullable(),
  hashesPerSecond: z.number().min(0).nullable(),
  rateSource: z
    .enum(['reported', 'estimated'])
    .nullable()
    .describe('told by the miner, or guessed from the blocks it found since it came; null if not known'),
  accepted: count,
  stale: count,
  rejected: count,
  connectedAt: time,
});

export const minersSchema = z.strictObject({
  hashesPerSecond: statusSchema.shape.hashesPerSecond,
  miners: z.array(minerSchema.extend({ history: rateHistorySchema })),
  history: rateHistorySchema.describe('of all miners together'),
});

// Words

export const wordsSchema = z.strictObject({
  words: z.array(z.string()).describe('in the order in which they will be mined'),
  limit: count.describe('how many may wait'),
});

export const newWordSchema = z.strictObject({
  word: z
    .string()
    .refine(isMineableWord, `it must be 1 to ${MAX_MINED_MESSAGE_LENGTH} printable ASCII characters`)
    .meta({
      title: 'A word for the next block',
      minLength: 1,
      maxLength: MAX_MINED_MESSAGE_LENGTH,
      pattern: '^[ -~]+$',
    }),
  id: idSchema.optional(),
});

const wordId = z.string().describe('the one that the client chose, or a new one; GET /words/{id} tells more');

export const queuedWordSchema = z.strictObject({
  id: wordId,
  word: z.string(),
  waiting: count.describe('words that wait now'),
});

export const submittedWordSchema = z.strictObject({
  id: wordId,
  word: z.string(),
  state: z
    .enum(['waiting', 'mined', 'gone'])
    .describe('gone: it neither waits nor stands in one of the last blocks of our chain'),
  height: count.nullable().describe('of the block that it stands in; null if it is not mined'),
});

// Events

/** Events besides those of all nodes, by name: what the data of each is. */
export const eventSchemas = {
  /** A block was put on top of our chain. */
  block: blockSummarySchema,
  /** Our chain was continued or replaced by another: what was shown of it is to be fetched anew. */
  chain: reorganisationSchema,
  /** A peer joined or was dropped. */
  peer: z.strictObject({
    change: z.enum(['joined', 'dropped']),
    address: addressSchema,
    name: z.string().nullable(),
    peers: count.describe('tracked now'),
  }),
  /** A consensus began or ended, or a claimed chain was proved false or unavailable. */
  consensus: z.strictObject({
    at: time,
    change: z.enum([
      'started',
      'alone',
      'current',
      'adopted',
      'failed',
      'false-chain',
      'chain-unavailable',
      'waiting',
    ]),
    peers: count.nullable().describe('asked, or that answered; null where it means nothing'),
    target: claimSchema.nullable(),
  }),
  /** How far a download is; null when it is over. */
  sync: syncSchema.nullable(),
  /** The attached miners, every ten seconds and when one comes or goes: without their history. */
  miners: z.strictObject({
    at: time,
    hashesPerSecond: statusSchema.shape.hashesPerSecond,
    miners: z.array(minerSchema),
  }),
  /** The queue of words changed. */
  words: z.strictObject({ waiting: count }),
} as const;

export type PowEvents = {
  readonly [Name in keyof typeof eventSchemas]: z.infer<(typeof eventSchemas)[Name]>;
};

export type SyncJson = z.infer<typeof syncSchema>;
export type Status = z.infer<typeof statusSchema>;
export type FalseChainJson = z.infer<typeof falseChainSchema>;
export type BlockSummaryJson = z.infer<typeof blockSummarySchema>;
export type BlockJson = z.infer<typeof blockSchema>;
export type BlocksJson = z.infer<typeof blocksSchema>;
export type SearchJson = z.infer<typeof searchSchema>;
export type LeaderboardJson = z.infer<typeof leaderboardSchema>;
export type ReorganisationJson = z.infer<typeof reorganisationSchema>;
export type ForksJson = z.infer<typeof forksSchema>;
export type PeerJson = z.infer<typeof peerSchema>;
export type PeersJson = z.infer<typeof peersSchema>;
export type GraphJson = z.infer<typeof graphSchema>;
export type RateHistoryJson = z.infer<typeof rateHistorySchema>;
export type MinerJson = z.infer<typeof minerSchema>;
export type MinersJson = z.infer<typeof minersSchema>;
export type WordsJson = z.infer<typeof wordsSchema>;
export type QueuedWordJson = z.infer<typeof queuedWordSchema>;
export type SubmittedWordJson = z.infer<typeof submittedWordSchema>;
