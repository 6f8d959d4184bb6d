/** The state of a proof-of-work peer as text for people. */
import type { z } from 'zod';

import { addressKey } from '../../../../shared/address.ts';
import { counted, formatNumber, section, table, type Painter } from '../../../../shared/text-table.ts';
import {
  blocksSchema,
  forksSchema,
  leaderboardSchema,
  minersSchema,
  peersSchema,
  statusSchema,
  wordsSchema,
  type StatusJson,
} from './schemas.ts';
import { ask } from '../../../cli/ask.ts';
import type { StatusFace } from '../../../cli/status-face.ts';
import {
  MAX_ROWS,
  firstRows,
  formatAgo,
  formatSeconds,
  short,
  hashOrDash,
} from '../../../cli/status-format.ts';

/** Blocks that are shown. */
const BLOCKS = 6;
/** Everything that is shown of a peer, as its API tells it. */
interface PeerAnswers {
  readonly status: StatusJson;
  readonly blocks: z.infer<typeof blocksSchema>;
  readonly peers: z.infer<typeof peersSchema>;
  readonly miners: z.infer<typeof minersSchema>;
  readonly leaderboard: z.infer<typeof leaderboardSchema>;
  readonly words: z.infer<typeof wordsSchema>;
  readonly forks: z.infer<typeof forksSchema>;
}

/** @throws UserError */
async function askPeer(base: string): Promise<PeerAnswers> {
  const status = await ask(base, '/status', statusSchema);
  const [blocks, peers, miners, leaderboard, words, forks] = await Promise.all([
    ask(base, `/blocks?limit=${BLOCKS}`, blocksSchema),
    ask(base, '/peers', peersSchema),
    ask(base, '/miners', minersSchema),
    ask(base, '/leaderboard', leaderboardSchema),
    ask(base, '/words', wordsSchema),
    ask(base, '/forks', forksSchema),
  ]);
  return { status, blocks, peers, miners, leaderboard, words, forks };
}

/** `1.25 MH/s`; `-` if it is not known. */
export function formatHashRate(hashesPerSecond: number | null): string {
  if (hashesPerSecond === null) return '-';
  const units = ['', 'k', 'M', 'G', 'T', 'P'];
  const step = hashesPerSecond < 1 ? 0 : Math.floor(Math.log10(hashesPerSecond) / 3);
  const place = Math.min(step, units.length - 1);
  return `${(hashesPerSecond / 1000 ** place).toPrecision(3)} ${units[place]}H/s`;
}

const PHASES: Readonly<Record<StatusJson['phase'], string>> = {
  joining: 'looking for the network',
  waiting: 'waiting for a peer that has a chain',
  following: 'in step with the network',
  asking: 'asking its peers for their chains',
  searching: 'looking where a longer chain parts from ours',
  downloading: 'downloading a longer chain',
};

function phaseText({ phase, peers }: StatusJson): string {
  return phase === 'following' && peers === 0 ? 'no other peer is there' : PHASES[phase];
}

/** What a hash rate makes of the difficulty. */
function blockTime({ difficulty, expectedHashes, expectedBlockSeconds }: StatusJson): string {
  const hashes = formatNumber(expectedHashes);
  const time =
    expectedBlockSeconds === null
      ? 'nobody mines here'
      : `${formatSeconds(expectedBlockSeconds)} a block for its miners`;
  return `${difficulty} (${hashes} hashes a block on average; ${time})`;
}

/** As `agreeing` in the state counts. */
function withUs({ agreement }: PeerAnswers['peers']['peers'][number]): boolean {
  return agreement === 'same' || agreement === 'behind';
}

