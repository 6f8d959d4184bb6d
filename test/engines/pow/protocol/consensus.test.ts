import { describe, expect, it } from 'vitest';

import type { Block } from '../../../../shared/block.ts';
import {
  FIRST_SYNC_TIME,
  MAX_SOURCES,
  MAX_STALL,
  MAX_SYNC_TIME,
  STATS_RETRY,
} from '../../../../peer/engines/pow/protocol/limits.ts';
import { buildChain, extendChain, flipBit, forkChain, gooseChain } from '../../../support/chains.ts';
import {
  servingScript,
  VirtualNetwork,
  type Script,
  type VirtualNode,
} from '../../../support/virtual-network.ts';
import { at as address, Rig } from './rig.ts';

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
    expect(node.reported('chain-adopted')).toMatchObject([{ depth: 10, added: 50 }]);
    expect(node.engine.status().words).toEqual(['mine again']);
    const asked = network.sent.filter(
      ({ from, bytes }) => from === node.address && String(bytes).includes('"GET_BLOCK"'),
    );
    expect(asked.length).toBeLessThan(120);
  });
});

/** A hash that meets the difficulty and belongs to no block. */
const fakeHash = (salt: number): string => salt.toString(16).padStart(63, 'b') + '0';

/** Has one more block to serve every two seconds, and from the start that at `tip`, if any. */
function trickling(network: VirtualNetwork, script: Script, tip?: number): Script {
  return (message, from, send) => {
    if (
      message.type !== 'GET_BLOCK' ||
      (message.height ?? 0) <= network.now / 2_000 ||
      message.height === tip
    )
      script(message, from, send);
  };
}

/** Serves one block every so many milliseconds; more questions than it answers in a second are lost. */
function slowly(network: VirtualNetwork, pace: number, script: Script): Script {
  let next = 0;
  return (message, from, send) => {
    if (message.type !== 'GET_BLOCK') {
      script(message, from, send);
    } else if (next < network.now + 1_000) {
      next = Math.max(next, network.now) + pace;
      network.at(next, () => {
        script(message, from, send);
      });
    }
  };
}

/** Everything of a type that a node sent to a host. */
function sentTo(network: VirtualNetwork, node: VirtualNode, host: string, type: string): string[] {
  return network.sent
    .filter(({ from, to }) => from === node.address && to.host === host)
    .map(({ bytes }) => String(bytes))
    .filter((text) => text.includes(`"type":"${type}"`));
}

/** A joiner that knows scripted peers, with a chain of its own or none. */
function joining(
  scripts: Record<number, Script>,
  blocks: readonly Block[] = [],
  seed = 1,
): { network: VirtualNetwork; node: VirtualNode } {
  const network = new VirtualNetwork(seed);
  const known = Object.keys(scripts).map(Number);
  for (const [last, script] of Object.entries(scripts)) network.addScript(at(Number(last)), script);
  const node = network.addNode(at(100), { join: known.map((last) => at(last)) }, blocks);
  return { network, node };
}

