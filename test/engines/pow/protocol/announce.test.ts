import { describe, expect, it } from 'vitest';

import type { Block } from '../../../../shared/block.ts';
import type { PowConfig } from '../../../../peer/engines/pow/protocol/interface.ts';
import {
  MAX_EARLY_BLOCKS,
  MAX_EARLY_PER_HOST,
  STATS_ROUNDS,
} from '../../../../peer/engines/pow/protocol/limits.ts';
import { buildChain, extendChain, forkChain, longMessage, mineBlock } from '../../../support/chains.ts';
import { servingScript, VirtualNetwork } from '../../../support/virtual-network.ts';
import { at, Rig, type Sent } from './rig.ts';

const difficulty = 1;
const chain = buildChain(12, { difficulty });
const block = (height: number): Block => {
  const found = chain[height];
  if (found === undefined) throw new Error(`there is no block ${height}`);
  return found;
};

/** An engine with the first `length` blocks and three peers, done with its first consensus. */
function rigAt(length: number, config: Partial<PowConfig> = {}): Rig {
  const rig = new Rig(config, chain.slice(0, length));
  for (const index of [1, 2, 3]) rig.join(at(index));
  rig.pass(1_100);
  const { height, hash } = rig.engine.status();
  for (const index of [1, 2, 3]) rig.receive({ type: 'STATS_REPLY', height, hash }, at(index));
  expect(rig.notices.at(-2)).toMatchObject({ kind: 'consensus-finished', outcome: 'current' });
  return rig;
}

function announce(rig: Rig, announced: Block, from = at(1)): Sent[] {
  return rig.receive({ type: 'ANNOUNCE', block: announced }, from);
}

/** How many consensuses have begun. */
function consensuses(rig: Rig): number {
  return rig.notices.filter(({ kind }) => kind === 'consensus-started').length;
}

/** A block that nobody mined: only its hash looks right. */
function forged(height: number, salt: number): Block {
  return { ...block(3), height, hash: salt.toString(16).padStart(63, '0') + '0' };
}

describe('a block that extends the tip', () => {
  it('is appended and passed on to all but its sender, after it is stored', () => {
    const rig = rigAt(5);
    const sent = announce(rig, block(5));
    expect(rig.height).toBe(6);
    expect(sent.map(({ to }) => to)).toEqual([at(2), at(3)]);
    expect(JSON.parse(sent[0]?.text ?? '')).toEqual({ type: 'ANNOUNCE', ...block(5) });
    const kinds = rig.effects.map(({ type }) => type);
    expect(kinds.indexOf('store')).toBeLessThan(kinds.indexOf('broadcast'));
    expect(kinds.indexOf('store')).toBeLessThan(kinds.indexOf('notify'));
  });

  it('tells how far its sender is, which a lower one does not take back', () => {
    const rig = rigAt(5);
    const claims = () => rig.engine.status().peers.map(({ claim }) => claim?.height ?? 0);
    announce(rig, block(5), at(2));
    announce(rig, block(4), at(2));
    announce(rig, forged(8, 1), at(3));
    expect(claims()).toEqual([5, 6, 9]);
  });

  it('is passed on once, however often it comes', () => {
    const rig = rigAt(5);
    announce(rig, block(5));
    expect(announce(rig, block(5), at(2))).toEqual([]);
    announce(rig, block(6));
    expect(announce(rig, block(5), at(3))).toEqual([]);
    expect(rig.count('announce.known')).toBe(2);
  });

  it('is passed on with its nonce as text if it came with an integer', () => {
    const rig = rigAt(5);
    const sent = rig.receive(
      JSON.stringify({ type: 'ANNOUNCE', ...block(5), nonce: Number(block(5).nonce) }),
      at(1),
    );
    expect(rig.height).toBe(6);
    expect(sent[0]?.text).toContain(`"nonce":"${block(5).nonce}"`);
  });

  it('gives the miners new work', () => {
    const rig = rigAt(5);
    announce(rig, block(5));
    expect(rig.notices.at(-1)).toMatchObject({
      kind: 'work',
      template: { height: 6, previousHash: block(5).hash },
    });
  });

  it('is refused without a timestamp', () => {
    const rig = rigAt(5);
    rig.receive(JSON.stringify({ type: 'ANNOUNCE', ...block(5), timestamp: undefined }), at(1));
    expect(rig.height).toBe(5);
    expect(rig.count('malformed.bad-block')).toBe(1);
  });

  it('is taken although a false block with its hash came first', () => {
    const rig = rigAt(5);
    announce(rig, { ...block(5), messages: ['false'] }, at(9));
    announce(rig, { ...block(5), height: 6 }, at(9));
    expect(rig.height).toBe(5);
    expect(announce(rig, block(5))).toHaveLength(2);
    expect(rig.height).toBe(6);
  });
});

