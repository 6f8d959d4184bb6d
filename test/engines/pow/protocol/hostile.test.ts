import { describe, expect, it } from 'vitest';

import type { Address } from '../../../../shared/address.ts';
import type { Block } from '../../../../shared/block.ts';
import { powCodec } from '../../../../peer/engines/pow/protocol/codec.ts';
import {
  MAX_EARLY_BLOCKS,
  MAX_PEERS,
  MAX_SOURCES,
  MAX_WINDOW,
  MAX_WORDS,
  STATS_ROUNDS,
  STATS_TIMEOUT,
} from '../../../../peer/engines/pow/protocol/limits.ts';
import type { PowMessage } from '../../../../peer/engines/pow/protocol/messages.ts';
import { chainFault } from '../../../support/chains.ts';
import { seededRandom } from '../../../support/random.ts';
import { DIFFICULTY, OWN, POOLS, storedChain } from './pools.ts';
import { at, Rig, SELF } from './rig.ts';

/** A storm of messages: some plausible, some mutilated, some noise. */
class Storm {
  private readonly random: () => number;
  private readonly salt: string;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.salt = `${seed}`;
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /** Few hosts with few ports, so that some are known and answer what was asked of others. */
  address(): Address {
    if (this.random() < 0.02) return SELF;
    if (this.random() < 0.2)
      return { host: `172.16.${this.below(256)}.${this.below(256)}`, port: 1 + this.below(65535) };
    return at(this.below(6), this.random() < 0.8 ? 8000 : 8000 + this.below(40));
  }

  block(): Block {
    const block = this.pick(this.pick(POOLS));
    switch (this.below(8)) {
      case 0:
        return { ...block, height: this.pick([0, 1, block.height + 1, 1e15, 2 ** 53 - 1]) };
      case 1:
        return { ...block, hash: `${this.below(1e9).toString(16).padStart(63, 'c')}0` };
      case 2:
        return { ...block, messages: [String(this.below(1e9))] };
      case 3:
        return { ...block, minedBy: 'x'.repeat(this.below(3_000)) };
      default:
        return block;
    }
  }

  message(): PowMessage {
    const { host, port } = this.address();
    const block = this.block();
    switch (this.below(10)) {
      case 0:
        return {
          type: 'GOSSIP',
          host,
          port,
          id: this.random() < 0.1 ? undefined : `${this.salt} ${this.below(5_000)}`,
          name: 'x',
        };
      case 1:
        return {
          type: 'GOSSIP_REPLY',
          host: this.pick([host, '', '0.0.0.0', 'localhost', 'a.name']),
          port,
          name: '',
        };
      case 2:
        return { type: 'GET_BLOCK', height: this.pick([undefined, 0, 59, 60, 1e15]) };
      case 3:
      case 4:
        return { type: 'GET_BLOCK_REPLY', block: this.random() < 0.2 ? null : block };
      case 5:
        return {
          type: 'STATS_REPLY',
          height: this.pick([block.height + 1, block.height, 1e15]),
          hash: block.hash,
        };
      case 6:
        return { type: 'ANNOUNCE', block };
      case 7:
        return this.pick<PowMessage>([{ type: 'CONSENSUS' }, { type: 'STATS' }]);
      case 8:
        return { type: 'NEW_WORD', word: `${this.below(1e6)}` };
      default: {
        const tip = this.pick(POOLS).at(-1) ?? block;
        return { type: 'STATS_REPLY', height: tip.height + 1, hash: tip.hash };
      }
    }
  }

  datagram(): Uint8Array {
    if (this.random() < 0.03) return Uint8Array.from({ length: this.below(200) }, () => this.below(256));
    const bytes = Uint8Array.from(powCodec.encode(this.message()));
    if (this.random() < 0.1) {
      for (let changes = 1 + this.below(3); changes > 0; changes--)
        bytes[this.below(bytes.length)] = this.below(256);
    }
    return bytes;
  }
}

/** Counters that stand for what became of a datagram; the others are counted besides one of them. */
const BESIDES = [
  /^sync\./,
  /^stats-reply\.(misses-difficulty|known-false)$/,
  /^announce\.used-later$/,
  /^limit\.(gossip-replies|stranger-sends|gossip-forwards|all-gossip-forwards|gossip-size|early-blocks)$/,
  /^gossip\.without-id$/,
];

function outcomes(rig: Rig): number {
  const { counters } = rig.engine.status();
  return Object.entries(counters)
    .filter(([name]) => !BESIDES.some((pattern) => pattern.test(name)))
    .reduce((sum, [, count]) => sum + count, 0);
}