describe('choosing', () => {
  const short = buildChain(20, plan);
  const branches = ['x', 'y', 'z'].map((minedBy) => forkChain(short, 15, 20, { difficulty, minedBy }));
  const byHash = [short, ...branches].sort((a, b) =>
    (a.at(-1)?.hash ?? '') < (b.at(-1)?.hash ?? '') ? -1 : 1,
  );
  const [lowest = [], second = [], third = []] = byHash;

  it('at its own height moves to the hash that most have', () => {
    const scripts = { 1: servingScript(at(1), third), 2: servingScript(at(2), third) };
    const { network, node } = joining(scripts, lowest);
    network.run(20_000);
    expect(node.blocks()).toEqual(third);
  });

  it('has the votes of those who count heights from 0', () => {
    const stats = { height: third.length - 1, hash: third.at(-1)?.hash ?? '' };
    const scripts = { 1: servingScript(at(1), third), 2: servingScript(at(2), third, { stats }) };
    const { network, node } = joining(scripts, lowest);
    network.run(20_000);
    expect(node.blocks()).toEqual(third);
  });

  it('counts itself, and at a tie moves to the lowest hash', () => {
    const { network, node } = joining({ 1: servingScript(at(1), lowest) }, second);
    network.run(20_000);
    expect(node.blocks()).toEqual(lowest);
  });

  it('stays where it is at a tie with a higher hash', () => {
    const { network, node } = joining({ 1: servingScript(at(1), second) }, lowest);
    network.run(20_000);
    expect(node.blocks()).toEqual(lowest);
    expect(node.reported('sync-started')).toEqual([]);
  });

  it('takes a longer chain although fewer have it', () => {
    const longer = extendChain(second, 1, { difficulty, minedBy: 'one more' });
    const scripts = {
      1: servingScript(at(1), third),
      2: servingScript(at(2), third),
      3: servingScript(at(3), longer),
    };
    const { network, node } = joining(scripts);
    network.run(20_000);
    expect(node.blocks()).toEqual(longer);
  });

  it.each([
    ['the higher', 1],
    ['the lower', 2],
  ])(
    'of two longer chains with as many votes tries the lower hash first, where %s one is met first',
    (_, first) => {
      const longer = [second, third]
        .map((chain) => extendChain(chain, 1, { difficulty }))
        .sort((a, b) => ((a.at(-1)?.hash ?? '') < (b.at(-1)?.hash ?? '') ? -1 : 1));
      const [low = [], high = []] = longer;
      const scripts = { 1: servingScript(at(1), first === 1 ? high : low) };
      const others = { 2: servingScript(at(2), first === 1 ? low : high) };
      const { network, node } = joining({ ...scripts, ...others }, lowest);
      network.run(20_000);
      expect(node.reported('sync-started').map(({ target }) => target.hash)).toEqual([low.at(-1)?.hash]);
      expect(node.blocks()).toEqual(low);
    },
  );

  it('never leaves its chain for a shorter one, whoever agrees on it', () => {
    const scripts = Object.fromEntries(
      [1, 2, 3, 4].map((last) => [last, servingScript(at(last), short.slice(0, 19))]),
    );
    const { network, node } = joining(scripts, second);
    network.run(20_000);
    expect(node.blocks()).toEqual(second);
    expect(node.reported('consensus-finished')).toMatchObject([{ outcome: 'current', answers: 4 }]);
  });

  it.each([1, 2, 3, 4, 5])('makes five peers that are split on two tips agree (seed %i)', (seed) => {
    const network = new VirtualNetwork(seed);
    network.faults.delay = [1, 40];
    const [a = [], b = []] = branches;
    const sides = [a, b, a, b, seed % 2 === 0 ? a : b];
    const nodes = sides.map((blocks, index) =>
      network.addNode(at(index + 1), { join: [at(1), at(2), at(3), at(4), at(5)] }, blocks),
    );
    network.run(60_000);
    for (const node of nodes) expect(node.blocks()).toEqual(seed % 2 === 0 ? a : b);
  });

  it('makes two peers agree', () => {
    const network = new VirtualNetwork(9);
    const nodes = [second, lowest].map((blocks, index) =>
      network.addNode(at(index + 1), { join: [at(1), at(2)] }, blocks),
    );
    network.run(60_000);
    for (const node of nodes) expect(node.blocks()).toEqual(lowest);
  });

  it('asks everybody with the same tip, also those who count from 0', () => {
    const tip = honest.at(-1)?.hash ?? '';
    const scripts = {
      1: servingScript(at(1), honest),
      2: servingScript(at(2), honest, { stats: { height: 299, hash: tip } }),
    };
    const { network, node } = joining(scripts);
    expect(network.run(20_000, () => node.height === 300)).toBe(true);
    for (const host of [at(1).host, at(2).host])
      expect(sentTo(network, node, host, 'GET_BLOCK').length).toBeGreaterThan(50);
  });

  it('gets by with a peer that claims one block too many', () => {
    const { network, node } = joining({
      1: servingScript(at(1), honest),
      2: servingScript(at(2), honest, { stats: { height: 301, hash: honest.at(-1)?.hash ?? '' } }),
    });
    expect(network.run(20_000, () => node.height === 300)).toBe(true);
    network.run(20_000);
    expect(node.blocks()).toEqual(honest);
    // What both served was not downloaded again for the honest claim.
    expect(network.sent.filter(({ bytes }) => String(bytes).includes('"GET_BLOCK"')).length).toBeLessThan(
      450,
    );
  });

  it('moves to another genesis if that chain is longer', () => {
    const other = buildChain(40, { difficulty, minedBy: 'elsewhere' });
    const { network, node } = joining({ 1: servingScript(at(1), other) }, short);
    network.run(20_000);
    expect(node.blocks()).toEqual(other);
    expect(node.reported('chain-adopted')).toMatchObject([{ depth: 20, added: 40 }]);
  });
});

describe('asking', () => {
  it('takes answers from other ports than were asked', () => {
    let port = 50_000;
    const script: Script = (message, from, send) => {
      servingScript(at(1), honest)(message, from, (to, what) => {
        send(to, what, port++);
      });
    };
    const { network, node } = joining({ 1: script });
    expect(network.run(20_000, () => node.height === 300)).toBe(true);
  });

  it('takes answers without a type', () => {
    const script: Script = (message, from, send) => {
      servingScript(at(1), honest)(message, from, (to, what) => {
        if (typeof what === 'string' || what instanceof Uint8Array || what.type !== 'STATS_REPLY')
          send(to, what);
        else send(to, JSON.stringify({ host: at(1).host, port: 8000, height: what.height, hash: what.hash }));
      });
    };
    const { network, node } = joining({ 1: script });
    expect(network.run(20_000, () => node.height === 300)).toBe(true);
  });

  it('takes the answer of a peer that is known by its name only', () => {
    const network = new VirtualNetwork(1);
    const name = { host: 'eagle.example', port: 8000 };
    const script = servingScript(at(1), honest);
    // The name stands for at(1), from which all of its datagrams come.
    const send = network.addScript(at(1), script);
    network.addScript(name, (message, from) => {
      script(message, from, send);
    });
    const node = network.addNode(at(100), { join: [name] });
    expect(network.run(20_000, () => node.height === 300)).toBe(true);
  });

  it('does not let one host vote more often than it has peers', () => {
    const [ours, other] = [forkChain(honest, 290, 300, { difficulty, minedBy: 'ours' }), honest];
    const stuffing: Script = (message, from, send) => {
      servingScript(at(1), other)(message, from, send);
      if (message.type !== 'STATS') return;
      for (let port = 1; port <= 200; port++) {
        send(from, { type: 'STATS_REPLY', height: 300, hash: other.at(-1)?.hash ?? null }, port);
      }
    };
    const scripts = { 1: stuffing, 2: servingScript(at(2), ours), 3: servingScript(at(3), ours) };
    const { network, node } = joining(scripts, ours);
    network.run(20_000);
    expect(node.blocks()).toEqual(ours);
    expect(node.reported('consensus-finished').at(-1)).toMatchObject({ answers: 3 });
    expect(node.engine.status().counters['stats-reply.unexpected']).toBeGreaterThan(100);
  });

  it('passes over answers that nobody asked for', () => {
    const network = new VirtualNetwork(1);
    const node = network.addNode(at(100), { join: [at(1)] }, honest.slice(0, 20));
    network.addScript(at(1), servingScript(at(1), honest.slice(0, 20)));
    const send = network.addScript(at(66), servingScript(at(66), honest));
    for (let time = 0; time < 20_000; time += 100) {
      network.at(network.now + time, () => {
        send(node.address, { type: 'STATS_REPLY', height: 300, hash: honest.at(-1)?.hash ?? null });
      });
    }
    network.run(20_000);
    expect(node.height).toBe(20);
  });

  it('asks those who are silent again, and only those', () => {
    const { network, node } = joining({ 1: servingScript(at(1), honest), 2: () => undefined }, honest);
    network.run(20_000);
    // One more when it became known.
    expect(sentTo(network, node, at(1).host, 'STATS')).toHaveLength(2);
    expect(sentTo(network, node, at(2).host, 'STATS')).toHaveLength(3);
  });

  it('runs on CONSENSUS, but neither while one runs nor again at once', () => {
    const network = new VirtualNetwork(1);
    const node = network.addNode(at(100), { join: [at(1)] }, honest);
    const send = network.addScript(at(1), servingScript(at(1), honest));
    network.run(20_000);
    const before = node.reported('consensus-started').length;
    for (let time = 0; time < 60_000; time += 10) {
      network.at(network.now + time, () => {
        send(node.address, time % 20 === 0 ? { type: 'CONSENSUS' } : '{"type":"DO_CONSENSUS"}');
      });
    }
    network.run(60_000);
    const runs = node.reported('consensus-started').length - before;
    expect(runs).toBeGreaterThan(8);
    expect(runs).toBeLessThanOrEqual(12);
    expect(node.engine.status().counters['limit.consensus']).toBeGreaterThan(5_000);
  });

  it('runs by itself every consensus interval', () => {
    const { network, node } = joining({ 1: servingScript(at(1), honest) }, honest);
    network.run(3_600_000);
    expect(node.reported('consensus-started').length).toBeGreaterThanOrEqual(11);
    expect(node.reported('consensus-started').length).toBeLessThanOrEqual(13);
  });
});