describe('a block that can be proved false', () => {
  it.each<[string, Block, string]>([
    ['misses the difficulty', { ...block(5), hash: 'a'.repeat(64) }, 'announce.misses-difficulty'],
    [
      'has a message of 21 characters',
      longMessage(chain, 5, difficulty)[5] as Block,
      'announce.message-too-long',
    ],
    ['has a nonce of 40 characters', { ...block(5), nonce: 'n'.repeat(40) }, 'announce.nonce-too-long'],
  ])('is dropped and counted against its sender: it %s', (_name, bad, counter) => {
    const rig = rigAt(5);
    expect(announce(rig, bad)).toEqual([]);
    expect(rig.height).toBe(5);
    expect(rig.count(counter)).toBe(1);
    expect(rig.engine.status().peers.find(({ address }) => address.host === at(1).host)?.offences).toBe(1);
    const before = consensuses(rig);
    rig.pass(30_000);
    expect(consensuses(rig)).toBe(before);
  });
});

describe('a block of another branch', () => {
  it('at our own height changes nothing: the next block or consensus decides', () => {
    const rig = rigAt(6);
    const [other] = forkChain(chain, 5, 6, { difficulty, minedBy: 'other' }).slice(5);
    expect(other && announce(rig, other)).toEqual([]);
    expect(rig.count('announce.behind')).toBe(1);
    const before = consensuses(rig);
    rig.pass(30_000);
    expect(consensuses(rig)).toBe(before);
  });

  it('that is longer by one is followed', () => {
    const network = new VirtualNetwork(2);
    const fork = forkChain(chain, 5, 7, { difficulty, minedBy: 'other' });
    const node = network.addNode(at(0), { join: [at(1)] }, chain.slice(0, 5));
    let served = chain.slice(0, 5);
    const send = network.addScript(at(1), (message, from, reply) => {
      servingScript(at(1), served)(message, from, reply);
    });
    network.run(20_000);
    send(node.address, { type: 'ANNOUNCE', block: block(5) });
    network.run(100);
    served = fork;
    const [tip] = fork.slice(-1);
    if (tip) send(node.address, { type: 'ANNOUNCE', block: tip });
    expect(network.run(5_000, () => node.height === 7)).toBe(true);
    expect(node.blocks()).toEqual(fork);
    expect(node.reported('chain-adopted')).toMatchObject([{ depth: 1, added: 2 }]);
    // What it replaced is known: it was ours.
    send(node.address, { type: 'ANNOUNCE', block: block(5) });
    network.run(100);
    expect(node.engine.status().counters).toMatchObject({ 'announce.known': 1 });
  });
});

