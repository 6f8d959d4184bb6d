/** Claims cost nothing: many hosts that claim longer chains than there are must not keep a node from the one that is. */
import { describe, expect, it } from 'vitest';

import type { Block } from '../../../../shared/block.ts';
import type { Address } from '../../../../shared/address.ts';
import { MAX_CANDIDATES, MAX_SILENT_TRIES } from '../../../../peer/engines/pow/protocol/limits.ts';
import { buildChain, extendChain } from '../../../support/chains.ts';
import { servingScript, VirtualNetwork, type VirtualNode } from '../../../support/virtual-network.ts';
import { at, SELF } from './rig.ts';

const honest = buildChain(60, { difficulty: 1 });
const longer = extendChain(honest, 3, { difficulty: 1 });
const fakeHash = (seed: number): string => seed.toString(16).padStart(63, 'a') + '0';

/** Adds a liar, each with a claim of its own, that makes itself known; it serves what it is told to. */
function addLiar(
  network: VirtualNetwork,
  index: number,
  block: (height: number) => Block | undefined,
): Address {
  const self = at(10 + index);
  const stats = { height: 1_000 + index, hash: fakeHash(index) };
  const send = network.addScript(self, servingScript(self, [], { stats, block }));
  network.at(network.now, () => {
    send(SELF, { type: 'GOSSIP', ...self, id: `${index}`, name: 'liar' });
  });
  return self;
}

/** The last block of what a liar claims, and nothing else of it. */
const onlyTip =
  (index: number) =>
  (height: number): Block | undefined =>
    height === 999 + index && honest[1] !== undefined
      ? { ...honest[1], height, hash: fakeHash(index) }
      : undefined;

function addNode(network: VirtualNetwork, blocks: readonly Block[] = []): VirtualNode {
  return network.addNode(SELF, { join: [at(1)], consensusInterval: 100_000, peerTimeout: 1e9 }, blocks);
}

/** How long each consensus took, in milliseconds. */
function durations(network: VirtualNetwork, node: VirtualNode, limit: number): number[] {
  const times: number[] = [];
  let seen = 0;
  let began = 0;
  network.run(limit, () => {
    for (const { kind } of node.notices.slice(seen)) {
      if (kind === 'consensus-started') began = network.now;
      if (kind === 'consensus-finished') times.push(network.now - began);
    }
    seen = node.notices.length;
    return false;
  });
  return times;
}