describe('round trips', () => {
  const answer = { type: 'STATS_REPLY', height: 3, hash: honest[2]?.hash ?? null } as const;

  function asking(): Rig {
    const rig = new Rig({}, honest.slice(0, 3));
    for (const peer of [address(1), address(2)]) rig.gossip(peer, undefined);
    const asked = rig.pass(1_000).filter(({ message }) => message.type === 'STATS');
    expect(asked.map(({ to }) => to)).toEqual([address(1), address(2)]);
    return rig;
  }

  const roundTrips = (rig: Rig): (number | null)[] =>
    rig.engine.status().peers.map(({ roundTrip }) => roundTrip);

  it('are measured from STATS to the first answer', () => {
    const rig = asking();
    expect(roundTrips(rig)).toEqual([null, null]);
    rig.pass(20);
    rig.receive(answer, address(1));
    rig.pass(30);
    rig.receive(answer, address(1));
    rig.receive(answer, address(2));
    expect(roundTrips(rig)).toEqual([20, 50]);
  });

  it('are not measured of who was asked twice, nor of answers that nobody asked for', () => {
    const rig = asking();
    rig.receive(answer, address(1));
    rig.pass(STATS_RETRY + 10);
    rig.receive(answer, address(2));
    expect(roundTrips(rig)).toEqual([0, null]);
    rig.pass(2_000);
    rig.receive(answer, address(1));
    rig.receive(answer, address(2));
    expect(roundTrips(rig)).toEqual([0, null]);
  });
});