describe('a block ahead of us', () => {
  it('makes us ask for STATS soon, once for many such blocks', () => {
    const rig = rigAt(5);
    const before = consensuses(rig);
    for (const height of [7, 8, 9]) announce(rig, block(height));
    rig.pass(500);
    expect(consensuses(rig)).toBe(before + 1);
  });

  it('is used as soon as those below it have come', () => {
    const rig = rigAt(5);
    for (const height of [8, 7, 6]) announce(rig, block(height));
    expect(rig.height).toBe(5);
    const sent = announce(rig, block(5), at(2));
    expect(rig.height).toBe(9);
    expect(rig.count('announce.used-later')).toBe(3);
    // The one who told of the others has the lowest as well.
    expect(sent).toHaveLength(7);
  });

  it.each([12, 600])('is not lost when it comes during a first sync, of %i blocks', (length) => {
    const whole = buildChain(length, { difficulty });
    const network = new VirtualNetwork(4);
    const node = network.addNode(at(0), { join: [at(1)] });
    let announced = false;
    const script = servingScript(at(1), whole.slice(0, -2));
    network.addScript(at(1), (message, from, send) => {
      script(message, from, send);
      if (message.type !== 'GET_BLOCK' || announced) return;
      announced = true;
      for (const late of whole.slice(-2).reverse()) send(from, { type: 'ANNOUNCE', block: late });
    });
    expect(network.run(10_000, () => node.height === length)).toBe(true);
    expect(node.blocks()).toEqual(whole);
    expect(node.reported('consensus-started')).toHaveLength(1);
  });

  it('is passed on when it is used, not before', () => {
    const rig = rigAt(5);
    expect(announce(rig, block(6))).toEqual([]);
    const sent = announce(rig, block(5), at(2));
    expect(sent.filter(({ text }) => text.includes(block(6).hash)).map(({ to }) => to)).toEqual([
      at(2),
      at(3),
    ]);
  });
});

describe('forged blocks ahead of us', () => {
  it('can not have us ask for STATS all the time', () => {
    const rig = rigAt(5);
    const before = consensuses(rig);
    let sent = 0;
    for (let index = 0; index < 3_600; index++) {
      announce(rig, forged(6, index));
      sent += rig.pass(1_000).filter(({ message }) => message.type === 'STATS').length;
    }
    // An hour of it: once a minute in the end.
    expect(consensuses(rig) - before).toBeLessThan(75);
    expect(sent).toBeLessThan(75 * 3 * STATS_ROUNDS);
  });

  it('do not put off the consensus that is due', () => {
    const rig = rigAt(5, { consensusInterval: 30_000 });
    const before = consensuses(rig);
    // Each takes two seconds, as nobody answers; after the first few forged blocks ask for one a minute at most.
    for (let index = 0; index < 3_600; index++) {
      announce(rig, forged(6, index));
      rig.pass(1_000);
    }
    expect(consensuses(rig) - before).toBeGreaterThan(3_600 / 33);
  });

  it('whose hash misses the difficulty do not have us ask at all', () => {
    const rig = rigAt(5);
    const before = consensuses(rig);
    announce(rig, { ...forged(8, 1), hash: 'a'.repeat(64) });
    rig.pass(60_000);
    expect(consensuses(rig)).toBe(before);
    expect(rig.engine.status().peers[0]?.offences).toBe(1);
  });

  it('are forgotten once a consensus has not found what they stand on', () => {
    const rig = rigAt(5);
    const waiting = (): number => {
      let early = NaN;
      rig.engine.measure((name, size) => {
        if (name === 'early blocks') early = size;
      });
      return early;
    };
    for (let index = 0; index < 10; index++) announce(rig, forged(6, index));
    expect(waiting()).toBe(10);
    rig.pass(60_000);
    expect(waiting()).toBe(0);
  });

  it('do not push out those of others', () => {
    const rig = rigAt(5);
    announce(rig, block(6), at(2));
    for (let index = 0; index < 1_000; index++)
      announce(rig, forged(5 + (index % 9), index), at(1, index + 1));
    expect(rig.count('limit.early-blocks')).toBeGreaterThanOrEqual(
      1_000 - MAX_EARLY_PER_HOST - MAX_EARLY_BLOCKS,
    );
    announce(rig, block(5), at(2));
    expect(rig.height).toBe(7);
  });

  it('are remembered so many from one host and in all, and not one more', () => {
    const rig = rigAt(5);
    const send = (index: number, host = 1 + Math.floor(index / MAX_EARLY_PER_HOST)): void => {
      announce(rig, forged(9, index), at(host));
    };
    /** Whether one still waits; if not, it does from now on. */
    const waits = (index: number, host?: number): boolean => {
      const before = rig.count('announce.known');
      send(index, host);
      return rig.count('announce.known') > before;
    };
    for (let index = 0; index < MAX_EARLY_PER_HOST; index++) expect(waits(index)).toBe(false);
    for (let index = 0; index < MAX_EARLY_PER_HOST; index++) expect(waits(index)).toBe(true);
    expect(rig.count('limit.early-blocks')).toBe(0);
    expect(waits(10_000, 1)).toBe(false);
    expect(rig.count('limit.early-blocks')).toBe(1);
    // It was refused, so it does not wait, but another host may bring as many again.
    expect(waits(10_000, 1)).toBe(false);
    for (let index = MAX_EARLY_PER_HOST; index < MAX_EARLY_BLOCKS; index++) send(index);
    for (let index = 0; index < MAX_EARLY_BLOCKS; index++) expect(waits(index)).toBe(true);
    // One more than there is room for: the one that came first gives way, and no other.
    expect(waits(MAX_EARLY_BLOCKS)).toBe(false);
    for (let index = 1; index <= MAX_EARLY_BLOCKS; index++) expect(waits(index)).toBe(true);
    expect(waits(0)).toBe(false);
    expect(rig.count('limit.early-blocks')).toBe(2);
  });

  it('are followed at once again after an honest block', () => {
    const rig = rigAt(5);
    for (let index = 0; index < 100; index++) {
      announce(rig, forged(7, index));
      rig.pass(1_000);
    }
    announce(rig, block(5));
    rig.pass(60_000);
    const before = consensuses(rig);
    announce(rig, block(7));
    rig.pass(300);
    expect(consensuses(rig)).toBe(before + 1);
  });
});

