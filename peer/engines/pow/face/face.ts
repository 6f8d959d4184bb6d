/** What a peer shows; see `../../../web/face.ts`. */
import type { z } from 'zod';

import { addressKey } from '../../../../shared/address.ts';
import { isoTime } from '../../../../shared/time.ts';
import type { Face, FaceEvents, FaceTable, Figure, Happening, Resource, Tone } from '../../../web/face.ts';
import { MAX_CLAIMANTS, RATE_STEP } from '../../../web/limits.ts';
import { counted, duration, hashEnds, hashRate, inWords, whole } from '../../../web/page/format.ts';
import type { PowNotice } from '../protocol/interface.ts';
import type { FacedPeer } from './faced.ts';
import { POW_METRICS } from './metrics.ts';
import { ownRoutes } from './routes.ts';
import * as schemas from './schemas.ts';
import type { MinerJson, PeerJson, Status } from './schemas.ts';

/** Blocks that a terminal shows. */
const BLOCKS = 6;

const PHASES: Readonly<Record<Status['phase'], string>> = {
  joining: 'looking for other peers',
  waiting: 'waiting for a peer that has a chain',
  following: 'following the network',
  asking: 'asking the peers where they stand',
  searching: 'looking where a better chain leaves ours',
  downloading: 'downloading a better chain',
};

function phaseText({ phase, peers }: Pick<Status, 'phase' | 'peers'>): string {
  return phase === 'following' && peers === 0 ? 'no other peer is there' : PHASES[phase];
}

/** Of what makes a time per block. */
function intervalNote({ expectedBlockSeconds, recentBlockSeconds: recent }: Status): string {
  const lately = recent === null ? '' : `the last ones took ${duration(recent * 1000)} each`;
  if (expectedBlockSeconds !== null) return `by our miners alone${lately === '' ? '' : `; ${lately}`}`;
  return recent === null ? 'not known yet' : 'average of the last blocks';
}

const figures: readonly Figure<Status>[] = [
  {
    ...{ name: 'height', title: 'Height', help: 'The height of the last block', column: true },
    of: ({ height }) => (height === 0 ? null : height - 1),
  },
  {
    ...{ name: 'tip', title: 'Tip', help: 'The hash of the last block', unit: 'hash' },
    ...{ column: true, minor: true },
    of: ({ tip }) => tip,
  },
  {
    ...{ name: 'last-block', title: 'Last block', help: 'How long ago it came to us', unit: 'ago' },
    of: ({ lastBlockAt }) => (lastBlockAt === null ? null : Date.now() - Date.parse(lastBlockAt)),
    note: ({ tip }) => (tip === null ? 'no block yet' : hashEnds(tip)),
  },
  {
    ...{ name: 'difficulty', title: 'Difficulty', help: 'Zeros that a hash must end in' },
    of: ({ difficulty }) => counted(difficulty, 'zero'),
    note: ({ expectedHashes }) => `one hash in ${inWords(expectedHashes)} fits`,
  },
  {
    ...{ name: 'interval', title: 'Time per block', help: 'What a block takes on average', unit: 'seconds' },
    of: ({ expectedBlockSeconds, recentBlockSeconds }) => expectedBlockSeconds ?? recentBlockSeconds,
    note: intervalNote,
  },
  {
    ...{ name: 'rate', title: 'Hash rate', help: 'Of all attached miners', unit: 'hashes per second' },
    of: ({ hashesPerSecond }) => hashesPerSecond,
    note: ({ miners }) => (miners === 0 ? 'no miner is connected' : counted(miners, 'miner')),
  },
  {
    ...{ name: 'peers', title: 'Peers', help: 'Peers that are tracked', column: true },
    of: ({ peers }) => peers,
    note: ({ peers, agreeing }) => (peers === 0 ? 'nobody else so far' : `${whole(agreeing)} on our chain`),
  },
  {
    ...{ name: 'agreeing', title: 'Agreeing', minor: true },
    help: 'Peers whose last claim is our own chain, or a beginning of it',
    metric: { name: 'agreeing_peers', type: 'gauge' },
    of: ({ agreeing }) => agreeing,
  },
  {
    ...{ name: 'miners', title: 'Miners', help: 'Miners attached', minor: true, column: true },
    metric: { name: 'miners', type: 'gauge' },
    of: ({ miners }) => miners,
  },
  {
    ...{ name: 'verified', title: 'Catching up', help: 'How far a better chain is verified', minor: true },
    of: ({ sync }) => (sync === null ? null : `${sync.verified}/${sync.total}`),
  },
  {
    ...{ name: 'words', title: 'Words', help: 'Words that wait to be mined', minor: true, column: true },
    metric: { name: 'words', type: 'gauge' },
    of: ({ words }) => words,
  },
];