describe('liars among honest peers that claim the same chain', () => {
  const fork = forkChain(honest, 150, 160, { difficulty, minedBy: 'orphan' });
  const other = buildChain(300, { difficulty, minedBy: 'other' });
  const flipped = flipBit(honest, 200);
  const claim = { height: 300, hash: honest.at(-1)?.hash ?? '' };
  const lies: Record<string, (height: number) => Block | null | undefined> = {
    'serves a changed bit': (height) => flipped[height],
    'serves another chain': (height) => other[height],
    'serves garbage': (height) => ({
      ...(honest[height] as Block),
      messages: ['garbage'],
      hash: fakeHash(height),
    }),
    'mixes in an orphan with all its zeros, then goes on honestly': (height) =>
      height === 150 ? fork[150] : (honest[height] ?? null),
    'mixes in an orphan and then falls silent': (height) =>
      height === 150 ? fork[150] : height < 150 ? honest[height] : undefined,
    'refuses everything': () => null,
    'never answers': () => undefined,
    'answers everything with the first block': () => honest[0],
    'answers everything with the block below': (height) => honest[height - 1] ?? null,
  };
  for (const [name, block] of Object.entries(lies)) {
    it.each([1, 3])(`do no harm where one ${name}, among %i honest ones`, (count) => {
      const liar = servingScript(at(66), honest, { stats: claim, block });
      const scripts: Record<number, Script> = { 66: liar };
      for (let last = 1; last <= count; last++) scripts[last] = servingScript(at(last), honest);
      const { network, node } = joining(scripts, [], 3);
      expect(network.run(200_000, () => node.tip === claim.hash)).toBe(true);
      expect(node.blocks()).toEqual(honest);
      const blamed = node
        .reported('false-chain')
        .flatMap(({ claimedBy }) => claimedBy.map(({ host }) => host));
      for (let last = 1; last <= count; last++) expect(blamed).not.toContain(at(last).host);
    });
  }

  /** Adds a peer that serves the honest chain, but for one block of the fork; tells whether it has served that. */
  function addMixer(network: VirtualNetwork): { served: boolean } {
    const orphan = { served: false };
    const mixing = servingScript(at(66), honest, {
      block: (height) => (height === 150 ? fork[150] : honest[height]),
    });
    network.addScript(at(66), (message, from, send) => {
      if (message.type === 'GET_BLOCK' && message.height === 150) orphan.served = true;
      mixing(message, from, send);
    });
    return orphan;
  }

  it('can not have honest ones blamed for a block that does not fit on an orphan', () => {
    // The orphan comes first, and then everybody, the liar as well, serves the same block on top of the right one.
    const network = new VirtualNetwork(4);
    const orphan = addMixer(network);
    for (const last of [1, 2]) {
      const script = servingScript(at(last), honest, {
        block: (height) => (height >= 150 && !orphan.served ? undefined : honest[height]),
      });
      network.addScript(at(last), script);
    }
    const node = network.addNode(at(100), { join: [at(66), at(1), at(2)] });
    expect(network.run(60_000, () => node.tip === claim.hash)).toBe(true);
    expect(node.reported('false-chain')).toEqual([]);
  });

  it('have nobody blamed beside them, not even where one of them is proved to lie', () => {
    // All three are given up for the block on top of the orphan, but only one of them for a fault of its own.
    const network = new VirtualNetwork(4);
    const orphan = addMixer(network);
    const misses = { ...(honest[151] as Block), hash: 'f'.repeat(64) };
    for (const [last, own] of [
      [67, misses],
      [1, honest[151]],
    ] as const) {
      const script = servingScript(at(last), honest, {
        block: (height) =>
          height >= 150 && !orphan.served ? undefined : height === 151 ? own : honest[height],
      });
      network.addScript(at(last), script);
    }
    const node = network.addNode(at(100), { join: [at(66), at(67), at(1)] });
    expect(network.run(60_000, () => node.tip === claim.hash)).toBe(true);
    const { counters, peers } = node.engine.status();
    expect(counters).toMatchObject({ 'sync.misses-difficulty': 1, 'sync.wrong-hash': 2 });
    expect(node.reported('false-chain')).toEqual([]);
    expect(peers.find(({ address: { host } }) => host === at(1).host)?.offences).toBe(0);
  });

  it('may be the majority', () => {
    const scripts: Record<number, Script> = { 1: servingScript(at(1), honest) };
    for (let last = 60; last < 66; last++) {
      scripts[last] = servingScript(at(last), honest, {
        stats: claim,
        block: (height) => flipBit(honest, 250)[height],
      });
    }
    const { network, node } = joining(scripts, [], 5);
    expect(network.run(600_000, () => node.height === 300)).toBe(true);
  });
});