describe('blocks of our own miners', () => {
  const submit = (rig: Rig, mined: Block) => rig.request({ kind: 'submit-block', block: mined });

  it('are stored, announced to everybody and only then acknowledged', () => {
    const rig = rigAt(5);
    expect(submit(rig, block(5))).toEqual({ status: 'accepted' });
    expect(rig.sent().map(({ to }) => to)).toEqual([at(1), at(2), at(3)]);
    const kinds = rig.effects.map(({ type }) => type);
    expect(kinds.indexOf('store')).toBeLessThan(kinds.indexOf('broadcast'));
    expect(kinds.indexOf('store')).toBeLessThan(kinds.indexOf('reply'));
  });

  it('are stale when the chain has moved on', () => {
    const rig = rigAt(6);
    expect(submit(rig, mineBlock(block(4), { difficulty, minedBy: 'late' }))).toEqual({ status: 'stale' });
  });

  it('are rejected with the reason', () => {
    const rig = rigAt(5);
    expect(submit(rig, { ...block(5), messages: ['x'] })).toMatchObject({ status: 'rejected' });
    expect(submit(rig, block(7))).toMatchObject({ status: 'rejected' });
    expect(rig.height).toBe(5);
  });

  it('are no genesis unless we may found a network', () => {
    const rig = new Rig();
    rig.pass(10_000);
    expect(submit(rig, block(0))).toMatchObject({ status: 'rejected' });
    const founder = new Rig({ genesis: true });
    founder.pass(10_000);
    expect(submit(founder, block(0))).toEqual({ status: 'accepted' });
  });

  it('bring in blocks that were announced too early', () => {
    const rig = rigAt(5);
    announce(rig, block(6));
    submit(rig, block(5));
    expect(rig.height).toBe(7);
  });

  it('survive a catch-up to a chain that contains them', () => {
    const network = new VirtualNetwork(6);
    const longer = extendChain(chain, 30, { difficulty });
    const node = network.addNode(at(0), { join: [at(1)] }, chain);
    network.addScript(at(1), servingScript(at(1), longer));
    network.run(20_000, () => network.sent.some(({ bytes }) => String(bytes).includes('"GET_BLOCK"')));
    const [next] = longer.slice(12);
    expect(next && node.request({ kind: 'submit-block', block: next })).toEqual({ status: 'accepted' });
    expect(network.run(20_000, () => node.height === longer.length)).toBe(true);
    expect(node.blocks()).toEqual(longer);
    expect(node.reported('chain-adopted')).toMatchObject([{ depth: 0 }]);
  });
});