const AGREEMENTS = {
  same: { text: 'same chain', tone: 'good' },
  behind: { text: 'behind', tone: 'warn' },
  ahead: { text: 'ahead', tone: 'warn' },
  fork: { text: 'another chain', tone: 'bad' },
  unknown: { text: 'not told yet', tone: 'quiet' },
} as const satisfies Record<PeerJson['agreement'], Happening>;

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** A rate that was guessed says so. */
function rateOf({ hashesPerSecond, rateSource }: MinerJson): string | number | null {
  return rateSource === 'estimated' && hashesPerSecond !== null
    ? `~${hashRate(hashesPerSecond)}`
    : hashesPerSecond;
}

const tables: readonly FaceTable<FacedPeer>[] = [
  {
    ...{ name: 'blocks', title: 'Latest blocks', help: 'The newest blocks of our chain' },
    columns: [
      ...[{ title: 'Height' }, { title: 'Hash', unit: 'hash' } as const, { title: 'Mined by' }],
      ...[{ title: 'Messages' }, { title: 'Time', unit: 'time' } as const],
    ],
    rows: (peer) =>
      peer.blocks(undefined, BLOCKS).map(({ height, hash, minedBy, messages, time }) => {
        return [height, hash, minedBy, messages.join(' · '), time === null ? null : Date.parse(time)];
      }),
    empty: 'No block yet.',
  },
  {
    ...{ name: 'peers', title: 'Peers', help: 'Peers that are tracked' },
    columns: [
      ...[{ title: 'Name' }, { title: 'Address' }, { title: 'Height' }, { title: 'Chain' }],
      ...([
        { title: 'Last seen', unit: 'ago' },
        { title: 'Round trip', unit: 'milliseconds' },
      ] as const),
      { title: 'Offences' },
    ],
    rows: (peer) =>
      peer
        .peers()
        .map(({ name, address, claim, agreement, silenceMs, verified, roundTripMs, offences }) => [
          ...[name === '' ? 'no name' : name, addressKey(address), heightOf(claim), AGREEMENTS[agreement]],
          ...[verified ? silenceMs : 'only heard of', roundTripMs],
          offences === 0 ? 0 : ({ text: whole(offences), tone: 'bad' } as const),
        ]),
    empty: 'No peer is known yet.',
  },
  {
    ...{ name: 'miners', title: 'Miners', help: 'Miners that are connected' },
    columns: [
      ...[{ title: 'Program' }, { title: 'Address' }],
      ...[{ title: 'Hash rate', unit: 'hashes per second' } as const, { title: 'Threads' }],
      ...[{ title: 'Accepted' }, { title: 'Stale' }, { title: 'Rejected' }],
      { title: 'Connected', unit: 'ago', wide: true },
    ],
    rows: (peer) =>
      peer.miners().map((miner) => {
        const { agent, address, processes, accepted, stale, rejected, connectedAt } = miner;
        const connected = peer.now() - Date.parse(connectedAt);
        const counts = [processes, accepted, stale, rejected];
        return [agent ?? 'says nothing', addressKey(address), rateOf(miner), ...counts, connected];
      }),
    empty: 'No miner is connected. Start one with: node miner --peer_host … --peer_port …',
  },
  {
    ...{ name: 'leaders', title: 'Who mined how many', help: 'Names with the most blocks of our chain' },
    columns: [{ title: 'Name' }, { title: 'Blocks' }, { title: 'Share' }],
    rows: (peer) =>
      peer.leaderboard().leaders.map(({ name, blocks, share }) => [name, blocks, percent(share)]),
    empty: 'No block yet.',
  },
  {
    ...{ name: 'words', title: 'Words that wait', help: 'In the order in which they will be mined' },
    columns: [{ title: '' }],
    rows: (peer) => peer.subject.status().words.map((word) => [word]),
    empty: 'No word waits.',
  },
  {
    ...{ name: 'chains', title: 'Forks', help: 'The chains that there are, where there is more than one' },
    columns: [{ title: 'Height' }, { title: 'Tip', unit: 'hash' }, { title: 'Peers' }, { title: 'Whose' }],
    rows: (peer) => {
      const { claims } = peer.forks();
      if (claims.length < 2) return [];
      return claims.map(({ height, hash, peers, ours, ahead }) => [
        ...[height - 1, hash, peers],
        ours
          ? ({ text: 'ours', tone: 'good' } as const)
          : ({ text: ahead ? 'ahead' : 'another', tone: 'warn' } as const),
      ]);
    },
    empty: 'There is one chain.',
  },
];