describe('liars with a claim of their own', () => {
  it('are found out, remembered, and not asked for that chain again', () => {
    const liar = flipBit(buildChain(320, { difficulty, minedBy: 'liar' }), 310);
    const { network, node } = joining({ 66: servingScript(at(66), liar) }, honest);
    network.run(30_000);
    expect(node.reported('false-chain')).toMatchObject([{ target: { height: 320 }, claimedBy: [at(66)] }]);
    const before = sentTo(network, node, at(66).host, 'GET_BLOCK').length;
    network.run(1_200_000);
    expect(sentTo(network, node, at(66).host, 'GET_BLOCK')).toHaveLength(before);
    expect(node.blocks()).toEqual(honest);
    expect(node.engine.status().counters['stats-reply.known-false']).toBeGreaterThan(0);
    expect(node.engine.status().peers.find(({ address }) => address.host === at(66).host)?.offences).toBe(1);
  });

  it('do not keep us from an honest peer that claims the same later', () => {
    const real = extendChain(honest, 10, { difficulty });
    const claim = { height: 310, hash: real.at(-1)?.hash ?? '' };
    const liar = servingScript(at(66), real, { stats: claim, block: (height) => flipBit(real, 305)[height] });
    const { network, node } = joining({ 66: liar }, honest);
    network.run(30_000);
    expect(node.reported('false-chain')).toHaveLength(1);
    network.addNode(at(1), { join: [at(100)] }, real);
    expect(network.run(700_000, () => node.height === 310)).toBe(true);
  });

  it('come last among those who claim a right chain later: others are asked for it, where there are enough', () => {
    const real = extendChain(honest, 400, { difficulty });
    const lie = flipBit(buildChain(320, { difficulty, minedBy: 'liar' }), 310);
    let later = false;
    const changing = (last: number, first: readonly Block[]): Script => {
      const [before, after] = [first, real].map((blocks) => servingScript(at(last), blocks));
      return (...args) => (later ? after : before)?.(...args);
    };
    const scripts: Record<number, Script> = { 66: changing(66, lie) };
    for (let last = 1; last <= MAX_SOURCES; last++) scripts[last] = changing(last, honest);
    const { network, node } = joining(scripts, honest);
    network.run(30_000);
    expect(node.reported('false-chain')).toHaveLength(1);
    later = true;
    const asked = (host: string): number => sentTo(network, node, host, 'GET_BLOCK').length;
    const [liar, other] = [asked(at(66).host), asked(at(1).host)];
    expect(network.run(700_000, () => node.height === 700)).toBe(true);
    // At most for the last block, as everybody who claims a chain.
    expect(asked(at(66).host) - liar).toBeLessThanOrEqual(1);
    expect(asked(at(1).host) - other).toBeGreaterThan(1);
  });

  it('with a height of 10^15 cost a moment', () => {
    const liar = servingScript(at(66), honest, {
      stats: { height: 1e15, hash: fakeHash(1) },
      block: (height) => honest[height] ?? null,
    });
    const { network, node } = joining({ 66: liar, 1: servingScript(at(1), honest) });
    expect(network.run(30_000, () => node.height === 300 && node.engine.status().phase === 'following')).toBe(
      true,
    );
    expect(node.blocks()).toEqual(honest);
  });

  it('can not hold us by answering beside the point', () => {
    // It answers at once, with blocks that were asked, but never the next one.
    const liar = servingScript(at(66), honest, {
      stats: { height: 1e6, hash: fakeHash(1) },
      block: (height) => (height === 100 ? undefined : { ...(honest[1] as Block), height }),
    });
    const { network, node } = joining({ 66: liar, 1: servingScript(at(1), honest) }, honest.slice(0, 100));
    expect(network.run(3 * MAX_STALL, () => node.height === 300)).toBe(true);
  });

  it('can not hold us by serving so that it only just goes on', () => {
    const network = new VirtualNetwork(1);
    const script = servingScript(at(66), honest, { stats: { height: 1e6, hash: fakeHash(1) } });
    network.addScript(at(66), trickling(network, script));
    const node = network.addNode(at(100), { join: [at(66)] });
    network.run(MAX_SYNC_TIME - 10_000);
    expect(node.engine.status().phase).toBe('downloading');
    expect(network.run(20_000, () => node.reported('chain-unavailable').length > 0)).toBe(true);
    expect(node.height).toBeGreaterThan(100);
  });

  it.each([
    ['nothing', false],
    ['only the last block', true],
  ])(
    'with many ports do not come before the honest claims of other hosts for long: they serve %s',
    (_, tip) => {
      const network = new VirtualNetwork(1);
      for (let port = 1; port <= 40; port++) {
        const self = at(66, port);
        const stats = { height: 1_000 + port, hash: fakeHash(port) };
        const last = { ...(honest[1] as Block), height: stats.height - 1, hash: stats.hash };
        const send = network.addScript(
          self,
          servingScript(self, honest, {
            stats,
            block: (height) => (tip && height === last.height ? last : undefined),
          }),
        );
        network.at(network.now, () => {
          send(at(100), { type: 'GOSSIP', ...self, id: `${port}`, name: 'liar' });
        });
      }
      network.addScript(at(1), servingScript(at(1), honest));
      const node = network.addNode(at(100), { join: [at(1)] });
      expect(network.run(60_000, () => node.height === 300)).toBe(true);
      expect(node.reported('chain-unavailable').length).toBeLessThanOrEqual(2);
      // With that the consensus is over: what else they claim is not looked at.
      expect(node.engine.status().phase).toBe('following');
    },
  );

  it('that answer twice, late and from other ports do no harm', () => {
    const network = new VirtualNetwork(8);
    const script = servingScript(at(1), honest);
    network.addScript(at(1), (message, from, send) => {
      script(message, from, (to, what) => {
        send(to, what);
        network.at(network.now + 700, () => {
          send(to, what, 50_001);
        });
      });
    });
    const node = network.addNode(at(100), { join: [at(1)] });
    expect(network.run(30_000, () => node.height === 300)).toBe(true);
    network.run(10_000);
    expect(node.blocks()).toEqual(honest);
  });
});