describe('promises of longer chains', () => {
  it.each([1, 5, 2 * MAX_CANDIDATES])(
    'that %i never keep put off the chain that is served by seconds',
    (count) => {
      const network = new VirtualNetwork(1);
      for (let index = 0; index < count; index++) addLiar(network, index, () => undefined);
      network.addScript(at(1), servingScript(at(1), honest));
      const node = addNode(network);
      expect(network.run(5_000, () => node.height === honest.length)).toBe(true);
      expect(node.reported('chain-unavailable')).toEqual([]);
    },
  );

  it('that are never kept are not waited for again and again', () => {
    const network = new VirtualNetwork(1);
    for (let index = 0; index < 100; index++) addLiar(network, index, () => undefined);
    let served = honest;
    network.addScript(at(1), (message, from, send) => {
      servingScript(at(1), served)(message, from, send);
    });
    const node = addNode(network);
    network.run(90_000);
    served = longer;
    const before = node.notices.length;
    // The round in which it is told of the longer chain, and the next consensus.
    const spans = durations(network, node, 100_000);
    expect(node.height).toBe(longer.length);
    const first = node.notices.slice(before).find(({ kind }) => kind === 'sync-started');
    expect(first).toMatchObject({ target: { height: longer.length } });
    expect(spans[0]).toBeLessThan(100);
  });

  it('are looked at again if one of them is served after all', () => {
    const network = new VirtualNetwork(1);
    for (let index = 0; index < 20; index++) addLiar(network, index, () => undefined);
    let answers = false;
    const late = buildChain(2_000, { difficulty: 1, minedBy: 'late' });
    network.addScript(
      at(2),
      servingScript(at(2), late, { block: (height) => (answers ? late[height] : undefined) }),
    );
    network.addScript(at(1), servingScript(at(1), honest));
    const node = network.addNode(SELF, { join: [at(1), at(2)], consensusInterval: 60_000, peerTimeout: 1e9 });
    network.run(300_000);
    expect(node.height).toBe(honest.length);
    answers = true;
    expect(network.run(61_000, () => node.height === late.length)).toBe(true);
  });

  it('of which only the last block is served come every second time before the chain that most claim', () => {
    const network = new VirtualNetwork(1);
    for (let index = 0; index < 200; index++) addLiar(network, index, onlyTip(index));
    for (const last of [1, 2]) network.addScript(at(last), servingScript(at(last), honest));
    const node = network.addNode(SELF, { join: [at(1), at(2)] });
    expect(network.run(20_000, () => node.height === honest.length)).toBe(true);
    expect(node.reported('chain-unavailable')).toHaveLength(1);
  });

  it('of one hash at many heights have not the votes of all of them each', () => {
    const network = new VirtualNetwork(1);
    const hash = fakeHash(1);
    for (let index = 0; index < 200; index++) {
      const self = at(10 + index);
      const block = (height: number): Block | undefined =>
        height === 999 + 2 * index && honest[1] !== undefined ? { ...honest[1], height, hash } : undefined;
      const stats = { height: 1_000 + 2 * index, hash };
      const send = network.addScript(self, servingScript(self, [], { stats, block }));
      network.at(network.now, () => {
        send(SELF, { type: 'GOSSIP', ...self, id: `${index}`, name: 'liar' });
      });
    }
    for (const last of [1, 2]) network.addScript(at(last), servingScript(at(last), honest));
    const node = network.addNode(SELF, { join: [at(1), at(2)] });
    expect(network.run(20_000, () => node.height === honest.length)).toBe(true);
  });

  it('do not keep us from news of whoever has served us before for long', () => {
    const network = new VirtualNetwork(1);
    let served = honest;
    network.addScript(at(1), (message, from, send) => {
      servingScript(at(1), served)(message, from, send);
    });
    const node = addNode(network);
    network.run(90_000);
    expect(node.height).toBe(honest.length);
    // As many claim each false chain as the true one.
    for (let index = 0; index < 200; index++) addLiar(network, index, onlyTip(index));
    network.run(1_000);
    served = longer;
    expect(network.run(60_000, () => node.height === longer.length)).toBe(true);
  });

  it('do not hide that our own chain has become as long as one with more votes while they were waited for', () => {
    const network = new VirtualNetwork(1);
    addLiar(network, 0, () => undefined);
    const rival = extendChain(honest, 1, { difficulty: 1, minedBy: 'rival' });
    const votes = [at(1), at(2), at(3)];
    for (const one of votes) network.addScript(one, servingScript(one, rival));
    const miner = network.addScript(at(4), servingScript(at(4), honest));
    const node = network.addNode(SELF, { join: [...votes, at(10)] }, honest);
    // All have told what they claim, and the liar is waited for.
    expect(network.run(20_000, () => node.reported('consensus-started').length > 0)).toBe(true);
    network.run(100);
    const [block] = extendChain(honest, 1, { difficulty: 1, minedBy: 'own' }).slice(-1);
    if (block === undefined) throw new Error('no block');
    miner(SELF, { type: 'ANNOUNCE', block });
    network.run(100);
    expect(node.height).toBe(rival.length);
    expect(node.reported('consensus-finished')).toEqual([]);
    network.run(20_000, () => node.reported('consensus-finished').length > 0);
    expect(node.engine.status().hash).toBe(rival.at(-1)?.hash);
  });

  it('are tried, but few of them, where nothing else is claimed: answers may be lost', () => {
    const network = new VirtualNetwork(1);
    for (let index = 0; index < 40; index++) addLiar(network, index, () => undefined);
    const node = addNode(network, honest);
    network.run(1_000);
    const [first] = durations(network, node, 60_000);
    expect(node.reported('chain-unavailable').length).toBeGreaterThanOrEqual(MAX_SILENT_TRIES);
    expect(first).toBeLessThan(20_000);
  });
});