/** Height of the last block that a peer claims; its claim holds the number of blocks. */
function heightOf(claim: PeerJson['claim']): number | string | null {
  if (claim === null) return null;
  return claim.height === 0 ? 'none' : claim.height - 1;
}

/** What happened to our chain beyond the blocks on top of it. Nothing here is text from the network. */
function chainHappening(notice: PowNotice): Happening | undefined {
  switch (notice.kind) {
    case 'chain-adopted': {
      const { depth, added, height, hash } = notice;
      const end = `height ${whole(height - 1)} afterwards: ${hashEnds(hash)}`;
      if (depth === 0)
        return { word: 'caught up', text: `${counted(added, 'block')} more; ${end}`, tone: 'good' };
      const text = `${counted(depth, 'block')} of ours gave way to ${whole(added)}; ${end}`;
      return {
        word: 'reorganisation',
        text,
        tone: 'warn',
        counter: 'reorganisation',
        mark: 'reorganisation',
      };
    }
    case 'false-chain': {
      const { target, claimedBy, fault } = notice;
      const text = `${counted(claimedBy.length, 'peer')} falsely claimed one up to height ${whole(target.height - 1)}: ${fault}`;
      return { word: 'false chain', text, tone: 'bad', counter: 'false-chain' };
    }
    case 'chain-unavailable': {
      const { height, hash } = notice.target;
      const text = `nobody serves one up to height ${whole(height - 1)}: ${hashEnds(hash)}`;
      return { word: 'claimed chain', text, tone: 'warn', counter: 'chain-unavailable' };
    }
    default:
      return undefined;
  }
}

function resource(
  path: string,
  help: string,
  schema: Resource<never>['schema'],
  of: (peer: FacedPeer) => unknown,
): Resource<FacedPeer> {
  return { path, help, schema, of };
}

type BlocksQuery = z.infer<typeof schemas.blocksQuerySchema>;

const resources: readonly Resource<FacedPeer>[] = [
  {
    ...{ path: '/blocks', help: 'Blocks of our chain, newest first', schema: schemas.blocksSchema },
    query: schemas.blocksQuerySchema,
    of: (peer, _, { from, limit }: BlocksQuery) => ({
      ...{ height: peer.subject.status().height, blocks: peer.blocks(from, limit) },
    }),
  },
  resource('/leaderboard', 'Who mined how many blocks', schemas.leaderboardSchema, (peer) =>
    peer.leaderboard(),
  ),
  resource(
    '/forks',
    'Reorganisations, false claims, and the chains that there are',
    schemas.forksSchema,
    (peer) => peer.forks(),
  ),
  resource('/peers', 'The peers that we track', schemas.peersSchema, (peer) => ({ peers: peer.peers() })),
  resource('/graph', 'The network, as gossip reveals it', schemas.graphSchema, (peer) => peer.graph()),
  resource(
    '/miners',
    'The attached miners, and their hash rates of the last hour',
    schemas.minersSchema,
    (peer) => peer.minersOverTime(),
  ),
  resource('/words', 'Words that wait to be mined', schemas.wordsSchema, (peer) => peer.waiting()),
];