describe('a chain that is served slowly', () => {
  const ours = buildChain(290, { difficulty, minedBy: 'ours' });
  const theirs = buildChain(320, { difficulty, minedBy: 'theirs' });
  const theirsAndMore = extendChain(theirs, 60, { difficulty });
  /** Of which the last block is served at once: else it would not be tried before the others. */
  const promise = {
    stats: { height: 1_000, hash: fakeHash(1) },
    block: (height: number): Block | undefined =>
      height === 999 ? { ...(theirs[1] as Block), height, hash: fakeHash(1) } : theirs[height],
  };
  /** Enough for a consensus and a quick sync. */
  const MOMENT = 15_000;

  /** A node with a chain of its own and one who promises a longer one and serves it slowly. */
  function promised(known: readonly number[]): { network: VirtualNetwork; node: VirtualNode } {
    const network = new VirtualNetwork(1);
    network.addScript(at(66), trickling(network, servingScript(at(66), theirs, promise), 999));
    const join = known.map((last) => at(last));
    return { network, node: network.addNode(at(100), { join, consensusInterval: 60_000 }, ours) };
  }

  // Seed 16859 of the campaign: a promise held a node up for as long as it takes, and others waited.
  it('and only promised does not hold up what others claim', () => {
    const { network, node } = promised([66, 1]);
    network.addScript(at(1), servingScript(at(1), honest));
    expect(network.run(FIRST_SYNC_TIME + MOMENT, () => node.height === 300)).toBe(true);
    expect(node.blocks()).toEqual(honest);
  });

  it('and only promised does not hold up what is announced in the meantime', () => {
    const { network, node } = promised([66]);
    const send = network.addScript(at(1), servingScript(at(1), honest));
    const last = honest.at(-1);
    network.at(10_000, () => {
      send(node.address, { type: 'GOSSIP', ...at(1), id: 'new', name: 'new' });
      if (last !== undefined) send(node.address, { type: 'ANNOUNCE', block: last });
    });
    expect(network.run(FIRST_SYNC_TIME + MOMENT, () => node.height === 300)).toBe(true);
  });

  it('and only promised does not hold up the next consensus', () => {
    const { network, node } = promised([66]);
    const send = network.addScript(at(1), servingScript(at(1), honest));
    network.at(10_000, () => {
      send(node.address, { type: 'GOSSIP', ...at(1), id: 'new', name: 'new' });
    });
    expect(network.run(60_000 + MOMENT, () => node.height === 300)).toBe(true);
  });

  it('comes after the others the next time', () => {
    const { network, node } = promised([66, 1]);
    let served: readonly Block[] = honest;
    network.addScript(at(1), (message, from, send) => {
      servingScript(at(1), served)(message, from, send);
    });
    network.run(FIRST_SYNC_TIME + MOMENT, () => node.height === 300);
    served = extendChain(honest, 5, { difficulty });
    expect(network.run(120_000, () => node.height === 305)).toBe(true);
    const claimed = node.reported('sync-started').map(({ target }) => target.height);
    expect(claimed.filter((height) => height !== 1_000)).toEqual([300, 305]);
    expect(node.reported('chain-unavailable').length).toBeLessThanOrEqual(2);
  });

  it('does not put back those whose claim its source joins', () => {
    const { network, node } = promised([66, 1, 2]);
    const longer = extendChain(honest, 5, { difficulty });
    const other = forkChain(honest, 299, 303, { difficulty, minedBy: 'other' });
    let later = false;
    const change = (last: number, before: Script, after: Script): void => {
      network.addScript(at(last), (...args) => {
        (later ? after : before)(...args);
      });
    };
    // Slower than the other one, so that both are known to be served when the first is chosen.
    const joined = (last: number): Script => slowly(network, 20, servingScript(at(last), longer));
    const promising = trickling(network, servingScript(at(66), theirs, promise), 999);
    change(66, promising, joined(66));
    change(1, servingScript(at(1), honest), joined(1));
    change(2, servingScript(at(2), honest), servingScript(at(2), other));
    expect(network.run(FIRST_SYNC_TIME + MOMENT, () => node.height === 300)).toBe(true);
    expect(node.reported('sync-started').map(({ target }) => target.height)).toEqual([1_000, 300]);
    later = true;
    expect(network.run(120_000, () => node.height === 305)).toBe(true);
    expect(node.reported('chain-adopted').map(({ height }) => height)).toEqual([300, 305]);
  });

  it('is had soon after the others', () => {
    const network = new VirtualNetwork(1);
    network.addScript(at(1), slowly(network, 100, servingScript(at(1), theirs)));
    network.addScript(at(2), servingScript(at(2), honest));
    const node = network.addNode(at(100), { join: [at(1), at(2)] }, ours);
    expect(network.run(100_000, () => node.height === 320)).toBe(true);
    expect(node.reported('chain-adopted').map(({ height }) => height)).toEqual([300, 320]);
  });

  it('is had in the end, although liars that are as slow always wait', () => {
    const network = new VirtualNetwork(1);
    network.addScript(at(1), slowly(network, 150, servingScript(at(1), theirs)));
    const lie = { stats: { height: 310, hash: fakeHash(2) } };
    network.addScript(at(66), trickling(network, servingScript(at(66), honest, lie)));
    const config = { join: [at(1), at(66)], consensusInterval: 200_000 };
    const node = network.addNode(at(100), config, ours);
    expect(network.run(1_800_000, () => node.height === 320)).toBe(true);
    expect(node.blocks()).toEqual(theirs);
    const vain = node.reported('chain-unavailable').filter(({ target }) => target.height === 320);
    expect(vain.length).toBeLessThanOrEqual(3);
  });

  it('is had in the end, although there is always another one to be had at once', () => {
    const network = new VirtualNetwork(1);
    const long = buildChain(400, { difficulty, minedBy: 'long' });
    network.addScript(at(1), slowly(network, 100, servingScript(at(1), long)));
    let length = 300;
    network.addScript(at(2), (message, from, send) => {
      if (message.type === 'STATS') length++;
      servingScript(at(2), theirsAndMore.slice(0, length))(message, from, send);
    });
    const node = network.addNode(at(100), { join: [at(1), at(2)] }, ours);
    expect(network.run(1_800_000, () => node.height === 400)).toBe(true);
    expect(length).toBeLessThan(310);
  });

  it('is not interrupted for what fewer hosts claim', () => {
    const network = new VirtualNetwork(1);
    for (const last of [1, 2])
      network.addScript(at(last), slowly(network, 200, servingScript(at(last), theirs)));
    network.addScript(at(3), servingScript(at(3), honest));
    const node = network.addNode(at(100), { join: [at(1), at(2), at(3)] }, ours);
    expect(network.run(MAX_SYNC_TIME, () => node.height === 320)).toBe(true);
    expect(network.now).toBeGreaterThan(FIRST_SYNC_TIME + MOMENT);
    expect(node.reported('chain-unavailable')).toEqual([]);
    expect(node.reported('chain-adopted')).toHaveLength(1);
  });
});

