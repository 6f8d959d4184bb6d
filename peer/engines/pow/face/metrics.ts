/** What Prometheus alone is given of a peer; the figures have metrics of their own. */
import type { FaceMetric, Sample } from '../../../web/face.ts';
import type { PowNotice } from '../protocol/interface.ts';
import type { FacedPeer } from './faced.ts';
import { statusSchema } from './schemas.ts';

/** Counts by name, each with the name as its label. */
function named(counts: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(counts).map(([name, value]) => [value, name]);
}

function phases({ subject }: FacedPeer): Sample[] {
  const current = subject.status().phase;
  return statusSchema.shape.phase.options.map((phase) => [Number(phase === current), phase]);
}

function peersByState({ subject }: FacedPeer): Sample[] {
  const { peers } = subject.status();
  const verified = peers.filter((peer) => peer.verified).length;
  return [
    [verified, 'verified'],
    [peers.length - verified, 'unverified'],
  ];
}

function roundTrips({ subject }: FacedPeer): Sample[] {
  const times = subject.status().peers.flatMap(({ roundTrip }) => roundTrip ?? []);
  const sorted = times.sort((a, b) => a - b);
  const [median, longest] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted.at(-1)];
  if (median === undefined || longest === undefined) return [];
  return [
    [median / 1000, '0.5'],
    [longest / 1000, '1'],
  ];
}

export const POW_METRICS: readonly FaceMetric<PowNotice, FacedPeer>[] = [
  {
    ...{ name: 'phase', help: '1 for what the peer is doing, else 0', type: 'gauge', labels: ['phase'] },
    of: phases,
  },
  {
    ...{ name: 'difficulty_zeros', help: 'Zeros that a hash must end in', type: 'gauge' },
    of: ({ subject }) => [subject.difficulty],
  },
  {
    ...{ name: 'chain_blocks', help: 'Blocks of our chain', type: 'gauge' },
    of: ({ subject }) => [subject.status().height],
  },
  {
    ...{ name: 'blocks_total', type: 'counter', labels: ['source'] },
    help: 'Blocks put on top of our chain, by how they came',
    on: (notice) =>
      notice.kind === 'block'
        ? [[1, notice.source]]
        : notice.kind === 'chain-adopted'
          ? [[notice.added, 'synced']]
          : [],
  },
  {
    ...{ name: 'reorganisation_depth_blocks', type: 'histogram', buckets: [1, 2, 3, 5, 10, 30, 100, 1000] },
    help: 'Blocks of ours that left the chain in a reorganisation',
    on: (notice) => (notice.kind === 'chain-adopted' && notice.depth > 0 ? [notice.depth] : []),
  },
  {
    ...{ name: 'announced_block_age_seconds', type: 'histogram' },
    help: 'Time from when its miner stamped an announced block to its arrival, by both clocks: search and propagation',
    buckets: [0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600],
    on: (notice, { now }) =>
      notice.kind === 'block' && notice.source === 'announced'
        ? [Math.max(0, now() / 1000 - Number(notice.block.timestamp))]
        : [],
  },
  {
    ...{ name: 'consensus_total', help: 'Rounds of consensus, by outcome', type: 'counter' },
    labels: ['outcome'],
    on: (notice) => (notice.kind === 'consensus-finished' ? [[1, notice.outcome]] : []),
  },
  {
    ...{ name: 'false_chains_total', help: 'Claimed chains that were proved false', type: 'counter' },
    on: (notice) => (notice.kind === 'false-chain' ? [1] : []),
  },
  {
    ...{ name: 'peers', help: 'Peers tracked', type: 'gauge', labels: ['state'] },
    of: peersByState,
  },
  {
    ...{ name: 'peer_offences', help: 'Proved lies of the peers tracked now', type: 'gauge' },
    of: ({ subject }) => [subject.status().peers.reduce((sum, { offences }) => sum + offences, 0)],
  },
  {
    ...{ name: 'peer_round_trip_seconds', type: 'gauge', labels: ['quantile'] },
    help: 'Time that peers took to answer STATS: of half of them at most, and of all',
    of: roundTrips,
  },
  {
    // Where no rate is known nobody mines, as far as a sum over peers is concerned.
    ...{ name: 'hashes_per_second', help: 'Hash rate of the attached miners', type: 'gauge' },
    of: ({ rates }) => [rates.total() ?? 0],
  },
  {
    ...{ name: 'sync_blocks', help: 'Of the chain that is downloaded', type: 'gauge', labels: ['state'] },
    of: ({ history: { sync } }) => [
      [sync?.verified ?? 0, 'verified'],
      [sync?.total ?? 0, 'claimed'],
    ],
  },
  {
    ...{ name: 'indexed_blocks', help: 'Blocks that the leaderboard counts', type: 'gauge' },
    of: ({ history }) => [history.index.counted],
  },
  {
    ...{ name: 'mining_total', help: 'What happened between us and our miners', type: 'counter' },
    labels: ['event', 'outcome'],
    of: (peer) =>
      Object.entries(peer.counters().mining).map(([name, count]): Sample => {
        const [event = '', outcome = ''] = name.split('.', 2);
        return [count, event, outcome];
      }),
  },
  {
    ...{ name: 'datagrams_blocked_total', type: 'counter' },
    help: 'Datagrams from and to addresses that are blocked, as in a partition of `peer network`',
    of: (peer) => [peer.counters().transport.blocked],
  },
  {
    ...{ name: 'socket_errors_total', help: 'Errors of the UDP socket', type: 'counter', labels: ['code'] },
    of: (peer) => named(peer.counters().transport.errors),
  },
];