type PowEvents = schemas.PowEvents;
type Event = { [Name in keyof PowEvents]: readonly [Name, PowEvents[Name]] }[keyof PowEvents];

function eventOf(notice: PowNotice, peer: FacedPeer): Event | undefined {
  const consensus = (
    change: PowEvents['consensus']['change'],
    peers: number | null = null,
    target: PowEvents['consensus']['target'] = null,
  ): Event => ['consensus', { at: isoTime(peer.now()), change, peers, target }];
  switch (notice.kind) {
    case 'block':
      return ['block', peer.summary(notice.block)];
    case 'chain-adopted':
      return ['chain', peer.history.reorganisation(notice)];
    case 'peer-joined':
      return ['peer', { change: 'joined', address: notice.peer, name: notice.name, peers: notice.peers }];
    case 'peer-dropped':
      return ['peer', { change: 'dropped', address: notice.peer, name: null, peers: notice.peers }];
    case 'consensus-started':
      return consensus('started', notice.peers);
    case 'consensus-finished':
      return consensus(notice.outcome, notice.answers);
    case 'false-chain':
      return consensus(notice.kind, Math.min(notice.claimedBy.length, MAX_CLAIMANTS), notice.target);
    case 'chain-unavailable':
      return consensus(notice.kind, null, notice.target);
    case 'waiting':
      return consensus(notice.kind);
    default:
      return undefined;
  }
}

const events: FaceEvents<PowNotice, FacedPeer> = {
  schemas: schemas.eventSchemas,
  of: eventOf,
  changing: [
    { name: 'sync', key: ({ history }) => history.sync, of: ({ history }) => history.sync },
    {
      name: 'words',
      key: ({ subject }) => subject.status().words.length,
      of: ({ subject }) => ({ waiting: subject.status().words.length }),
    },
    {
      name: 'miners',
      // Every ten seconds, as their rates change all the time, and when one comes or goes.
      key: ({ subject, now }) => [subject.miners().length, Math.floor(now() / RATE_STEP)],
      of: (peer) => ({
        ...{ at: isoTime(peer.now()), hashesPerSecond: peer.rates.total(), miners: peer.miners() },
      }),
    },
  ],
};

function toneOf({ phase, peers }: Status): Tone {
  if (phase === 'joining' || phase === 'waiting') return 'warn';
  return phase === 'following' && peers > 0 ? 'good' : 'quiet';
}

function queueWord({ word }: { readonly word: string }, peer: FacedPeer, id?: string): string {
  peer.words.submit(word, id);
  return `“${word}” waits for the next block.`;
}

export const face: Face<Status, PowNotice, FacedPeer> = {
  status: schemas.statusSchema,
  description:
    'A peer of a proof-of-work class network: what it knows, and a box for words. Texts that came from the network (names, messages, nonces, words) are plain text.',
  phase: (status) => ({ text: phaseText(status), tone: toneOf(status) }),
  ...{ figures, tables, resources, events, metrics: POW_METRICS, routes: ownRoutes, series: [] },
  journals: [
    {
      ...{ name: 'chain', title: 'Reorganisations', help: 'What happened to our chain' },
      of: chainHappening,
      empty: 'Nothing has happened yet.',
    },
  ],
  actions: [
    {
      ...{ name: 'word', title: 'Add', help: 'Queues a word to be mined' },
      schema: schemas.newWordSchema.pick({ word: true }),
      run: queueWord,
    },
  ],
  ready: ({ phase }) =>
    phase === 'joining' || phase === 'waiting' ? `The peer has no network yet: it is ${phase}.` : undefined,
  word: ({ height, tip }) => (tip === null ? '-' : `${height - 1}:${tip.slice(0, 8)}`),
};
