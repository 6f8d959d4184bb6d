import { describe, expect, it } from 'vitest';

import { buildChain, flipBit, forkChain, gooseChain } from '../../support/chains.ts';
import { servingScript, VirtualNetwork } from '../../support/virtual-network.ts';

const difficulty = 1;
const plan = { difficulty };
const honest = buildChain(300, plan);
const at = (last: number, port = 8000) => ({ host: `10.0.0.${last}`, port });

describe('joining', () => {
  it('downloads the chain of the network from several peers at once', () => {
    const network = new VirtualNetwork();
    network.addNode(at(1), {}, honest);
    network.addNode(at(2), { join: [at(1)] }, honest);
    const joiner = network.addNode(at(3), { join: [at(1), at(2)] });
    expect(network.run(20_000, () => joiner.height === 300)).toBe(true);
    expect(joiner.blocks()).toEqual(honest);
    const asked = new Set(
      network.sent
        .filter(({ from, bytes }) => from === joiner.address && String(bytes).includes('"GET_BLOCK"'))
        .map(({ to }) => to.host),
    );
    expect(asked.size).toBe(2);
  });

  it('gets there when half of all datagrams are lost', () => {
    const network = new VirtualNetwork(7);
    network.faults.loss = 0.5;
    network.addNode(at(1), {}, honest);
    network.addNode(at(2), { join: [at(1)] }, honest);
    const joiner = network.addNode(at(3), { join: [at(1), at(2)] });
    expect(network.run(300_000, () => joiner.height === 300)).toBe(true);
    expect(joiner.blocks()).toEqual(honest);
  });
});

describe('liars', () => {
  const cases = {
    'a longer chain whose tip misses the difficulty (the goose)': servingScript(
      at(9),
      gooseChain(honest, 20, difficulty),
    ),
    'a longer chain that is never served': servingScript(at(9), honest, {
      stats: { height: 400, hash: `${'ab'.repeat(31)}00` },
      block: (height) => (height < 300 ? honest[height] : undefined),
    }),
    'a longer chain with null for what it claims': servingScript(at(9), honest, {
      stats: { height: 400, hash: `${'ab'.repeat(31)}00` },
    }),
    'a longer chain with one changed bit': servingScript(
      at(9),
      flipBit(buildChain(320, { difficulty, minedBy: 'liar' }), 310),
    ),
  };
  for (const [name, script] of Object.entries(cases)) {
    it(`survives ${name}`, () => {
      const network = new VirtualNetwork(3);
      network.addNode(at(1), {}, honest);
      network.addScript(at(9), script);
      const joiner = network.addNode(at(3), { join: [at(9), at(1)] });
      expect(network.run(300_000, () => joiner.height === 300)).toBe(true);
      expect(joiner.blocks()).toEqual(honest);
      network.run(600_000);
      expect(joiner.blocks()).toEqual(honest);
    });
  }
});

describe('reorganisation', () => {
  it('finds the fork point, replaces only what is above it, and mines orphaned words again', () => {
    const network = new VirtualNetwork(5);
    const ours = forkChain(honest, 250, 260, { difficulty, minedBy: 'miner-8000', messages: ['mine again'] });
    const node = network.addNode(at(3), { join: [at(1)] }, ours);
    network.addNode(at(1), {}, honest);
    expect(network.run(20_000, () => node.height === 300)).toBe(true);
    expect(node.blocks()).toEqual(honest);
    expect(node.told('chain-adopted')).toMatchObject([{ depth: 10, added: 50 }]);
    expect(node.engine.status().words).toEqual(['mine again']);
    const asked = network.sent.filter(
      ({ from, bytes }) => from === node.address && String(bytes).includes('"GET_BLOCK"'),
    );
    expect(asked.length).toBeLessThan(120);
  });
});