describe('a storm of messages', () => {
  it.each([1, 2, 3, 4, 5, 6])('does no harm (seed %i)', (seed) => {
    const storm = new Storm(seed);
    const rig = new Rig({ join: [at(1)], consensusInterval: 20_000 }, seed % 2 === 0 ? OWN : []);
    const phases = new Set<string>();
    let height = rig.height;
    for (let count = 0; count < 8_000; count++) {
      const before = outcomes(rig);
      rig.receive(storm.datagram(), storm.address());
      // An announced block may also be the answer to a GET_BLOCK.
      expect([1, 2]).toContain(outcomes(rig) - before);
      expect(rig.effects.length).toBeLessThan(64 + MAX_EARLY_BLOCKS * 4 + MAX_SOURCES * MAX_WINDOW);
      for (const effect of rig.effects) {
        if (effect.type === 'broadcast') expect(effect.to.length).toBeLessThanOrEqual(MAX_PEERS + 1);
      }
      const status = rig.engine.status();
      expect(status.height).toBeGreaterThanOrEqual(height);
      height = status.height;
      phases.add(status.phase);
      expect(status.peers.length).toBeLessThanOrEqual(MAX_PEERS);
      expect(status.words.length).toBeLessThanOrEqual(MAX_WORDS);
      if (storm.below(4) === 0) rig.pass(storm.below(200));
    }
    const blocks = storedChain(rig.store);
    expect(blocks).toHaveLength(height);
    expect(chainFault(blocks, DIFFICULTY)).toBeUndefined();
    expect(phases).toContain('asking');
    expect(phases).toContain('downloading');
    // When it is over, everything comes to rest, and nothing is left in the store that is not in the chain.
    rig.pass(700_000);
    // The next consensus may just have begun.
    if (rig.engine.status().phase === 'asking') rig.pass(STATS_ROUNDS * STATS_TIMEOUT);
    expect(['following', 'waiting']).toContain(rig.engine.status().phase);
    expect([...rig.store.entries()].filter(([key]) => key.startsWith('b/'))).toHaveLength(rig.height);
  });
});

describe('bytes out for bytes in', () => {
  /** Bytes sent to a victim for each byte that came in with its address forged. */
  function amplification(
    messages: readonly (PowMessage | string)[],
    prepare: (rig: Rig) => void = () => undefined,
  ): number {
    const rig = new Rig({}, OWN);
    const victim: Address = { host: '192.0.2.7', port: 8000 };
    for (let index = 0; index < 5; index++) rig.gossip(at(index), undefined);
    prepare(rig);
    let [bytesIn, bytesOut] = [0, 0];
    for (let second = 0; second < 60; second++) {
      for (let index = 0; index < 100; index++) {
        const message = messages[index % messages.length];
        if (message === undefined) continue;
        bytesIn += typeof message === 'string' ? message.length : powCodec.encode(message).length;
        for (const { to, text } of rig.receive(message, victim))
          if (to.host === victim.host) bytesOut += text.length;
        rig.now += 5;
      }
      for (const { to, text } of rig.pass(500)) if (to.host === victim.host) bytesOut += text.length;
    }
    return bytesOut / bytesIn;
  }

  it('is no more than the protocol forces for GET_BLOCK and STATS', () => {
    expect(amplification([{ type: 'GET_BLOCK', height: 7 }])).toBeLessThan(8);
    expect(amplification([{ type: 'STATS' }])).toBeLessThan(8);
  });

  it('is far below one for everything else', () => {
    const gossip = Array.from({ length: 100 }, (_, index): PowMessage => ({
      type: 'GOSSIP',
      host: '192.0.2.7',
      port: 8000,
      id: `${index}`,
      name: '',
    }));
    expect(amplification(gossip)).toBeLessThan(0.1);
    expect(amplification([{ type: 'CONSENSUS' }])).toBe(0);
    expect(amplification(['goose'])).toBe(0);
    expect(amplification([{ type: 'STATS_REPLY', height: 1e15, hash: OWN[0]?.hash ?? null }])).toBe(0);
    const block = { ...(OWN[0] as Block), height: 1_000 };
    expect(amplification([{ type: 'ANNOUNCE', block }, { type: 'CONSENSUS' }])).toBe(0);
  });
});

describe('the time that one datagram takes', () => {
  it('stays small with a full table of peers', () => {
    const rig = new Rig({}, OWN);
    for (let index = 0; index < 760; index++) {
      rig.now += 30;
      rig.join(at(index));
    }
    for (let index = 0; index < 300; index++) {
      rig.gossip({ host: `192.0.2.${index % 250}`, port: 1 + index }, undefined, at(index));
    }
    expect(rig.engine.status().peers.length).toBeGreaterThan(1_000);
    rig.pass(1_000);
    expect(rig.engine.status().phase).toBe('asking');
    const started = performance.now();
    const count = 3_000;
    for (let index = 0; index < count; index++) {
      rig.receive({ type: 'STATS_REPLY', height: 60, hash: OWN[59]?.hash ?? null }, at(index % 700));
      rig.gossip({ host: `10.99.${index >> 8}.${index & 255}`, port: 1 }, `${index}`, at(index % 700));
    }
    // A fiftieth of it on the reference machine; quadratic loops took seconds.
    expect((performance.now() - started) / (2 * count)).toBeLessThan(1);
  });
});