describe('news that came too late for a consensus', () => {
  const MINUTE = 60_000;

  /** Answers STATS later than answers are waited for. */
  function late(network: VirtualNetwork, script: Script, isLate: () => boolean): Script {
    return (message, from, send) => {
      if (message.type !== 'STATS' || !isLate()) script(message, from, send);
      else
        network.at(network.now + 3_000, () => {
          script(message, from, send);
        });
    };
  }

  // Seed 14453 of the campaign: only one who answers late told a node of the longest chain in good time.
  it.each([0, 500])('has everybody asked once more (others serve a block in %i ms)', (pace) => {
    const network = new VirtualNetwork(1);
    network.addScript(
      at(1),
      late(network, servingScript(at(1), honest), () => network.now < 5_000),
    );
    network.addScript(at(2), slowly(network, pace, servingScript(at(2), honest.slice(0, 290))));
    const node = network.addNode(at(100), { join: [at(1), at(2)] }, honest.slice(0, 280));
    expect(network.run(MINUTE, () => node.height === 300)).toBe(true);
    expect(node.reported('chain-adopted').map(({ height }) => height)).toEqual([290, 300]);
  });

  it('does not have us ask all the time if it is always late', () => {
    const network = new VirtualNetwork(1);
    const stats = { height: 1_000, hash: fakeHash(1) };
    network.addScript(
      at(1),
      late(network, servingScript(at(1), honest, { stats }), () => true),
    );
    network.addScript(at(2), servingScript(at(2), honest));
    const node = network.addNode(at(100), { join: [at(1), at(2)] }, honest);
    network.run(60 * MINUTE);
    // One every five minutes and one more for each, and some because the promise was heard in time and not kept.
    expect(node.reported('consensus-started').length).toBeLessThanOrEqual(36);
  });

  it.each([
    ['is no better than what we have', { height: 300, hash: fakeHash(1) }],
    ['misses the difficulty', { height: 400, hash: 'f'.repeat(64) }],
  ])('is of no interest if it %s', (_, stats) => {
    const network = new VirtualNetwork(1);
    network.addScript(
      at(1),
      late(network, servingScript(at(1), honest, { stats }), () => true),
    );
    network.addScript(at(2), servingScript(at(2), honest));
    const node = network.addNode(at(100), { join: [at(1), at(2)] }, honest);
    network.run(MINUTE);
    expect(node.reported('consensus-started')).toHaveLength(1);
  });
});

describe('a chain that was adopted', () => {
  // Seeds 16859 and 14453 of the campaign: what one node had, the others learned of an interval later.
  it.each([
    ['the chain that was claimed', {}],
    ['what was served of a longer one', { stats: { height: 400, hash: fakeHash(1) } }],
  ])('is told to those who have a shorter one, who follow at once: %s', (_, change) => {
    const network = new VirtualNetwork(1);
    const short = forkChain(honest, 260, 280, { difficulty, minedBy: 'short' });
    for (const [last, script] of [
      [3, servingScript(at(3), honest.slice(0, 290))],
      [66, servingScript(at(66), honest, change)],
    ] as const) {
      // Only one of them can reach these.
      network.addScript(at(last), (message, from, send) => {
        if (from.host === at(1).host) script(message, from, send);
      });
    }
    const first = network.addNode(at(1), { join: [at(2), at(3), at(66)] }, short);
    const second = network.addNode(at(2), { join: [at(1)] }, short);
    expect(network.run(30_000, () => second.height === 300)).toBe(true);
    network.run(3_600_000);
    for (const node of [first, second]) expect(node.blocks()).toEqual(honest);
    const reported = sentTo(network, first, at(2).host, 'ANNOUNCE');
    expect(reported.length).toBeGreaterThan(0);
    expect(new Set(reported).size).toBe(reported.length);
    expect(sentTo(network, first, at(66).host, 'ANNOUNCE')).toEqual([]);
  });

  it('is told once, however often we come back to it', () => {
    const chains = ['a', 'b'].map((minedBy) => forkChain(honest, 260, 280, { difficulty, minedBy }));
    const network = new VirtualNetwork(1);
    let turn = 0;
    for (const last of [1, 2]) {
      network.addScript(at(last), (message, from, send) => {
        servingScript(at(last), chains[turn % 2] ?? [])(message, from, send);
      });
    }
    // Of our own kind, and not to be asked first.
    network.addScript(at(3), (message, from, send) => {
      if (message.type === 'GOSSIP') send(from, { type: 'GOSSIP_REPLY', ...at(3), name: '', id: message.id });
      else servingScript(at(3), honest.slice(0, 100))(message, from, send);
    });
    const node = network.addNode(at(100), { join: [at(1), at(2), at(3)] });
    for (turn = 0; turn < 6; turn++) {
      network.run(20_000);
      expect(node.blocks()).toEqual(chains[turn % 2]);
      node.request({ kind: 'consensus' });
    }
    expect(node.reported('chain-adopted')).toHaveLength(6);
    expect(sentTo(network, node, at(3).host, 'ANNOUNCE')).toHaveLength(2);
  });
});

describe('what changes during a sync', () => {
  it.each([1, 2])('does no harm: %i source(s) move to another branch', (count) => {
    const fork = forkChain(honest, 280, 305, { difficulty, minedBy: 'fork' });
    const network = new VirtualNetwork(2);
    let served: readonly Block[] = honest;
    let questions = 0;
    const known = Array.from({ length: count }, (_, index) => at(index + 1));
    for (const self of known) {
      network.addScript(self, (message, from, send) => {
        if (message.type === 'GET_BLOCK' && ++questions === 285) served = fork;
        servingScript(self, served)(message, from, send);
      });
    }
    const node = network.addNode(at(100), { join: known });
    expect(network.run(60_000, () => node.height === 305)).toBe(true);
    expect(node.blocks()).toEqual(fork);
  });

  it('our own block on the old tip gives way to the longer chain, and its words wait again', () => {
    const network = new VirtualNetwork(2);
    const ours = honest.slice(0, 290);
    const node = network.addNode(at(3), { join: [at(1)] }, ours);
    network.addScript(at(1), servingScript(at(1), honest));
    const asks = (): boolean => network.sent.some(({ bytes }) => String(bytes).includes('"GET_BLOCK"'));
    expect(network.run(10_000, asks)).toBe(true);
    const [mined] = extendChain(ours, 1, { difficulty, minedBy: 'miner-8000', messages: ['our word'] }).slice(
      -1,
    );
    expect(mined && node.request({ kind: 'submit-block', block: mined })).toEqual({ status: 'accepted' });
    expect(node.height).toBe(291);
    expect(network.run(10_000, () => node.height === 300)).toBe(true);
    expect(node.blocks()).toEqual(honest);
    expect(node.reported('chain-adopted')).toMatchObject([{ depth: 1, returnedWords: 1 }]);
    expect(node.engine.status().words).toEqual(['our word']);
  });

  it('our own miner may overtake it', () => {
    const network = new VirtualNetwork(2);
    const ours = honest.slice(0, 295);
    const node = network.addNode(at(3), { join: [at(1)] }, ours);
    network.addScript(
      at(1),
      servingScript(at(1), honest.slice(0, 296), {
        block: (height) => (height > 294 ? undefined : honest[height]),
      }),
    );
    expect(network.run(10_000, () => node.engine.status().phase === 'downloading')).toBe(true);
    const mined = extendChain(ours, 3, { difficulty, minedBy: 'miner-8000' });
    for (const block of mined.slice(295)) node.request({ kind: 'submit-block', block });
    network.run(100_000);
    expect(node.blocks()).toEqual(mined);
  });
});

