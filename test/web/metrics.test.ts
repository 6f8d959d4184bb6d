import { readFileSync } from 'node:fs';

import { afterEach, expect, onTestFinished, test } from 'vitest';

import { startCommand } from '../../peer/engines/pow/node/start.ts';
import { buildChain } from '../support/chains.ts';
import { at } from '../engines/pow/protocol/rig.ts';
import { expectGrowth, readMetrics, type Scrape } from './metrics-text.ts';
import { ReplicaRig } from '../engines/pbft/face/replica-rig.ts';
import { DIFFICULTY, WebRig } from './web-rig.ts';

const DEPLOY = new URL('../../peer/web/deploy/', import.meta.url);
const chain = buildChain(5, { difficulty: DIFFICULTY });

const rigs: WebRig[] = [];
afterEach(() => {
  for (const rig of rigs.splice(0)) rig.web.close();
});

function newRig(): WebRig {
  const rig = new WebRig(chain);
  rigs.push(rig);
  return rig;
}

async function scrape(rig: { get(path: string): Promise<Response> }): Promise<Scrape> {
  return readMetrics(await rig.get('/metrics'));
}

/** Some of everything happens. */
function live(rig: WebRig, round: number): void {
  rig.meet(at(round * 3 + 2), { height: 5, hash: chain[4]?.hash ?? '' });
  rig.engine.receive('no json', at(9));
  rig.engine.receive({ type: 'GET_BLOCK', height: 1 }, at(2));
  rig.engine.receive({ type: 'CONSENSUS' }, at(2));
  rig.engine.receive({ type: 'CONSENSUS' }, at(2));
  rig.attach();
  rig.report(
    { kind: 'chain-adopted', height: 5, hash: chain[4]?.hash ?? '', added: 3, depth: 1, returnedWords: 0 },
    { kind: 'chain-adopted', height: 5, hash: chain[4]?.hash ?? '', added: 1, depth: 0, returnedWords: 0 },
    { kind: 'consensus-finished', outcome: 'adopted', answers: 1, height: 5 },
    { kind: 'false-chain', target: { height: 9, hash: 'x' }, claimedBy: [], fault: 'x' },
  );
  rig.notifyWrite(0.003);
}

test('counters only ever grow, whatever happens in between', async () => {
  const rig = newRig();
  let before = await scrape(rig);
  for (let round = 0; round < 4; round++) {
    live(rig, round);
    const after = await scrape(rig);
    expectGrowth(before, after);
    before = after;
  }
  expect(before.samples.get('gossip_peer_reorganisation_depth_blocks_count')).toBe(4);
  expect(before.samples.get('gossip_peer_store_write_seconds_count')).toBe(4);
});

test('tell what the node counts, each drop by its bound', async () => {
  const rig = newRig();
  live(rig, 0);
  const { samples } = await scrape(rig);
  const counters = rig.subject.status().counters;
  for (const [name, count] of Object.entries(counters)) {
    const [type, outcome] = name.split('.');
    if (type === 'malformed') continue;
    const sample =
      type === 'limit'
        ? `gossip_peer_dropped_total{limit="${outcome}"}`
        : `gossip_peer_messages_total{type="${type}",outcome="${outcome}"}`;
    expect(samples.get(sample), sample).toBe(count);
  }
  expect([...samples]).toEqual(
    expect.arrayContaining([
      ['gossip_peer_chain_blocks', 5],
      ['gossip_peer_peers{state="verified"}', 1],
      ['gossip_peer_malformed_datagrams_total{rule="not-json"}', 7],
      ['gossip_peer_datagrams_unsent_total{reason="closed"}', 5],
      ['gossip_peer_mining_total{event="cut",outcome="flood"}', 9],
      ['gossip_peer_hashes_per_second', 1000],
      ['gossip_peer_phase{phase="asking"}', 1],
      ['gossip_peer_collection_entries_limit{collection="words"}', 1000],
    ]),
  );
  for (const name of ['nodejs_eventloop_lag_p99_seconds', 'process_resident_memory_bytes'])
    expect(samples.has(name), name).toBe(true);
  expect([...samples].filter(([name]) => name.startsWith('gossip_peer_build_info{'))).toEqual([
    [expect.stringMatching(/version=".+",engine="pow",node="\d+\..+"/), 1],
  ]);
});