/** Everything about one peer. */
export function peerText(answers: PeerAnswers, paint: Painter): string {
  const { status, blocks, peers, miners, leaderboard, words, forks } = answers;
  const height = status.height === 0 ? 'no block yet' : formatNumber(status.height - 1);
  const heading = `${paint('bold', short(status.name))} at ${addressKey(status.address)}: ${phaseText(status)}`;
  const figures: [string, string][] = [
    ['height', height],
    ['tip', status.tip ?? '-'],
    ['difficulty', blockTime(status)],
    ['hash rate', formatHashRate(status.hashesPerSecond)],
    // Of the peers below, so that the figures fit the table: the state was asked for earlier.
    ['peers', `${peers.peers.length}; on our chain: ${peers.peers.filter(withUs).length}`],
    ['running since', status.startedAt],
  ];
  if (status.sync !== null) {
    const { verified, total } = status.sync;
    figures.push(['sync', `${formatNumber(verified)} of ${formatNumber(total)} blocks verified`]);
  }
  return [
    heading,
    ...table(['', ''], figures, paint),
    ...section(
      'Latest blocks',
      blocks.blocks.length === 0
        ? []
        : table(
            ['height', 'hash', 'mined by', 'messages', 'time'],
            blocks.blocks.map((block) => [
              ...[String(block.height), hashOrDash(block.hash), short(block.minedBy)],
              ...[short(block.messages.join(' · ')), block.time ?? '-'],
            ]),
            paint,
          ),
      paint,
    ),
    ...section(
      'Peers',
      peers.peers.length === 0
        ? []
        : table(
            ['name', 'address', 'height', 'chain', 'last seen', 'round trip', 'offences'],
            firstRows(peers.peers, (peer) => [
              ...[
                short(peer.name),
                addressKey(peer.address),
                peer.claim === null ? '-' : peer.claim.height - 1,
              ],
              ...[peer.agreement, formatAgo(peer.silenceMs)],
              peer.roundTripMs === null ? '-' : `${formatNumber(Number(peer.roundTripMs.toPrecision(2)))} ms`,
              peer.offences,
            ]),
            paint,
          ),
      paint,
    ),
    ...section(
      'Miners',
      miners.miners.length === 0
        ? []
        : table(
            ['address', 'program', 'threads', 'hash rate', 'accepted', 'stale', 'rejected'],
            firstRows(miners.miners, (miner) => [
              ...[addressKey(miner.address), short(miner.agent ?? '-'), miner.processes ?? '-'],
              ...[formatHashRate(miner.hashesPerSecond), miner.accepted, miner.stale, miner.rejected],
            ]),
            paint,
          ),
      paint,
    ),
    ...section(
      'Who mined how many',
      leaderboard.leaders.length === 0
        ? []
        : table(
            ['name', 'blocks', 'share'],
            firstRows(leaderboard.leaders, ({ name, blocks: mined, share }) => [
              ...[short(name), mined, `${(share * 100).toFixed(1)} %`],
            ]),
            paint,
          ),
      paint,
    ),
    ...section(
      'Words that wait',
      firstRows(words.words, (word) => [short(word)]).map(([word]) => `  ${word}`),
      paint,
    ),
    ...section('Forks', forkLines(forks), paint),
    '',
  ].join('\n');
}

function forkLines({ claims, reorganisations, falseChains }: PeerAnswers['forks']): string[] {
  const chains = claims.length < 2 ? [] : claims.slice(0, MAX_ROWS);
  const whose = ({ ours, ahead }: (typeof claims)[number]): string =>
    ours ? ', ours' : ahead ? ', ahead' : '';
  return [
    ...chains.map(
      (claim) =>
        `  height ${formatNumber(claim.height - 1)}, ${short(hashOrDash(claim.hash))}: ${counted(claim.peers, 'peer')}${whose(claim)}`,
    ),
    ...reorganisations
      .slice(0, MAX_ROWS)
      .map(
        ({ at, depth, added, height }) =>
          `  ${at} reorganisation: ${counted(depth, 'block')} gave way to ${added}; height ${formatNumber(height - 1)} afterwards`,
      ),
    ...falseChains
      .slice(0, MAX_ROWS)
      .map(
        ({ at, target, fault }) =>
          `  ${at} a false chain up to height ${formatNumber(target.height - 1)}: ${short(fault)}`,
      ),
  ];
}

/** One line that changes when something has happened. */
function peerLine({ status, words }: PeerAnswers): string {
  const { phase, height, tip, peers, agreeing, miners, hashesPerSecond, sync } = status;
  const parts = {
    phase,
    height: height === 0 ? '-' : height - 1,
    tip: tip ?? '-',
    peers,
    agreeing,
    miners,
    rate: formatHashRate(hashesPerSecond).replaceAll(' ', ''),
    words: words.words.length,
    ...(sync !== null && { verified: `${sync.verified}/${sync.total}` }),
  };
  return Object.entries(parts)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

export const powStatus: StatusFace = {
  ask: async (base) => {
    const json = await askPeer(base);
    return { json: () => json, text: (paint) => peerText(json, paint), line: () => peerLine(json) };
  },
  columns: ['miners', 'height', 'tip', 'peers', 'words'],
  row: (answer, miners) => {
    const status = statusSchema.safeParse(answer).data;
    if (status === undefined) return { cells: [miners, '-', '-', '-', '-'] };
    const { height, tip, peers, words } = status;
    return {
      cells: [miners, height === 0 ? '-' : height - 1, hashOrDash(tip), peers, words],
      word: tip === null ? '-' : `${height - 1}:${tip.slice(0, 8)}`,
    };
  },
};