describe('what a reorganisation leaves behind', () => {
  it('is swept from the store without waiting for anything', () => {
    const long = buildChain(1_500, { difficulty: 0, minedBy: 'long' });
    const network = new VirtualNetwork(5);
    const node = network.addNode(
      at(3),
      { join: [at(1)], difficulty: 0 },
      buildChain(1_200, { difficulty: 0 }),
    );
    network.addScript(at(1), servingScript(at(1), long));
    expect(network.run(20_000, () => node.height === 1_500)).toBe(true);
    network.run(10);
    expect([...node.store.entries()].filter(([key]) => key.startsWith('b/'))).toHaveLength(1_500);
    expect(node.reported('chain-adopted')).toMatchObject([{ depth: 1_200 }]);
  });
});

describe('words of a reorganisation', () => {
  it('wait again if we signed them and they are not in the new chain', () => {
    const network = new VirtualNetwork(5);
    const mine = { difficulty, minedBy: 'miner-8000' };
    let ours = extendChain(honest.slice(0, 290), 1, { ...mine, messages: ['lost', 'in both'] });
    ours = extendChain(ours, 1, { difficulty, minedBy: 'another', messages: ['not ours'] });
    ours = extendChain(ours, 1, { ...mine, messages: ['idle'] });
    const theirs = extendChain(honest.slice(0, 290), 5, { difficulty, minedBy: 'x', messages: ['in both'] });
    const node = network.addNode(at(3), { join: [at(1)] }, ours);
    network.addScript(at(1), servingScript(at(1), theirs));
    network.run(1);
    node.request({ kind: 'submit-word', word: 'waits' });
    expect(network.run(20_000, () => node.height === 295)).toBe(true);
    expect(node.engine.status().words).toEqual(['lost', 'waits']);
    expect(node.reported('chain-adopted')).toMatchObject([{ depth: 3, added: 5, returnedWords: 1 }]);
  });
});

describe('a network without a chain', () => {
  const template = (node: VirtualNode) => node.reported('work').at(-1)?.template ?? null;

  it('is founded by a peer that may, and that knows nobody', () => {
    const network = new VirtualNetwork(1);
    const founder = network.addNode(at(1), { genesis: true });
    network.run(10_000);
    expect(template(founder)).toMatchObject({ height: 0, previousHash: '' });
    expect(founder.reported('waiting')).toEqual([]);
  });

  it('is not founded by one that may not: it waits, and says so once', () => {
    const network = new VirtualNetwork(1);
    const node = network.addNode(at(1));
    network.run(600_000);
    expect(template(node)).toBeNull();
    expect(node.reported('waiting')).toHaveLength(1);
    expect(node.engine.status().phase).toBe('waiting');
  });

  it('is not founded while those whom it is to join may only be slow to answer', () => {
    const network = new VirtualNetwork(1);
    const node = network.addNode(at(1), { genesis: true, join: [at(2)] });
    network.run(5_000);
    expect(template(node)).toBeNull();
    network.run(60_000);
    expect(template(node)).toMatchObject({ height: 0 });
  });

  it('is not founded where somebody claims a chain, unless it can not be had time and again', () => {
    const script = servingScript(at(2), [], {
      stats: { height: 10, hash: fakeHash(1) },
      block: () => undefined,
    });
    const network = new VirtualNetwork(1);
    network.addScript(at(2), script);
    const node = network.addNode(at(1), { genesis: true, join: [at(2)] });
    const failures = (): number =>
      node.reported('consensus-finished').filter(({ outcome }) => outcome === 'failed').length;
    expect(network.run(3_600_000, () => failures() === 4)).toBe(true);
    expect(template(node)).toBeNull();
    expect(network.run(3_600_000, () => failures() === 5)).toBe(true);
    expect(template(node)).toMatchObject({ height: 0 });
  });

  it('is founded where others are that have none either', () => {
    const network = new VirtualNetwork(1);
    const founder = network.addNode(at(1), { genesis: true, join: [at(2)] });
    network.addNode(at(2), { join: [at(1)] });
    network.run(10_000);
    expect(template(founder)).toMatchObject({ height: 0 });
  });

  it('is followed as soon as somebody with a chain appears', () => {
    const network = new VirtualNetwork(1);
    const node = network.addNode(at(1));
    network.addNode(at(2), { join: [at(1)] });
    network.run(1_000_000);
    expect(node.engine.status().phase).toBe('waiting');
    network.addNode(at(3), { join: [at(1)] }, honest);
    expect(network.run(15_000, () => node.height === 300)).toBe(true);
  });

  it('is followed when the one to join comes up later', () => {
    const network = new VirtualNetwork(1);
    const node = network.addNode(at(1), { join: [at(2)] });
    network.run(1_000_000);
    network.addNode(at(2), {}, honest);
    expect(network.run(60_000, () => node.height === 300)).toBe(true);
  });
});