test('have no label that the network could fill', async () => {
  const rig = newRig();
  for (let peer = 1; peer <= 300; peer++) rig.meet(at(peer));
  const { samples } = await scrape(rig);
  expect(samples.size).toBeLessThan(500);
  expect([...samples.keys()].join('\n')).not.toMatch(/10\.0\.|onerror/);
});

function deployed(name: string): string {
  return readFileSync(new URL(name, DEPLOY), 'utf8');
}

test('the dashboard asks for nothing that is not there', async () => {
  const rig = newRig();
  live(rig, 0);
  const replica = new ReplicaRig();
  onTestFinished(() => {
    replica.web.close();
  });
  const { types: ofPeers } = await scrape(rig);
  const { types: ofReplicas } = await scrape(replica);
  const known = new Set(
    [...ofPeers, ...ofReplicas].flatMap(([name, type]) =>
      type === 'histogram' ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  );
  const dashboard = JSON.parse(deployed('grafana-dashboard.json')) as {
    panels: { title: string; targets?: { expr: string }[] }[];
  };
  const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  expect(expressions.length).toBeGreaterThan(15);
  for (const expression of expressions) {
    const names = expression.match(/\b(gossip_peer|nodejs|process)_\w+/g) ?? [];
    expect(names.length, expression).toBeGreaterThan(0);
    for (const name of names) expect(known.has(name), name).toBe(true);
  }
});

/** The services of the compose file, as text, by name. */
function services(): Map<string, string> {
  const [, text = ''] = /^services:\n([\s\S]*?)^volumes:/m.exec(deployed('compose.yaml')) ?? [];
  const parts = text.split(/^ {2}(\w+):\n/m).slice(1);
  return new Map(parts.flatMap((name, at) => (at % 2 === 0 ? [[name, parts[at + 1] ?? '']] : [])));
}

/** What a service starts: a list in one pair of brackets. */
function commandOf(service: string | undefined): string[] {
  const [, list = '[]'] = /command:\s*(\[[^\]]*\])/.exec(service ?? '') ?? [];
  return JSON.parse(list.replaceAll("'", '"').replace(/,\s*\]/, ']')) as string[];
}

test('the compose file starts programs with options that they have, at ports that fit', () => {
  const all = services();
  expect([...all.keys()]).toEqual(['peer1', 'peer2', 'peer3', 'miner', 'prometheus', 'grafana']);
  const options = new Map(startCommand('node peer').options.map((option) => [option.long, option]));
  const portOf = (option: string): number => Number(options.get(option)?.defaultValue);
  for (const name of ['peer1', 'peer2', 'peer3']) {
    const command = commandOf(all.get(name));
    expect(command.slice(0, 3)).toEqual(['peer', '--name', name]);
    for (const flag of command.filter((one) => one.startsWith('--')))
      expect(options.has(flag), flag).toBe(true);
    expect(all.get(name)).toMatch(new RegExp(`ports: \\['127\\.0\\.0\\.1:\\d+:${portOf('--http-port')}'\\]`));
    expect(deployed('prometheus.yml')).toContain(`'${name}:${portOf('--http-port')}'`);
    for (const peer of command.filter((one) => one.includes(':'))) {
      expect(peer).toMatch(new RegExp(`^peer\\d:${portOf('--port')}$`));
    }
  }
  const miner = commandOf(all.get('miner'));
  expect(miner.slice(0, 5)).toEqual([
    'miner',
    '--peer-host',
    'peer1',
    '--peer-port',
    String(portOf('--miner-port')),
  ]);
  const source = readFileSync(new URL('../../miner/main.ts', import.meta.url), 'utf8');
  for (const flag of miner.filter((one) => one.startsWith('--'))) expect(source).toContain(`'${flag} `);
  for (const [, file = ''] of [...all.values()].join('').matchAll(/\.\/([\w.-]+):/g))
    expect(deployed(file)).not.toBe('');
});
