import { afterEach, expect, test } from 'vitest';

import { face } from '../../../../peer/engines/pbft/face/face.ts';
import { expectFace } from '../../../web/face-compliance.ts';
import { expectGrowth, readMetrics, type Scrape } from '../../../web/metrics-text.ts';
import { ReplicaRig, live } from './replica-rig.ts';

const rigs: ReplicaRig[] = [];
afterEach(() => {
  for (const rig of rigs.splice(0)) rig.web.close();
});

function newRig(): ReplicaRig {
  const rig = new ReplicaRig();
  rigs.push(rig);
  return rig;
}

async function scrape(rig: ReplicaRig): Promise<Scrape> {
  return readMetrics(await rig.get('/metrics'));
}

test('counters only ever grow, whatever happens in between', async () => {
  const rig = newRig();
  let before = await scrape(rig);
  for (let round = 0; round < 3; round++) {
    live(rig);
    const after = await scrape(rig);
    expectGrowth(before, after);
    before = after;
  }
  expect([...before.samples]).toEqual(
    expect.arrayContaining([
      ['gossip_peer_pbft_executed_requests_total', 6],
      ['gossip_peer_pbft_batch_requests_sum', 6],
      ['gossip_peer_pbft_phase_seconds_count{phase="total"}', 3],
      ['gossip_peer_pbft_phase_seconds_bucket{le="0.01",phase="total"}', 3],
      ['gossip_peer_pbft_phase_seconds_bucket{le="0.005",phase="total"}', 0],
      ['gossip_peer_pbft_answer_seconds_bucket{le="0.05"}', 3],
      ['gossip_peer_pbft_view_changes_total{reason="timeout"}', 3],
      ['gossip_peer_pbft_view_change_seconds_count', 3],
      ['gossip_peer_pbft_checkpoints_total', 3],
      ['gossip_peer_pbft_transfers_total{event="finished"}', 3],
      ['gossip_peer_pbft_transferred_pages_total', 24],
      ['gossip_peer_pbft_divergences_total', 3],
      ['gossip_peer_store_write_seconds_count', 3],
    ]),
  );
});

test('tell where the replica and the others stand, and what the engine and the connections count', async () => {
  const rig = newRig();
  rig.replica.become({
    ...{ view: 5, primary: 1, phase: 'fetching state', proposed: 130, executed: 120, low: 100, high: 300 },
    ...{ waiting: 7, outstanding: 2, timeout: 20_000 },
    counters: { 'prepare.received': 11, 'limit.watermark': 3, 'offence.equivocation': 2 },
  });
  const { samples } = await scrape(rig);
  expect([...samples]).toEqual(
    expect.arrayContaining([
      ['gossip_peer_phase{phase="fetching state"}', 1],
      ['gossip_peer_phase{phase="normal"}', 0],
      ['gossip_peer_pbft_view', 5],
      ['gossip_peer_pbft_primary', 1],
      ['gossip_peer_pbft_is_primary', 0],
      ['gossip_peer_pbft_sequence{of="proposed"}', 130],
      ['gossip_peer_pbft_sequence{of="executed"}', 120],
      ['gossip_peer_pbft_sequence{of="low"}', 100],
      ['gossip_peer_pbft_sequence{of="high"}', 300],
      ['gossip_peer_pbft_waiting_requests', 7],
      ['gossip_peer_pbft_outstanding_requests', 2],
      ['gossip_peer_pbft_timeout_seconds', 20],
      ['gossip_peer_pbft_replica_silence_seconds{replica="3"}', 0.1],
      ['gossip_peer_pbft_connected_replicas', 3],
      ['gossip_peer_messages_total{type="prepare",outcome="received"}', 11],
      ['gossip_peer_dropped_total{limit="watermark"}', 3],
      ['gossip_peer_pbft_offences_total{rule="equivocation"}', 2],
      ['gossip_peer_frames_total{direction="received"}', 30],
      ['gossip_peer_frame_bytes_total{direction="sent"}', 7200],
      ['gossip_peer_frames_unsent_total{reason="queue-full"}', 5],
      ['gossip_peer_connections_failed_total{reason="ECONNREFUSED"}', 2],
      ['gossip_peer_connections_ended_total{reason="silence"}', 1],
      ['gossip_peer_malformed_frames_total{rule="not-json"}', 1],
      ['gossip_peer_collection_entries_limit{collection="requests"}', 1000],
    ]),
  );
  expect([...samples.keys()].join('\n')).not.toContain('type="offence"');
});

test('have no label that the network could fill', async () => {
  const rig = newRig();
  for (let round = 0; round < 300; round++) live(rig);
  const { samples } = await scrape(rig);
  expect(samples.size).toBeLessThan(400);
  expect([...samples.keys()].join('\n')).not.toMatch(/onerror|key-/);
});

test('the face of a replica is as every face must be', () => {
  expectFace(face);
});
